package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/codec"
)

func newShow(a *app) *cobra.Command {
	var f filterFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show [flags] [ID|TYPE...]",
		Short: "Describe components, and list their values",
		Long: `Tell what components are, what they were computed from, and which of their attributes
are kept: of those that are named, or of all that are chosen by type, version, parameters and
time; without either, of the one of which something was stored last.

ID is the beginning of a key; the type, or the last part of it, names the only component of a
type. Also the inputs of what is kept can be shown, whether or
not anything is kept of them.`,
		Example: `  larder show 3f2a9c
  larder show --type lab/fit -p tau=0.02 --json | jq .inputs`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.show(cmd.Context(), &f, args, asJSON) },
	}
	f.add(a, cmd)
	cmd.ValidArgsFunction = a.completeAddress
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON objects, one a line")
	return cmd
}

// shown is all that is known of a component.
type shown struct {
	ID         string       `json:"id"`
	Type       string       `json:"type,omitempty"`
	Version    string       `json:"version,omitempty"`
	Parameters any          `json:"parameters,omitempty"`
	AsOf       *time.Time   `json:"as_of,omitempty"`
	Inputs     []shownInput `json:"inputs,omitempty"`
	Attributes []shownValue `json:"attributes,omitempty"`
}

type shownInput struct {
	ID         string `json:"id"`
	Label      string `json:"label,omitempty"`
	Type       string `json:"type,omitempty"`
	Parameters any    `json:"parameters,omitempty"`
}

type shownValue struct {
	Name   string    `json:"name"`
	Size   int64     `json:"size"`
	SHA256 string    `json:"sha256"`
	Stored time.Time `json:"stored"`
	Took   float64   `json:"took_s,omitempty"` // to compute
	Codec  string    `json:"codec,omitempty"`
}

func (a *app) show(ctx context.Context, f *filterFlags, args []string, asJSON bool) error {
	if len(args) > 0 && f.used() {
		return misused("show: name components, or choose them by --type, --version, -p, --since and --where; not both")
	}
	store, err := a.openToRead(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	ids, err := f.components(ctx, store, args)
	if err != nil {
		return err
	}
	for i, id := range ids {
		s, err := look(ctx, store, id)
		if err != nil {
			return err
		}
		if s.Type == "" && len(s.Attributes) == 0 {
			return &exitError{exitMiss, fmt.Errorf("nothing is known of %s", short(id))}
		}
		if asJSON {
			err = writeJSON(a.stdout, s)
		} else {
			err = a.tellShown(s, i > 0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// components returns the keys of the components that are named or chosen, or the newest.
func (f *filterFlags) components(ctx context.Context, store *larder.Store, args []string) ([]string, error) {
	var ids []string
	for _, text := range args {
		id, err := catalog.Resolve(ctx, store, text)
		if err != nil {
			return nil, hintAtType(ctx, store, err)
		}
		ids = append(ids, id)
	}
	if len(args) > 0 {
		return ids, nil
	}
	q, err := f.query("", time.Now())
	if err != nil {
		return nil, err
	}
	if q, err = narrowed(ctx, store, q, f.where, time.Now()); err != nil {
		return nil, err
	}
	most := 0
	if !f.used() {
		most = 1
	}
	chosen, err := catalog.Newest(ctx, store, q, most)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, e := range chosen {
		if !seen[e.ID] {
			seen[e.ID] = true
			ids = append(ids, e.ID)
		}
	}
	if len(ids) == 0 {
		return nil, &exitError{exitMiss, errors.New("nothing found")}
	}
	return ids, nil
}

// hintAtType is resolveError, which says to users of a type's name how all components of the type are shown.
func hintAtType(ctx context.Context, store *larder.Store, err error) error {
	var several *catalog.Ambiguity
	told := resolveError(err)
	if !errors.As(err, &several) || strings.HasPrefix(several.Candidates[0], several.Text) {
		return told
	}
	d, known, err := catalog.Describe(ctx, store, several.Candidates[0])
	if err != nil || !known {
		return told // the hint is all that is missing
	}
	return misused("%w, or choose by what they are, such as larder show --type %s", told, commandText([]string{d.Type}))
}

// look gathers what is known of a component.
func look(ctx context.Context, store *larder.Store, id string) (shown, error) {
	s := shown{ID: id}
	desc, known, err := catalog.Describe(ctx, store, id)
	if err != nil {
		return s, err
	}
	if known {
		s.Type, s.Version, s.Parameters = desc.Type, desc.Version, plain(desc.Parameters)
		if !desc.AsOf.IsZero() {
			s.AsOf = &desc.AsOf
		}
	}
	inputs, err := catalog.Inputs(ctx, store, desc)
	if err != nil {
		return s, err
	}
	for _, in := range inputs {
		shown := shownInput{ID: in.Key, Label: in.Label}
		if in.Known {
			shown.Type, shown.Parameters = in.Description.Type, plain(in.Description.Parameters)
		}
		s.Inputs = append(s.Inputs, shown)
	}
	values, err := catalog.Attributes(ctx, store, id)
	if err != nil {
		return s, err
	}
	for _, e := range values {
		v, err := lookValue(ctx, store, e)
		if errors.Is(err, larder.ErrNotFound) {
			continue // removed meanwhile
		}
		if err != nil {
			return s, err
		}
		s.Attributes = append(s.Attributes, v)
	}
	slices.SortFunc(s.Attributes, func(a, b shownValue) int { return strings.Compare(a.Name, b.Name) })
	return s, nil
}

// tellShown shows a component, after others with an empty line between.
func (a *app) tellShown(s shown, after bool) error {
	w := tabwriter.NewWriter(a.out(), 0, 0, 2, ' ', 0)
	if after {
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "id\t%s\n", s.ID)
	if s.Type != "" {
		fmt.Fprintf(w, "type\t%s\nversion\t%s\n", printable(s.Type), printable(s.Version))
	}
	if text := parameterText(s.Parameters); text != "" {
		fmt.Fprintf(w, "parameters\t%s\n", text)
	}
	if s.AsOf != nil {
		fmt.Fprintf(w, "as of\t%s\n", s.AsOf.Format(time.RFC3339))
	}
	for _, in := range s.Inputs {
		label := ""
		if in.Label != "" {
			label = printable(in.Label) + "  "
		}
		fmt.Fprintf(w, "input\t%s  %s%s  %s\n", short(in.ID), label, printable(orUnknown(in.Type)), cutText(parameterText(in.Parameters)))
	}
	for _, v := range s.Attributes {
		took := ""
		if v.Took > 0 {
			took = ", took " + duration(time.Duration(v.Took*float64(time.Second)))
		}
		fmt.Fprintf(w, "kept\t%s  %s, %s ago%s\n", printable(v.Name), size(v.Size), age(time.Since(v.Stored)), took)
	}
	return w.Flush()
}

// lookValue gathers what is known of a value, whose entry a list may give in part.
func lookValue(ctx context.Context, store *larder.Store, e catalog.Entry) (shownValue, error) {
	info, err := store.Backend().Stat(ctx, e.Info.Key)
	if err != nil {
		return shownValue{}, err
	}
	v := shownValue{
		Name:   e.Attribute,
		Size:   info.Size,
		SHA256: hex.EncodeToString(info.Digest[:]),
		Stored: info.ModTime.UTC(),
		Codec:  info.Meta[codec.MetaKey],
	}
	if took, ok := larder.Cost(info); ok {
		v.Took = took.Seconds()
	}
	return v, nil
}
