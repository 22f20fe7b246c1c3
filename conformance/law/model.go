package law

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
)

// That a backend is one of many that answer alike.
var modelLaws = []Law{
	{
		Name: "model/walk", Needs: []Need{SharedPlace}, Fn: walk,
		Rule: "Any sequence of calls, over two handles and across reopening, is answered as the reference in memory answers it.",
	},
}

// scriptPatience is for one script, of which the slowest service plays many a second.
const scriptPatience = 30 * time.Second

// differ plays s on a stage and on the reference, and says where their answers part:
// "" where they agree. A stage that hangs is left behind, with an error.
func (st stage) differ(ctx context.Context, s script) (string, error) {
	var got []string
	err := within(ctx, scriptPatience, func(ctx context.Context) (err error) {
		got, err = st.play(ctx, s)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("play a script of %d calls: %w", len(s), err)
	}
	want, err := reference(st.limits).play(ctx, s)
	if err != nil {
		return "", fmt.Errorf("the reference: %w", err)
	}
	for i := range want {
		if got[i] != want[i] {
			return fmt.Sprintf("the last of these %d calls is answered\n  %s\nand by the reference\n  %s\n%s",
				i+1, got[i], want[i], strings.Join(want[:i], "\n")), nil
		}
	}
	return "", nil
}

// reference is a stage in memory that promises no more than limits say.
func reference(limits backend.Limits) stage {
	b := unclosed{mem.New(nil)}
	return stage{open: func(context.Context) (backend.Backend, error) { return b, nil }, limits: limits}
}

// unclosed is all handles on one place in memory at once.
type unclosed struct{ *mem.Backend }

// Close leaves the handle to the others.
func (unclosed) Close() error { return nil }

// stage is e's place for scripts; each of its marks is one of e's own.
func (e *Env) stage(mark string) stage {
	st := stage{open: e.openBriefly, limits: e.Limits, mark: e.mark + mark}
	for _, shelf := range []string{"s", "t"} {
		e.Shelf(mark + shelf)
	}
	return st
}

func walk(ctx context.Context, e *Env) error {
	for i := range e.pick(10, 100, 3000) {
		s, tries := randomScript(e.Rand, 40), 0
		play := func(s script) (string, error) {
			tries++
			return e.stage(fmt.Sprintf("walk-%d-%d-", i, tries)).differ(ctx, s)
		}
		diff, err := play(s)
		if err != nil {
			return err
		}
		if diff != "" {
			return fmt.Errorf("%s", shrink(s, diff, play))
		}
	}
	return nil
}

// shrink leaves out steps, and makes what is left plainer, for as long as the answers differ, and
// returns the last difference.
func shrink(s script, diff string, play func(script) (string, error)) string {
	try := func(less script) bool {
		d, err := play(less)
		if err != nil || d == "" {
			return false
		}
		s, diff = less, d
		return true
	}
	for size := len(s) / 2; size > 0; size /= 2 {
		for at := 0; at+size <= len(s); {
			if !try(slices.Delete(slices.Clone(s), at, at+size)) {
				at += size
			}
		}
	}
	for at := range s {
		for _, plainer := range []func(*step){
			func(st *step) { st.size = 0 },
			func(st *step) { st.choice = 0 },
			func(st *step) { st.key = 0 },
		} {
			less := slices.Clone(s)
			if plainer(&less[at]); less[at] != s[at] {
				try(less)
			}
		}
	}
	return diff
}

// Replay plays the calls that data stand for, four bytes a call and 64 calls at most, on the place of
// cfg and on the reference in memory. It returns where their answers differ, "" if they agree. It is for
// fuzzers, which begin with [ReplaySeeds].
func Replay(ctx context.Context, cfg Config, data []byte) (string, error) {
	const most = 64 // more make no other kinds of history, only slower ones
	e, err := newEnv(ctx, &cfg, "replay", Quick)
	if err != nil {
		return "", err
	}
	s := parseScript(data)
	diff, err := e.stage("").differ(ctx, s[:min(len(s), most)])
	if cerr := e.close(ctx); err == nil {
		err = cerr
	}
	return diff, err
}

// ReplaySeeds returns data for [Replay] that use every method once.
func ReplaySeeds() [][]byte {
	var seeds [][]byte
	for i, method := range methods {
		// Put on both handles, do the one thing, look, reopen, look again.
		n := byte(i)
		seeds = append(seeds, []byte{0, 0, 2, 0, 0, 1, 5, 1, n, 0, 3, n, 4, 0, 0, 1, 13, 0, 0, 0, 7, 0, 0, 0, n, 1, byte(len(method)), 2, 8, 0, 0, 0})
	}
	return seeds
}

// Compare plays the same random calls on several places, and wants all backends to answer alike. Of
// conditions it asks for what all promise.
func Compare(ctx context.Context, places map[string]Config, tier Tier, seed uint64) (err error) {
	names := slices.Sorted(maps.Keys(places))
	if len(names) < 2 {
		return fmt.Errorf("Compare needs two backends, not %d", len(names))
	}
	envs := make([]*Env, len(names))
	var common backend.Limits
	for i, name := range names {
		cfg := places[name]
		e, err := newEnv(ctx, &cfg, "compare", tier)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		defer func() { err = errors.Join(err, e.close(ctx)) }()
		if envs[i] = e; i == 0 {
			common = e.Limits
		}
		common.AtomicIfAbsent = common.AtomicIfAbsent && e.Limits.AtomicIfAbsent
		common.AtomicIfMatch = common.AtomicIfMatch && e.Limits.AtomicIfMatch
		if m := e.Limits.MaxValue; m > 0 && (common.MaxValue == 0 || m < common.MaxValue) {
			common.MaxValue = m
		}
	}
	rnd := rand.New(rand.NewPCG(seed, 0))
	for i := range map[Tier]int{Quick: 5, Full: 30, Soak: 1000}[tier] {
		s := randomScript(rnd, 40)
		var first []string
		for k, e := range envs {
			st := e.stage(fmt.Sprintf("script-%d-", i))
			st.limits = common
			history, err := st.play(ctx, s)
			if err != nil {
				return fmt.Errorf("%s: %w", names[k], err)
			}
			if k == 0 {
				first = history
				continue
			}
			for n := range history {
				if history[n] != first[n] {
					return fmt.Errorf("after these calls\n  %s\n%s answers\n  %s\nand %s\n  %s", strings.Join(first[:n], "\n  "), names[0], first[n], names[k], history[n])
				}
			}
		}
	}
	return nil
}
