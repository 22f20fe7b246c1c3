// Package backend is the contract between a Larder store and the place where
// its values are kept.
//
// Users of Larder hold a larder.Store; to bring a new place to keep
// things, implement [Backend] and prove it with conformance.Run. The package
// links nothing beyond the standard library.
//
// A backend is a set of named shelves, each a map from names to immutable
// bodies of bytes with a little metadata. It knows nothing about components,
// codecs or keys of results.
package backend

import (
	"context"
	"io"
	"iter"
	"time"
)

// A Backend keeps values under keys. Every method is safe for concurrent use,
// also beside other handles on the same place, in this process, in other
// processes and, where [Limits] says so, on other machines.
//
// What every implementation MUST do:
//
//   - A Put is all or nothing, and visible to every reader when it returns.
//     After a crash at any instant a reader sees the old value, the new one or
//     none: never a part, never a mix. What was acknowledged survives a kill -9.
//   - IfAbsent and IfMatch are atomic across processes and machines, or they are
//     refused with [errors.ErrUnsupported] before anything is written. They are
//     never ignored and never checked ahead of the write.
//   - No credential appears in an error, a log line or a String method.
//   - A method called after Close returns [ErrClosed].
//   - A call whose ctx has ended before it begins does nothing. A ctx that ends
//     later ends the call soon, with an error that matches ctx.Err(). Whether a
//     cancelled Put took effect is unknown to the caller, but it took effect
//     wholly or not at all.
//   - Every error is an [*Error], made once, where the engine's own error enters
//     the backend, and matches a sentinel of this package where one fits. Where
//     several errors fit, any one of them is returned.
//
// A Put that fails with [ErrExists], [ErrChanged], [ErrInvalidKey], [ErrTooLarge], [ErrTooLong],
// [io.ErrUnexpectedEOF] or [errors.ErrUnsupported], or because its body failed, stored
// nothing and reserved nothing. After any other error its outcome is unknown: the value is
// stored as a whole or not at all.
//
// Keys are checked by [Key.Validate], metadata by [Meta.Validate]; [CheckPut] does
// both. An implementation calls them first, so that no engine ever sees a name
// that it would have to escape.
//
// No backend computes or checks [PutOptions.Digest] or [PutOptions.Sum]: it keeps them
// and gives them back. A service that is given them may check what arrives, and refuse what does not
// match. Readers verify (the Store always does).
//
// Further abilities are small interfaces in files of their own ([Describer], [Stager],
// [RangeGetter], [Mapper], [Scanner], [BatchPutter], [BatchDeleter], [MatchDeleter], [Finder], [Leaser], [Sweeper]).
// Each has a function of the same name that does without it where that is possible.
type Backend interface {
	// Get returns the value of key. The caller reads the body to its end or
	// not, and closes it; what it holds is a snapshot: an overwrite or a Delete
	// meanwhile either leaves it whole or makes reading fail, it never mixes.
	// The caller may then Get again. The same holds where the ctx of Get ends, or the handle
	// is closed, before the body was read: it never ends early as if it were whole. The last
	// bytes may come together with [io.EOF]. The bytes delivered belong to the caller. An absent key is [ErrNotFound];
	// a key whose data is gone or unreadable though its entry is there is
	// [ErrCorrupt].
	Get(ctx context.Context, key Key) (io.ReadCloser, Info, error)

	// Stat returns what Get would say about key, without the body.
	Stat(ctx context.Context, key Key) (Info, error)

	// Put stores body, all of it from offset 0 (wherever the body stands, and
	// rewound if a retry needs it again), under key. The body MUST hold exactly
	// opts.Size bytes: a shorter one fails with [io.ErrUnexpectedEOF], a longer one
	// with [ErrTooLong], and either leaves the old value as it was. Put neither closes
	// the body nor uses it, or the memory behind it, after it returned. While it reads the
	// body, which may take long, it keeps no other call waiting, of the same key or of others, and
	// reserves nothing: another Put with IfAbsent may create the key meanwhile;
	// Close and Sweep alone may wait for it, and keep no other call waiting meanwhile.
	//
	// Put returns the Info of what it stored. Its ModTime may be zero where the
	// engine does not return it to a writer, and its Meta may be the map of opts.
	Put(ctx context.Context, key Key, body io.ReadSeeker, opts PutOptions) (Info, error)

	// Delete removes key. Removing what is absent succeeds.
	Delete(ctx context.Context, key Key) error

	// List yields the entries of one shelf in byte order of Name, each exactly
	// once if it was there from the first step to the last. Entries that come
	// or go meanwhile may appear or not. A Put that did not finish is never
	// listed. Key, Size and ModTime are always set, the rest where it costs no
	// further request.
	//
	// The loop body may call any method of the same backend: an implementation
	// MUST NOT hold a transaction, a lock or a pooled connection across a yield.
	// An error is yielded once, as the last step. A shelf that does not exist is empty. What
	// List returns may be ranged over again, and looks anew each time; after Close that is [ErrClosed].
	List(ctx context.Context, shelf string, opts ListOptions) iter.Seq2[Info, error]

	// Shelves yields the names of the shelves that hold at least one entry, in
	// byte order, under the rules of List. The options choose among the names of
	// shelves as those of List do among the names of entries, at the cost of what they
	// choose: a prefix finds its few shelves among a million others.
	Shelves(ctx context.Context, opts ListOptions) iter.Seq2[string, error]

	// Close releases the handle. It waits for calls in progress or makes them
	// fail, never tears a write, and may be called again. The values stay.
	Close() error
}

// PutOptions say what is stored beside the body, and when. The zero value of
// IfAbsent and IfMatch overwrites whatever is there.
type PutOptions struct {
	Size   int64    // bytes in the body
	Digest [32]byte // SHA-256 of the body: its identity
	Sum    uint32   // CRC-32C (Castagnoli) of the body: checked on every full read

	// IfAbsent stores only if key holds nothing; else [ErrExists].
	IfAbsent bool
	// IfMatch, unless empty, stores only if the present entry has this
	// [Info.Version]; else, also when the key is absent, [ErrChanged].
	IfMatch string

	Meta Meta
}

// ListOptions choose among the entries of a shelf, or among shelves.
type ListOptions struct {
	Prefix string // only names that begin with it; it need not end at a segment
	After  string // only names greater than it in byte order; it need not exist
	Limit  int    // at most so many; 0 is no limit
}

// Info is what a backend knows of an entry.
type Info struct {
	Key    Key
	Size   int64
	Digest [32]byte
	Sum    uint32

	// Version distinguishes one stored value from another for IfMatch: of two Puts of
	// different bytes and Digests under a key, at any times, no two have the same. Two of
	// the same bytes may (S3's ETag is such a version), so what must change hands
	// by IfMatch carries a nonce. It is opaque, printable, and empty only from a
	// List that would have to ask for it.
	Version string

	// ModTime is when the value was stored, by the clock of the store, right to
	// a second.
	ModTime time.Time

	// Meta is the caller's to keep; nil and empty mean the same.
	Meta Meta
}
