package law

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/larder-store/larder/backend"
)

// What Put stores.
var putLaws = []Law{
	{
		Name: "put/roundtrip", Fn: roundtrip,
		Rule: "What was put is what Get returns, and it is there when Put returns.",
	},
	{
		Name: "put/empty", Fn: emptyValue,
		Rule: "A value of no bytes is a value: it is found, listed and empty.",
	},
	{
		Name: "put/as-given", Fn: asGiven,
		Rule: "Digest and Sum come back as they were given, also where they are false of the bytes: a backend neither computes nor checks them. A service may refuse what does not match, or call it corrupt.",
	},
	{
		Name: "put/bytes", Fn: allBytes,
		Rule: "Every byte comes back as it was, in every order: nothing is text, nothing is converted.",
	},
	{
		Name: "put/sizes", Fn: sizes,
		Rule: "Values of every size come back whole, also around the sizes of pages, buffers and parts.",
	},
	{
		Name: "put/large", Tier: Full, Fn: large,
		Rule: "Values of many megabytes come back whole.",
	},
	{
		Name: "put/kept", Tier: Full, Fn: allKept,
		Rule: "Nothing is dropped to make room: thousands of values, and many of a megabyte, are all there.",
	},
	{
		Name: "put/max-value", Needs: []Need{SmallMaxValue}, Fn: maxValue,
		Rule: "A value of MaxValue bytes is stored; one byte more is ErrTooLarge, and nothing is stored.",
	},
	{
		Name: "put/overwrite", Fn: overwrite,
		Rule: "An overwrite replaces the whole value: no tail of a longer one stays, whatever the sizes.",
	},
	{
		Name: "put/overwrite-info", Fn: overwriteInfo,
		Rule: "An overwrite replaces Size, Digest, Sum and Meta together with the bytes.",
	},
	{
		Name: "put/options", Fn: badOptions,
		Rule: "A negative Size, and IfAbsent together with IfMatch, are refused, and nothing is stored.",
	},
	{
		Name: "put/meta", Fn: metaComesBack,
		Rule: "Meta comes back as it was put, up to its limits; nil and empty are the same.",
	},
	{
		Name: "put/bad-meta", Fn: badMeta,
		Rule: "Meta outside its grammar is ErrInvalidKey, too much of it ErrTooLarge, and nothing is stored.",
	},
	{
		Name: "put/meta-copied", Fn: metaCopied,
		Rule: "The Meta that was put and the Meta that is returned belong to the caller, which may change them.",
	},
}

func roundtrip(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for i, name := range []string{"a", "b/c", "d/e/f"} {
		key, text := e.key("s", name), fmt.Sprintf("value %d", i)
		p.about("the Info of Put", p.put(key, text), key, text)
		p.holds(key, text)
	}
	return p.err
}

func emptyValue(ctx context.Context, e *Env) error {
	key, p := e.key("s", "a"), e.handle(ctx)
	p.about("the Info of Put", p.put(key, ""), key, "")
	p.holds(key, "")
	p.about("Stat", p.stat(key), key, "")
	p.lists(key.Shelf, backend.ListOptions{}, "a")
	p.put(key, "no longer empty")
	p.put(key, "")
	p.holds(key, "")
	return p.err
}

func allBytes(ctx context.Context, e *Env) error {
	var all strings.Builder
	for i := range 256 {
		all.WriteByte(byte(i))
	}
	for i := range 256 {
		all.WriteByte(byte(255 - i))
	}
	p := e.handle(ctx)
	for i, text := range []string{all.String(), "\r\n\r\n", "\x00", "\xff\xfe\x00a", "\xef\xbb\xbf", "line\nline", strings.Repeat("\x00", 10_000),
		// What begins as if it were packed, marked or a program.
		"\x1f\x8b\x08\x00", "\x28\xb5\x2f\xfd", "\xfd7zXZ\x00", "BZh91AY", "PK\x03\x04", "\x04\x22\x4d\x18", "\xef\xbb\xbftext", "#!/bin/sh\n", "<?xml?>", "%PDF-", "null", "{}",
		packed("what a transport unpacks on its way"),
		// What a column for documents, or a form, would give back in another form.
		"{ \"b\" : 1.0,\n  \"a\" : [ ] }\n", "[ 1, 2 ]", "a=%41&b=+c", " blanks at both ends \n",
	} {
		key := e.key("s", fmt.Sprintf("bytes-%d", i))
		p.put(key, text)
		p.holds(key, text)
	}
	return p.err
}

