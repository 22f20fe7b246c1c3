package file

import "sync"

// lasting remembers directories whose names, up to the root, are known to be on the disk. To sync a
// directory that nothing happened to is not free: each time the disk has to empty its cache.
//
// Another process may remove a directory that is empty and make it anew, so it is known by
// its identity, not by its path.
type lasting struct {
	mu    sync.Mutex
	known map[string]identity
}

// identity distinguishes a directory from all others that ever had, or will have, its path. The zero value is none.
type identity struct{ device, inode, born uint64 }

// maxLasting bounds the memory; a store has few directories that are written to again and again.
const maxLasting = 1024

func (l *lasting) has(dir string, id identity) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return id != identity{} && l.known[dir] == id
}

func (l *lasting) add(found map[string]identity) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil || len(l.known)+len(found) > maxLasting {
		l.known = map[string]identity{}
	}
	for dir, id := range found {
		if id != (identity{}) {
			l.known[dir] = id
		}
	}
}
