package component

import (
	"crypto/sha256"
	"io/fs"
	"os"
	"sync"
	"time"
)

const (
	// settled is how long a file must have been left alone before its times distinguish it from its
	// next state. FAT keeps times to 2 s, HFS+ to 1 s, others finer.
	settled = 3 * time.Second
	// maxDigests bounds the cache: about 1 MB, and more files than a pipeline reads.
	maxDigests = 4096
)

// digests remembers the digests of files for the whole process.
var digests = &digestCache{now: time.Now, limit: maxDigests, files: map[string]knownFile{}}

// digestCache maps paths to digests of the files that were last seen there.
type digestCache struct {
	now   func() time.Time
	limit int

	mu    sync.Mutex // guards files; not held while a file is read
	files map[string]knownFile
}

type knownFile struct {
	info   fs.FileInfo
	digest [sha256.Size]byte
}

// of returns digest and size of the file at path. Digests are remembered in the directory notes too, unless that
// is empty.
func (c *digestCache) of(path, notes string) ([sha256.Size]byte, int64, error) {
	c.mu.Lock()
	known, ok := c.files[path]
	c.mu.Unlock()
	if ok || notes != "" {
		info, err := os.Stat(path)
		if err == nil && ok && same(known.info, info) {
			return known.digest, info.Size(), nil
		}
		if err == nil && notes != "" {
			if digest, ok := noted(notes, path, info); ok {
				c.remember(path, knownFile{info, digest})
				return digest, info.Size(), nil
			}
		}
	}
	digest, info, began, err := read(path, c.now)
	if err != nil {
		c.forget(path)
		return digest, 0, err
	}
	if latest(info).Add(settled).Before(began) {
		c.remember(path, knownFile{info, digest})
		if notes != "" {
			takeNote(notes, path, info, digest)
		}
	} else {
		c.forget(path)
	}
	return digest, info.Size(), nil
}

func (c *digestCache) remember(path string, f knownFile) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.files[path]; !ok && len(c.files) >= c.limit {
		for other := range c.files { // any: which one is as good as another
			delete(c.files, other)
			break
		}
	}
	c.files[path] = f
}

func (c *digestCache) forget(path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.files, path)
}

// same reports whether two looks at a path saw one file in one state.
func same(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.Mode() == b.Mode() &&
		a.ModTime().Equal(b.ModTime()) && changeTime(a).Equal(changeTime(b))
}

// latest is when a file was last changed, as far as its times show. A program may set
// the time of modification back; the time of change it may not.
func latest(info fs.FileInfo) time.Time {
	m, c := info.ModTime(), changeTime(info)
	if c.After(m) {
		return c
	}
	return m
}