// packed returns what gzip makes of text.
func packed(text string) string {
	var b strings.Builder
	z := gzip.NewWriter(&b)
	io.WriteString(z, text) // a strings.Builder never fails
	z.Close()
	return b.String()
}

func sizes(ctx context.Context, e *Env) error {
	// Pages of files and trees, buffers of 32 KiB in io.Copy, 64 KiB as the common bound
	// for what is kept inline, 1 MiB as that for spooling.
	around := []int{512, 4096, 8192, 32 << 10, 64 << 10}
	around = append(around, [][]int{{}, {1 << 20, 5 << 20}, {1 << 20, 5 << 20, 8 << 20, 16 << 20}}[e.byTier(0, 1, 2)]...)
	list := []int{1, 2, 100}
	for _, n := range around {
		list = append(list, n-1, n, n+1)
	}
	p := e.handle(ctx)
	for i, n := range list {
		if e.tooLarge(n) {
			break
		}
		key, text := e.key("s", fmt.Sprintf("size-%d", n)), noise(n, uint64(i))
		p.put(key, text)
		p.holds(key, text)
	}
	return p.err
}

// bulk is a size larger than what a connection or the reader of a file buffers.
func (e *Env) bulk() int {
	return e.most(e.byTier(1<<20, 3<<20, 3<<20))
}

// most is n, or the largest value that the backend promises.
func (e *Env) most(n int) int {
	if e.tooLarge(n) {
		return int(e.Limits.MaxValue)
	}
	return n
}

// tooLarge reports whether the backend promises no values of n bytes.
func (e *Env) tooLarge(n int) bool {
	return e.Limits.MaxValue > 0 && int64(n) > e.Limits.MaxValue
}

func large(ctx context.Context, e *Env) error {
	// 64 MiB is the bound above which the parts of an upload are sent one by one.
	n := e.most(e.byTier(0, 17<<20+1, 65<<20+1))
	key, text, p := e.key("s", "a"), noise(n, 1), e.handle(ctx)
	p.put(key, text)
	p.holds(key, text)
	p.put(key, text[1:])
	p.holds(key, text[1:])
	return p.err
}

func maxValue(ctx context.Context, e *Env) error {
	n := int(e.Limits.MaxValue)
	key, p := e.key("s", "a"), e.handle(ctx)
	p.put(key, noise(n, 1))
	p.holds(key, noise(n, 1))
	p.refused(key, noise(n+1, 2), backend.PutOptions{}, backend.ErrTooLarge)
	p.holds(key, noise(n, 1))
	p.refused(e.key("s", "b"), noise(n+1, 2), backend.PutOptions{}, backend.ErrTooLarge)
	p.absent(e.key("s", "b"))
	_, err := backend.PutBatch(ctx, p.b, []backend.Item{item(e.key("s", "b"), noise(n+1, 2), backend.PutOptions{}), item(e.key("s", "c"), "small", backend.PutOptions{})})
	p.fails("an item of more than MaxValue bytes", backend.ItemError(err, 0), backend.ErrTooLarge)
	p.absent(e.key("s", "b"))
	p.holds(e.key("s", "c"), "small")
	return p.err
}

