package cli

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/session"
)

type collateFlags struct {
	prefix           string
	csv, jsonl, npy  bool
	output           string
	follow, skip     bool
	every            time.Duration
	parallel, failed int
}

func newCollate(a *app) *cobra.Command {
	var f collateFlags
	cmd := &cobra.Command{
		Use:   "collate [flags] NAME",
		Short: "Merge the items of all sessions of a sweep",
		Long: `Put together the items of all sessions of NAME, in the order of sessions and keys, on standard
output. Workers may be writing: what they had stored before is there.

As JSON lines (the default) and CSV an item is its session, key and value; text is text, other
bytes are hexadecimal digits. As NPY the values alone are one array: of numbers, or of rows where
each value is as many numbers.

With --follow it goes on with items that come later, until all sessions are complete, or it is
interrupted. An item that is replaced is not written again.`,
		Example: `  larder collate rate-curve --prefix rate/ --csv -o rates.csv
  larder collate rate-curve --npy -o all.npy
  larder collate rate-curve --follow | jq .value`,
		Args: between(1, 1, "collate NAME"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.collate(cmd.Context(), &f, args[0]) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.prefix, "prefix", "", "only items whose keys begin with it")
	fl.BoolVar(&f.jsonl, "jsonl", false, "one JSON object a line (the default)")
	fl.BoolVar(&f.csv, "csv", false, "session, key and value as CSV, with a line of titles")
	fl.BoolVar(&f.npy, "npy", false, "the values as one array of numbers; numpy opens it")
	fl.StringVarP(&f.output, "output", "o", "", "write to this file, all or nothing")
	fl.BoolVar(&f.follow, "follow", false, "go on with what comes later")
	fl.DurationVar(&f.every, "every", time.Second, "with --follow, how often to look")
	fl.BoolVar(&f.skip, "skip-errors", false, "go on after an item or a session that cannot be read; the exit code is 1 all the same")
	fl.IntVar(&f.parallel, "parallel", 0, "how many sessions are read at a time (default: as suits the store)")
	cmd.MarkFlagsMutuallyExclusive("jsonl", "csv", "npy")
	return cmd
}

// rows writes items in one of the formats.
type rows interface {
	row(item session.Item[any]) error
	end() error // writes what is left
}

func (a *app) collate(ctx context.Context, f *collateFlags, name string) error {
	if f.every <= 0 {
		return misused("collate: --every %v is too short", f.every)
	}
	store, err := a.openToRead(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	m, err := session.Open(ctx, store, name, nil)
	if err != nil {
		return err
	}
	err = a.intoOutput(f.output, func(w io.Writer) error { return a.collateTo(ctx, f, m, w) })
	if err == nil && f.failed > 0 {
		err = fmt.Errorf("%s could not be read, as said above", count(f.failed, "item"))
	}
	return err
}

// intoOutput has write fill a file, which is there whole or not at all; or standard output, if path is empty.
func (a *app) intoOutput(path string, write func(io.Writer) error) error {
	if path != "" && path != "-" {
		return wholeFile(path, write)
	}
	if f, ok := a.stdout.(*os.File); ok && isTerminal(f) {
		return write(a.out())
	}
	return write(a.stdout)
}

func (a *app) collateTo(ctx context.Context, f *collateFlags, m *session.Manager, w io.Writer) error {
	var out rows
	switch {
	case f.csv:
		out = &csvRows{w: csv.NewWriter(w)}
	case f.npy:
		n, err := newNPYRows(w)
		if err != nil {
			return err
		}
		defer n.close()
		out = n
	default:
		out = &jsonRows{w: w}
	}
	bar := a.newProgress()
	defer bar.end()
	c := &collation{a: a, f: f, m: m, out: out, bar: bar}
	if f.follow {
		c.seen = map[[16]byte]bool{}
	}
	for {
		// Complete before the items are read, so that none is missed.
		complete, err := c.complete(ctx)
		if err == nil {
			err = c.pass(ctx)
		}
		if err != nil || complete {
			if err == nil && c.n == 0 {
				a.note("nothing found")
			}
			return finish(out, err)
		}
		select {
		case <-ctx.Done():
			return finish(out, ctx.Err())
		case <-time.After(f.every):
		}
	}
}

func finish(out rows, err error) error {
	if err != nil {
		return err
	}
	return out.end()
}

// collation is what passes over the sessions have in common.
type collation struct {
	a   *app
	f   *collateFlags
	m   *session.Manager
	out rows
	bar *progress

	seen map[[16]byte]bool // the items that were written; nil without --follow
	told map[string]bool   // errors
	n    int
}

// complete reports whether nothing will follow.
func (c *collation) complete(ctx context.Context) (bool, error) {
	if !c.f.follow {
		return true, nil
	}
	any := false
	for s, err := range c.m.Sessions(ctx) {
		if err != nil {
			return false, err
		}
		info, err := c.m.Info(ctx, s)
		if err != nil || !info.Closed && !info.Locking {
			return false, ctx.Err()
		}
		any = true
	}
	return any, nil
}

// pass writes the items that are there and were not written.
func (c *collation) pass(ctx context.Context) error {
	opts := []session.CollateOption{session.Parallel(c.f.parallel)}
	if c.f.skip {
		opts = append(opts, session.SkipErrors(c.failed))
	}
	for item, err := range session.Matching[any](ctx, c.m, session.Prefix(c.f.prefix), opts...) {
		if err != nil {
			return err
		}
		if c.seen != nil {
			sum := sha256.Sum256([]byte(item.Session + "\x00" + item.Key))
			id := [16]byte(sum[:])
			if c.seen[id] {
				continue
			}
			c.seen[id] = true
		}
		if err := c.out.row(item); err != nil {
			return err
		}
		c.n++
		c.bar.show(func() string { return fmt.Sprintf("%s, session %s", count(c.n, "item"), item.Session) })
	}
	if c.f.follow {
		if f, ok := c.out.(interface{ flush() error }); ok {
			return f.flush()
		}
	}
	return nil
}

// failed tells of what was skipped, once.
func (c *collation) failed(err error) {
	if c.told[err.Error()] {
		return
	}
	if c.told == nil {
		c.told = map[string]bool{}
	}
	c.told[err.Error()] = true
	c.f.failed++
	c.bar.end()
	c.a.warn("%v", err)
}

// jsonRows writes JSON lines.
type jsonRows struct{ w io.Writer }

func (j *jsonRows) row(item session.Item[any]) error {
	return writeJSON(j.w, struct {
		Session string `json:"session"`
		Key     string `json:"key"`
		Value   any    `json:"value"`
	}{item.Session, item.Key, readable(item.Value)})
}

func (j *jsonRows) end() error { return nil }

// readable is plain, with text where bytes are that.
func readable(v any) any {
	if b, ok := v.([]byte); ok && utf8.Valid(b) {
		return string(b)
	}
	return plain(v)
}

// csvRows writes CSV.
type csvRows struct {
	w     *csv.Writer
	begun bool
}

func (c *csvRows) begin() error {
	if c.begun {
		return nil
	}
	c.begun = true
	return c.w.Write([]string{"session", "key", "value"})
}

func (c *csvRows) row(item session.Item[any]) error {
	if err := c.begin(); err != nil {
		return err
	}
	text := ""
	switch v := readable(item.Value).(type) {
	case string:
		text = v
	case nil:
	default:
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		text = string(b)
	}
	return c.w.Write([]string{harmless(item.Session), harmless(item.Key), harmless(text)})
}

func (c *csvRows) flush() error {
	c.w.Flush()
	return c.w.Error()
}

func (c *csvRows) end() error {
	if err := c.begin(); err != nil {
		return err
	}
	return c.flush()
}

// missIfAbsent gives absence its exit code.
func missIfAbsent(err error) error {
	if errors.Is(err, backend.ErrNotFound) {
		return &exitError{exitMiss, err}
	}
	return err
}
