package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/session"
)

func newSessions(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sessions",
		Short: "List, show, import and remove the sessions of a sweep",
		Long: `Look after sessions: what each worker of a parameter sweep writes for itself under a common
name, to be collated by "larder collate". docs/sessions.md says more.`,
		Example: `  larder sessions ls
  larder sessions ls rate-curve
  larder sessions show rate-curve alice-3f2a9c
  larder sessions import rate-curve old-results.jsonl`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return misused("sessions: there is no command %q; write: larder sessions ls, show, rm or import", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	for _, sub := range []*cobra.Command{newSessionsList(a), newSessionsShow(a), newSessionsRemove(a), newSessionsImport(a)} {
		work := sub.RunE
		sub.RunE = func(cmd *cobra.Command, args []string) error {
			a.started = true
			if err := a.companionFor(); err != nil {
				return err
			}
			return work(cmd, args)
		}
		cmd.AddCommand(sub)
	}
	return cmd
}

// between refuses a number of arguments outside of bounds; most < 0 is no bound.
func between(least, most int, usage string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least || most >= 0 && len(args) > most {
			return misused("write: larder %s", usage)
		}
		return nil
	}
}

func newSessionsList(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls [flags] [NAME]",
		Short: "List managers, or the sessions of one",
		Long: `List the names under which there are sessions; or the sessions of NAME: who wrote each, where,
when it was made and written last, and whether it is complete. A session that is not
is open, or its writer died.`,
		Args: between(0, 1, "sessions ls [NAME]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.sessionsList(cmd.Context(), first(args), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
}

func (a *app) sessionsList(ctx context.Context, name string, asJSON bool) error {
	store, err := a.openToRead(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	if name == "" {
		return a.managersList(ctx, store, asJSON)
	}
	m, err := session.Open(ctx, store, name, nil)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.out(), 0, 0, 2, ' ', 0)
	if !asJSON {
		fmt.Fprintln(w, "SESSION\tSTATE\tUSER\tHOST\tMADE\tWRITTEN")
	}
	now := time.Now()
	for s, err := range m.Sessions(ctx) {
		if err != nil {
			return err
		}
		info, err := m.Info(ctx, s)
		if err != nil {
			a.warn("%v", err)
			info = session.Info{Name: s}
		}
		if asJSON {
			if err := writeJSON(a.stdout, sessionJSON(info)); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", printable(s), stateOf(info), printable(info.User), printable(info.Host), ago(now, info.Started), ago(now, info.LastWrite))
	}
	return w.Flush()
}

func (a *app) managersList(ctx context.Context, store *larder.Store, asJSON bool) error {
	for name, err := range session.Managers(ctx, store) {
		if err == nil && asJSON {
			err = writeJSON(a.stdout, map[string]string{"name": name})
		} else if err == nil {
			_, err = fmt.Fprintln(a.out(), printable(name))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ago tells the age of a moment, or that there is none.
func ago(now, t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return age(now.Sub(t))
}

func stateOf(info session.Info) string {
	switch {
	case info.Locking:
		return "shared"
	case info.Closed:
		return "complete"
	case info.Opened.IsZero():
		return "?"
	}
	return "open"
}

// sessionText is a session as JSON.
type sessionText struct {
	Session   string            `json:"session"`
	State     string            `json:"state"`
	User      string            `json:"user"`
	Host      string            `json:"host"`
	PID       int               `json:"pid"`
	Started   *time.Time        `json:"started,omitempty"`
	Opened    *time.Time        `json:"opened,omitempty"`
	LastWrite *time.Time        `json:"last_write,omitempty"`
	Stored    *time.Time        `json:"stored,omitempty"`
	Layout    session.Layout    `json:"layout,omitempty"`
	Labels    map[string]string `json:"labels,omitempty"`
	Location  string            `json:"location,omitempty"`
	Items     *int64            `json:"items,omitempty"`
}

func sessionJSON(info session.Info) sessionText {
	moment := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	return sessionText{
		Session: info.Name, State: stateOf(info), User: info.User, Host: info.Host, PID: info.PID, Layout: info.Layout, Labels: info.Labels,
		Started: moment(info.Started), Opened: moment(info.Opened), LastWrite: moment(info.LastWrite), Stored: moment(info.Stored),
	}
}

func newSessionsShow(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show [flags] NAME SESSION",
		Short: "Show the metadata of a session",
		Long: `Show what is known of a session: who wrote it, on which machine, in which process, when, how
many items it has, and where in the store it is. Times are by the writer's clock, but for
"stored", which is by the store's.`,
		Args: between(2, 2, "sessions show NAME SESSION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.sessionsShow(cmd.Context(), args[0], args[1], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as a JSON object")
	return cmd
}

func (a *app) sessionsShow(ctx context.Context, name, s string, asJSON bool) error {
	store, err := a.openToRead(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	m, err := session.Open(ctx, store, name, nil)
	if err != nil {
		return err
	}
	info, err := m.Info(ctx, s)
	if err != nil {
		return missIfAbsent(err)
	}
	text := sessionJSON(info)
	if text.Location, err = m.Location(s); err != nil {
		return err
	}
	n, err := m.Count(ctx, s)
	if err != nil {
		return err
	}
	text.Items = &n
	if asJSON {
		return writeJSON(a.stdout, text)
	}
	w := tabwriter.NewWriter(a.out(), 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "session\t%s\nstate\t%s\nitems\t%d, kept as %s\n", printable(s), text.State, n, info.Layout)
	fmt.Fprintf(w, "writer\t%s on %s, process %d\n", printable(info.User), printable(info.Host), info.PID)
	for _, t := range []struct {
		what string
		at   time.Time
	}{{"made", info.Started}, {"opened", info.Opened}, {"written", info.LastWrite}, {"stored", info.Stored}} {
		if !t.at.IsZero() {
			fmt.Fprintf(w, "%s\t%s\n", t.what, t.at.Format(time.RFC3339))
		}
	}
	for _, label := range slices.Sorted(maps.Keys(info.Labels)) {
		fmt.Fprintf(w, "label %s\t%s\n", printable(label), printable(info.Labels[label]))
	}
	fmt.Fprintf(w, "location\tshelf %s\n", text.Location)
	return w.Flush()
}

func newSessionsRemove(a *app) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "rm [flags] NAME SESSION...",
		Short: "Remove sessions with all their items",
		Long: `Remove sessions with all their items. A session that is open is left alone, with an error.
With -n they are listed, and stay.`,
		Args: between(2, -1, "sessions rm NAME SESSION..."),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.sessionsRemove(cmd.Context(), args[0], args[1:], dryRun)
		},
	}
	cmd.Flags().BoolVarP(&dryRun, "dry-run", "n", false, "list what would be removed, and remove nothing")
	return cmd
}

func (a *app) sessionsRemove(ctx context.Context, name string, sessions []string, dryRun bool) error {
	store, err := a.openToChange(ctx, dryRun)
	if err != nil {
		return err
	}
	defer store.Close()
	m, err := session.Open(ctx, store, name, nil)
	if err != nil {
		return err
	}
	for _, s := range sessions { // all are there, or none is removed
		if err := removable(ctx, store, m, s); err != nil {
			return missIfAbsent(fmt.Errorf("session %q: %w; none was removed", s, err))
		}
	}
	for _, s := range sessions {
		if dryRun {
			fmt.Fprintln(a.out(), s)
			continue
		}
		if err := m.Remove(ctx, s); err != nil {
			return err
		}
	}
	if !dryRun {
		a.note("removed %s: %s", count(len(sessions), "session"), strings.Join(sessions, ", "))
	}
	return nil
}

// removable returns an error unless there is something of a session, be it damaged or the rest of one that was removed
// in part.
func removable(ctx context.Context, store *larder.Store, m *session.Manager, name string) error {
	_, err := m.Info(ctx, name)
	if !errors.Is(err, backend.ErrNotFound) && !errors.Is(err, backend.ErrCorrupt) {
		return err
	}
	shelf, where := m.Location(name)
	if where != nil {
		return where
	}
	for _, listing := range store.Backend().List(ctx, shelf, backend.ListOptions{Limit: 1}) {
		return listing
	}
	return err
}
