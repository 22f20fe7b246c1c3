package cli

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/catalog"
)

// policyFlags say which values may stay.
type policyFlags struct {
	maxSize, maxAge, order string
	keep                   []string
	withInputs             bool
}

func (f *policyFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.maxSize, "max-size", "", "evict until the values that stay are no more than this, such as 10GiB")
	fl.StringVar(&f.maxAge, "max-age", "", "evict what was neither stored nor found for so long, such as 30d")
	fl.StringArrayVar(&f.keep, "keep", nil, "with a policy: keep what fulfils this `condition` of larder find; repeatable")
	fl.BoolVar(&f.withInputs, "with-inputs", false, "with a policy: keep what something that stays was computed from")
	fl.StringVar(&f.order, "order", "", "what --max-size evicts first: lru (unused for longest, the default) or cost (lowest cost per byte)")
	cmd.RegisterFlagCompletionFunc("order", cobra.FixedCompletions([]string{"lru", "cost"}, cobra.ShellCompDirectiveNoFileComp))
}

// given reports whether there is a policy.
func (f *policyFlags) given() bool { return f.maxSize != "" || f.maxAge != "" }

// check refuses what is no policy, before the store is opened.
func (f *policyFlags) check() (p catalog.Policy, err error) {
	if !f.given() && (len(f.keep) > 0 || f.withInputs || f.order != "") {
		return p, misused("gc: --keep, --with-inputs and --order are parts of a policy; give --max-size or --max-age too")
	}
	if f.maxSize != "" {
		if p.MaxSize, err = backend.ParseSize(f.maxSize); err != nil || p.MaxSize == 0 {
			return p, misused("--max-size: %q is no size above 0, such as 500MB or 10GiB", f.maxSize)
		}
	}
	if f.maxAge != "" {
		if p.MaxAge, err = catalog.ParseAge(f.maxAge); err != nil || p.MaxAge == 0 {
			return p, misused("--max-age: %q is no age above 0, such as 12h or 30d", f.maxAge)
		}
	}
	p.Order, p.WithInputs = catalog.Order(f.order), f.withInputs
	if p.Order != "" && p.Order != catalog.LeastRecentlyUsed && p.Order != catalog.LowestCost {
		return p, misused("--order: write lru or cost, not %q", f.order)
	}
	return p, nil
}

// evict plans and, unless it is a dry run, evicts.
func (f *policyFlags) evict(ctx context.Context, store *larder.Store, p catalog.Policy, dryRun bool) (*evictText, error) {
	for _, text := range f.keep {
		where, err := parseWhere(ctx, store, text, time.Now())
		if err != nil {
			return nil, err
		}
		p.Keep = append(p.Keep, where)
	}
	plan, err := catalog.PlanEviction(ctx, store, p)
	if err != nil {
		return nil, err
	}
	t := newEvictText(plan)
	if dryRun {
		return t, nil
	}
	done, err := catalog.Evict(ctx, store, plan)
	t.Evicted = &evictedText{done.Values, done.Bytes, done.Spared, done.Descriptions}
	return t, err
}

// evictText is a plan as JSON, and what was done of it.
type evictText struct {
	sumText
	Types   []typeText   `json:"types"`
	Stays   sumText      `json:"stays"`
	Kept    sumText      `json:"kept"`
	Over    int64        `json:"over_bytes"`
	Evicted *evictedText `json:"evicted,omitempty"`
}

type sumText struct {
	Values int     `json:"values"`
	Bytes  int64   `json:"bytes"`
	Hours  float64 `json:"hours"`
	NoCost int     `json:"values_without_cost"`
}

type typeText struct {
	Type string `json:"type"`
	sumText
}

type evictedText struct {
	Values       int   `json:"values"`
	Bytes        int64 `json:"bytes"`
	Spared       int   `json:"spared"`
	Descriptions int   `json:"descriptions"`
}

func newEvictText(plan *catalog.Eviction) *evictText {
	t := &evictText{sumText: textOf(plan.Goes), Types: []typeText{}, Stays: textOf(plan.Stays), Kept: textOf(plan.Kept), Over: plan.Over}
	for _, s := range plan.ByType {
		t.Types = append(t.Types, typeText{s.Type, textOf(s.Sum)})
	}
	return t
}

func textOf(s catalog.Sum) sumText { return sumText{s.Values, s.Bytes, s.Cost.Hours(), s.NoCost} }

// again says what it takes to compute values again.
func (s sumText) again() string {
	text := fmt.Sprintf("%.2f hours", s.Hours)
	if s.Hours >= 100 {
		text = fmt.Sprintf("%.0f hours", s.Hours)
	}
	if s.NoCost > 0 {
		text += fmt.Sprintf(" and %s of unknown cost", count(s.NoCost, "value"))
	}
	return text
}

// tellEviction says what goes or went.
func (a *app) tellEviction(t *evictText, dryRun bool) error {
	w := tabwriter.NewWriter(a.out(), 0, 0, 2, ' ', 0)
	if dryRun {
		fmt.Fprintf(w, "would evict %s, %s; to compute again: %s\n", count(t.Values, "value"), size(t.Bytes), t.again())
	} else {
		fmt.Fprintf(w, "evicted %s, %s; to compute again: %s\n", count(t.Evicted.Values, "value"), size(t.Evicted.Bytes), t.again())
		if t.Evicted.Spared > 0 {
			fmt.Fprintf(w, "spared %s: replaced, used, pinned or removed meanwhile\n", count(t.Evicted.Spared, "value"))
		}
		if t.Evicted.Descriptions > 0 {
			fmt.Fprintf(w, "forgot %s of what nothing names\n", count(t.Evicted.Descriptions, "description"))
		}
	}
	for _, s := range t.Types {
		fmt.Fprintf(w, "  %s\t%s\t%s\t%s\n", printable(orUnknown(s.Type)), count(s.Values, "value"), size(s.Bytes), s.again())
	}
	kept := ""
	if t.Kept.Values > 0 {
		kept = fmt.Sprintf("; of these %s, %s, are pinned or kept", count(t.Kept.Values, "value"), size(t.Kept.Bytes))
	}
	fmt.Fprintf(w, "stays: %s, %s%s\n", count(t.Stays.Values, "value"), size(t.Stays.Bytes), kept)
	if err := w.Flush(); err != nil {
		return err
	}
	a.tellOver(t)
	return nil
}

// tellOver says by how much too much is kept.
func (a *app) tellOver(t *evictText) {
	if t != nil && t.Over > 0 {
		a.warn("what is kept is %s above --max-size; see larder pins, and --keep", size(t.Over))
	}
}