func overwrite(ctx context.Context, e *Env) error {
	key, p := e.key("s", "a"), e.handle(ctx)
	// Up and down across every bound between a value kept inline and one in a file.
	for i, n := range []int{100, 10, 0, 1, 300_000, 299_999, 5000, 70_000, 3, 200_000, 200_001, 65_536, 300_000, 40_000, 70_000, 20_000} {
		text := noise(n, uint64(i))
		p.put(key, text)
		p.holds(key, text)
		p.about("Stat", p.stat(key), key, text)
	}
	p.lists(key.Shelf, backend.ListOptions{}, "a")
	return p.err
}

func overwriteInfo(ctx context.Context, e *Env) error {
	key, p := e.key("s", "a"), e.handle(ctx)
	p.putWith(key, "first", backend.PutOptions{Meta: backend.Meta{"codec": "raw", "only_first": "1"}})
	p.putWith(key, "second!", backend.PutOptions{Meta: backend.Meta{"codec": "npy", "only_second": "2"}})
	want := backend.Meta{"codec": "npy", "only_second": "2"}
	p.sameMeta("Get after an overwrite", p.holds(key, "second!").Meta, want)
	p.sameMeta("Stat after an overwrite", p.stat(key).Meta, want)
	p.put(key, "second!") // the same bytes, without Meta
	p.sameMeta("Get after an overwrite by the same bytes without Meta", p.holds(key, "second!").Meta, nil)
	return p.err
}

// sameMeta wants got to be want, nil being the same as empty.
func (p *probe) sameMeta(what string, got, want backend.Meta) {
	for k, v := range want {
		if g, ok := got[k]; !ok || g != v {
			p.failf("%s has Meta %q, want %q", what, got, want)
		}
	}
	if len(got) != len(want) {
		p.failf("%s has Meta %q, want %q", what, got, want)
	}
}

func badOptions(ctx context.Context, e *Env) error {
	key, p := e.key("s", "a"), e.handle(ctx)
	old := p.put(key, "old")
	negative := filled("", backend.PutOptions{})
	negative.Size = -1
	if _, err := p.b.Put(ctx, key, strings.NewReader(""), negative); err == nil {
		p.failf("Put with Size -1 succeeds")
	}
	for _, version := range []string{old.Version, "none"} {
		if _, err := p.try(key, "new", backend.PutOptions{IfAbsent: true, IfMatch: version}); err == nil {
			p.failf("Put with IfAbsent and IfMatch %q succeeds", version)
		}
	}
	p.holds(key, "old")
	absent := e.key("s", "b")
	if _, err := p.try(absent, "new", backend.PutOptions{IfAbsent: true, IfMatch: "none"}); err == nil {
		p.failf("Put of an absent key with IfAbsent and IfMatch succeeds")
	}
	p.absent(absent)
	return p.err
}

// oddMeta is a function, as commands that link this package start often.
func oddMeta() map[string]backend.Meta {
	return map[string]backend.Meta{
		"nil":          nil,
		"empty":        {},
		"empty value":  {"codec": ""},
		"inner blank":  {"host": "two  words"},
		"printable":    {"all": " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~"[1:]},
		"case":         {"v": "MiXeD", "w": "mixed"},
		"like codes":   {"v": "%41%zz+&a=b; c", "w": "=?utf-8?q?a?=", "x": "\"quoted\"", "y": "&lt;", "z": `\u0041\n`},
		"keys":         {"a": "1", "a_b": "2", "a_": "3", "a0": "4", "a_b_c_9": "5", "ab": "6", "a__b": "7"},
		"long key":     {strings.Repeat("k", 300): "1", strings.Repeat("k", 301): "2"},
		"like escapes": {"a": "%41", "b": "a%20b", "c": `a\b`, "d": `\\`, "e": `\"`},
		"escaped":      {"k": strings.Repeat("\"<", backend.MaxMeta/2-1)},
		"longest":      {"k": strings.Repeat("v", backend.MaxMeta-1)},
		"many":         manyMeta(),
		"like numbers": {"a": "007", "b": "1e3", "c": "-0", "d": "0x10", "e": "1_000", "f": "9007199254740993"},
		"like words":   {"a": "true", "b": "null", "c": "none", "d": "nan", "e": "undefined"},
		"like packed":  {"a": "base64:YQ==", "b": "YWJj", "c": "data:,a", "d": "utf-8''a%20b", "e": "'a'"},
		"like lists":   {"a": "1,2", "b": "a; q=0.5", "c": "[1]", "d": "{}", "e": "a:b", "f": "a, b"},
		"names of services": {"content_type": "a/b", "content_encoding": "gzip", "content_length": "1", "cache_control": "no-cache", "etag": "x", "expires": "0",
			"last_modified": "never", "x_amz_meta_a": "1", "x_ms_meta_a": "1", "x_goog_meta_a": "1", "date": "today", "id": "1"},
		"names of ours": {"key": "k", "size": "1", "digest": "d", "sum": "0", "version": "v", "modtime": "t", "time": "t", "meta": "m", "name": "n", "shelf": "s"},
	}
}

