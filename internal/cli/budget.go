package cli

import (
	"fmt"
	"io"

	"github.com/larder-store/larder/backend"
)

// budget is what each step costs in requests where requests are costly. What docs/buckets.md says
// more exactly is counted in interop, on real servers.
type budget struct {
	Hit      int `json:"hit"`           // of a value up to 4 MiB
	Miss     int `json:"miss"`          // to learn that nothing is there
	Store    int `json:"store"`         // a result up to 64 MiB on S3, 16 MiB on others
	Describe int `json:"describe"`      // the component of a result, if it is new
	Record   int `json:"record"`        // what the store says of itself: once a process, before it stores
	Lease    int `json:"lease"`         // to compute once among machines: to take it, and to give it back
	Beat     int `json:"lease_every_s"` // seconds between the requests that keep a lease
	Page     int `json:"list_page"`     // entries that one request lists, at least
}

// budgetOf returns the budget of a backend; nil where requests are not costly.
func budgetOf(b backend.Backend) *budget {
	if !backend.LimitsOf(b).CostlyRequests {
		return nil
	}
	return &budget{Hit: 1, Miss: 1, Store: 1, Describe: 1, Record: 1, Lease: 2, Beat: 20, Page: 1000}
}

// write writes the budget as rows of a table.
func (r *budget) write(w io.Writer) {
	if r == nil {
		fmt.Fprintf(w, "requests\tnot counted\tthey are where the store is a bucket\n")
		return
	}
	fmt.Fprintf(w, "a hit takes\t%s\n", count(r.Hit, "request"))
	fmt.Fprintf(w, "a miss\t%s\tthen %d to ask what store it is, %d to store the result, and %d to describe a new component\n", count(r.Miss, "request"), r.Record, r.Store, r.Describe)
	fmt.Fprintf(w, "computing once\t%d more\tand 1 each %d s while it computes\n", r.Lease, r.Beat)
	fmt.Fprintf(w, "a list\t1 request\tfor each %d entries\n", r.Page)
}
