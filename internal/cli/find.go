package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
)

type findFlags struct {
	sort         string
	limit        int
	columns      []string
	json, csv    bool
	long, reason bool
}

func newFind(a *app) *cobra.Command {
	var f findFlags
	cmd := &cobra.Command{
		Use:   "find [flags] CONDITION",
		Short: "Find what was computed, by a condition",
		Long: `Find values by a condition on the type, version, parameters and inputs of what they are, and
on their age, size and cost.

` + catalog.Grammar + `

A value of params is what it says in JSON (5, true, "5"), else text. An age is such as 90m, 12h or
7d, a date such as 2026-03-01, a size such as 10MiB, a cost seconds or such as 2h. An input
is a file, or the beginning of a key; from also looks at the inputs of inputs. A comparison
holds only for values of one kind: neither params.x=5 nor params.x!=5 does where x is
the text "5", or is not there.

The columns of --columns are those of "larder ls", stored, cost, bytes, value and params.PATH.
The column value is the value itself, where it is a number, a truth value or a line of text: each
that takes 1 KiB at most is read. With --csv and without --columns there is one for each
parameter, and except on buckets the value.

What is found is held in memory to be sorted: all of it, or with --limit so many. With
--sort id, and --json or --csv --columns, each line is written as it is found.`,
		Example: `  larder find 'type=spikes and params.threshold > 3.5 and age < 7d'
  larder find 'input=recording.atf or from=recording.atf'
  larder find --csv --sort params.tau 'type=lab/fit' > sweep.csv
  larder find --sort -cost --limit 10 'size > 1GiB'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return misused("find: write one condition, in quotes")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.find(cmd.Context(), &f, args[0]) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.sort, "sort", "stored", "by this `column`; with a minus before it, downwards")
	fl.IntVar(&f.limit, "limit", 0, "show so many at most: the first ones in that order (default: all)")
	fl.StringSliceVar(&f.columns, "columns", nil, "only these `columns`, separated by commas")
	fl.BoolVar(&f.json, "json", false, "one JSON object a line")
	fl.BoolVar(&f.csv, "csv", false, "a table that a spreadsheet opens")
	fl.BoolVarP(&f.long, "long", "l", false, "keys, versions and commands in full, as with --csv")
	fl.BoolVar(&f.reason, "explain", false, "say how the store answers, and what that costs, and do not ask it")
	cmd.MarkFlagsMutuallyExclusive("json", "csv", "explain")
	return cmd
}

func (a *app) find(ctx context.Context, f *findFlags, text string) error {
	if f.limit < 0 {
		return misused("find: --limit is not negative")
	}
	store, err := a.openToRead(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	where, err := parseWhere(ctx, store, text, time.Now())
	if err != nil {
		return err
	}
	q := component.Query{Where: where}
	if f.reason {
		return a.tellPlan(catalog.PlanOf(store, q))
	}
	order, err := a.orderOf(f.sort)
	if err != nil {
		return err
	}
	columns, err := chooseColumns(f.columns, f.long || f.csv)
	if err != nil {
		return err
	}
	if f.streams() {
		q.Limit = f.limit
		return a.findEach(ctx, store, q, f, columns)
	}
	found, err := catalog.First(ctx, store, q, f.limit, func(x, y catalog.Entry) int {
		return order(entry{Entry: x}, entry{Entry: y})
	})
	if err != nil {
		return err
	}
	all := entriesOf(found)
	values := false
	if wants(columns, valueColumn) || f.csv && len(f.columns) == 0 && !backend.LimitsOf(store.Backend()).CostlyRequests {
		if values, err = readValues(ctx, store, all); err != nil {
			return err
		}
	}
	switch {
	case f.json:
		return a.listJSON(all)
	case f.csv && len(f.columns) == 0:
		return a.listCSV(all, csvColumns(all, values))
	case f.csv:
		return a.listCSV(all, columns)
	}
	if err := addCommands(ctx, store, all); err != nil {
		return err
	}
	return a.listTable(all, columns, time.Now())
}

// tellPlan says how a query will be answered.
func (a *app) tellPlan(p catalog.Plan) error {
	how := "one pass over all values and their descriptions"
	switch {
	case p.How != "":
		how = p.How
	case p.Indexed:
		how = "the backend's index"
	case p.Prefix != "":
		how = fmt.Sprintf("one pass over the values and descriptions whose keys begin with %q", p.Prefix)
	}
	if p.Passes > 1 {
		how += "\none pass more over all descriptions, for what comes from where"
	}
	if p.Stats {
		how += "\na request for each value that fulfils the rest, for its cost"
	}
	_, err := fmt.Fprintln(a.out(), how)
	return err
}

// parseWhere reads a condition, whose inputs are files, or keys by their beginnings.
func parseWhere(ctx context.Context, store *larder.Store, text string, now time.Time) (component.Condition, error) {
	where, err := catalog.ParseWhere(text, catalog.Words{Now: now, Key: func(text string) (string, error) {
		return keyOf(ctx, store, text)
	}})
	if err != nil {
		return where, &exitError{exitMisused, err}
	}
	return where, nil
}

// keyOf returns the key of what text names: a file, or a component.
func keyOf(ctx context.Context, store *larder.Store, text string) (string, error) {
	if _, err := os.Stat(text); !errors.Is(err, fs.ErrNotExist) {
		c, err := component.File(text)
		if err != nil {
			return "", err
		}
		return store.Key(ctx, c)
	}
	return catalog.Resolve(ctx, store, text)
}

// orderOf returns the order of a column, by its values where they are of one kind.
func (a *app) orderOf(name string) (func(x, y entry) int, error) {
	name, down := strings.CutPrefix(name, "-")
	if _, err := chooseColumns([]string{name}, false); err != nil {
		return nil, err
	}
	return func(x, y entry) int {
		c := component.Compare(valueOf(x, name), valueOf(y, name))
		if down {
			return -c
		}
		return c
	}, nil
}

// valueOf returns what a column shows, as a value that can be compared.
func valueOf(e entry, column string) any {
	switch column {
	case "id":
		return e.ID
	case "attribute":
		return e.Attribute
	case "type":
		return e.Description.Type
	case "version":
		return e.Description.Version
	case "size":
		return e.Info.Size
	case "age", "stored":
		return e.Info.ModTime
	case valueColumn:
		return nil // it is read after the order is known
	case "cost":
		took, _ := larder.Cost(e.Info)
		return took.Seconds()
	}
	v, _ := component.Lookup(e.Description.Parameters, strings.TrimPrefix(column, paramColumn))
	return v
}

// paramColumn begins the names of columns of one parameter.
const paramColumn = "params."

// plainColumns are those that only find and ls --columns show.
var plainColumns = []column{
	{"stored", func(e entry, _ time.Time) string { return e.Info.ModTime.UTC().Format(time.RFC3339) }},
	{"cost", func(e entry, _ time.Time) string {
		took, ok := larder.Cost(e.Info)
		if !ok {
			return ""
		}
		return strconv.FormatFloat(took.Seconds(), 'g', -1, 64)
	}},
	{valueColumn, func(e entry, _ time.Time) string { return cellText(e.value) }},
	{"bytes", func(e entry, _ time.Time) string { return strconv.FormatInt(e.Info.Size, 10) }},
}

// paramOf returns the column of a parameter.
func paramOf(path string) column {
	return column{paramColumn + path, func(e entry, _ time.Time) string {
		v, ok := component.Lookup(e.Description.Parameters, path)
		if !ok {
			return ""
		}
		if v == nil {
			return "null"
		}
		return cellText(v)
	}}
}

// cellText writes a value in a cell of a table; nil is none.
func cellText(v any) string {
	if text, ok := v.(string); ok {
		return printable(text)
	}
	if v == nil {
		return ""
	}
	return jsonText(plain(v))
}
