package law_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/larder-store/larder/backend"
	_ "github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/conformance/law"
)

// Hold the place behind a URL to the laws, and tell about each that is broken.
func ExampleCheck() {
	const url = "mem://example"
	report, err := law.Check(context.Background(), law.Config{
		New:  func(context.Context) (string, error) { return url, nil },
		Open: backend.Open,
		Progress: func(r law.Result) {
			if r.Status == law.Failed {
				fmt.Println(r)
			}
		},
	}, law.Quick)
	if err != nil {
		log.Fatal(err)
	}
	if err := report.Err(); err != nil {
		report.WriteText(os.Stdout)
	}
	fmt.Println(report.Count(law.Failed), "laws are broken")
	// Output: 0 laws are broken
}
