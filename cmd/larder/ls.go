package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/stage"
	"github.com/larder-store/larder/keying"
)

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

func (f *filterFlags) filter(ctx context.Context, prefix string, now time.Time) (filter, error) {
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
	flt.query.Type = f.typ
	if flt.query.Parameters, err = asDescribed(ctx, params); err != nil {
		return flt, &exitError{exitMisused, err}
	}
	if f.since != "" {
		if flt.query.Since, err = parseSince(f.since, now); err != nil {
			return flt, misused("--since: %v", err)
		}
	}
	return flt, nil
}

// asDescribed returns parameters as descriptions have them: 4.0 is 4 there.
func asDescribed(ctx context.Context, params map[string]any) (map[string]any, error) {
	_, preimage, err := keying.Hash{}.Preimage(ctx, component.New("query", "", params))
	if err != nil {
		return nil, err
	}
	d, err := keying.Decode(preimage)
	if err != nil {
		return nil, err
	}
	described := map[string]any{}
	decoded, _ := d.Parameters.(map[any]any)
	for key := range params {
		described[key] = decoded[key]
	}
	return described, nil
}

func newList(a *app) *cobra.Command {
	var f filterFlags
	var asJSON, long bool
	cmd := &cobra.Command{
		Use:   "ls [flags] [ID]",
		Short: "List what is stored, the newest last",
		Long: `List what is stored, the newest last: key, attribute, type, version, size, age and
parameters, and of stages the command. ID is the beginning of a key.

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
			flt, err := f.filter(cmd.Context(), first(args), time.Now())
			if err != nil {
				return err
			}
			return a.list(cmd.Context(), flt, asJSON, long)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.Flags().BoolVarP(&long, "long", "l", false, "keys, versions and commands in full")
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
	if err := addCommands(ctx, store.Backend(), all); err != nil {
		return err
	}
	return a.listTable(all, long, time.Now())
}

// maxCommands bounds how many command lines a list looks up, the newest: each takes
// a request.
const maxCommands = 500

// addCommands adds the command lines of stages.
func addCommands(ctx context.Context, b larder.Backend, all []entry) error {
	left := maxCommands
	if backend.LimitsOf(b).DearRequests {
		left = 0
	}
	for i := len(all) - 1; i >= 0 && left > 0; i-- {
		e := &all[i]
		if e.attribute != stage.Attribute || len(e.desc.Inputs) == 0 {
			continue
		}
		left--
		d, known, err := describe(ctx, b, e.desc.Inputs[0])
		if err != nil {
			return err
		}
		if known {
			e.command = stage.CommandLine(d)
		}
	}
	return nil
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
		what := parameterText(e.desc.Parameters)
		if command := commandText(e.command); command != "" {
			what = strings.TrimSpace(what + "  $ " + command)
		}
		if !long {
			what = cutText(what)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", id, printable(e.attribute), printable(typ), printable(version),
			size(e.info.Size), age(now.Sub(e.info.ModTime)), what)
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

// commandText tells a command line as one would type it.
func commandText(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		if quoted[i] = arg; arg == "" || strings.ContainsFunc(arg, notBare) {
			quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return printable(strings.Join(quoted, " "))
}

// notBare reports whether a shell would not take r as it is.
func notBare(r rune) bool {
	return r <= ' ' || strings.ContainsRune("|&;<>()$`\\\"'*?[]#~{}!", r)
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
