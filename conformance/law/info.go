package law

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
)

// What an Info says.
var infoLaws = []Law{
	{
		Name: "info/equal", Fn: equalInfos,
		Rule: "Put, Stat, Get and List say the same of one value: Key, Size, Digest, Sum, Version and Meta; a List may leave out all but Key, Size and ModTime.",
	},
	{
		Name: "info/sizes", Fn: boundInfos,
		Rule: "Values above every size at which a backend changes its way, and of twice that size, keep their Meta, and all say the same of them.",
	},
	{
		Name: "info/overwrite", Fn: overwrittenInfos,
		Rule: "After Stat, Get and List were asked, an overwrite of the same size changes what all three say: Digest, Sum, Version and Meta.",
	},
	{
		Name: "info/version", Fn: versions,
		Rule: "Version is printable and never empty but in a List, and no two Puts of different bytes under a key have the same, at any times.",
	},
	{
		Name: "info/version-unique", Fn: uniqueVersions,
		Rule: "Versions of one key never repeat: not for bodies of one size and CRC, not over hundreds of overwrites, not after Delete and DeleteBatch, nor after a sweep.",
	},
	{
		Name: "info/modtime", Fn: modTimes,
		Rule: "Stat, Get and List return the same ModTime; that of Put is the same or zero.",
	},
	{
		Name: "info/modtime-clock", Needs: []Need{OwnClock}, Fn: modTimeClock,
		Rule: "ModTime is right to a second.",
	},
	{
		Name: "info/modtime-slow", Tier: Full, Needs: []Need{OwnClock}, Fn: modTimeSlow,
		Rule: "ModTime is when the value was stored, not when its Put began.",
	},
	{
		Name: "info/modtime-overwrite", Tier: Full, Fn: modTimeMoves,
		Rule: "ModTime is when the value was stored, not when its key was first used, first asked about, last read or last refused to be overwritten, nor when its shelf last changed; also after an overwrite of the same size, and of the same bytes.",
	},
}

func equalInfos(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range append([]int{0}, someSizes...) {
		key, text := e.key(fmt.Sprintf("s-%d", n), "a/b"), noise(n, 1)
		meta := backend.Meta{"codec": "npy", "cost_ms": "12"}
		put := p.putWith(key, text, backend.PutOptions{Meta: meta})
		p.about("Put", put, key, text)
		if p.err == nil && put.Version == "" {
			p.failf("Put of %d bytes returns no Version", n)
		}
		p.sameMeta("Put", put.Meta, meta)
		got := p.holds(key, text)
		for what, info := range map[string]backend.Info{"Stat": p.stat(key), "Get": got} {
			p.about(what, info, key, text)
			p.sameMeta(what, info.Meta, meta)
			if info.Version != put.Version {
				p.failf("%s has Version %q, and Put had %q", what, info.Version, put.Version)
			}
		}
		listed := p.list(key.Shelf, backend.ListOptions{})
		if p.err == nil && len(listed) != 1 {
			p.failf("List yields %d entries, want 1", len(listed))
		}
		for _, info := range listed {
			p.listed(info, put)
		}
	}
	return p.err
}

func overwrittenInfos(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range someSizes {
		key := e.key(fmt.Sprintf("s-%d", n), "a")
		for i := range uint64(3) {
			text := noise(n, i)
			put := p.putWith(key, text, backend.PutOptions{Meta: backend.Meta{"n": fmt.Sprint(i)}})
			got := p.holds(key, text)
			for what, info := range map[string]backend.Info{"Stat": p.stat(key), "Get": got} {
				p.about(what+" after an overwrite of the same size", info, key, text)
				p.sameMeta(what+" after an overwrite of the same size", info.Meta, put.Meta)
				if p.err == nil && info.Version != put.Version {
					p.failf("after an overwrite of the same size %s has Version %q, and Put had %q", what, info.Version, put.Version)
				}
			}
			for _, info := range p.list(key.Shelf, backend.ListOptions{}) {
				p.listed(info, put)
			}
		}
	}
	return p.err
}

// listed wants an Info from a List to say of a value what Put said, as far as it says it.
func (p *probe) listed(info, put backend.Info) {
	switch {
	case info.Key != put.Key || info.Size != put.Size:
		p.failf("List yields %q of %d bytes, want %q of %d", info.Key, info.Size, put.Key, put.Size)
	case info.ModTime.IsZero():
		p.failf("List yields %q without a ModTime", info.Key)
	case info.Version != "" && info.Version != put.Version:
		p.failf("List yields %q with Version %q, want %q or none", info.Key, info.Version, put.Version)
	case info.Digest != [32]byte{} && info.Digest != put.Digest:
		p.failf("List yields %q with Digest %x, want %x or none", info.Key, info.Digest, put.Digest)
	case info.Sum != 0 && info.Sum != put.Sum:
		p.failf("List yields %q with Sum %08x, want %08x or none", info.Key, info.Sum, put.Sum)
	}
	if len(info.Meta) > 0 {
		p.sameMeta("List", info.Meta, put.Meta)
	}
}

