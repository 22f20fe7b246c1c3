package component

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// FileType is the type of what [File] returns.
const FileType = "larder.File"

// CommandType is the type of the component that stands for the command line of a stage of larder
// run, the first of its inputs. Its parameters have "args", "inputs" (the labels of the inputs that follow,
// in order), "outputs", and where they are used "env" and "stdin".
const CommandType = "larder.Command"

// File reads a file, at once and to its end, and returns the component that stands for its
// contents: an input that a person or a device made. It is identified by SHA-256 and size; the
// same bytes under another path have the same key.
//
// A digest is remembered as long as path, size, times and identity of the file stay the
// same, so asking again costs one look at the file system. A file that was
// changed within the last few seconds is always read again, because a further change might leave
// no trace in its times.
//
// [RememberIn] makes it known to other processes too.
//
// Only regular files, and links to them, can be read. Errors name the file, say what can be done,
// and match [fs.ErrNotExist] and the like where they come from the system.
func File(path string, opts ...FileOption) (FileContent, error) {
	notes := ""
	for _, o := range opts {
		notes = o.notes
	}
	digest, size, err := digests.of(path, notes)
	if err != nil {
		return FileContent{}, fmt.Errorf("input file %q %w", path, err)
	}
	return FileContent{path, fileContent{digest, size}}, nil
}

// Content returns the component that stands for contents of this SHA-256 and size: the one that
// [File] returns for a file that holds them. It is for what was read elsewhere, such as a stream.
func Content(digest [sha256.Size]byte, size int64) FileContent {
	return FileContent{content: fileContent{digest, size}}
}

// FileContent is the component that [File] and [Content] return. It is a comparable value, so that a file
// that was asked for twice is recognised in a graph.
type FileContent struct {
	path    string
	content fileContent
}

// fileContent is a file's parameters, by which it is known.
type fileContent struct {
	SHA256 [sha256.Size]byte `larder:"sha256"`
	Size   int64             `larder:"size"`
}

// Type implements [Component]: it is [FileType].
func (FileContent) Type() string { return FileType }

// Version implements [Component].
func (FileContent) Version() string { return "1" }

// Parameters implements [Component]: the SHA-256 and the size.
func (f FileContent) Parameters() any { return f.content }

// Inputs implements [Component]: there are none.
func (FileContent) Inputs() []Component { return nil }

// Path returns the path that the contents were read from, for messages; "" if there was none.
func (f FileContent) Path() string { return f.path }

// Digest returns the SHA-256 of the contents.
func (f FileContent) Digest() [sha256.Size]byte { return f.content.SHA256 }

// Size returns the length of the contents in bytes.
func (f FileContent) Size() int64 { return f.content.Size }

// read returns digest and state of the file at path, and when the reading began.
func read(path string, now func() time.Time) (digest [sha256.Size]byte, info fs.FileInfo, began time.Time, err error) {
	// Opening a pipe would wait for a writer, so look before.
	info, err = os.Stat(path)
	if err != nil {
		return digest, nil, began, remedy(err)
	}
	if err := regular(info.Mode()); err != nil {
		return digest, nil, began, err
	}
	f, err := os.Open(path)
	if err != nil {
		return digest, nil, began, remedy(err)
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return digest, nil, began, remedy(err)
	}
	began = now()
	if err := regular(info.Mode()); err != nil {
		return digest, nil, began, err
	}
	h := sha256.New()
	n, err := io.CopyBuffer(h, f, make([]byte, 256<<10))
	if err != nil {
		return digest, nil, began, remedy(err)
	}
	after, err := f.Stat()
	if err != nil {
		return digest, nil, began, remedy(err)
	}
	if !same(info, after) {
		return digest, nil, began, errors.New("changed while it was read; wait until it is complete")
	}
	if n != info.Size() { // the system makes it up as it is read, as in /proc
		return digest, nil, began, fmt.Errorf("has %d bytes of contents but a size of %d; save a copy and name that", n, info.Size())
	}
	return [sha256.Size]byte(h.Sum(nil)), info, began, nil
}

// regular refuses by name what has no contents of its own.
func regular(mode fs.FileMode) error {
	kind, advice := "", "name a regular file"
	switch {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		kind, advice = "directory", "name the files in it, each as an input"
	case mode&fs.ModeNamedPipe != 0:
		kind, advice = "named pipe", "save what it delivers in a regular file first"
	case mode&fs.ModeSocket != 0:
		kind = "socket"
	case mode&fs.ModeDevice != 0:
		kind = "device"
	default:
		kind = "special file (" + mode.Type().String() + ")"
	}
	return fmt.Errorf("is a %s; %s", kind, advice)
}

// remedy adds to a system's error what can be done about it. The path is left to the caller.
func remedy(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("is missing (%w); check the path, and the working directory it is relative to", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("may not be read (%w); check its permissions and those of the directories above", err)
	}
	return fmt.Errorf("cannot be read: %w", err)
}
