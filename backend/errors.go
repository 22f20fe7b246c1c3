package backend

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/larder-store/larder/component"
)

// What can be wrong. An [*Error] wraps one of these, or [errors.ErrUnsupported], or
// an error of the context, or something that only the engine can say. Test with
// [errors.Is].
var (
	// ErrNotFound: the key holds nothing. It matches [fs.ErrNotExist].
	ErrNotFound error = &sentinel{"not found", fs.ErrNotExist}
	// ErrExists: IfAbsent, and the key holds a value. It matches [fs.ErrExist].
	ErrExists error = &sentinel{"already exists", fs.ErrExist}
	// ErrChanged: IfMatch, and the entry is absent or of another version.
	ErrChanged = errors.New("changed meanwhile")
	// ErrCorrupt: the bytes found are not those that were stored.
	ErrCorrupt = errors.New("corrupt")
	// ErrMisplaced: what lies under the key's name was stored under another key. It matches
	// [ErrCorrupt]: the key has no value, and the next Put heals it. What lies there may be sound, and only need its name back.
	ErrMisplaced error = &sentinel{"it holds the value of another key: it was renamed or copied", ErrCorrupt}
	// ErrNewer: a newer version of Larder wrote it, in a format that this one does not know. It
	// is neither corrupt nor absent, and is left as it is unless the caller overwrites or deletes it.
	ErrNewer = component.ErrNewer
	// ErrInvalidKey: a shelf, name or metadata outside the grammar.
	ErrInvalidKey = errors.New("invalid key")
	// ErrInvalidURL: what is wrong is in the URL of a place, or in the options that say the
	// same, so that it never opens; see [InvalidURL].
	ErrInvalidURL = errors.New("invalid URL")
	// ErrTooLarge: a key, metadata or value beyond a limit, which the error names.
	ErrTooLarge = errors.New("too large")
	// ErrTooLong: the body of a Put holds more bytes than its stated size.
	ErrTooLong = errors.New("body longer than its stated size")
	// ErrLocked: another process holds what this call needs, and went on
	// holding it for as long as this call was ready to wait. It may succeed later.
	ErrLocked = errors.New("locked by another process")
	// ErrUnavailable: the engine did not answer or asked to come again. It may
	// succeed later; see [Retryable].
	ErrUnavailable = errors.New("unavailable")
	// ErrClosed: the handle was closed.
	ErrClosed = errors.New("closed")
)

type sentinel struct {
	text string
	is   error
}

func (s *sentinel) Error() string        { return s.text }
func (s *sentinel) Is(target error) bool { return target == s.is }

// Error is every error that a Backend returns.
type Error struct {
	// Op is the method in lower case: "open", "get", "stat", "put", "delete", "list", "shelves",
	// "close"; of abilities "get range", "scan", "put batch", "delete batch", "find", "acquire",
	// "renew", "release", "sweep", "salvage". An item of a batch fails as "put" or "delete",
	// and an ability that is made of other methods may fail as they do.
	Op      string
	Backend string // the scheme: "shelve", "s3", …
	Key     Key    // zero where no single key is meant
	Err     error
}

// Error reads like: shelve get "cache/ab12/result": not found.
func (e *Error) Error() string {
	switch {
	case e.Key == Key{}:
		return fmt.Sprintf("%s %s: %v", e.Backend, e.Op, e.Err)
	case e.Key.Name == "":
		return fmt.Sprintf("%s %s %q: %v", e.Backend, e.Op, e.Key.Shelf, e.Err)
	}
	return fmt.Sprintf("%s %s %q: %v", e.Backend, e.Op, e.Key.String(), e.Err)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Wrap makes an [*Error] of err: nil stays nil, and what is one already is
// returned as it is.
func Wrap(op, backend string, key Key, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	return &Error{Op: op, Backend: backend, Key: key, Err: err}
}

// Retryable reports whether the same call may succeed later without anything
// being changed by the caller.
func Retryable(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrLocked)
}
