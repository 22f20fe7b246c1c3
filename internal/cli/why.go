package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/stage"
)

func newWhy(a *app) *cobra.Command {
	var asJSON bool
	var nearest int
	cmd := &cobra.Command{
		Use:   "why [flags] [EARLIER] ID",
		Short: "Say how a computation differs from an earlier one",
		Long: `Say in which fields a computation differs from an earlier one, which is why it was
not given back: type, version, parameters, inputs, and what changed within these, command
lines and files too.

With one ID it is compared with the nearest of its type that was stored before it: the one
that differs in the fewest fields. That reads the descriptions of the type by the database's
index, and elsewhere all descriptions: a request for each on a bucket. With two, these are compared.

Before a run, "larder run -n --why" says the same of what would run.`,
		Example: `  larder why 3f2a9c
  larder why 8c11d0 3f2a9c
  larder why --nearest 3 --json 3f2a9c`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return misused("why: name one computation, or an earlier one and it")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if nearest < 1 {
				return misused("why: --nearest is 1 at least")
			}
			return a.why(cmd.Context(), args, nearest, asJSON)
		},
	}
	cmd.ValidArgsFunction = a.completeAddress
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object for each that it is compared with")
	cmd.Flags().IntVar(&nearest, "nearest", 1, "compare with so many of the nearest, if one ID is given")
	return cmd
}

func (a *app) why(ctx context.Context, args []string, nearest int, asJSON bool) error {
	store, err := a.openToRead(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	ids := make([]string, len(args))
	for i, text := range args {
		if ids[i], err = catalog.Resolve(ctx, store, text); err != nil {
			return resolveError(err)
		}
	}
	var e catalog.Explanation
	if len(ids) == 2 {
		e, err = differenceOf(ctx, store, ids[0], ids[1])
	} else {
		e, err = catalog.Explain(ctx, store, component.Ref(ids[0]), &catalog.ExplainOptions{Nearest: nearest})
	}
	if errors.Is(err, larder.ErrNotFound) {
		return &exitError{exitMiss, err}
	}
	if err != nil {
		return err
	}
	return a.tellWhy(a.stdout, e, asJSON)
}

// differenceOf is the explanation of one by the other, whatever is nearest.
func differenceOf(ctx context.Context, store *larder.Store, before, after string) (catalog.Explanation, error) {
	diff, err := catalog.Differ(ctx, store, before, after)
	if err != nil {
		return catalog.Explanation{}, err
	}
	d, _, err := catalog.Describe(ctx, store, before)
	return catalog.Explanation{ID: after, Looked: 1,
		Nearest: []catalog.Near{{ID: before, Description: d, Stored: d.Stored, Difference: diff}}}, err
}

// nearText is how a computation differs from one near it, as JSON.
type nearText struct {
	ID       string       `json:"id"`
	From     string       `json:"from,omitempty"`
	Stored   *time.Time   `json:"stored,omitempty"`
	Distance int          `json:"distance"`
	Changes  []changeText `json:"changes"`
	More     bool         `json:"more,omitempty"`
}

// tellWhy writes an explanation.
func (a *app) tellWhy(out io.Writer, e catalog.Explanation, asJSON bool) error {
	now := time.Now()
	if len(e.Nearest) == 0 && !asJSON {
		if e.More {
			a.note("nothing of type %s is among the descriptions that were looked at", printable(e.Type))
			return nil
		}
		a.note("%s: nothing else of type %s was stored before", short(e.ID), printable(e.Type))
		return nil
	}
	for _, n := range e.Nearest {
		if asJSON {
			text := nearText{ID: e.ID, From: n.ID, Distance: n.Distance, Changes: changesJSON(n.Changes), More: n.More}
			if !n.Stored.IsZero() {
				stored := n.Stored.UTC()
				text.Stored = &stored
			}
			if err := writeJSON(out, text); err != nil {
				return err
			}
			continue
		}
		if err := tellNear(out, e.ID, n, now); err != nil {
			return err
		}
	}
	return nil
}

func tellNear(out io.Writer, id string, n catalog.Near, now time.Time) error {
	stored := ""
	if !n.Stored.IsZero() {
		stored = fmt.Sprintf(", stored %s ago", age(now.Sub(n.Stored)))
	}
	w := tabwriter.NewWriter(terminalOf(out), 0, 0, 2, ' ', 0)
	if len(n.Changes) == 0 {
		fmt.Fprintf(w, "%s is the same as %s%s\n", short(id), short(n.ID), stored)
		return w.Flush()
	}
	fmt.Fprintf(w, "%s differs from %s%s, in:\n", short(id), short(n.ID), stored)
	tellChanges(func(name, words string) { fmt.Fprintf(w, "  %s\t%s\n", name, words) }, "", n.Changes, now)
	if n.More {
		fmt.Fprintln(w, "  and more")
	}
	return w.Flush()
}

// hintMost is how many descriptions a hint looks at: some 50 ms on a shelf.
const hintMost = 10_000

// hintAfter says after a miss in what the run differs from the nearest earlier one, where that is cheap. Whatever
// fails, there is no hint.
func (a *app) hintAfter(ctx context.Context, store *larder.Store, s *stage.Stage, o stage.Outcome) {
	if a.quiet || o.Stale != "" || o.Unread != "" || backend.LimitsOf(store.Backend()).CostlyRequests {
		return
	}
	e, err := catalog.Explain(ctx, store, o.Component, &catalog.ExplainOptions{Most: hintMost})
	if err != nil || len(e.Nearest) == 0 || len(e.Nearest[0].Changes) == 0 {
		return
	}
	n := e.Nearest[0]
	a.note("%s: nearest earlier run %s, stored %s ago, differs in: %s",
		s.Title(), short(n.ID), age(time.Since(n.Stored)), hint(n, time.Now()))
}

// tellMiss explains a miss in full, because that was asked for.
func (a *app) tellMiss(ctx context.Context, f *runFlags, store *larder.Store, o stage.Outcome) error {
	e, err := catalog.Explain(ctx, store, o.Component, nil)
	if err != nil {
		return err
	}
	out := a.stderr
	if f.dryRun {
		out = a.stdout
	}
	if o.Stale != "" && !f.json {
		fmt.Fprintf(terminalOf(out), "%s is kept, but %s\n", short(o.ID), o.Stale)
	}
	return a.tellWhy(out, e, f.json)
}
