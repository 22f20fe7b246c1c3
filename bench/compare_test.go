package main

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// row is a contender with a ratio and its range.
func row(name string, low, ratio, high float64) contenderReport {
	return contenderReport{Name: name, Rounds: 7, Median: time.Millisecond, Ratio: ratio, RatioLow: low, RatioHigh: high}
}

func groupOf(noise float64, rows ...contenderReport) groupReport {
	all := append([]contenderReport{row("base", 1, 1, 1)}, rows...)
	return groupReport{Name: "g", Title: "work", Contenders: append(all, row(again, noise, noise, noise))}
}

func names(changes []change) (all []string) {
	for _, c := range changes {
		all = append(all, c.name)
	}
	return all
}

func TestCompare(t *testing.T) {
	was := groupOf(1.02,
		row("slower", 1.9, 2, 2.1), row("faster", 1.9, 2, 2.1), row("spread", 1.5, 2, 3.5), row("slight", 1.99, 2, 2.01),
		row("much slower", 1, 1, 1.1), row("gone", 1, 1, 1), contenderReport{Name: "absent", Absent: "not installed"})
	is := groupOf(0.98,
		row("slower", 2.8, 3, 3.2), row("faster", 1.1, 1.2, 1.3), row("spread", 2.5, 3, 3.4), row("slight", 2.05, 2.06, 2.07),
		row("much slower", 4, 5, 6), row("new", 1, 1, 1), row("absent", 1, 1, 1))
	c := compare(&report{Groups: []groupReport{was}}, &report{Groups: []groupReport{is}})
	if got := names(c.slower); !slices.Equal(got, []string{"much slower", "slower"}) {
		t.Errorf("slower: %v, want much slower and slower, the largest change first", got)
	}
	if got := names(c.faster); !slices.Equal(got, []string{"faster"}) {
		t.Errorf("faster: %v, want faster", got)
	}
	if c.same != 2 {
		t.Errorf("%d unchanged, want 2: ranges that touch, and a change below 5 %%", c.same)
	}
	apart := strings.Join(c.apart, "\n")
	for _, want := range []string{"new: not in the earlier run", "absent: not measured", "gone: not in this run"} {
		if !strings.Contains(apart, want) {
			t.Errorf("not compared lacks %q:\n%s", want, apart)
		}
	}
	var out strings.Builder
	c.print(&out, &report{Busy: 2}, &report{})
	for _, want := range []string{
		"beside 0 busy loops now, and 2 then",
		"slower: g: slower: 3.00 of the base, was 2.00 (+50%)",
		"faster: g: faster: 1.20 of the base, was 2.00 (-40%)",
		"2 slower, 1 faster, 2 unchanged within noise",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the comparison lacks %q:\n%s", want, out.String())
		}
	}
}

// TestCompareNoise: what the base differs from itself by is no change of anybody else.
func TestCompareNoise(t *testing.T) {
	for _, noise := range []float64{1.3, 1 / 1.3} {
		was, is := groupOf(noise, row("us", 2, 2, 2)), groupOf(1, row("us", 2.5, 2.5, 2.5))
		if c := compare(&report{Groups: []groupReport{was}}, &report{Groups: []groupReport{is}}); len(c.slower) > 0 {
			t.Errorf("25 %% are slower although the base was %.2f of itself", noise)
		}
	}
	was, is := groupOf(1, row("us", 2, 2, 2)), groupOf(1, row("us", 9, 9, 9))
	is.Contenders[1].Rounds = 2
	c := compare(&report{Groups: []groupReport{was}}, &report{Groups: []groupReport{is}})
	if want := []string{"g: us: 7 and 2 rounds, of which 3 are needed; give it more -time"}; len(c.slower) > 0 || !slices.Equal(c.apart, want) {
		t.Errorf("two rounds are compared: %+v", c)
	}
}

func TestCompareApart(t *testing.T) {
	was := []groupReport{{Name: "old"}, {Name: "more", Title: "1000 values"}, groupOf(1)}
	is := []groupReport{{Name: "new"}, {Name: "more", Title: "5000 values"}, groupOf(1)}
	is[2].Contenders[0].Name = "another"
	c := compare(&report{Groups: was}, &report{Groups: is})
	want := []string{"new: not in the earlier run", `more: other work: "5000 values", was "1000 values"`, "g: another base", "old: not in this run"}
	if !slices.Equal(c.apart, want) || c.same > 0 {
		t.Errorf("not compared: %q, want %q", c.apart, want)
	}
}

func TestReportIsReadAgain(t *testing.T) {
	r := newReport(2, true)
	r.Groups = []groupReport{groupOf(1, contenderReport{Name: "absent", Absent: "not installed"})}
	r.Groups[0].Goals = []goalReport{judge("us at most 1.50 of base", 1.5, 1.2, true)}
	path := filepath.Join(t.TempDir(), "r.json")
	if err := r.writeTo(path); err != nil {
		t.Fatal(err)
	}
	got, err := readReport(path)
	if err != nil || !reflect.DeepEqual(got, r) {
		t.Errorf("readReport = %+v, %v, want what was written: %+v", got, err, r)
	}
	text, err := os.ReadFile(path)
	for _, want := range []string{`"format": 1`, `"busy": 2`, `"median_ns": 1000000`, `"ratio_low": 1`, `"verdict": "reached"`, `"absent": "not installed"`} {
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("the report lacks %s: %v", want, err)
		}
	}
	if err := r.writeTo(""); err != nil {
		t.Errorf("without a name nothing is written: %v", err)
	}
	for name, text := range map[string]string{"other": "no JSON", "newer": `{"format": 2}`} {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readReport(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("readReport of %s = %v, want an error that names the file", text, err)
		}
	}
}

// TestReportOfAGroup holds what is reported to what was measured.
func TestReportOfAGroup(t *testing.T) {
	g := &group{name: "g", title: "work"}
	g.add("base", 10, steady(time.Millisecond))
	g.add("us", 10, steady(2*time.Millisecond))
	g.goals = []goal{{"us", "base", 1.5}}
	if err := g.run(new(strings.Builder), 3, time.Minute); err != nil {
		t.Fatal(err)
	}
	r := g.report()
	us, ok := r.find("us")
	want := contenderReport{Name: "us", Ops: 10, Rounds: 3, Median: 2 * time.Millisecond, Low: 2 * time.Millisecond, High: 2 * time.Millisecond,
		CPU: time.Millisecond, Ratio: 2, RatioLow: 2, RatioHigh: 2}
	if !ok || us != want {
		t.Errorf("the row of us = %+v, want %+v", us, want)
	}
	if len(r.Goals) != 1 || r.Goals[0].Verdict != "MISSED" || r.Goals[0].Value != 2 {
		t.Errorf("goals = %+v, want one that is missed by 2", r.Goals)
	}
	if noise := r.noise(); noise != 0 {
		t.Errorf("noise = %v of a contender that always takes as long", noise)
	}
}
