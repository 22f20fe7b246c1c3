package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/verify"
	"github.com/larder-store/larder/keying"
)

// entry is a value and what its component is.
type entry struct {
	id, attribute string
	info          larder.Info
	known         bool // desc tells what the component is
	desc          keying.Description
}

// filterFlags choose among the entries of a store.
type filterFlags struct {
	typ, since string
	params     []string
}

func (f *filterFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.typ, "type", "", "only of this type")
	fl.StringVar(&f.since, "since", "", "only stored since then: an age such as 12h or 30d, or a date")
	fl.StringArrayVarP(&f.params, "param", "p", nil, "only with this parameter, `key=value`; repeatable")
}

// filter chooses entries. The zero value takes all.
type filter struct {
	prefix string
	query  backend.Query
}

func (f *filterFlags) filter(prefix string, now time.Time) (filter, error) {
	flt := filter{prefix: prefix}
	if prefix != "" {
		if err := checkID(prefix); err != nil {
			return flt, err
		}
	}
	params, err := parseParams(f.params)
	if err != nil {
		return flt, err
	}
	flt.query = backend.Query{Type: f.typ, Parameters: params}
	if f.since != "" {
		if flt.query.Since, err = parseSince(f.since, now); err != nil {
			return flt, misused("--since: %v", err)
		}
	}
	return flt, nil
}

