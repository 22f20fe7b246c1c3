package custombackend_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/component"
	_ "github.com/larder-store/larder/examples/custombackend" // registers folder:
)

// A store does not care who wrote the backend below it.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "folder")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	store, err := larder.Open(ctx, "folder://"+dir, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	square := component.New("example/square", "1", map[string]any{"n": 7})
	for range 2 {
		n, err := larder.Memo(ctx, store, square, "result", func(context.Context) (int, error) {
			fmt.Println("computing")
			return 7 * 7, nil
		})
		fmt.Println(n, err)
	}
	// Output:
	// computing
	// 49 <nil>
	// 49 <nil>
}
