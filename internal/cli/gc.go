package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/internal/audit"
	"github.com/larder-store/larder/internal/reserve"
)

type gcFlags struct {
	dryRun, compact, quarantine, json bool
	grace                             string
	policy                            policyFlags
}

// oldName is what the command was called, until that was mistaken for a parameter sweep.
const oldName = "sweep"

func newGC(a *app) *cobra.Command {
	var f gcFlags
	cmd := &cobra.Command{
		Use:     "gc [flags]",
		Aliases: []string{oldName},
		Short:   "Remove leftovers of interrupted writers, or values by a policy",
		Long: `Remove what interrupted and overwritten puts left behind, and give space back. No value
that can be read is removed. The store may be in use. It also puts back or removes what
runs of stages on this machine left beside their outputs when they were killed.

With --max-size or --max-age it also evicts values, by rules that compose. What is pinned
(larder pin) or fulfils a condition of --keep stays. Of the rest goes what is older than
--max-age; then, in --order, as much as must for --max-size. With --with-inputs what a value was
computed from counts as used when the value was, and is kept where it is. A value is used
when it is stored and when it is found; the latter is known to a day.

With -n it says what would go, and what it took to compute: in hours, as recorded with each
result. A value that is replaced, used or pinned meanwhile survives. A description outlives its
values by 30 days, and as long as something that is described was computed from it.`,
		Example: `  larder gc -n
  larder gc --compact
  larder gc -n --max-size 10GiB --order cost
  larder gc --max-age 30d --keep 'type=lab/reference or cost > 2h' --with-inputs`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.CalledAs() == oldName {
				a.warn("larder %s is called larder gc now", oldName)
			}
			return a.gc(cmd.Context(), &f)
		},
	}
	fl := cmd.Flags()
	fl.BoolVarP(&f.dryRun, "dry-run", "n", false, "say what would be removed, and remove nothing")
	fl.BoolVar(&f.compact, "compact", false, "rewrite files that are mostly free space; others wait meanwhile")
	fl.StringVar(&f.grace, "grace", "", "spare what is younger, such as 12h (default: the backend's)")
	fl.BoolVar(&f.quarantine, "quarantine", false, "also remove what check --repair moved out of the way")
	fl.BoolVar(&f.json, "json", false, "the report as a JSON object")
	f.policy.add(cmd)
	return cmd
}

func (a *app) gc(ctx context.Context, f *gcFlags) error {
	opts := backend.SweepOptions{DryRun: f.dryRun, Compact: f.compact}
	if f.grace != "" {
		var err error
		if opts.Grace, err = catalog.ParseAge(f.grace); err != nil {
			return misused("--grace: %v", err)
		}
		opts.Grace = max(opts.Grace, time.Nanosecond) // 0 would be the default
	}
	policy, err := f.policy.check()
	if err != nil {
		return err
	}
	store, err := a.openToChange(ctx, f.dryRun)
	if err != nil {
		return err
	}
	defer store.Close()
	var evicted *evictText
	if f.policy.given() {
		if evicted, err = f.policy.evict(ctx, store, policy, f.dryRun); err != nil {
			return err
		}
	}
	quarantined := 0
	if f.quarantine {
		if quarantined, err = dropQuarantine(ctx, store.Backend(), f.dryRun); err != nil {
			return err
		}
	}
	runs, err := reserve.Sweep(ctx, "", f.dryRun, func(text string) { a.warn("%s", text) })
	if err != nil {
		return err
	}
	r, err := store.Sweep(ctx, opts)
	if err != nil {
		return err
	}
	if f.json {
		return writeJSON(a.stdout, gcText{r.Orphans, r.OrphanBytes, r.Kept, r.Dangling, r.Compacted, quarantined, runs, evicted})
	}
	if a.quiet && !f.dryRun {
		a.tellOver(evicted)
		if r.Dangling > 0 {
			a.warn("%s without data: see larder check", count(r.Dangling, "value"))
		}
		return nil
	}
	if evicted != nil {
		if err := a.tellEviction(evicted, f.dryRun); err != nil {
			return err
		}
	}
	verb := "removed"
	if f.dryRun {
		verb = "would remove"
	}
	_, err = fmt.Fprintf(a.stdout, "%s %s, %s; spared %d\n", verb, count(r.Orphans, "leftover"), size(r.OrphanBytes), r.Kept)
	if err == nil && runs > 0 {
		done := "cleared up after"
		if f.dryRun {
			done = "would clear up after"
		}
		_, err = fmt.Fprintf(a.stdout, "%s %s on this machine\n", done, count(runs, "killed run"))
	}
	if err == nil && f.quarantine {
		_, err = fmt.Fprintf(a.stdout, "%s %s in quarantine\n", verb, count(quarantined, "value"))
	}
	if err == nil && f.compact {
		_, err = fmt.Fprintf(a.stdout, "given back by compaction: %s\n", size(r.Compacted))
	}
	if err == nil && r.Dangling > 0 {
		_, err = fmt.Fprintf(a.stdout, "%s without data: see larder check\n", count(r.Dangling, "value"))
	}
	return err
}

// gcText is the report as JSON.
type gcText struct {
	Orphans     int   `json:"orphans"`
	OrphanBytes int64 `json:"orphan_bytes"`
	Kept        int   `json:"kept"`
	Dangling    int   `json:"dangling"`
	Compacted   int64 `json:"compacted_bytes"`
	Quarantined int   `json:"quarantined"`
	Runs        int   `json:"runs"`

	Policy *evictText `json:"policy,omitempty"`
}

// dropQuarantine removes, or counts, what is in quarantine.
func dropQuarantine(ctx context.Context, b larder.Backend, dryRun bool) (int, error) {
	var keys []backend.Key
	for info, err := range b.List(ctx, audit.Quarantine, backend.ListOptions{}) {
		if err != nil {
			return 0, err
		}
		keys = append(keys, info.Key)
	}
	if dryRun {
		return len(keys), nil
	}
	return len(keys), backend.DeleteBatch(ctx, b, keys)
}
