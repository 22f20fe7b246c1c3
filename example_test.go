package larder_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/larder-store/larder"
	_ "github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/component"
)

func Example() {
	ctx := context.Background()
	store, err := larder.Open(ctx, "mem:", nil) // on disk: "shelve:///var/cache/lab", with import _ "github.com/larder-store/larder/backend/shelve"
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	simulation := component.New("lab/simulate", "v3", map[string]any{"neurons": 100, "seed": 7})
	for range 2 {
		rate, err := larder.Memo(ctx, store, simulation, "rate", func(context.Context) (float64, error) {
			fmt.Println("computing …")
			return 12.5, nil
		})
		fmt.Println(rate, err)
	}
	// Output:
	// computing …
	// 12.5 <nil>
	// 12.5 <nil>
}

// What a result is computed from is part of what it is: another input, another key.
func ExampleMemo_inputs() {
	ctx := context.Background()
	store, err := larder.Open(ctx, "mem:", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	for _, seed := range []int{1, 2, 1} {
		simulation := component.New("lab/simulate", "v3", map[string]any{"seed": seed})
		analysis := component.New("lab/analyse", "v1", nil, simulation)
		mean, err := larder.Memo(ctx, store, analysis, "mean", func(ctx context.Context) (float64, error) {
			fmt.Println("analysing seed", seed)
			trace, err := larder.Memo(ctx, store, simulation, "trace", func(context.Context) ([]float64, error) {
				fmt.Println("simulating seed", seed)
				return []float64{float64(seed), float64(seed + 1)}, nil
			})
			if err != nil {
				return 0, err
			}
			return (trace[0] + trace[1]) / 2, nil
		})
		fmt.Println(mean, err)
	}
	// Output:
	// analysing seed 1
	// simulating seed 1
	// 1.5 <nil>
	// analysing seed 2
	// simulating seed 2
	// 2.5 <nil>
	// 1.5 <nil>
}

func ExampleGet() {
	ctx := context.Background()
	store, err := larder.Open(ctx, "mem:", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	fit := component.New("lab/fit", "v1", map[string]any{"order": 2})
	if _, err := store.Put(ctx, fit, "coefficients", []float64{0.5, -1, 2}); err != nil {
		log.Fatal(err)
	}
	coefficients, err := larder.Get[[]float64](ctx, store, fit, "coefficients")
	fmt.Println(coefficients, err)

	_, err = larder.Get[string](ctx, store, fit, "report")
	fmt.Println(errors.Is(err, larder.ErrNotFound))
	// Output:
	// [0.5 -1 2] <nil>
	// true
}

// Streams of any length go in and out in little memory, and are verified on the way.
func ExampleStore_Reader() {
	ctx := context.Background()
	store, err := larder.Open(ctx, "mem:", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	movie := component.New("lab/render", "v1", nil)
	if _, err := store.Put(ctx, movie, "frames", io.LimitReader(strings.NewReader("frame 1, frame 2, …"), 7)); err != nil {
		log.Fatal(err)
	}
	frames, info, err := store.Reader(ctx, movie, "frames")
	if err != nil {
		log.Fatal(err)
	}
	defer frames.Close()
	first, err := io.ReadAll(frames)
	fmt.Printf("%s, %d bytes, %v\n", first, info.Size, err)
	// Output:
	// frame 1, 7 bytes, <nil>
}

// Verify finds computations that do not give the same result twice.
func ExampleVerify() {
	ctx := context.Background()
	store, err := larder.Open(ctx, "mem:", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	sum := component.New("lab/sum", "v1", nil)
	for _, result := range []float64{0.6, 0.6, 0.6000000000000001} {
		_, err := store.Put(ctx, sum, "total", result, larder.Verify())
		fmt.Println(errors.Is(err, larder.ErrConflict))
	}
	// Output:
	// false
	// false
	// true
}

// One of several processes works at a time, on one machine or on many; and is told if it lost the lock.
func ExampleStore_Lock() {
	ctx := context.Background()
	store, err := larder.Open(ctx, "mem:", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()

	lock, err := store.Lock(ctx, "calibration of rig 2")
	if err != nil {
		log.Fatal(err)
	}
	defer lock.Unlock(ctx)
	select {
	case <-lock.Done():
		fmt.Println("lost")
	default:
		fmt.Println("held, epoch", lock.Epoch())
	}
	// Output: held, epoch 1
}

// A large array is shown where it lies, without a copy.
func ExampleStore_View() {
	ctx := context.Background()
	store, err := larder.Open(ctx, "mem:", nil) // mapped on shelves and in local files
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	c := component.New("lab/spectrum", "v1", nil)
	if _, err := store.Put(ctx, c, "power", []float64{0.5, 0.25, 0.125}); err != nil {
		log.Fatal(err)
	}

	v, err := store.View(ctx, c, "power")
	if err != nil {
		log.Fatal(err)
	}
	defer v.Close() // the numbers are not used after it
	numbers, err := larder.Slice[float64](v)
	fmt.Println(numbers, err)
	// Output: [0.5 0.25 0.125] <nil>
}
