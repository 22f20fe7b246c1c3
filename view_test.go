package larder_test

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend/blob/file"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/codec"
	"github.com/larder-store/larder/component"
)

// Numbers are seen where they lie, on every backend; mapped where that is possible, in values that were put whole and as a stream.
func TestView(t *testing.T) {
	ctx := context.Background()
	shelf, err := shelve.Open(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	files, err := file.Open(filepath.Join(t.TempDir(), "files"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]larder.Backend{"shelve": shelf, "file": files, "mem": mem.New(nil)} {
		t.Run(name, func(t *testing.T) {
			s := larder.New(b, nil)
			defer s.Close()
			for _, n := range []int{0, 1, 1000, 200_000} {
				numbers := make([]float64, n)
				for i := range numbers {
					numbers[i] = math.Sqrt(float64(i))
				}
				m := codec.Matrix[float64]{Rows: n / 10, Cols: 10, Data: numbers[:n/10*10]}
				c := component.New("view", "v1", n)
				for attribute, v := range map[string]any{"slice": numbers, "matrix": m} {
					if _, err := s.Put(ctx, c, attribute, v); err != nil {
						t.Fatal(err)
					}
				}
				v, err := s.View(ctx, c, "slice")
				if err != nil {
					t.Fatal(err)
				}
				defer v.Close()
				got, err := larder.Slice[float64](v)
				if err != nil || !slices.Equal(got, numbers) {
					t.Errorf("%d numbers came as %d, %v", n, len(got), err)
				}
				if want := name != "mem" && n == 200_000; v.Mapped() != want {
					t.Errorf("%d numbers are mapped: %v, want %v", n, v.Mapped(), want)
				}
				if _, err := larder.Slice[float32](v); !errors.Is(err, codec.ErrType) {
					t.Errorf("float64 as float32: %v, want ErrType", err)
				}
				w, err := s.View(ctx, c, "matrix")
				if err != nil {
					t.Fatal(err)
				}
				defer w.Close()
				seen, err := larder.Matrix[float64](w)
				if err != nil || seen.Rows != m.Rows || seen.Cols != m.Cols || !slices.Equal(seen.Data, m.Data) {
					t.Errorf("a matrix of %d by %d came as %d by %d, %v", m.Rows, m.Cols, seen.Rows, seen.Cols, err)
				}
				if err := w.Close(); err != nil {
					t.Error(err)
				}
				if _, err := larder.Matrix[float64](w); !errors.Is(err, larder.ErrClosed) {
					t.Errorf("after Close: %v, want ErrClosed", err)
				}
			}
			if _, err := s.View(ctx, component.New("view", "v1", "absent"), "x"); !errors.Is(err, larder.ErrNotFound) {
				t.Errorf("View of what is absent: %v", err)
			}
			if stats := s.Stats(); stats.Hits != 8 || stats.Misses != 1 {
				t.Errorf("counted %d hits and %d misses, want 8 and 1", stats.Hits, stats.Misses)
			}
			if _, err := s.View(ctx, component.New("view", "v1", 1), "slice", larder.MaxAge(0)); !errors.Is(err, larder.ErrStale) {
				t.Errorf("View of what is too old: %v", err)
			}
		})
	}
}
