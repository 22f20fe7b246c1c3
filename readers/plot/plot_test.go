package plot_test

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"math"
	"strings"
	"testing"

	"github.com/larder-store/larder/readers"
	"github.com/larder-store/larder/readers/export"
	"github.com/larder-store/larder/readers/plot"
)

func read(t *testing.T, file string) *readers.Table {
	t.Helper()
	table, err := readers.Read(strings.NewReader(file), nil)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func picture(t *testing.T, table *readers.Table, s export.Selection) image.Image {
	t.Helper()
	var b bytes.Buffer
	if err := plot.PNG(&b, table, s, "title"); err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(&b)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// ink counts the pixels of the colour of a trace that is drawn alone, and says how high they reach:
// 0 is the top row.
func ink(img image.Image) (n, top int) {
	top = img.Bounds().Max.Y
	for y := range img.Bounds().Max.Y {
		for x := range img.Bounds().Max.X {
			if r, g, b, _ := img.At(x, y).RGBA(); r>>8 < 0x60 && g>>8 < 0x80 && b>>8 > 0x70 && b > r+0x2000 {
				n++
				top = min(top, y)
			}
		}
	}
	return n, top
}

func TestAPanelForEachSignal(t *testing.T) {
	table, err := readers.ReadFile("../testdata/pyabf_18702001-step.atf", nil)
	if err != nil {
		t.Fatal(err)
	}
	two := picture(t, table, export.All).Bounds().Dy()
	one := picture(t, table, export.Selection{Sweep: 1, Signal: "IN 0"}).Bounds().Dy()
	if two < 2*one-1 || two > 2*one+1 || one < 200 {
		t.Errorf("two signals are %d high, one is %d", two, one)
	}
	if n, _ := ink(picture(t, table, export.All)); n < 500 {
		t.Errorf("only %d pixels of traces", n)
	}
}

// One sample among many stands out: it must be in the picture.
func TestASpikeIsNotLost(t *testing.T) {
	flat := &readers.Table{Format: readers.NeuronDat, Columns: make([]readers.Column, 2),
		Float: [][]float64{make([]float64, 100_000), make([]float64, 100_000)}, Text: make([][]string, 2)}
	for i := range flat.Float[0] {
		flat.Float[0][i] = float64(i)
	}
	var b bytes.Buffer
	if err := readers.WriteNeuronDat(&b, "v", flat.Float[0], flat.Float[1]); err != nil {
		t.Fatal(err)
	}
	file := strings.Replace(b.String(), "\n76543\t0\n", "\n76543\t100\n", 1)
	_, top := ink(picture(t, read(t, file), export.All))
	img := picture(t, read(t, file), export.All)
	if top > img.Bounds().Dy()/3 {
		t.Errorf("the trace reaches up to row %d of %d: the spike is lost", top, img.Bounds().Dy())
	}
}

func TestGapsAndOddTables(t *testing.T) {
	const head = "ATF\t1.0\n0\t2\n\"Time (s)\"\t\"Im (pA)\"\n"
	for name, file := range map[string]string{
		"a gap":            head + "0\t1\n1\tnan\n2\t3\n3\tinf\n4\t5\n5\t6\n",
		"all gaps":         head + "0\tnan\n1\tnan\n",
		"one row":          head + "0\t1\n",
		"a flat trace":     head + "0\t1\n1\t1\n",
		"huge values":      head + "0\t-1e308\n1\t1e308\n",
		"no time":          "1\n2\n3\n",
		"a graph's curves": "PolyLines\nLine Manifest:\n2\n2  g=1\nEnd of Line Manifest\n2\n0 1\n1 2\n2  g=1\n0 3\n1 4\n",
		"events":           "#!AER-DAT2.0\n\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04",
	} {
		t.Run(name, func(t *testing.T) {
			if b := picture(t, read(t, file), export.All).Bounds(); b.Dx() < 400 || b.Dy() < 100 {
				t.Errorf("a picture of %v", b)
			}
		})
	}
}

func TestWhatCannotBeDrawn(t *testing.T) {
	const head = "ATF\t1.0\n0\t2\n\"Time (s)\"\t\"Im (pA)\"\n"
	many := "ATF\t1.0\n0\t14\nTime" + strings.Repeat("\tA", 13) + "\n0" + strings.Repeat("\t1", 13) + "\n"
	for _, c := range []struct {
		file, says string
		s          export.Selection
	}{
		{head, "no rows", export.All},
		{head + "0\t1\n", "no sweep 8", export.Selection{Sweep: 7}},
		{head + "0\t1\n", `no signal "Vm": the file has "Im"`, export.Selection{Sweep: -1, Signal: "Vm"}},
		{head + "0\tx\n", "no traces", export.All},
		{many, "more than 12 signals", export.All},
	} {
		err := plot.PNG(&bytes.Buffer{}, read(t, c.file), c.s, "")
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("error = %v, want it to say %q", err, c.says)
		}
	}
	full := errors.New("no space left")
	if err := plot.PNG(failing{full}, read(t, head+"0\t1\n1\t2\n"), export.All, ""); !errors.Is(err, full) {
		t.Errorf("error = %v, want %v", err, full)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestTicksAreRound(t *testing.T) {
	for _, c := range []struct {
		low, high float64
		want      string
	}{
		{0, 1, "0 0.2 0.4 0.6 0.8 1"},
		{-611, 570, "-500 0 500"},
		{-0.5, 30, "0 10 20 30"},
		{0, 5e6, "0 1000000 2000000 3000000 4000000 5000000"},
		{0, 0.99995, "0 0.2 0.4 0.6 0.8"},
		{3, 3, "3"},
		{math.Inf(-1), math.Inf(1), "-Inf"},
	} {
		var got []string
		for _, tick := range plot.Ticks(5)(c.low, c.high) {
			got = append(got, tick.Label)
		}
		if s := fmt.Sprint(strings.Join(got, " ")); s != c.want {
			t.Errorf("ticks of %v to %v = %s, want %s", c.low, c.high, s, c.want)
		}
	}
}
