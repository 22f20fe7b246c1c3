package stage

import (
	"archive/tar"
	"bytes"
	"io"
	"io/fs"
	"os"
)

// maxStanding bounds the files that are compared with what lies in their place: they are held in memory.
const maxStanding = 1 << 20

// standing is an output that lies in its place already, as it was kept. It is not made again: the file gets the time
// that a new one would have, and nothing else, since the rename of a new file over an old one waits for the disk.
type standing struct {
	info fs.FileInfo // of the file when it was compared
	mode fs.FileMode // as it was kept
	text []byte
}

// standingAt reads a file from an archive, and returns it with its text as far as that has been read: as a standing
// output if what lies at path is the same, is this user's alone, and has the mode that it would get.
func standingAt(path string, h *tar.Header, r io.Reader) (*standing, io.Reader, error) {
	if h.Size > maxStanding {
		return nil, r, nil
	}
	mode := fs.FileMode(h.Mode).Perm()
	f, info := openStanding(path, mode, h.Size)
	if f == nil {
		return nil, r, nil
	}
	defer f.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, nil, err
	}
	lies, err := io.ReadAll(io.LimitReader(f, h.Size+1))
	if err != nil || !bytes.Equal(lies, text) {
		return nil, bytes.NewReader(text), nil
	}
	return &standing{info, mode, text}, nil, nil
}

// put gives the output at target the time of now if it is still as it was compared. Else it makes it anew at path, and
// goes on as replace does.
func (s *standing) put(path, target, away string) error {
	if now, err := os.Lstat(target); err == nil && same(now, s.info) && touchNow(target) == nil {
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, s.mode)
	if err != nil {
		return err
	}
	if err := fill(f, bytes.NewReader(s.text)); err != nil {
		return err
	}
	return replace(path, target, away)
}