func versions(ctx context.Context, e *Env) error {
	key, p := e.key("s", "a"), e.handle(ctx)
	seen := map[string]string{}
	for i := range e.pick(50, 200, 2000) {
		text := fmt.Sprintf("value %04d", i) // of one size, many a second
		if i%2 == 1 {
			text += "!"
		}
		v := p.put(key, text).Version
		if p.err == nil && v == "" {
			p.failf("Put returns no Version")
		}
		if strings.ContainsFunc(v, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
			p.failf("Version %q is not printable ASCII", v)
		}
		if old, ok := seen[v]; ok {
			p.failf("%q and %q, both put under %q, have the Version %q", old, text, key, v)
		}
		seen[v] = text
		if i%10 == 0 {
			p.remove(key) // and the next one begins anew
		} else if got := p.stat(key).Version; got != v {
			p.failf("Stat has Version %q, and Put had %q", got, v)
		}
	}
	return p.err
}

func modTimes(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range someSizes {
		key := e.key(fmt.Sprintf("s-%d", n), "a")
		put := p.put(key, noise(n, 1)).ModTime
		stat := p.stat(key).ModTime
		_, got := p.get(key)
		if p.err == nil && (stat.IsZero() || got.ModTime.IsZero()) {
			p.failf("Stat returns ModTime %v and Get %v, want the time of the Put", stat, got.ModTime)
		}
		for what, t := range map[string]time.Time{"Put": put, "Get": got.ModTime} {
			if apart := t.Sub(stat).Abs(); apart > time.Second && !(what == "Put" && t.IsZero()) {
				p.failf("%s returns ModTime %v and Stat %v, %v apart", what, t, stat, apart)
			}
		}
		for _, info := range p.list(key.Shelf, backend.ListOptions{}) {
			if apart := info.ModTime.Sub(stat).Abs(); apart > time.Second {
				p.failf("List returns ModTime %v and Stat %v, %v apart", info.ModTime, stat, apart)
			}
		}
	}
	return p.err
}

func modTimeClock(ctx context.Context, e *Env) error {
	key, p := e.key("s", "a"), e.handle(ctx)
	before := time.Now()
	p.put(key, "1")
	after := time.Now()
	got := p.stat(key).ModTime
	if got.Before(before.Add(-time.Second)) || got.After(after.Add(time.Second)) {
		p.failf("ModTime = %v, want a time from %v to %v, right to a second", got, before, after)
	}
	return p.err
}

func modTimeMoves(ctx context.Context, e *Env) error {
	key, equal, left, p := e.key("s", "a"), e.key("t", "a"), e.key("u", "a"), e.handle(ctx)
	refused := e.key("v", "a")
	first := map[backend.Key]map[string]time.Time{}
	for _, k := range []backend.Key{key, equal, left, refused} {
		p.put(k, "1")
		first[k] = p.modTimes(k)
	}
	if err := moveOn(ctx); err != nil {
		return errors.Join(p.err, err)
	}
	p.put(key, "2")
	p.put(equal, "1")
	p.put(e.key("u", "b"), "beside what is left as it was")
	for _, k := range []backend.Key{key, equal} {
		for what, second := range p.modTimes(k) {
			if p.err == nil && !second.After(first[k][what]) {
				p.failf("%s returns ModTime %v after a Put and %v after another of the same size, %v later", what, first[k][what], second, apartForSure)
			}
		}
	}
	p.try(refused, "2", onlyNew) // is refused, for one reason or another
	p.try(refused, "2", matching("none"))
	p.b.Put(ctx, refused, strings.NewReader("2"), filled("", backend.PutOptions{}))
	for range 2 { // the second time it was read a moment ago
		for k, did := range map[backend.Key]string{left: "read", refused: "not overwritten"} {
			for what, second := range p.modTimes(k) {
				if moved := second.Sub(first[k][what]).Abs(); p.err == nil && moved > time.Second {
					p.failf("%s returns ModTime %v of a value that was %s, %v off what it said before", what, second, did, moved)
				}
			}
		}
	}
	return p.err
}

func modTimeSlow(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	var keys []backend.Key
	for _, n := range someSizes {
		keys = append(keys, e.key("s", fmt.Sprint(n)))
	}
	end := p.waiting(keys, func(i int) string { return noise(someSizes[i], 1) })
	waited := moveOn(ctx)
	resumed := time.Now()
	if err := errors.Join(end(), waited); err != nil {
		p.failf("a Put that waited for its body: %w", err)
	}
	for _, key := range keys {
		for what, at := range p.modTimes(key) {
			if p.err == nil && at.Before(resumed.Add(-time.Second)) {
				p.failf("%s returns ModTime %v of a value whose Put was not done at %v", what, at, resumed)
			}
		}
	}
	return p.err
}

// apartForSure is long enough that two times, each right to a second, must differ.
const apartForSure = 3 * time.Second

// moveOn waits for as long as that.
func moveOn(ctx context.Context) error {
	select {
	case <-time.After(apartForSure):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// modTimes returns the ModTime of key by each method that tells it.
func (p *probe) modTimes(key backend.Key) map[string]time.Time {
	_, got := p.get(key)
	times := map[string]time.Time{"Get": got.ModTime, "Stat": p.stat(key).ModTime}
	for _, info := range p.list(key.Shelf, backend.ListOptions{}) {
		if info.Key == key {
			times["List"] = info.ModTime
		}
	}
	return times
}
