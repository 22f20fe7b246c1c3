package shelve_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
)

// The benchmarks come in pairs: what a user of bbolt or of plain files would write himself,
// and the same through the backend. Only their ratios within one run mean anything.

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rng := rand.NewChaCha8([32]byte{1})
	rng.Read(b)
	return b
}

func benchKey(i int) backend.Key {
	return backend.Key{Shelf: backend.ShelfCache, Name: fmt.Sprintf("%064x/result", uint64(i)*0x9e3779b97f4a7c15)}
}

func openBench(b *testing.B, o *shelve.Options) *shelve.Backend {
	b.Helper()
	s, err := shelve.Open(b.TempDir(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

func BenchmarkGet1K(b *testing.B) {
	const n = 10_000
	ctx := context.Background()
	value := randomBytes(1 << 10)
	keys := make([]backend.Key, n)
	for i := range keys {
		keys[i] = benchKey(i)
	}
	b.Run("bbolt", func(b *testing.B) {
		db, err := bbolt.Open(filepath.Join(b.TempDir(), "db"), 0o600, &bbolt.Options{Timeout: time.Second, NoSync: true})
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		names := make([][]byte, n)
		err = db.Update(func(tx *bbolt.Tx) error {
			bucket, err := tx.CreateBucket([]byte("cache"))
			for i := range names {
				names[i] = []byte(keys[i].Name)
				if err == nil {
					err = bucket.Put(names[i], value)
				}
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
		bucket := []byte("cache")
		b.ReportAllocs()
		b.ResetTimer()
		for i := range b.N {
			var got []byte
			err := db.View(func(tx *bbolt.Tx) error {
				got = bytes.Clone(tx.Bucket(bucket).Get(names[i%n]))
				return nil
			})
			if err != nil || len(got) != len(value) {
				b.Fatal(err)
			}
		}
	})
	b.Run("shelve", func(b *testing.B) {
		s := openBench(b, nil)
		items := make([]backend.Item, n)
		for i := range items {
			items[i] = backend.Item{Key: keys[i], Body: bytes.NewReader(value), PutOptions: options(value)}
		}
		if _, err := s.PutBatch(ctx, items); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		b.ResetTimer()
		for i := range b.N {
			body, _, err := s.Get(ctx, keys[i%n])
			if err != nil {
				b.Fatal(err)
			}
			if got := body.(*backend.Body).Take(); len(got) != len(value) {
				b.Fatal(len(got))
			}
			body.Close()
		}
	})
}

// group is the least that a group commit takes: one goroutine that commits whatever is
// there.
func groupCommit(db *bbolt.DB, in <-chan func(*bbolt.Bucket) error, done chan<- struct{}) {
	for first := range in {
		group := []func(*bbolt.Bucket) error{first}
		for more := true; more && len(group) < 1000; {
			select {
			case f := <-in:
				group = append(group, f)
			default:
				more = false
			}
		}
		err := db.Update(func(tx *bbolt.Tx) error {
			for _, f := range group {
				if err := f(tx.Bucket([]byte("cache"))); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			panic(err)
		}
		for range group {
			done <- struct{}{}
		}
	}
}

func BenchmarkPut64(b *testing.B) {
	ctx := context.Background()
	value := randomBytes(1 << 10)
	workers := func(b *testing.B, f func(i int)) {
		var wg sync.WaitGroup
		for w := range 64 {
			wg.Go(func() {
				for i := w; i < b.N; i += 64 {
					f(i)
				}
			})
		}
		wg.Wait()
	}
	b.Run("bbolt", func(b *testing.B) {
		db, err := bbolt.Open(filepath.Join(b.TempDir(), "db"), 0o600, &bbolt.Options{Timeout: time.Second})
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		if err := db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("cache")); return err }); err != nil {
			b.Fatal(err)
		}
		in, done := make(chan func(*bbolt.Bucket) error, 1000), make(chan struct{}, 1000)
		go groupCommit(db, in, done)
		defer close(in)
		b.ResetTimer()
		workers(b, func(i int) {
			name := []byte(benchKey(i).Name)
			in <- func(bucket *bbolt.Bucket) error { return bucket.Put(name, value) }
			<-done
		})
	})
	b.Run("shelve", func(b *testing.B) {
		s := openBench(b, nil)
		o := options(value)
		b.ResetTimer()
		workers(b, func(i int) {
			if _, err := s.Put(ctx, benchKey(i), bytes.NewReader(value), o); err != nil {
				b.Error(err)
			}
		})
	})
}

func BenchmarkPutDescribed(b *testing.B) {
	ctx := context.Background()
	value, description := randomBytes(1<<10), randomBytes(300)
	b.Run("bbolt", func(b *testing.B) {
		db, err := bbolt.Open(filepath.Join(b.TempDir(), "db"), 0o600, &bbolt.Options{Timeout: time.Second})
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		if err := db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("cache")); return err }); err != nil {
			b.Fatal(err)
		}
		b.ResetTimer()
		for i := range b.N {
			name := []byte(benchKey(i).Name)
			if err := db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("cache")).Put(name, value) }); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("shelve", func(b *testing.B) {
		s := openBench(b, nil)
		o, d := options(value), options(description)
		d.IfAbsent = true
		b.ResetTimer()
		for i := range b.N {
			key := benchKey(i)
			_, err := s.PutBatch(ctx, []backend.Item{
				{Key: key, Body: bytes.NewReader(value), PutOptions: o},
				{Key: backend.Key{Shelf: backend.ShelfComponents, Name: key.Name[:64]}, Body: bytes.NewReader(description), PutOptions: d},
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkPutSize(b *testing.B) {
	ctx := context.Background()
	for _, size := range []int{16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10} {
		value := randomBytes(size)
		o := options(value)
		for name, options := range map[string]*shelve.Options{"inline": {Inline: 1 << 20}, "file": {Inline: -1}, "nosync": {Inline: -1, NoSync: true}} {
			b.Run(fmt.Sprintf("%dK/%s", size>>10, name), func(b *testing.B) {
				s := openBench(b, options)
				b.ResetTimer()
				for i := range b.N {
					if _, err := s.Put(ctx, benchKey(i), bytes.NewReader(value), o); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkGetSize(b *testing.B) {
	ctx := context.Background()
	for _, size := range []int{16 << 10, 64 << 10, 256 << 10, 8 << 20} {
		value := randomBytes(size)
		o := options(value)
		buf := make([]byte, size)
		for name, options := range map[string]*shelve.Options{"inline": {Inline: 1 << 20}, "file": {Inline: -1}} {
			if name == "inline" && size > 1<<20 {
				continue
			}
			b.Run(fmt.Sprintf("%dK/%s", size>>10, name), func(b *testing.B) {
				s := openBench(b, options)
				if _, err := s.Put(ctx, benchKey(0), bytes.NewReader(value), o); err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(size))
				b.ResetTimer()
				for range b.N {
					body, _, err := s.Get(ctx, benchKey(0))
					if err != nil {
						b.Fatal(err)
					}
					if _, err := io.ReadFull(body, buf); err != nil {
						b.Fatal(err)
					}
					body.Close()
				}
			})
		}
	}
}

// stream is n bytes that are made while they are read.
type stream struct{ n, off int64 }

func (s *stream) Read(p []byte) (int, error) {
	if s.off == s.n {
		return 0, io.EOF
	}
	n := min(int64(len(p)), s.n-s.off)
	clear(p[:n])
	s.off += n
	return int(n), nil
}

func (s *stream) Seek(off int64, whence int) (int64, error) {
	s.off = off // which is all that a Put asks
	return off, nil
}

// BenchmarkStream256M shows by its B/op what memory a large value takes on its way in and
// out.
func BenchmarkStream256M(b *testing.B) {
	ctx := context.Background()
	s := openBench(b, nil)
	o := backend.PutOptions{Size: 256 << 20}
	b.SetBytes(o.Size)
	b.ReportAllocs()
	for range b.N {
		if _, err := s.Put(ctx, benchKey(0), &stream{n: o.Size}, o); err != nil {
			b.Fatal(err)
		}
		body, _, err := s.Get(ctx, benchKey(0))
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{body}, make([]byte, 256<<10)); n != o.Size || err != nil {
			b.Fatal(n, err)
		}
		body.Close()
	}
}