func newList(a *app) *cobra.Command {
	var f filterFlags
	var asJSON, long bool
	cmd := &cobra.Command{
		Use:   "ls [flags] [ID]",
		Short: "List what is stored, the newest last",
		Long: `List what is stored, the newest last: key, attribute, type, version, size, age and
parameters. ID is the beginning of a key.

With --json there is one JSON object a line.`,
		Example: `  larder ls --type detect --since 7d
  larder ls --json -p threshold=5 | jq -r .id`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return misused("ls: one key at most")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			flt, err := f.filter(first(args), time.Now())
			if err != nil {
				return err
			}
			return a.list(cmd.Context(), flt, asJSON, long)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.Flags().BoolVarP(&long, "long", "l", false, "keys and versions in full")
	return cmd
}

func (a *app) list(ctx context.Context, flt filter, asJSON, long bool) error {
	store, err := a.openToRead(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	var all []entry
	for e, err := range entries(ctx, store.Backend(), flt) {
		if err != nil {
			return err
		}
		all = append(all, e)
	}
	slices.SortStableFunc(all, func(a, b entry) int { return a.info.ModTime.Compare(b.info.ModTime) })
	if asJSON {
		return a.listJSON(all)
	}
	return a.listTable(all, long, time.Now())
}

func (a *app) listTable(all []entry, long bool, now time.Time) error {
	if len(all) == 0 {
		a.note("nothing found")
		return nil
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tATTRIBUTE\tTYPE\tVERSION\tSIZE\tAGE\tPARAMETERS")
	for _, e := range all {
		id, version := e.id, e.desc.Version
		if !long {
			id, version = short(id), shortVersion(version)
		}
		typ := e.desc.Type
		if !e.known {
			typ = "?"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", id, printable(e.attribute), printable(typ), printable(version),
			size(e.info.Size), age(now.Sub(e.info.ModTime)), parameterText(e.desc.Parameters))
	}
	return w.Flush()
}

func (a *app) listJSON(all []entry) error {
	for _, e := range all {
		if err := writeJSON(a.stdout, entryJSON(e)); err != nil {
			return err
		}
	}
	return nil
}

// entryText is an entry as JSON.
type entryText struct {
	ID         string    `json:"id"`
	Attribute  string    `json:"attribute"`
	Type       string    `json:"type,omitempty"`
	Version    string    `json:"version,omitempty"`
	Parameters any       `json:"parameters,omitempty"`
	Inputs     []string  `json:"inputs,omitempty"`
	Size       int64     `json:"size"`
	Stored     time.Time `json:"stored"`
}

func entryJSON(e entry) entryText {
	return entryText{
		ID:         e.id,
		Attribute:  e.attribute,
		Type:       e.desc.Type,
		Version:    e.desc.Version,
		Parameters: plain(e.desc.Parameters),
		Inputs:     e.desc.Inputs,
		Size:       e.info.Size,
		Stored:     e.info.ModTime.UTC(),
	}
}

// entries yields what a filter lets through, in the order of keys. Values and descriptions
// are both listed in that order, so one pass over each is enough.
func entries(ctx context.Context, b larder.Backend, flt filter) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		opts := backend.ListOptions{Prefix: flt.prefix}
		next, stop := iter.Pull2(backend.Scan(ctx, b, backend.ShelfComponents, opts))
		defer stop()
		descs := descriptions{next: next}
		for info, err := range b.List(ctx, backend.ShelfCache, opts) {
			if err != nil {
				yield(entry{}, err)
				return
			}
			id, segment, _ := strings.Cut(info.Key.Name, "/")
			e := entry{id: id, info: info}
			if e.attribute, err = keying.Unescape(segment); err != nil {
				e.attribute = segment // stored by other means than a Store
			}
			if e.desc, e.known, err = descs.of(id); err != nil {
				yield(entry{}, err)
				return
			}
			if flt.lets(e) && !yield(e, nil) {
				return
			}
		}
	}
}

func (f filter) lets(e entry) bool {
	return f.query.Match(backend.Description{
		Type:       e.desc.Type,
		Version:    e.desc.Version,
		Parameters: e.desc.Parameters,
		Stored:     e.info.ModTime,
	})
}

// descriptions finds descriptions for keys that come in ascending order.
type descriptions struct {
	next  func() (backend.Entry, error, bool)
	name  string // of the present one
	desc  keying.Description
	sound bool
	ended bool
}

func (d *descriptions) of(id string) (keying.Description, bool, error) {
	for !d.ended && d.name < id {
		e, err, ok := d.next()
		if err != nil {
			return keying.Description{}, false, err
		}
		if d.ended = !ok; d.ended {
			break
		}
		d.name, d.sound = e.Key.Name, false
		if d.name != id {
			continue // of an input that was never stored itself
		}
		d.desc, d.sound = readDescription(e)
	}
	if d.ended || d.name != id || !d.sound {
		return keying.Description{}, false, nil
	}
	return d.desc, true, nil
}

func shortVersion(v string) string {
	if kind, digest, ok := strings.Cut(v, ":"); ok && len(digest) > shortID {
		return kind + ":" + digest[:7]
	}
	return v
}

// parameterText tells parameters in the form of the flag -p.
func parameterText(v any) string {
	if v == nil {
		return ""
	}
	m, ok := plain(v).(map[string]any)
	if !ok {
		return jsonText(plain(v))
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		text, ok := m[k].(string)
		if !ok || json.Valid([]byte(text)) || text != printable(text) {
			text = jsonText(m[k])
		}
		parts = append(parts, printable(k)+"="+text)
	}
	return strings.Join(parts, " ")
}

func jsonText(v any) string {
	var b strings.Builder
	if err := writeJSON(&b, v); err != nil {
		return "?"
	}
	return strings.TrimSpace(b.String())
}

// printable returns a text that leaves a terminal and a table as they are.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u202e' }) {
		return fmt.Sprintf("%q", s)
	}
	return s
}

// parseSince reads an age, such as 90m, 12h or 30d, or a date.
func parseSince(text string, now time.Time) (time.Time, error) {
	if d, err := parseAge(text); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is neither an age, such as 90m, 12h or 30d, nor a date, such as 2026-03-01", text)
}

// parseAge reads a length of time: Go's units, or days or weeks.
func parseAge(text string) (time.Duration, error) {
	bad := fmt.Errorf("%q is no age, such as 90m, 12h or 30d", text)
	for unit, d := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		digits, ok := strings.CutSuffix(text, unit)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(digits, 64)
		if err != nil || strings.Trim(digits, "0123456789.") != "" || v > maxDays {
			return 0, bad
		}
		return time.Duration(v * float64(d)), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, bad
	}
	return d, nil
}

// maxDays keeps an age within a time.Duration, weeks too.
const maxDays = 15_000

// readDescription decodes a description; one that is corrupt is unknown.
func readDescription(e backend.Entry) (keying.Description, bool) {
	preimage, err := io.ReadAll(e.Body)
	if err != nil || verify.Bytes(preimage, e.Info) != nil {
		return keying.Description{}, false
	}
	d, err := keying.Decode(preimage)
	return d, err == nil
}
