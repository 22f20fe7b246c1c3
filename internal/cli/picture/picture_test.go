package picture_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/larder-store/larder/internal/cli"
	_ "github.com/larder-store/larder/internal/cli/picture"
	"github.com/larder-store/larder/readers"
	"github.com/larder-store/larder/readers/export"
)

func TestDraw(t *testing.T) {
	table, err := readers.Read(strings.NewReader("label:v\n3\n0\t1\n1\t2\n2\t3\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	all := cli.Picture{Select: export.All, Sweeps: "overlay", From: math.Inf(-1), To: math.Inf(1)}
	with := func(change func(*cli.Picture)) cli.Picture {
		p := all
		change(&p)
		return p
	}
	for _, c := range []struct {
		p          cli.Picture
		begin, err string
	}{
		{all, "\x89PNG", ""},
		{with(func(p *cli.Picture) { p.SVG, p.Title = true, "mine" }), "<?xml", ""},
		{with(func(p *cli.Picture) { p.Sweeps, p.From, p.Width, p.Height = "stack", 0.5, 300, 200 }), "\x89PNG", ""},
		{with(func(p *cli.Picture) { p.From = 7 }), "", "nothing was recorded from 7 to +Inf"},
		{with(func(p *cli.Picture) { p.Select.Sweep = 3 }), "", "no sweep 4: the file has 1"},
	} {
		var out bytes.Buffer
		err := cli.Draw(&out, table, c.p)
		if !strings.HasPrefix(out.String(), c.begin) || (out.Len() > 0) != (c.begin != "") || (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("Draw(%+v) = %d bytes, %v; want %q, %q", c.p, out.Len(), err, c.begin, c.err)
		}
	}
}
