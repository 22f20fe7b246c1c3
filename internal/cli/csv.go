package cli

import (
	"context"
	"encoding/csv"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
)

// streams reports whether the values can be written as they are found: in the order of their keys, and with no column
// that depends on others.
func (f *findFlags) streams() bool { return f.sort == "id" && (f.json || f.csv && len(f.columns) > 0) }

// findEach writes values as they are found.
func (a *app) findEach(ctx context.Context, store *larder.Store, q component.Query, f *findFlags, columns []column) error {
	rows, now := csv.NewWriter(a.stdout), time.Now()
	if f.csv {
		if err := rows.Write(csvHead(columns)); err != nil {
			return err
		}
	}
	for found, err := range catalog.Find(ctx, store, q) {
		switch e := (entry{Entry: found}); {
		case err != nil:
			rows.Flush()
			return err
		case f.json:
			err = writeJSON(a.stdout, entryJSON(e))
		default:
			if wants(columns, valueColumn) {
				if e.value, _, err = catalog.Scalar(ctx, store, found); err != nil {
					return err
				}
			}
			err = rows.Write(csvRow(e, columns, now))
		}
		if err != nil {
			return err
		}
	}
	rows.Flush()
	return rows.Error()
}

// valueColumn is the column that needs the values themselves.
const valueColumn = "value"

// readValues reads the values that fit a cell, and reports whether there are any.
func readValues(ctx context.Context, store *larder.Store, all []entry) (some bool, err error) {
	for i := range all {
		v, ok, err := catalog.Scalar(ctx, store, all[i].Entry)
		if err != nil {
			return some, err
		}
		all[i].value, some = v, some || ok
	}
	return some, nil
}

func wants(columns []column, name string) bool {
	return slices.ContainsFunc(columns, func(c column) bool { return c.name == name })
}

// csvColumns are what is known of each value: one column for each parameter that any has.
func csvColumns(all []entry, values bool) []column {
	names := []string{"id", "attribute", "type", "version", "stored", "bytes", "cost"}
	if values {
		names = append(names, valueColumn)
	}
	chosen, _ := chooseColumns(names, true)
	paths := map[string]bool{}
	for _, e := range all {
		leaves("", e.Description.Parameters, paths)
	}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		chosen = append(chosen, paramOf(path))
	}
	return chosen
}

// leaves gathers the paths of the parameters that are no maps.
func leaves(path string, v any, paths map[string]bool) {
	m, ok := v.(map[any]any)
	if !ok {
		if path != "" {
			paths[path] = true
		}
		return
	}
	for k, v := range m {
		name, ok := k.(string)
		if !ok {
			continue // JSON has no such names either
		}
		if path != "" {
			name = path + "." + name
		}
		leaves(name, v, paths)
	}
}

// listCSV writes a table for spreadsheets: text that they would take for a formula has an apostrophe before it.
func (a *app) listCSV(all []entry, columns []column) error {
	w := csv.NewWriter(a.stdout)
	if err := w.Write(csvHead(columns)); err != nil {
		return err
	}
	now := time.Now()
	for _, e := range all {
		if err := w.Write(csvRow(e, columns, now)); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

func csvHead(columns []column) []string {
	cells := make([]string, len(columns))
	for i, c := range columns {
		cells[i] = harmless(c.name)
	}
	return cells
}

func csvRow(e entry, columns []column, now time.Time) []string {
	cells := make([]string, len(columns))
	for i, c := range columns {
		cells[i] = harmless(c.cell(e, now))
	}
	return cells
}

func harmless(cell string) string {
	if cell == "" || !strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return cell
	}
	if _, ok := new(big.Float).SetString(cell); ok {
		return cell // a number below zero
	}
	return "'" + cell
}