func manyMeta() backend.Meta {
	m, total := backend.Meta{}, 0
	for i := 0; total+6 <= backend.MaxMeta; i++ {
		m[fmt.Sprintf("k%03d", i)] = "ab"
		total += 6
	}
	return m
}

func metaComesBack(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for name, meta := range oddMeta() {
		key := e.key("s", strings.ReplaceAll(name, " ", "-"))
		p.sameMeta(name+": Put", p.putWith(key, name, backend.PutOptions{Meta: meta}).Meta, meta)
		p.sameMeta(name+": Get", p.holds(key, name).Meta, meta)
		p.sameMeta(name+": Stat", p.stat(key).Meta, meta)
	}
	return p.err
}

func badMeta(ctx context.Context, e *Env) error {
	key, p := e.key("s", "a"), e.handle(ctx)
	for _, m := range []backend.Meta{
		{"": "v"}, {"A": "v"}, {"1a": "v"}, {"_a": "v"}, {"a-b": "v"}, {"a b": "v"}, {"ä": "v"},
		{"k": " v"}, {"k": "v "}, {"k": "\t"}, {"k": "a\nb"}, {"k": "a\x00b"}, {"k": "ä"}, {"k": "\x7f"},
	} {
		p.refused(key, "new", backend.PutOptions{Meta: m}, backend.ErrInvalidKey)
	}
	p.refused(key, "new", backend.PutOptions{Meta: backend.Meta{"k": strings.Repeat("v", backend.MaxMeta)}}, backend.ErrTooLarge)
	p.absent(key)
	p.lists(key.Shelf, backend.ListOptions{})
	return p.err
}

func metaCopied(ctx context.Context, e *Env) error {
	key, p := e.key("s", "a"), e.handle(ctx)
	want := backend.Meta{"codec": "raw"}
	mine := backend.Meta{"codec": "raw"}
	told := p.putWith(key, "value", backend.PutOptions{Meta: mine}).Meta
	for _, spoil := range []func() backend.Meta{
		func() backend.Meta { return mine },
		func() backend.Meta { return told },
		func() backend.Meta { _, info := p.get(key); return info.Meta },
		func() backend.Meta { return p.stat(key).Meta },
		func() backend.Meta {
			for _, info := range p.list(key.Shelf, backend.ListOptions{}) {
				return info.Meta
			}
			return nil
		},
	} {
		if m := spoil(); m != nil {
			m["codec"], m["added"] = "spoilt", "1"
		}
		p.sameMeta("Get, after the caller changed its Meta,", p.holds(key, "value").Meta, want)
		p.sameMeta("Stat, after the caller changed its Meta,", p.stat(key).Meta, want)
		for _, info := range p.list(key.Shelf, backend.ListOptions{}) {
			if len(info.Meta) > 0 {
				p.sameMeta("List, after the caller changed its Meta,", info.Meta, want)
			}
		}
	}
	return p.err
}
