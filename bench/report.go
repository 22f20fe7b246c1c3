package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// report is a whole run, as -json writes it and -compare reads it. Times are in nanoseconds per operation.
type report struct {
	Format  int           `json:"format"` // reportFormat
	Date    time.Time     `json:"date"`
	Machine string        `json:"machine"`
	Cores   int           `json:"cores"`
	Go      string        `json:"go"`
	System  string        `json:"system"`
	Busy    int           `json:"busy"` // loops beside
	Full    bool          `json:"full"`
	Groups  []groupReport `json:"groups"`
}

const reportFormat = 1

type groupReport struct {
	Name       string            `json:"name"`
	Title      string            `json:"title"` // says how much work it is
	Contenders []contenderReport `json:"contenders"`
	Goals      []goalReport      `json:"goals,omitempty"`
	Notes      []string          `json:"notes,omitempty"`
}

// contenderReport is a row. Ratios are of wall times, to the first contender's.
type contenderReport struct {
	Name      string        `json:"name"`
	Absent    string        `json:"absent,omitempty"` // why it was not measured
	Ops       int           `json:"ops,omitempty"`    // in a round; for fleets the window in milliseconds
	Rounds    int           `json:"rounds,omitempty"`
	Median    time.Duration `json:"median_ns,omitempty"`
	Low       time.Duration `json:"low_ns,omitempty"`
	High      time.Duration `json:"high_ns,omitempty"`
	CPU       time.Duration `json:"cpu_ns,omitempty"` // user+sys, the median
	Ratio     float64       `json:"ratio,omitempty"`
	RatioLow  float64       `json:"ratio_low,omitempty"`
	RatioHigh float64       `json:"ratio_high,omitempty"`

	// Of fleets: what the slowest process made of its share, and the longest put in units of the base's mean put.
	Share float64 `json:"share,omitempty"`
	Worst float64 `json:"worst,omitempty"`
}

type goalReport struct {
	Text    string  `json:"text"`
	Limit   float64 `json:"limit"`
	Value   float64 `json:"value,omitempty"`
	Verdict string  `json:"verdict"` // reached, MISSED, not measured
}

// newReport begins the report of a run on this machine.
func newReport(busy int, full bool) *report {
	return &report{Format: reportFormat, Date: time.Now().UTC().Truncate(time.Second), Machine: processor(), Cores: runtime.NumCPU(),
		Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Busy: busy, Full: full}
}

func (r *report) String() string {
	s := fmt.Sprintf("%s, %d cores, %s %s", r.Machine, r.Cores, r.Go, r.System)
	if r.Busy > 0 {
		s += fmt.Sprintf(", beside %d busy loops", r.Busy)
	}
	return s
}

func processor() string {
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
			}
		}
	}
	return "unknown processor"
}

// writeTo stores the report in a file; without a name nowhere.
func (r *report) writeTo(path string) error {
	if path == "" {
		return nil
	}
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}

func readReport(path string) (*report, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := new(report)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("%s is no report of bench: %w", path, err)
	}
	if r.Format != reportFormat {
		return nil, fmt.Errorf("%s has format %d; this bench reads %d", path, r.Format, reportFormat)
	}
	return r, nil
}

// report returns what a group that ran has shown.
func (g *group) report() groupReport {
	r := groupReport{Name: g.name, Title: g.title, Notes: g.notes}
	for _, c := range g.contenders {
		r.Contenders = append(r.Contenders, g.row(c))
	}
	for _, goal := range g.goals {
		text := fmt.Sprintf("%s at most %.2f of %s", goal.us, goal.atMost, goal.than)
		if us, than := g.find(goal.us), g.find(goal.than); us.bad == "" && than.bad == "" {
			_, ratio, _ := us.ratio(than)
			r.Goals = append(r.Goals, judge(text, goal.atMost, ratio, ratio <= goal.atMost))
		} else {
			r.Goals = append(r.Goals, goalReport{Text: text, Limit: goal.atMost, Verdict: "not measured"})
		}
	}
	for _, f := range g.fair {
		row := g.row(g.find(f.us))
		r.Goals = append(r.Goals,
			judge(fmt.Sprintf("%s: the slowest at least %.2f of its share", f.us, f.share), f.share, row.Share, row.Share >= f.share),
			judge(fmt.Sprintf("%s: the longest put at most %.0f of the base's", f.us, f.worst), f.worst, row.Worst, row.Worst <= f.worst))
	}
	return r
}

func judge(text string, limit, value float64, reached bool) goalReport {
	verdict := "MISSED"
	if reached {
		verdict = "reached"
	}
	return goalReport{text, limit, value, verdict}
}

func (g *group) row(c *contender) contenderReport {
	if c.bad != "" {
		return contenderReport{Name: c.name, Absent: c.bad}
	}
	r := contenderReport{Name: c.name, Ops: c.n, Rounds: len(c.rounds)}
	r.Low, r.Median, r.High = c.median(wall)
	_, r.CPU, _ = c.median(cpu)
	base := g.contenders[0]
	if base.bad == "" && len(base.rounds) > 0 {
		r.RatioLow, r.Ratio, r.RatioHigh = c.ratio(base)
		if _, mean, _ := base.median(put); mean > 0 {
			_, worst := c.fairly()
			r.Worst = float64(worst) / float64(mean)
		}
	}
	r.Share, _ = c.fairly()
	return r
}
