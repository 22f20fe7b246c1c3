package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/terminal"
)

func newInfo(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "info [flags] [URL]",
		Short: "Show what a store promises, and whether it answers",
		Long: `Show what a store promises, which abilities it has beyond what is needed, and what was seen of
it just now. Nothing is written: whether the promises are kept, "larder conformance" tries.`,
		Example: `  larder info
  larder info 's3://bucket/prefix?region=eu-central-1'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return misused("info: one URL at most")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return a.info(cmd.Context(), asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as a JSON object")
	return cmd
}

// infoText is what is known of a store.
type infoText struct {
	Store     string         `json:"store"`
	Promises  map[string]any `json:"promises"`
	Abilities []string       `json:"abilities"`
	Shelves   []string       `json:"shelves"`
	Facts     []backend.Fact `json:"facts,omitempty"` // what the engine tells of itself
	Record    *larder.Record `json:"record,omitempty"`
	OpenedMS  float64        `json:"opened_ms"`
	ListedMS  float64        `json:"listed_ms"`
}

func (a *app) info(ctx context.Context, asJSON bool) error {
	url, err := a.url()
	if err != nil {
		return err
	}
	began := time.Now()
	store, err := a.openToRead(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	opened := time.Now()
	b := store.Backend()
	i := infoText{Store: backend.Redact(url), Promises: promises(backend.LimitsOf(b)), Abilities: abilities(b), Shelves: []string{}}
	for shelf, err := range b.Shelves(ctx, backend.ListOptions{}) {
		if err != nil {
			return err
		}
		if shelf != backend.ShelfStore {
			i.Shelves = append(i.Shelves, shelf)
		}
	}
	switch r, err := store.Record(ctx); {
	case err == nil:
		i.Record = &r
	case !errors.Is(err, larder.ErrNotFound):
		return err
	}
	if informer, ok := backend.As[backend.Informer](b); ok {
		if i.Facts, err = informer.Facts(ctx); err != nil {
			return err
		}
	}
	i.OpenedMS = milliseconds(opened.Sub(began))
	i.ListedMS = milliseconds(time.Since(opened))
	if asJSON {
		return writeJSON(a.stdout, i)
	}
	return a.tellInfo(i)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// promise names what a backend promises, in the order in which they are shown.
var promise = []struct {
	name, means string
	of          func(backend.Limits) any
}{
	{"atomic_if_absent", "of several writers that want to be the first, one is", func(l backend.Limits) any { return l.AtomicIfAbsent }},
	{"atomic_if_match", "a value is replaced only if it is still the one that was seen", func(l backend.Limits) any { return l.AtomicIfMatch }},
	{"durable", "what was stored survives a power cut", func(l backend.Limits) any { return l.Durable }},
	{"lasting", "it is there after the process ended", func(l backend.Limits) any { return l.Lasting }},
	{"shared", "other machines see it", func(l backend.Limits) any { return l.Shared }},
	{"costly_requests", "each request costs time or money", func(l backend.Limits) any { return l.CostlyRequests }},
	{"max_value", "bytes in a value, or 0 for no limit", func(l backend.Limits) any { return l.MaxValue }},
}

func promises(l backend.Limits) map[string]any {
	m := map[string]any{}
	for _, p := range promise {
		m[p.name] = p.of(l)
	}
	return m
}

// abilities names the optional abilities of b.
func abilities(b larder.Backend) []string {
	found := []string{}
	has := func(name string, ok bool) {
		if ok {
			found = append(found, name)
		}
	}
	_, ok := backend.As[backend.RangeGetter](b)
	has("ranges", ok)
	_, ok = backend.As[backend.Scanner](b)
	has("scans", ok)
	_, ok = backend.As[backend.BatchPutter](b)
	has("batches of puts", ok)
	_, ok = backend.As[backend.BatchDeleter](b)
	has("batches of deletes", ok)
	_, ok = backend.As[backend.MatchDeleter](b)
	has("deletes by version", ok)
	_, ok = backend.As[backend.Finder](b)
	has("queries", ok)
	_, ok = backend.As[backend.Leaser](b)
	has("leases", ok)
	_, ok = backend.As[backend.Sweeper](b)
	has("sweep", ok)
	return found
}

// maxShown bounds how many shelves are named.
const maxShown = 5

func (a *app) tellInfo(i infoText) error {
	w := tabwriter.NewWriter(a.out(), 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "store\t%s\n", i.Store)
	for _, p := range promise {
		fmt.Fprintf(w, "%s\t%v\t%s\n", strings.ReplaceAll(p.name, "_", " "), i.Promises[p.name], p.means)
	}
	fmt.Fprintf(w, "abilities\t%s\n", strings.Join(i.Abilities, ", "))
	fmt.Fprintf(w, "shelves\t%s\n", strings.Join(firstOf(i.Shelves, maxShown), ", "))
	for _, f := range i.Facts {
		fmt.Fprintf(w, "%s\t%s\n", f.Name, terminal.Clean(f.Value))
	}
	if r := i.Record; r != nil {
		fmt.Fprintf(w, "made\t%s, keys by %s, format %d\n", r.Made.Local().Format("2006-01-02 15:04"), terminal.Clean(r.Keys), r.Format)
	}
	fmt.Fprintf(w, "answered\topened in %.1f ms, shelves listed in %.1f ms\n", i.OpenedMS, i.ListedMS)
	return w.Flush()
}

func firstOf(names []string, n int) []string {
	if len(names) <= n {
		return names
	}
	return append(slices.Clone(names[:n]), fmt.Sprintf("%d more", len(names)-n))
}
