package law

import (
	"context"
	"fmt"
	"hash/crc32"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/sums"
)

// alike returns two texts of one size that have the same CRC-32C, and the same CRC-32 of the other
// common polynomial: a CRC is linear, so that among 65 single bits there are some whose changes cancel.
func alike() (a, b string) {
	base := []byte(noise(1000, 7))
	crcs := func(b []byte) uint64 {
		return uint64(sums.CRC(b))<<32 | uint64(crc32.ChecksumIEEE(b))
	}
	// Gauss: each row is what changing some bits (by their numbers) does to both sums.
	type row struct {
		sums uint64
		bits map[int]bool
	}
	byLead := map[int]row{}
	for bit := range 65 {
		changed := append([]byte(nil), base...)
		changed[bit/8] ^= 1 << (bit % 8)
		r := row{crcs(changed) ^ crcs(base), map[int]bool{bit: true}}
		for lead := 63; lead >= 0 && r.sums != 0; lead-- {
			if r.sums>>lead&1 == 0 {
				continue
			}
			known, ok := byLead[lead]
			if !ok {
				byLead[lead] = r
				break
			}
			r.sums ^= known.sums
			for n, set := range known.bits {
				r.bits[n] = r.bits[n] != set
			}
		}
		if r.sums != 0 {
			continue
		}
		other := append([]byte(nil), base...)
		for n, set := range r.bits {
			if set {
				other[n/8] ^= 1 << (n % 8)
			}
		}
		return string(base), string(other)
	}
	return "", "" // 65 vectors of 64 bits depend on one another
}

func uniqueVersions(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	q, err := e.other(ctx)
	if err != nil {
		return err
	}
	a, b := alike()
	if a == b || filled(a, backend.PutOptions{}).Sum != filled(b, backend.PutOptions{}).Sum {
		return fmt.Errorf("the law itself is wrong: the bodies are not alike")
	}
	key := e.key("s", "alike")
	first := p.put(key, a).Version
	if second := p.put(key, b).Version; p.err == nil && first == second {
		p.failf("two bodies of one size and CRC, put under %q, have the Version %q", key, first)
	}
	if p.holds(key, b); e.Limits.AtomicIfMatch {
		p.refused(key, "new", matching(first), backend.ErrChanged)
	}
	key = e.key("s", "digests")
	first = p.put(key, "value 001741009").Version
	second := p.put(key, "value 005599762").Version // whose SHA-256 begins with the same six bytes
	if p.err == nil && first == second {
		p.failf("two bodies whose digests begin alike, put under %q, have the Version %q", key, first)
	}
	key = e.key("s", "counted")
	seen := map[string]int{}
	for i := range e.byTier(300, 1100, 70_000) {
		h := []*probe{p, q}[i%2]
		text := fmt.Sprintf("value %06d", i) // of one size, many a second
		var version string
		switch {
		case i%100 == 40:
			if infos := h.putAll([]backend.Item{item(key, text, backend.PutOptions{})}); h.err == nil {
				version = infos[0].Version
			}
		default:
			version = h.put(key, text).Version
		}
		if h.err != nil {
			return h.err
		}
		if k, ok := seen[version]; ok {
			return fmt.Errorf("two Puts of different bytes under %q, number %d and %d, have the Version %q", key, k, i, version)
		}
		seen[version] = i
		switch i % 50 {
		case 10:
			h.remove(key)
		case 30:
			h.removeAll([]backend.Key{key})
		}
		if i%100 == 10 || i%100 == 80 { // once after it was removed, and once not
			h.sweep(backend.SweepOptions{Grace: shortest})
		}
	}
	return p.err
}

func ifMatchEqualBytes(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, n := range someSizes {
		key, text := e.key("s", fmt.Sprint(n)), noise(n, 1)
		var old []string
		for i := range 5 {
			if i == 3 {
				p.remove(key)
			}
			now := p.putWith(key, text, backend.PutOptions{Meta: backend.Meta{"i": fmt.Sprint(i)}})
			for _, version := range old {
				if version == now.Version {
					continue // as an ETag is
				}
				p.refused(key, "new", matching(version), backend.ErrChanged)
				p.refused(key, text, matching(version), backend.ErrChanged)
			}
			p.unchanged(key, text, now)
			old = append(old, now.Version)
		}
	}
	return p.err
}

func ifAbsentSizes(ctx context.Context, e *Env) error {
	handles, err := e.crew(ctx, 3)
	if err != nil {
		return err
	}
	p := handles[0]
	for _, bound := range e.bounds() {
		for _, n := range []int{bound, bound + 1} {
			key, text := e.key("s", fmt.Sprint(n)), noise(n, 1)
			before := p.put(key, "small")
			p.refused(key, text, onlyNew, backend.ErrExists)
			p.unchanged(key, "small", before)
			p.remove(key)
			p.putWith(key, text, onlyNew)
			p.refused(key, "small", onlyNew, backend.ErrExists)
			p.refused(key, noise(n, 2), onlyNew, backend.ErrExists)
			p.holds(key, text)
			p.remove(key)
		}
		if p.err != nil {
			return p.err
		}
		if err := e.raceOnce(handles, e.key("s", fmt.Sprintf("race-%d", bound)), bound+1, onlyNew, backend.ErrExists); err != nil {
			return err
		}
	}
	return p.err
}

func ifMatchSizes(ctx context.Context, e *Env) error {
	handles, err := e.crew(ctx, 3)
	if err != nil {
		return err
	}
	p := handles[0]
	for _, bound := range e.bounds() {
		for _, n := range []int{bound, bound + 1} {
			key, text := e.key("s", fmt.Sprint(n)), noise(n, 1)
			old := p.put(key, "small")
			p.refused(e.key("s", "absent"), text, matching(old.Version), backend.ErrChanged)
			now := p.putWith(key, text, matching(old.Version))
			p.refused(key, noise(n, 2), matching(old.Version), backend.ErrChanged)
			p.refused(key, "small", matching(old.Version), backend.ErrChanged)
			p.unchanged(key, text, now)
			p.putWith(key, "small again", matching(now.Version))
			p.remove(key)
		}
		key := e.key("s", fmt.Sprintf("race-%d", bound))
		old := p.put(key, noise(bound+1, 9))
		if p.err != nil {
			return p.err
		}
		if err := e.raceOnce(handles, key, bound+1, matching(old.Version), backend.ErrChanged); err != nil {
			return err
		}
	}
	return p.err
}

// raceOnce lets the handles race with values of n bytes under one condition, which fails with lost.
func (e *Env) raceOnce(handles []*probe, key backend.Key, n int, opts backend.PutOptions, lost error) error {
	errs := make([]error, len(handles))
	if err := crowd(len(handles), func(i int) error {
		_, errs[i] = handles[i].try(key, noise(n, uint64(i)), opts)
		return nil
	}); err != nil {
		return err
	}
	winner, p := -1, handles[0]
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			return fmt.Errorf("writers %d and %d of %d bytes, %s, both succeed", winner, i, n, conditions(opts))
		case err == nil:
			winner = i
		default:
			p.fails(fmt.Sprintf("writer %d of %d bytes, %s,", i, n, conditions(opts)), err, lost)
		}
	}
	if winner < 0 {
		p.failf("none of %d writers of %d bytes, %s, succeeds", len(handles), n, conditions(opts))
	}
	if p.err == nil {
		p.holds(key, noise(n, uint64(winner)))
	}
	p.remove(key)
	return p.err
}
