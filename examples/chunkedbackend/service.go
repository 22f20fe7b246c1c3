package chunkedbackend

import (
	"slices"
	"sync"
)

// A service is what this backend stands on: it keeps small items under keys, counts a revision up with
// each write, and writes several items at once if one of them is still at a revision. Many services are
// like that, from etcd to the tables of a cloud; this one is in memory, so that the example runs anywhere.
type service struct {
	mu       sync.Mutex // guards the rest
	items    map[string]item
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
		if value == nil {
			delete(s.items, key)
		} else {
			s.items[key] = item{value, s.revision}
		}
	}
	return s.revision
}

// page returns at most n keys greater than after that begin with prefix, in byte order.
func (s *service) page(prefix, after string, n int) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for key := range s.items {
		if key > after && len(key) >= len(prefix) && key[:len(prefix)] == prefix {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys[:min(n, len(keys))]
}
