package cli

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/catalog"
)

type pinFlags struct{ until, by, note string }

func newPin(a *app) *cobra.Command {
	var f pinFlags
	cmd := &cobra.Command{
		Use:   "pin [flags] ID",
		Short: "Keep a component's values from being evicted",
		Long: `Keep all values of a component from "larder gc" by policy, and from the eviction by a
limit of the store. The pin is kept in the store, and so holds for all machines. Several people
may pin one component; pinning it again changes one's own pin. Removing values by
"larder rm" takes no notice of pins.

The component is named by its ID, the beginning of one, or its type; see "larder ls".`,
		Example: `  larder pin 3f2a9c --note "figure 2"
  larder pin 3f2a9c --until 90d --by anna`,
		Args: oneID,
		RunE: func(cmd *cobra.Command, args []string) error { return a.pin(cmd.Context(), &f, args[0]) },
	}
	cmd.ValidArgsFunction = a.completeAddress
	fl := cmd.Flags()
	fl.StringVar(&f.until, "until", "", "for how long, such as 30d, or until a date (default: until it is taken away)")
	fl.StringVar(&f.by, "by", "", "who pins (default: the user's name)")
	fl.StringVar(&f.note, "note", "", "why")
	return cmd
}

func oneID(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return misused("%s: name one component; write: larder %[1]s ID", cmd.Name())
	}
	return nil
}

func (a *app) pin(ctx context.Context, f *pinFlags, text string) error {
	p := catalog.Pin{By: whoPins(f.by), Note: f.note, Made: time.Now()}
	if f.until != "" {
		until, err := parseUntil(f.until, p.Made)
		if err != nil {
			return misused("--until: %v", err)
		}
		if p.Until = until; !until.After(p.Made) {
			return misused("--until: %q is over already", f.until)
		}
	}
	store, err := a.open(ctx, 0)
	if err != nil {
		return err
	}
	defer store.Close()
	if p.ID, err = catalog.Resolve(ctx, store, text); err != nil {
		return resolveError(err)
	}
	err = catalog.PinComponent(ctx, store, p)
	if errors.Is(err, larder.ErrNotFound) {
		return &exitError{exitMiss, fmt.Errorf("nothing is kept as %s; a pin needs a value", short(p.ID))}
	}
	if err == nil {
		a.note("pinned %s by %s%s", short(p.ID), printable(p.By), untilText(p.Until))
	}
	return err
}

// parseUntil reads a length of time from now on, or a date.
func parseUntil(text string, now time.Time) (time.Time, error) {
	if d, err := catalog.ParseAge(text); err == nil {
		return now.Add(d), nil
	}
	t, err := parseSince(text, now)
	if err != nil {
		err = fmt.Errorf("%q is neither a length of time, such as 30d, nor a date, such as 2026-12-31", text)
	}
	return t, err
}

func untilText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " until " + t.Local().Format("2006-01-02 15:04")
}

// whoPins returns the name of who pins.
func whoPins(by string) string {
	if by != "" {
		return by
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "unknown"
}

type unpinFlags struct {
	by  string
	all bool
}

func newUnpin(a *app) *cobra.Command {
	var f unpinFlags
	cmd := &cobra.Command{
		Use:   "unpin [flags] ID",
		Short: "Remove a pin",
		Long: `Remove one's own pin of a component, that of another by --by, or all by --all. The values
stay until "larder gc" or a limit of the store evicts them.`,
		Example: `  larder unpin 3f2a9c
  larder unpin --all 3f2a9c`,
		Args: oneID,
		RunE: func(cmd *cobra.Command, args []string) error { return a.unpin(cmd.Context(), &f, args[0]) },
	}
	cmd.ValidArgsFunction = a.completeAddress
	cmd.Flags().StringVar(&f.by, "by", "", "the pin of this name (default: the user's)")
	cmd.Flags().BoolVar(&f.all, "all", false, "whoever pinned it")
	cmd.MarkFlagsMutuallyExclusive("by", "all")
	return cmd
}

func (a *app) unpin(ctx context.Context, f *unpinFlags, text string) error {
	store, err := a.open(ctx, 0)
	if err != nil {
		return err
	}
	defer store.Close()
	pins, err := catalog.Pins(ctx, store, time.Time{})
	if err != nil {
		return err
	}
	id, err := pinned(ctx, store, pins, text)
	if err != nil {
		return err
	}
	by := whoPins(f.by)
	if f.all {
		by = ""
	}
	n, err := catalog.Unpin(ctx, store, id, by)
	if err != nil {
		return err
	}
	if n > 0 {
		a.note("removed %s of %s", count(n, "pin"), short(id))
		return nil
	}
	var others []string
	for _, p := range pins {
		if p.ID == id {
			others = append(others, printable(p.By))
		}
	}
	if len(others) > 0 {
		return &exitError{exitMiss, fmt.Errorf("%s is not pinned by %s, but by %s: use --by or --all", short(id), printable(by), strings.Join(others, ", "))}
	}
	return &exitError{exitMiss, fmt.Errorf("%s is not pinned", short(id))}
}

// pinned returns the component that is meant, also where its values are gone and only its pin is there.
func pinned(ctx context.Context, store *larder.Store, pins []catalog.Pin, text string) (string, error) {
	found := ""
	for _, p := range pins {
		if text == "" || !strings.HasPrefix(p.ID, text) || p.ID == found {
			continue
		}
		if found != "" {
			return "", misused("%q begins the IDs of several pins; write more of it", text)
		}
		found = p.ID
	}
	if found != "" {
		return found, nil
	}
	id, err := catalog.Resolve(ctx, store, text)
	return id, resolveError(err)
}

func newPins(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "pins [flags]",
		Short: "List pins",
		Long: `List the pins of the store: what is pinned, of which type, by whom, until when, and why. Those that
have run out are listed too, and hold nothing; "larder unpin" removes them.`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.pins(cmd.Context(), asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return cmd
}

// pinText is a pin as JSON.
type pinText struct {
	ID    string    `json:"id"`
	Type  string    `json:"type,omitempty"`
	By    string    `json:"by"`
	Note  string    `json:"note,omitempty"`
	Made  time.Time `json:"made"`
	Until time.Time `json:"until,omitzero"`
	Holds bool      `json:"holds"`
}

func (a *app) pins(ctx context.Context, asJSON bool) error {
	store, err := a.openToRead(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	pins, err := catalog.Pins(ctx, store, time.Time{})
	if err != nil {
		return err
	}
	now := time.Now()
	w := tabwriter.NewWriter(a.out(), 0, 0, 2, ' ', 0)
	if !asJSON && len(pins) > 0 {
		fmt.Fprintln(w, "ID\tTYPE\tBY\tUNTIL\tNOTE")
	}
	for _, p := range pins {
		d, _, err := catalog.Describe(ctx, store, p.ID)
		if err != nil {
			return err
		}
		t := pinText{p.ID, d.Type, p.By, p.Note, p.Made.UTC(), p.Until.UTC(), p.Until.IsZero() || now.Before(p.Until)}
		if asJSON {
			if err := writeJSON(a.stdout, t); err != nil {
				return err
			}
			continue
		}
		until := "-"
		if !p.Until.IsZero() {
			until = p.Until.Local().Format("2006-01-02 15:04")
		}
		if !t.Holds {
			until += " (over)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", short(p.ID), printable(orUnknown(d.Type)), printable(p.By), until, printable(p.Note))
	}
	return w.Flush()
}
