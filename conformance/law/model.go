package law

import (
	"context"
	"fmt"
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

// Differ plays s on a stage and on the reference, and tells where their answers part:
// "" where they agree. A stage that hangs is left behind, with an error.
func (st Stage) Differ(ctx context.Context, s Script) (string, error) {
	var got []string
	err := within(ctx, scriptPatience, func(ctx context.Context) (err error) {
		got, err = st.Play(ctx, s)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("play a script of %d calls: %w", len(s), err)
	}
	want, err := reference(st.Limits).Play(ctx, s)
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
func reference(limits backend.Limits) Stage {
	b := unclosed{mem.New(nil)}
	return Stage{Open: func(context.Context) (backend.Backend, error) { return b, nil }, Limits: limits}
}

// unclosed is all handles on one place in memory at once.
type unclosed struct{ *mem.Backend }

// Close leaves the handle to the others.
func (unclosed) Close() error { return nil }

func walk(ctx context.Context, e *Env) error {
	for i := range e.pick(6, 60, 3000) {
		st := Stage{
			Open:   e.openBriefly,
			Limits: e.Limits,
		}
		script := RandomScript(e.Rand, 40)
		tries := 0
		play := func(s Script) (string, error) {
			tries++
			st.Mark = e.mark + fmt.Sprintf("walk-%d-%d-", i, tries)
			for _, shelf := range []string{"s", "t"} {
				e.Shelf(strings.TrimPrefix(st.Mark, e.mark) + shelf)
			}
			return st.Differ(ctx, s)
		}
		diff, err := play(script)
		if err != nil {
			return err
		}
		if diff != "" {
			return fmt.Errorf("%s", shrink(script, diff, play))
		}
	}
	return nil
}

// shrink leaves out steps for as long as the answers differ, and returns the last
// difference.
func shrink(s Script, diff string, play func(Script) (string, error)) string {
	for size := len(s) / 2; size > 0; size /= 2 {
		for at := 0; at+size <= len(s); {
			less := slices.Delete(slices.Clone(s), at, at+size)
			d, err := play(less)
			if err != nil || d == "" {
				at += size
				continue
			}
			s, diff = less, d
		}
	}
	return diff
}
