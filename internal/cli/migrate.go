package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
)

func newMigrate(a *app) *cobra.Command {
	var dryRun, asJSON bool
	cmd := &cobra.Command{
		Use:   "migrate [flags] [URL]",
		Short: "Bring the tables of a database up to date",
		Long: `Make the tables that a store in a database needs, or bring those of an older version up to
date. Stores do so by themselves when they are opened by a role that may; this is for where only
the owner of the schema may. Any number of processes may do so at once, and the store may be in
use. Stores of other kinds have nothing to migrate.`,
		Example: `  larder migrate --dry-run
  larder migrate 'postgres://owner@host/db?data=s3://bucket/prefix'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return misused("migrate: one URL at most")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			rawURL, err := a.url()
			if err != nil {
				return err
			}
			store, err := larder.Open(cmd.Context(), manually(rawURL), a.options(0))
			if err != nil {
				return err
			}
			defer store.Close()
			m, ok := backend.As[backend.Migrator](store.Backend())
			if !ok {
				a.note("this kind of store has nothing to migrate")
				return nil
			}
			steps, err := m.Migrate(cmd.Context(), dryRun)
			if err != nil {
				return err
			}
			return a.tellMigrations(steps, dryRun, asJSON)
		},
	}
	fl := cmd.Flags()
	fl.BoolVarP(&dryRun, "dry-run", "n", false, "print the steps that are missing, and make none")
	fl.BoolVar(&asJSON, "json", false, "each step as a JSON object, one a line")
	return cmd
}

// manually returns the URL of a store so that opening it does not migrate it.
func manually(rawURL string) string {
	switch backend.SchemeOf(rawURL) {
	case "postgres", "postgresql":
	default:
		return rawURL
	}
	const manual = "migrate=manual"
	place, query, _ := strings.Cut(rawURL, "?")
	own, nested, isNested := strings.Cut(query, "data=") // a URL among the parameters has parameters of its own
	kept := slices.DeleteFunc(strings.Split(own, "&"), func(p string) bool { return strings.HasPrefix(p, "migrate=") })
	if query = strings.Join(kept, "&"); isNested {
		query += "data=" + nested
	}
	if query == "" {
		return place + "?" + manual
	}
	return place + "?" + manual + "&" + query // a URL among the parameters may take all that follows it
}

func (a *app) tellMigrations(steps []backend.Migration, dryRun, asJSON bool) error {
	for _, m := range steps {
		var err error
		switch {
		case asJSON:
			err = writeJSON(a.stdout, struct {
				Name   string `json:"name"`
				Script string `json:"script"`
				Made   bool   `json:"made"`
			}{m.Name, m.Script, !dryRun})
		case dryRun:
			_, err = fmt.Fprintf(a.out(), "-- %s\n%s\n", m.Name, m.Script)
		default:
			_, err = fmt.Fprintf(a.out(), "made %s\n", m.Name)
		}
		if err != nil {
			return err
		}
	}
	switch {
	case len(steps) == 0:
		a.note("the schema is up to date")
	case dryRun:
		a.note("%s missing", count(len(steps), "step"))
	}
	return nil
}
