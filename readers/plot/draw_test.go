package plot_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"image"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/larder-store/larder/readers"
	"github.com/larder-store/larder/readers/export"
	"github.com/larder-store/larder/readers/plot"
)

// three sweeps of a signal: 1 and 3 are mirror images, 2 is flat.
const sweeps = "ATF\t1.0\n0\t4\n\"Time (s)\"\t\"Trace #1 (mV)\"\t\"Trace #2 (mV)\"\t\"Trace #3 (mV)\"\n" +
	"0\t0\t0\t0\n1\t10\t0\t-10\n2\t-10\t0\t10\n3\t0\t0\t0\n"

// svg draws an SVG and returns it with the texts in it.
func svg(t *testing.T, table *readers.Table, o plot.Options) (file, texts string) {
	t.Helper()
	var b bytes.Buffer
	o.SVG = true
	if o.Selection == (export.Selection{}) {
		o.Selection = export.All
	}
	if err := plot.Draw(&b, table, o); err != nil {
		t.Fatal(err)
	}
	var all []string
	d := xml.NewDecoder(bytes.NewReader(b.Bytes()))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("no XML: %v", err)
		}
		if text, ok := token.(xml.CharData); ok && strings.TrimSpace(string(text)) != "" {
			all = append(all, strings.TrimSpace(string(text)))
		}
	}
	return b.String(), "|" + strings.Join(all, "|") + "|"
}

func TestHowSweepsAreDrawn(t *testing.T) {
	table := read(t, sweeps)
	for _, c := range []struct {
		how  plot.Sweeps
		says []string
	}{
		{plot.Overlaid, []string{"|cell (3 sweeps, from light to dark)|", "|10|"}},
		{plot.Averaged, []string{"|cell (mean of 3 sweeps)|"}},
		{plot.Stacked, []string{"|cell (3 sweeps, each moved up)|", "|1|", "|2|", "|3|", ", 20 apart|"}},
	} {
		file, texts := svg(t, table, plot.Options{Title: "cell", Sweeps: c.how})
		if !strings.Contains(file, "font-family:Liberation Sans,Arial") {
			t.Errorf("%d: one font only", c.how)
		}
		for _, says := range c.says {
			if !strings.Contains(texts, says) {
				t.Errorf("%d: the picture says %s, want %s", c.how, texts, says)
			}
		}
		if n := strings.Count(file, "fill:none;stroke:#083C7D") + strings.Count(file, "fill:none;stroke:#083c7d"); n == 0 {
			t.Errorf("%d: no dark line:\n%s", c.how, file)
		}
	}
	if _, texts := svg(t, table, plot.Options{Title: "a<b & c"}); !strings.Contains(texts, "a<b & c (3 sweeps") {
		t.Errorf("a title with the signs of XML: %s", texts)
	}
	one, texts := svg(t, table, plot.Options{Title: "cell", Sweeps: plot.Averaged, Selection: export.Selection{Sweep: 1}})
	if !strings.Contains(texts, "|cell (sweep 2)|") || len(one) == 0 {
		t.Errorf("one sweep: %s", texts)
	}
}

// The mean of two mirror images is flat: it leaves the dark ink in one row of pixels.
func TestTheMeanIsTheMean(t *testing.T) {
	var b bytes.Buffer
	if err := plot.Draw(&b, read(t, sweeps), plot.Options{Selection: export.All, Sweeps: plot.Averaged}); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[int]int{}
	for y := range img.Bounds().Max.Y {
		for x := range img.Bounds().Max.X {
			if r, g, b, _ := img.At(x, y).RGBA(); r>>8 < 0x20 && g>>8 < 0x50 && b>>8 > 0x60 {
				rows[y]++
			}
		}
	}
	if len(rows) == 0 || len(rows) > 4 {
		t.Errorf("the mean covers %d rows of pixels", len(rows))
	}
	gap := read(t, strings.Replace(sweeps, "1\t10\t0\t-10", "1\t10\tnan\t-10", 1))
	if err := plot.Draw(io.Discard, gap, plot.Options{Selection: export.All, Sweeps: plot.Averaged}); err != nil {
		t.Errorf("with a gap: %v", err)
	}
}

func TestSizeAndSpan(t *testing.T) {
	table := read(t, sweeps)
	var b bytes.Buffer
	if err := plot.Draw(&b, table, plot.Options{Selection: export.All, Width: 640, Height: 480}); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil || img.Bounds() != image.Rect(0, 0, 640, 480) {
		t.Errorf("a picture of %v, %v", img.Bounds(), err)
	}
	_, texts := svg(t, table, plot.Options{From: 1, To: 2})
	if !strings.Contains(texts, "|1|") || !strings.Contains(texts, "|2|") || strings.Contains(texts, "|0.5|") || strings.Contains(texts, "|3|") {
		t.Errorf("from 1 to 2 the picture says %s", texts)
	}
	for _, c := range []struct {
		o    plot.Options
		says string
	}{
		{plot.Options{From: 7, To: 8}, "nothing was recorded from 7 to 8"},
		{plot.Options{From: 2, To: 1}, "no span of time"},
		{plot.Options{From: math.NaN(), To: 1}, "no span of time"},
		{plot.Options{Width: 99}, "100 to 10000 pixels"},
		{plot.Options{Height: 10_001}, "100 to 10000 pixels"},
		{plot.Options{Width: -1}, "100 to 10000 pixels"},
	} {
		c.o.Selection = export.All
		if err := plot.Draw(io.Discard, table, c.o); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: error = %v, want it to say %q", c.o, err, c.says)
		}
	}
}

func TestTheTimeHasItsUnits(t *testing.T) {
	for file, says := range map[string]string{
		"label:soma.v(.5)\n2\n0\t-65\n0.025\t-64\n": "|time (ms)|",
		"4 0.5\n1\n2\n3\n4\n":                       "|time (ms)|",
		"1 2\ntime ica\n0 1\n1 2\n":                 "|time (ms)|",
		sweeps:                                      "|time (s)|",
		"1\n2\n3\n":                                 "|sample|",
		"3, 0.1\n4, 0.2\n":                          "|time (s)|",
	} {
		if _, texts := svg(t, read(t, file), plot.Options{}); !strings.Contains(texts, says) {
			t.Errorf("%q: the picture says %s, want %s", file, texts, says)
		}
	}
}
