package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/session"
)

// model is what a session and its store should hold.
type model struct {
	ctx  context.Context
	open func() *session.Manager
	sync bool

	m *session.Manager
	s *session.Session

	all    map[string]string // put and not deleted
	stored map[string]string // as of the last flush
	fresh  map[string]bool   // put or deleted since
}

// texts are keys and values: any text, and such as meet at the joints.
func texts() *rapid.Generator[string] {
	return rapid.OneOf(rapid.StringN(0, 12, -1), rapid.SampledFrom([]string{"", "a", "a.", "a/b", "z", "zz", "Z_", "ä", "\x00", "中"}))
}

func (m *model) flushed() { m.stored, m.fresh = maps.Clone(m.all), map[string]bool{} }

func (m *model) opened(t *rapid.T) {
	var err error
	m.m = m.open()
	m.s, err = m.m.Session(m.ctx, "the session", &session.SessionOptions{Sync: m.sync, FlushSize: 400})
	if err != nil {
		t.Fatal(err)
	}
}

func (m *model) check(t *rapid.T, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

// collated returns what another process sees.
func (m *model) collated(t *rapid.T, match session.Match) map[string]string {
	got, last := map[string]string{}, ""
	for item, err := range session.Matching[[]byte](m.ctx, m.open(), match) {
		m.check(t, err)
		if len(got) > 0 && item.Key <= last {
			t.Fatalf("key %q comes after %q", item.Key, last)
		}
		last = item.Key
		got[item.Key] = string(item.Value)
	}
	return got
}

func (m *model) same(t *rapid.T, what string, got, want map[string]string) {
	if !maps.Equal(got, want) {
		t.Fatalf("%s: %q, want %q", what, got, want)
	}
}

// readers checks that what was stored and not changed since is what a reader sees.
func (m *model) readers(t *rapid.T) {
	got := m.collated(t, session.All)
	for key := range m.fresh {
		delete(got, key)
	}
	want := maps.Clone(m.stored)
	for key := range m.fresh {
		delete(want, key)
	}
	m.same(t, "collated, of what was not changed since the last flush", got, want)
}

func TestModel(t *testing.T) {
	for name, p := range places {
		for _, sync := range []bool{false, true} {
			if sync && p.layout != session.LayoutPacks {
				continue
			}
			t.Run(fmt.Sprint(name, " sync=", sync), func(t *testing.T) {
				t.Parallel()
				rounds := 0
				rapid.Check(t, func(rt *rapid.T) {
					if rounds++; rounds > 8 && !strings.HasPrefix(name, "mem") {
						return // each takes a second of fsyncs on a busy disk
					}
					b := p.open(&named{t, rounds})()
					defer b.Close()
					m := &model{ctx: context.Background(), sync: sync, all: map[string]string{}}
					m.flushed()
					m.open = func() *session.Manager {
						opened, err := session.Open(m.ctx, larder.New(b, nil), "model", &session.Options{Layout: p.layout})
						m.check(rt, err)
						return opened
					}
					m.opened(rt)
					defer func() { m.s.Abandon(m.ctx) }()
					immediate := sync || p.layout != session.LayoutPacks
					rt.Repeat(m.actions(immediate))
				})
			})
		}
	}
}

func (m *model) actions(immediate bool) map[string]func(*rapid.T) {
	done := func() {
		if immediate {
			m.flushed()
		}
	}
	return map[string]func(*rapid.T){
		"put": func(t *rapid.T) {
			key, value := texts().Draw(t, "key"), texts().Draw(t, "value")
			m.check(t, m.s.Put(m.ctx, key, value))
			m.all[key], m.fresh[key] = value, true
			done()
		},
		"put all": func(t *rapid.T) {
			keys := rapid.SliceOfN(texts(), 0, 20).Draw(t, "keys")
			m.check(t, m.s.PutAll(m.ctx, func(yield func(string, any) bool) {
				for i, key := range keys {
					m.all[key], m.fresh[key] = fmt.Sprint(i), true
					if !yield(key, m.all[key]) {
						return
					}
				}
			}))
			done()
		},
		"delete": func(t *rapid.T) {
			key := texts().Draw(t, "key")
			m.check(t, m.s.Delete(m.ctx, key))
			delete(m.all, key)
			m.fresh[key] = true
			done()
		},
		"get": func(t *rapid.T) {
			key := texts().Draw(t, "key")
			var got []byte
			err := m.s.Get(m.ctx, key, &got)
			want, ok := m.all[key]
			if !ok && !errors.Is(err, backend.ErrNotFound) || ok && (err != nil || string(got) != want) {
				t.Fatalf("Get(%q) = %q, %v, want %q, %v", key, got, err, want, ok)
			}
		},
		"items": func(t *rapid.T) {
			prefix := texts().Draw(t, "prefix")
			got := map[string]string{}
			for v, err := range m.s.Items(m.ctx, session.Prefix(prefix)) {
				m.check(t, err)
				got[v.Key] = string(bytes.Clone(v.Bytes()))
			}
			m.same(t, "Items of the session", got, chosen(m.all, prefix))
		},
		"keys": func(t *rapid.T) {
			var got []string
			for key, err := range m.s.Keys(m.ctx, session.All) {
				m.check(t, err)
				got = append(got, key)
			}
			if want := slices.Sorted(maps.Keys(m.all)); !slices.Equal(got, want) {
				t.Fatalf("Keys of the session = %q, want %q", got, want)
			}
		},
		"flush": func(t *rapid.T) {
			m.check(t, m.s.Flush(m.ctx))
			m.flushed()
			prefix := texts().Draw(t, "prefix")
			m.same(t, "collated after a flush", m.collated(t, session.Prefix(prefix)), chosen(m.all, prefix))
		},
		"read": m.readers,
		"close": func(t *rapid.T) {
			m.check(t, m.s.Close(m.ctx))
			m.flushed()
			m.same(t, "collated after Close", m.collated(t, session.All), m.all)
			info, err := m.m.Info(m.ctx, "the session")
			if err != nil || !info.Closed {
				t.Fatalf("Info after Close = %+v, %v", info, err)
			}
			m.opened(t)
		},
	}
}

func chosen(all map[string]string, prefix string) map[string]string {
	some := map[string]string{}
	for key, value := range all {
		if len(key) >= len(prefix) && key[:len(prefix)] == prefix {
			some[key] = value
		}
	}
	return some
}

// named gives each round of a model a place of its own.
type named struct {
	testing.TB
	round int
}

func (n *named) Name() string { return fmt.Sprint(n.TB.Name(), n.round) }
