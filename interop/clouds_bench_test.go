package interop_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/larder-store/larder/backend"
)

// What one small value costs on the emulators: go test -run '^$' -bench Clouds .
func BenchmarkClouds(b *testing.B) {
	for name, url := range map[string]func(testing.TB) string{"gcs": gcsURL, "azure": azureURL} {
		store, err := backend.Open(b.Context(), url(b))
		if err != nil {
			b.Fatal(err)
		}
		defer store.Close()
		ctx := context.Background()
		value := bytes.Repeat([]byte("x"), 1<<10)
		opts := sums(value)
		b.Run(name+"/put 1 KiB", func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := store.Put(ctx, key(fmt.Sprint(i%100)), bytes.NewReader(value), opts); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/get 1 KiB", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				body, _, err := store.Get(ctx, key("0"))
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, body); n != 1<<10 || err != nil {
					b.Fatal(n, err)
				}
				body.Close()
			}
		})
	}
}
