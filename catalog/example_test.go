package catalog_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/larder-store/larder"
	_ "github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
)

// sweep stores the results of a small sweep of parameters.
func sweep(ctx context.Context) *larder.Store {
	store, err := larder.Open(ctx, "mem:", nil)
	if err != nil {
		log.Fatal(err)
	}
	for _, tau := range []float64{0.01, 0.02, 0.05} {
		fit := component.New("lab/fit", "v2", map[string]any{"tau": tau})
		if _, err := store.Put(ctx, fit, "error", 1/tau); err != nil {
			log.Fatal(err)
		}
	}
	return store
}

// What was computed with which parameters.
func ExampleFind() {
	ctx := context.Background()
	store := sweep(ctx)
	defer store.Close()

	q := component.Query{Where: component.And(
		component.Where(component.FieldType, component.Equal, "lab/fit"),
		component.WhereParam("tau", component.Less, 0.015))}
	for e, err := range catalog.Find(ctx, store, q) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Description.Type, e.Description.Parameters, e.Attribute)
	}
	// Output: lab/fit map[tau:0.01] error
}

// Everything of an old version goes, and of any version what is older than a month.
func ExampleDelete() {
	ctx := context.Background()
	store := sweep(ctx)
	defer store.Close()

	month := time.Now().AddDate(0, -1, 0)
	old := component.Condition{Op: component.Any, Of: []component.Condition{
		component.Where(component.FieldVersion, component.Equal, "v2"),
		component.Where(component.FieldStored, component.Less, month),
	}}
	done, err := catalog.Delete(ctx, store, component.Query{Where: old})
	fmt.Println(done.Values, err)
	// Output: 3 <nil>
}
