// Package picture lets the command draw: it is imported by the binaries that are not to start quickly.
package picture

import (
	"io"

	"github.com/larder-store/larder/internal/cli"
	"github.com/larder-store/larder/readers"
	"github.com/larder-store/larder/readers/plot"
)

func init() { cli.Draw = draw }

var sweepsBy = map[string]plot.Sweeps{"overlay": plot.Overlaid, "mean": plot.Averaged, "stack": plot.Stacked}

func draw(w io.Writer, t *readers.Table, p cli.Picture) error {
	return plot.Draw(w, t, plot.Options{
		Selection: p.Select,
		Title:     p.Title,
		From:      p.From,
		To:        p.To,
		Sweeps:    sweepsBy[p.Sweeps],
		SVG:       p.SVG,
		Width:     p.Width,
		Height:    p.Height,
	})
}
