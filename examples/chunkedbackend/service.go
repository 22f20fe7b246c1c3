package chunkedbackend

import (
	"slices"
	"strings"
	"sync"
)

// A service is what this backend stands on: it keeps small items under keys, counts a revision up with
// each write, and writes several items at once if one of them is still at a revision. Many services are
// like that, from etcd to the tables of a cloud; this one is in memory, so that the example runs anywhere.
type service struct {
	mu       sync.Mutex // guards the rest
	items    map[string]item
	keys     []string // of items, sorted
	revision uint64
}

type item struct {
	value    []byte
	revision uint64
}

// maxItem is the largest item.
const maxItem = 64 << 10

// get returns the item of a key; its revision is 0 if there is none.
func (s *service) get(key string) item {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.items[key]
}

// write writes items, nil for those to be removed, if the item of the key guard is at a revision; an empty
// guard asks for nothing. It returns the new revision, or 0 if the guard is at another one.
func (s *service) write(guard string, revision uint64, items map[string][]byte) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if guard != "" && s.items[guard].revision != revision {
		return 0
	}
	s.revision++
	for key, value := range items {
		at, there := slices.BinarySearch(s.keys, key)
		switch {
		case value == nil && there:
			delete(s.items, key)
			s.keys = slices.Delete(s.keys, at, at+1)
		case value != nil && !there:
			s.keys = slices.Insert(s.keys, at, key)
		}
		if value != nil {
			s.items[key] = item{value, s.revision}
		}
	}
	return s.revision
}

// page returns at most n keys greater than after that begin with prefix, in byte order.
func (s *service) page(prefix, after string, n int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, there := slices.BinarySearch(s.keys, max(after, prefix))
	if there && after >= prefix {
		at++
	}
	var keys []string
	for ; at < len(s.keys) && len(keys) < n && strings.HasPrefix(s.keys[at], prefix); at++ {
		keys = append(keys, s.keys[at])
	}
	return keys
}
