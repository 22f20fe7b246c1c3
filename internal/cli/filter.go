package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder/component"
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

// used reports whether anything was chosen.
func (f *filterFlags) used() bool { return f.typ != "" || f.since != "" || len(f.params) > 0 }

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
