package law

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/sums"
)

// filled returns opts with what is true of text.
func filled(text string, opts backend.PutOptions) backend.PutOptions {
	b := []byte(text)
	opts.Size = int64(len(b))
	opts.Digest = sha256.Sum256(b)
	opts.Sum = sums.CRC(b)
	return opts
}

// noise returns n bytes that compress badly and are the same for the same salt. Mostly it
// makes nothing: thousands of values are asked for, many of them large.
func noise(n int, salt uint64) string {
	const longest = 300_000
	if n > longest {
		return makeNoise(n, salt)
	}
	all := manyNoises()
	at := int(salt * 7919 % uint64(len(all)-longest))
	return all[at : at+n]
}

var manyNoises = sync.OnceValue(func() string { return makeNoise(1<<20, 0) })

func makeNoise(n int, salt uint64) string {
	b := make([]byte, n)
	rnd := rand.NewChaCha8([32]byte{byte(salt), byte(salt >> 8), byte(salt >> 16), byte(salt >> 24)})
	rnd.Read(b) // never fails
	return string(b)
}

// whole says what is wrong with a value that was read: bytes that are not what its own
// Info says.
func whole(text string, info backend.Info) error {
	want := filled(text, backend.PutOptions{})
	switch {
	case info.Size != want.Size:
		return fmt.Errorf("%d bytes with an Info that says %d", want.Size, info.Size)
	case info.Digest != want.Digest:
		return fmt.Errorf("bytes with Digest %x and an Info that says %x", want.Digest[:4], info.Digest[:4])
	case info.Sum != want.Sum:
		return fmt.Errorf("bytes with Sum %08x and an Info that says %08x", want.Sum, info.Sum)
	}
	return nil
}

// A fussyBody is the body of a Put: nothing but a reader and a seeker, that reads as
// told and notices what it should not have been asked.
type fussyBody struct {
	r     *strings.Reader
	chunk int // at most so many bytes a Read; 0 is no limit

	// hook is called before the byte at offset at is read, or the end, if at is the
	// size. Its error ends the read, each time; without an error it is called once.
	at   int64
	hook func() error

	closed   atomic.Int32 // calls of Close
	over     atomic.Bool  // the Put has returned
	usedLate atomic.Int32 // calls after that
}

func newBody(text string) *fussyBody { return &fussyBody{r: strings.NewReader(text)} }

// failing returns a body that cannot be read beyond offset at.
func failing(text string, at int64) *fussyBody {
	return &fussyBody{r: strings.NewReader(text), at: at, hook: func() error { return errBody }}
}

// dawdling returns a body that takes a moment in its midst, in which others come in between a condition that was
// asked too early and the write.
func dawdling(text string) *fussyBody {
	return &fussyBody{r: strings.NewReader(text), at: int64(len(text) / 2), hook: func() error { pause(); return nil }}
}

// dawdle is try with a body that takes a moment.
func (p *probe) dawdle(key backend.Key, text string, opts backend.PutOptions) (backend.Info, error) {
	return p.b.Put(p.ctx, key, dawdling(text), filled(text, opts))
}

// errBody is what bodies fail with on purpose.
var errBody = errors.New("the body fails on purpose")

// Read implements [io.Reader].
func (f *fussyBody) Read(b []byte) (int, error) {
	f.notice()
	if f.chunk > 0 {
		b = b[:min(len(b), f.chunk)]
	}
	off := f.r.Size() - int64(f.r.Len())
	switch {
	case f.hook == nil || off > f.at:
	case off < f.at:
		b = b[:min(int64(len(b)), f.at-off)]
	default:
		if err := f.hook(); err != nil {
			return 0, err
		}
		f.hook = nil
	}
	return f.r.Read(b)
}

// Seek implements [io.Seeker].
func (f *fussyBody) Seek(off int64, whence int) (int64, error) {
	f.notice()
	return f.r.Seek(off, whence)
}

// Close is what no Put may call.
func (f *fussyBody) Close() error {
	f.closed.Add(1)
	return nil
}

func (f *fussyBody) notice() {
	if f.over.Load() {
		f.usedLate.Add(1)
	}
}
