package cli

import (
	"fmt"
	"os"
	"time"

	"github.com/larder-store/larder/internal/terminal"
)

// progress shows how far long work has come, on one line of a terminal. Where standard error is no
// terminal it is silent.
type progress struct {
	a     *app
	last  time.Time
	shown bool
}

// newProgress returns nil where it would not be seen; the methods of nil do nothing.
func (a *app) newProgress() *progress {
	f, ok := a.stderr.(*os.File)
	if a.quiet || !ok || !isTerminal(f) {
		return nil
	}
	return &progress{a: a}
}

// often is how often the line is written anew: as fast as one reads.
const often = 200 * time.Millisecond

// late lets short work pass in silence.
func (p *progress) late() {
	if p != nil {
		p.last = time.Now()
	}
}

// show shows where the work is. The text is only made when it is shown.
func (p *progress) show(text func() string) {
	if p == nil || time.Since(p.last) < often {
		return
	}
	p.last, p.shown = time.Now(), true
	fmt.Fprintf(p.a.stderr, "\r\x1b[K%s", terminal.Clean(text()))
}

// end removes the line.
func (p *progress) end() {
	if p != nil && p.shown {
		fmt.Fprint(p.a.stderr, "\r\x1b[K")
	}
}
