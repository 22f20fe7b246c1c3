package session

import (
	"errors"
	"fmt"
)

var (
	// ErrLost: the session, or its lock, was taken over by another process, because this one was stopped or
	// cut off from the store for longer than its lease. What was acknowledged before is stored.
	ErrLost = errors.New("taken over by another process")
	// ErrClosed: the session was closed.
	ErrClosed = errors.New("the session is closed")
)

// Error is what went wrong with a session, or with one of its items.
type Error struct {
	Session string
	Key     string // of the item
	HasKey  bool   // false: the error is about the session
	Err     error
}

// Error names the session, and the item if it is about one.
func (e *Error) Error() string {
	if e.HasKey {
		return fmt.Sprintf("session %q, key %q: %v", e.Session, e.Key, e.Err)
	}
	return fmt.Sprintf("session %q: %v", e.Session, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// wrap names the session in err, unless it does so already.
func wrap(session string, err error) error {
	var named *Error
	if err == nil || errors.As(err, &named) {
		return err
	}
	return &Error{Session: session, Err: err}
}

// wrapKey names session and key in err, unless it names a session already.
func wrapKey(session, key string, err error) error {
	var named *Error
	if err == nil || errors.As(err, &named) {
		return err
	}
	return &Error{Session: session, Key: key, HasKey: true, Err: err}
}
