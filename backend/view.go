package backend

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"unsafe"
)

// A Mapper shows values where they lie, without copying them.
type Mapper interface {
	// Map returns the whole value of key as memory, under the rules of Get: what a View shows is a snapshot, which an
	// overwrite or a Delete leaves whole. It is not verified yet; see [View.Verify]. A value that cannot be shown, or is as well
	// read, is refused with [errors.ErrUnsupported], as is an absent one where reading finds that out; the caller may then Get it.
	Map(ctx context.Context, key Key) (*View, Info, error)
}

// MapVerified is [Mapper] for any backend, and verifies: without the ability the value is read into memory. An error
// that matches [ErrCorrupt] says what is wrong with the value.
func MapVerified(ctx context.Context, b Backend, key Key) (*View, Info, error) {
	if m, ok := As[Mapper](b); ok {
		v, info, err := m.Map(ctx, key)
		if err == nil {
			if err = v.Verify(info); err != nil {
				v.Close()
				return nil, info, err
			}
			return v, info, nil
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			return nil, info, err
		}
	}
	value, info, err := GetVerified(ctx, b, key)
	if err != nil {
		return nil, info, err
	}
	return NewView(value, nil), info, nil
}

// A View is a value as memory that must only be read. Its methods may be called by any number of goroutines.
//
// The bytes of a mapped value are pages of its file, shared with all processes that show it. Writing to them ends the program.
// Larder never changes a file that has its name, and one that is removed stays until the View is closed; but a
// program that cuts the file off makes it a fault to touch what is lost, which ends the program too, except within [View.Use].
type View struct {
	bytes   []byte
	mapped  bool
	leaked  runtime.Cleanup
	release func() error

	mu      sync.Mutex // guards the rest
	users   int        // calls of Use
	closed  bool
	checked bool
	sum     uint32 // of the bytes, if checked
}

// NewView returns a View over b, which stays as it is until release is called; nil is for memory like any other. It is called
// once: by Close, after the last Use, or once nothing refers to the View any longer.
func NewView(b []byte, release func() error) *View {
	v := &View{bytes: b, release: release, mapped: release != nil}
	if v.mapped {
		v.leaked = runtime.AddCleanup(v, func(release func() error) { _ = release() }, release)
	}
	return v
}

// Bytes returns the value; nil after Close. It must not be written to, nor used after Close, which for a mapped value would
// end the program with a fault. As with the descriptor of an [os.File], the View must be kept reachable for as long: a deferred Close
// does so.
func (v *View) Bytes() []byte {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return nil
	}
	return v.bytes
}

// Mapped reports whether the bytes are pages of a file, and not a copy.
func (v *View) Mapped() bool { return v.mapped }

// Use calls f with the value. Until it returns the bytes stay, whoever calls Close, and a fault in them is an error that matches
// [ErrCorrupt] if it happens in f's own goroutine. After Close the error is [ErrClosed].
func (v *View) Use(f func(b []byte) error) (err error) {
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		return ErrClosed
	}
	v.users++
	v.mu.Unlock()
	defer func() {
		if failed := v.leave(); err == nil {
			err = failed
		}
	}()
	if v.mapped {
		defer v.rescue(debug.SetPanicOnFault(true), &err)
	}
	return f(v.bytes)
}

// rescue turns a fault in the bytes into an error. It is deferred with the goroutine's former setting.
func (v *View) rescue(panicOnFault bool, err *error) {
	debug.SetPanicOnFault(panicOnFault)
	why := recover()
	if why == nil {
		return
	}
	fault, ok := why.(interface{ Addr() uintptr })
	start := uintptr(unsafe.Pointer(unsafe.SliceData(v.bytes)))
	if !ok || fault.Addr() < start || fault.Addr() >= start+uintptr(len(v.bytes)) {
		panic(why)
	}
	*err = fmt.Errorf("%w: byte %d of %d of a mapped file cannot be read: it was cut off, or its disk fails", ErrCorrupt, fault.Addr()-start, len(v.bytes))
}

// leave ends a Use.
func (v *View) leave() error {
	v.mu.Lock()
	v.users--
	last := v.closed && v.users == 0
	v.mu.Unlock()
	if last {
		return v.free()
	}
	return nil
}

// Close gives the bytes up, once the last Use is over. It may be called again.
func (v *View) Close() error {
	v.mu.Lock()
	now := !v.closed && v.users == 0
	v.closed = true
	v.mu.Unlock()
	if now {
		return v.free()
	}
	return nil
}

func (v *View) free() error {
	if v.release == nil {
		return nil
	}
	v.leaked.Stop()
	return v.release()
}

// Verify holds the bytes to the size and the sum of info. What was found right is not summed again.
func (v *View) Verify(info Info) error {
	v.mu.Lock()
	known := v.checked && v.sum == info.Sum && int64(len(v.bytes)) == info.Size
	v.mu.Unlock()
	if known {
		return nil
	}
	if err := v.Use(func(b []byte) error { return verifyBytes(b, info) }); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.checked, v.sum = true, info.Sum
	return nil
}
