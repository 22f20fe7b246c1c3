package cli

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder/backend"
)

type statsFlags struct{ reset, json bool }

func newStats(a *app) *cobra.Command {
	var f statsFlags
	cmd := &cobra.Command{
		Use:   "stats [flags]",
		Short: "Show hits, misses and the time saved",
		Long: `Tell how often something was found, what that saved, and how much is stored.

Lookups are those of "larder run", "get" and "put" by this user on this machine, counted
since the last -z in the user's cache directory. What is stored is counted in the store,
by listing it. Where each request costs time or money, stats shows how many the steps take.`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.stats(cmd.Context(), &f) },
	}
	cmd.Flags().BoolVarP(&f.reset, "zero", "z", false, "begin to count anew")
	cmd.Flags().BoolVar(&f.json, "json", false, "as a JSON object")
	return cmd
}

// statsText is what stats shows, as JSON.
type statsText struct {
	counts
	Values     int64 `json:"values"`
	Components int64 `json:"components"`
	Bytes      int64 `json:"bytes"`

	// Requests is what the steps take; nil where requests are not costly.
	Requests *budget `json:"requests,omitempty"`
}

func (a *app) stats(ctx context.Context, f *statsFlags) error {
	url, err := a.url()
	if err != nil {
		return err
	}
	t, err := tallyOf(url)
	if err != nil {
		return err
	}
	if f.reset {
		return t.reset()
	}
	var s statsText
	if s.counts, err = t.sum(); err != nil {
		return err
	}
	if err := a.countStored(ctx, url, &s); err != nil {
		return err
	}
	if f.json {
		return writeJSON(a.stdout, s)
	}
	return a.tellStats(s)
}

// countStored counts what is in the store.
func (a *app) countStored(ctx context.Context, url string, s *statsText) error {
	store, err := a.openToRead(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	s.Requests = budgetOf(store.Backend())
	line := a.newProgress()
	defer line.end()
	last := ""
	for info, err := range store.Backend().List(ctx, backend.ShelfCache, backend.ListOptions{}) {
		if err != nil {
			return err
		}
		id, _, _ := strings.Cut(info.Key.Name, "/")
		if id != last {
			s.Components++
			last = id
		}
		s.Values++
		s.Bytes += info.Size
		line.show(func() string { return fmt.Sprintf("%d values so far", s.Values) })
	}
	return nil
}

func (a *app) tellStats(s statsText) error {
	w := tabwriter.NewWriter(a.out(), 0, 0, 2, ' ', 0)
	share := ""
	if n := s.Hits + s.Misses; n > 0 {
		share = fmt.Sprintf(" (%.1f%%)", 100*float64(s.Hits)/float64(n))
	}
	fmt.Fprintf(w, "lookups\t%d\thits %d%s, misses %d, waited for another %d\n", s.Hits+s.Misses, s.Hits, share, s.Misses, s.Waited)
	fmt.Fprintf(w, "time saved\t%s\n", duration(time.Duration(s.SavedMS)*time.Millisecond))
	fmt.Fprintf(w, "read\t%s\n", size(s.Read))
	fmt.Fprintf(w, "written\t%s\t%s, of them %d computed by run\n", size(s.Written), count(int(s.Puts), "value"), s.Computed)
	fmt.Fprintf(w, "corrupt\t%d\thealed %d, not stored %d\n", s.Corrupt, s.Healed, s.Failures)
	fmt.Fprintf(w, "stored\t%s\t%s of %s\n", size(s.Bytes), count(int(s.Values), "value"), count(int(s.Components), "component"))
	s.Requests.write(w)
	return w.Flush()
}
