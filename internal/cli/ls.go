package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder/component"
)

func newList(a *app) *cobra.Command {
	var f filterFlags
	var asJSON, long bool
	var names []string
	cmd := &cobra.Command{
		Use:   "ls [flags] [ID]",
		Short: "List values, the newest last",
		Long: `List what is stored, the newest last: key, attribute, type, version, size, age and
parameters, and of stages the command. ID is the beginning of a key.

With --json there is one JSON object a line.`,
		Example: `  larder ls --type detect --since 7d
  larder ls -p threshold=5 --columns id,size,age
  larder ls --json | jq -r .id`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return misused("ls: one key at most")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := f.query(first(args), time.Now())
			if err != nil {
				return err
			}
			columns, err := chooseColumns(names, long)
			if err != nil {
				return err
			}
			return a.list(cmd.Context(), q, f.where, asJSON, columns)
		},
	}
	f.add(a, cmd)
	cmd.ValidArgsFunction = a.completeAddress
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.Flags().StringSliceVar(&names, "columns", nil, "only these `columns`, separated by commas")
	cmd.Flags().BoolVarP(&long, "long", "l", false, "keys, versions and commands in full")
	return cmd
}

func (a *app) list(ctx context.Context, q component.Query, where string, asJSON bool, columns []column) error {
	store, err := a.openToRead(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	if q, err = narrowed(ctx, store, q, where, time.Now()); err != nil {
		return err
	}
	all, err := newest(ctx, store, q)
	if err != nil {
		return err
	}
	if asJSON {
		return a.listJSON(all)
	}
	if err := addCommands(ctx, store, all); err != nil {
		return err
	}
	return a.listTable(all, columns, time.Now())
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
		ID:         e.ID,
		Attribute:  e.Attribute,
		Type:       e.Description.Type,
		Version:    e.Description.Version,
		Parameters: plain(e.Description.Parameters),
		Inputs:     e.Description.Inputs,
		Size:       e.Info.Size,
		Stored:     e.Info.ModTime.UTC(),
	}
}
