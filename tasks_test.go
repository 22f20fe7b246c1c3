package larder_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder"
	_ "github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
)

// Memoise: compute once, and never again.
func ExampleMemo() {
	ctx, store := inMemory()
	defer store.Close()

	fit := component.New("lab/fit", "v3", map[string]any{"tau": 0.5})
	model, err := larder.Memo(ctx, store, fit, "model", func(context.Context) (float64, error) {
		return math.Exp2(-1 / 0.5), nil // runs only if nobody has done it before
	})
	fmt.Println(model, err)
	// Output: 0.25 <nil>
}

// Stream a file: in and out, whatever its length, and verified on the way.
func ExampleStore_Put_file() {
	ctx, store := inMemory()
	defer store.Close()
	film, err := os.Open("testdata/film.txt")
	if err != nil {
		log.Fatal(err)
	}
	c := component.New("lab/film", "v1", nil)
	_, putErr := store.Put(ctx, c, "frames", film)
	frames, _, getErr := store.Reader(ctx, c, "frames")
	if putErr == nil && getErr == nil {
		io.Copy(os.Stdout, frames)
	}
	// Output: frame 1, frame 2
}

// Share by URL: whoever opens the same one, here or on another machine, finds the same results.
func ExampleOpen() {
	ctx := context.Background()
	url := "mem://lab" // for machines: "s3://bucket/prefix", or "postgres://host/db?data=s3://bucket"
	for range 2 {
		colleague, err := larder.Open(ctx, url, nil)
		if err != nil {
			log.Fatal(err)
		}
		defer colleague.Close()
		rate, err := larder.Memo(ctx, colleague, component.New("lab/rate", "v1", nil), "rate", measure)
		fmt.Println(rate, err)
	}
	// Output:
	// measuring …
	// 12.5 <nil>
	// 12.5 <nil>
}

// Query by parameter: what was computed with which.
func ExampleStore_Backend_query() {
	ctx, store := inMemory()
	defer store.Close()
	for _, tau := range []float64{0.01, 0.02, 0.05} {
		store.Put(ctx, component.New("lab/fit", "v2", map[string]any{"tau": tau}), "error", 1/tau)
	}

	q := component.Query{Where: component.WhereParam("tau", component.Less, 0.03)}
	for e, err := range catalog.Find(ctx, store, q) {
		fmt.Println(e.Description.Type, e.Description.Parameters, e.Attribute, err)
	}
	// Unordered output:
	// lab/fit map[tau:0.01] error <nil>
	// lab/fit map[tau:0.02] error <nil>
}

// Delete by age and version: everything of an old version that is older than a month.
func ExampleStore_Backend_delete() {
	ctx, store := inMemory()
	defer store.Close()
	store.Put(ctx, component.New("lab/fit", "v1", nil), "error", 0.5)

	done, err := catalog.Delete(ctx, store, component.Query{Where: component.And(
		component.Where(component.FieldVersion, component.Equal, "v1"),
		component.Where(component.FieldStored, component.Less, time.Now().AddDate(0, -1, 0)))})
	fmt.Println(done.Values, "deleted:", err)
	// Output: 0 deleted: <nil>
}

func inMemory() (context.Context, *larder.Store) {
	store, err := larder.Open(context.Background(), "mem:", nil) // on disk: a path
	if err != nil {
		log.Fatal(err)
	}
	return context.Background(), store
}

func measure(context.Context) (float64, error) {
	fmt.Println("measuring …")
	return 12.5, nil
}

// Each task takes a dozen lines at most.
func TestTasksAreShort(t *testing.T) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "tasks_test.go", nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	tasks := 0
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || !strings.HasPrefix(f.Name.Name, "Example") {
			continue
		}
		tasks++
		last := f.Body.List[len(f.Body.List)-1]
		if n := files.Position(last.End()).Line - files.Position(f.Body.Lbrace).Line; n > 12 {
			t.Errorf("%s takes %d lines", f.Name.Name, n)
		}
	}
	if tasks != 5 {
		t.Errorf("%d tasks, want 5", tasks)
	}
}
