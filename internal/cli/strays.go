package cli

import (
	"context"
	"fmt"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
)

// strays lists data that no entry names, on stores that keep data apart, and returns how much there was of it.
func (a *app) strays(ctx context.Context, b larder.Backend, f *checkFlags) (n int, err error) {
	finder, ok := backend.As[backend.StrayFinder](b)
	if !ok {
		return 0, nil
	}
	for s, err := range finder.Strays(ctx, f.repair) {
		if err != nil {
			return n, err
		}
		n++
		if f.json {
			err = writeJSON(a.stdout, struct {
				Stray   string `json:"stray"`
				Size    int64  `json:"size"`
				Removed bool   `json:"removed"`
			}{s.Name, s.Size, f.repair})
		} else {
			removed := ""
			if f.repair {
				removed = "; removed"
			}
			_, err = fmt.Fprintf(a.out(), "%s: no entry names these %s%s\n", s.Name, size(s.Size), removed)
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
