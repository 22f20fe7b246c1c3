package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/stage"
)

// maxCommands bounds how many command lines a list looks up, the newest: each takes
// a request.
const maxCommands = 500

// entry is an entry of the catalogue, with what a table shows of stages.
type entry struct {
	catalog.Entry
	command []string // of a stage, once it was looked up
	value   any      // the value itself, once it was read; nil also where no cell holds it
}

// newest returns what a query chooses, in the order of time.
func newest(ctx context.Context, store *larder.Store, q component.Query) ([]entry, error) {
	found, err := catalog.Newest(ctx, store, q, 0)
	return entriesOf(found), err
}

func entriesOf(found []catalog.Entry) []entry {
	all := make([]entry, len(found))
	for i, e := range found {
		all[i].Entry = e
	}
	return all
}

// addCommands adds the command lines of stages.
func addCommands(ctx context.Context, store *larder.Store, all []entry) error {
	left := maxCommands
	if backend.LimitsOf(store.Backend()).CostlyRequests {
		left = 0
	}
	for i := len(all) - 1; i >= 0 && left > 0; i-- {
		e := &all[i]
		if e.Attribute != stage.Attribute || len(e.Description.Inputs) == 0 {
			continue
		}
		left--
		d, known, err := catalog.Describe(ctx, store, e.Description.Inputs[0])
		if err != nil {
			return err
		}
		if known {
			e.command = catalog.CommandLine(d)
		}
	}
	return nil
}

// A column of the table of entries.
type column struct {
	name string
	cell func(e entry, now time.Time) string
}

var columns = []column{
	{"id", func(e entry, _ time.Time) string { return short(e.ID) }},
	{"attribute", func(e entry, _ time.Time) string { return printable(e.Attribute) }},
	{"type", func(e entry, _ time.Time) string { return printable(orUnknown(e.Description.Type)) }},
	{"version", func(e entry, _ time.Time) string { return printable(shortVersion(e.Description.Version)) }},
	{"size", func(e entry, _ time.Time) string { return size(e.Info.Size) }},
	{"age", func(e entry, now time.Time) string { return age(now.Sub(e.Info.ModTime)) }},
	{"parameters", func(e entry, _ time.Time) string { return cutText(whatOf(e)) }},
}

// longColumns take the place of those of the same name.
var longColumns = []column{
	{"id", func(e entry, _ time.Time) string { return e.ID }},
	{"version", func(e entry, _ time.Time) string { return printable(e.Description.Version) }},
	{"parameters", func(e entry, _ time.Time) string { return whatOf(e) }},
}

// whatOf returns the parameters of a component and, of a stage, the command.
func whatOf(e entry) string {
	what := parameterText(e.Description.Parameters)
	if command := commandText(e.command); command != "" {
		what = strings.TrimSpace(what + "  $ " + command)
	}
	return what
}

// chooseColumns returns the named columns in that order; all for none.
func chooseColumns(names []string, long bool) ([]column, error) {
	all := slices.Clone(columns)
	for i, c := range all {
		if j := slices.IndexFunc(longColumns, func(l column) bool { return l.name == c.name }); long && j >= 0 {
			all[i] = longColumns[j]
		}
	}
	if len(names) == 0 {
		return all, nil
	}
	all = append(all, plainColumns...)
	chosen := make([]column, len(names))
	for i, name := range names {
		if path, ok := strings.CutPrefix(name, paramColumn); ok && path != "" {
			chosen[i] = paramOf(path)
			continue
		}
		j := slices.IndexFunc(all, func(c column) bool { return c.name == name })
		if j < 0 {
			known := make([]string, len(all))
			for k, c := range all {
				known[k] = c.name
			}
			return nil, misused("there is no column %q; known: %s, %sPATH", name, strings.Join(known, ", "), paramColumn)
		}
		chosen[i] = all[j]
	}
	return chosen, nil
}

func (a *app) listTable(all []entry, columns []column, now time.Time) error {
	if len(all) == 0 {
		a.note("nothing found")
		return nil
	}
	w := tabwriter.NewWriter(a.out(), 0, 0, 2, ' ', 0)
	cells := make([]string, len(columns))
	for i, c := range columns {
		cells[i] = strings.ToUpper(c.name)
	}
	fmt.Fprintln(w, strings.Join(cells, "\t"))
	for _, e := range all {
		for i, c := range columns {
			cells[i] = c.cell(e, now)
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}
