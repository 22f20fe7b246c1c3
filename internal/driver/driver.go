// Package driver is what package blob asks of a bucket, and what the drivers of buckets share: the body of a Put
// on its way, attempts at a write, calls side by side.
package driver

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"github.com/larder-store/larder/backend"
)

// A Bucket is one flat place for named objects. It knows nothing of shelves, digests or
// other parts of the contract of backends: package blob adds them. Every method is safe for
// concurrent use.
//
// Errors match the sentinels of package backend where one fits, are not wrapped in a
// *backend.Error yet, and never show a credential. [backend.ErrNotFound] is about the
// object alone: a bucket that does not exist is an error that matches no sentinel, and
// names the bucket and the remedy.
type Bucket interface {
	// Get opens the bytes [off, off+n) of an object, fewer where it ends earlier; n < 0 is
	// all from off on. With a version that is not empty, any other found is
	// [backend.ErrChanged]. An off above zero at or past the end, and any range of an empty
	// object, may be [ErrRange]. Object.Size is that of the whole object.
	//
	// The body may break off with an error; the caller resumes it by the version.
	Get(ctx context.Context, name, version string, off, n int64) (io.ReadCloser, Object, error)

	// Head is Get without a body.
	Head(ctx context.Context, name string) (Object, error)

	// Put stores an object: all of it at once, and visible to all on return. The
	// conditions are decided at that instant, or refused with errors.ErrUnsupported. Where
	// the bucket cannot know whether the object was stored the error is an [Unclear].
	Put(ctx context.Context, name string, body *Body, opts PutOptions) (Object, error)

	// List yields the objects whose names begin with a prefix in byte order of name. It
	// holds nothing across a yield. Meta may be nil.
	List(ctx context.Context, opts ListOptions) iter.Seq2[Object, error]

	// Delete removes objects; absent ones count as removed. Failures of some are a
	// [backend.BatchError], in the order of names.
	Delete(ctx context.Context, names []string) error

	// DeleteMatch removes objects while they have the versions given, none of which is empty. One that has another, or is absent, fails
	// with [backend.ErrChanged]. It is decided at that instant where the service can.
	DeleteMatch(ctx context.Context, names, versions []string) error

	// Limits states what the bucket promises.
	Limits() backend.Limits

	Close() error
}

// A Sweeper is a Bucket that has something to clean up.
type Sweeper interface {
	Sweep(ctx context.Context, prefix string, opts backend.SweepOptions) (backend.SweepReport, error)
}

// A Stager is a Bucket whose Put takes over the bytes of a draft of its own, which it finds by [Body.Source].
type Stager interface {
	Stage(ctx context.Context) (backend.Draft, error)
}

// A Mapper is a Bucket that shows objects as memory. It may refuse with errors.ErrUnsupported.
type Mapper interface {
	Map(ctx context.Context, name string) (*backend.View, Object, error)
}

// Object is what a bucket knows of an object.
type Object struct {
	Name    string
	Size    int64
	Version string // changes whenever the bytes do: an ETag, a generation
	ModTime time.Time
	Meta    map[string]string // keys in lower case

	// SHA256 and CRC32C, of all bytes and big-endian, are what the service itself holds for the
	// object's checksums, where Head learns them; else nil. They show what was sent to it, not
	// what its disk gives back.
	SHA256, CRC32C []byte
}

// PutOptions go with an object.
type PutOptions struct {
	SHA256   [32]byte // of the body; all zeros: unknown
	CRC32C   uint32   // of the body; counts only if SHA256 is known
	Meta     map[string]string
	IfAbsent bool   // else [backend.ErrExists]
	IfMatch  string // a Version; else [backend.ErrChanged]
}

// Known reports whether the checksums are known.
func (o PutOptions) Known() bool { return o.SHA256 != [32]byte{} }

// ListOptions choose among the objects of a bucket.
type ListOptions struct {
	Prefix string
	After  string // only names greater than it
	Limit  int    // how many the caller is likely to take; 0: all. A hint for the size of pages
	// Folders yields, in place of the objects whose names hold a further "/" after the
	// prefix, what they have in common up to and with it, once. A folder of nothing is
	// left out.
	Folders bool
}

// ErrRange: the range of a Get begins at or past the end of the object.
var ErrRange = errors.New("range past the end")

// Unclear is the error of a Put that may have stored the object or not, because a
// response was lost.
type Unclear struct {
	// Err is what the last attempt met; ErrExists or ErrChanged may then be the answer to
	// our own earlier one.
	Err error
	// Sent: some attempt sent all that it takes for the object to be stored, and got no
	// answer. Otherwise nothing was stored, only the answer to the condition is missing.
	Sent bool
}

func (u *Unclear) Error() string { return u.Err.Error() }
func (u *Unclear) Unwrap() error { return u.Err }
