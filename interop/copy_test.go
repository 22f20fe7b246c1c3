package interop_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	_ "github.com/larder-store/larder/backend/shelve"
	"github.com/larder-store/larder/backend/tar"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/interop/servers"
	"github.com/larder-store/larder/session"
)

// copyPlaces are fresh stores of the kinds that servers hold, and one on this machine.
var copyPlaces = map[string]func(testing.TB) string{
	"shelve": func(t testing.TB) string { return t.TempDir() },
	"s3": func(t testing.TB) string {
		s := servers.VersityGW(t)
		return s3URL(t, s, s.URL) + "&multipart_above=8MiB&part_size=5MiB"
	},
	"postgres": postgresOnS3,
	"azure":    azureURL,
}

func openCopy(t testing.TB, url string) *larder.Store {
	t.Helper()
	s, err := larder.Open(context.Background(), url, &larder.Options{KeysOfStore: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// allOf returns all that travels, verified.
func allOf(t testing.TB, s *larder.Store) map[string]string {
	t.Helper()
	ctx := context.Background()
	all := map[string]string{}
	for _, shelf := range []string{backend.ShelfCache, backend.ShelfComponents, "s.sweep.one"} {
		for info, err := range s.Backend().List(ctx, shelf, backend.ListOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			_, info, err := backend.GetVerified(ctx, s.Backend(), info.Key)
			if err != nil {
				t.Fatal(err)
			}
			all[info.Key.String()] = fmt.Sprintf("%x %s", info.Digest, info.Meta["codec"])
		}
	}
	return all
}

// Stores on all kinds of servers are copied to each other; again, it costs no transfer; by way of a tar it is the same.
func TestCopyBetweenServers(t *testing.T) {
	ctx := context.Background()
	for from, newSource := range copyPlaces {
		for to, newDestination := range copyPlaces {
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				srcURL, dstURL := newSource(t), newDestination(t)
				src, dst := openCopy(t, srcURL), openCopy(t, dstURL)
				in := component.New("lab/in", "1", nil)
				for i := range 20 {
					c := component.New("lab/out", "1", map[string]any{"i": i}, in)
					if _, err := src.Put(ctx, c, "v", bytes.Repeat([]byte{byte(i)}, i*10_000)); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := src.Put(ctx, in, "large", bytes.Repeat([]byte("0123456789"), 1_200_000)); err != nil { // in parts
					t.Fatal(err)
				}
				m, err := session.Open(ctx, src, "sweep", nil)
				if err != nil {
					t.Fatal(err)
				}
				s, err := m.Session(ctx, "one", nil)
				if err == nil {
					err = s.Put(ctx, "k", 1.5)
				}
				if err == nil {
					err = s.Close(ctx)
				}
				if err != nil {
					t.Fatal(err)
				}
				want := allOf(t, src)
				r, err := catalog.Copy(ctx, dst, src, catalog.CopyOptions{})
				if err != nil || r.Copied() != len(want) || r.Findings() != 0 {
					t.Fatalf("Copy = %+v, %v, want %d entries", r, err, len(want))
				}
				if !maps.Equal(allOf(t, dst), want) {
					t.Error("the copy holds something else")
				}
				if r, err = catalog.Copy(ctx, dst, src, catalog.CopyOptions{}); err != nil || r.Present != len(want) || r.Bytes != 0 || r.Findings() != 0 {
					t.Errorf("a second Copy = %+v, %v", r, err)
				}
				viaTar(t, src, dst, len(want))
				// The same place by another handle.
				if _, err := catalog.Copy(ctx, openCopy(t, dstURL), dst, catalog.CopyOptions{}); err == nil {
					t.Error("a copy into itself succeeds")
				}
			})
		}
	}
}

// viaTar brings what src holds to dst, which has it, by way of a tar.
func viaTar(t *testing.T, src, dst *larder.Store, n int) {
	t.Helper()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "x.tar")
	w, err := tar.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	if r, err := catalog.Export(ctx, w, nil, src, catalog.CopyOptions{}); err != nil || r.Copied() != n {
		t.Fatalf("Export = %+v, %v", r, err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	packed := openCopy(t, path)
	if r, err := catalog.Copy(ctx, dst, packed, catalog.CopyOptions{}); err != nil || r.Present != n || r.Findings() != 0 {
		t.Errorf("Copy of the tar = %+v, %v", r, err)
	}
}
