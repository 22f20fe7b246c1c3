package mem

import (
	"slices"
	"sort"
	"strings"
)

// A shelf keeps entries in byte order of their names: a list of blocks, each a sorted
// list, none empty. A nil shelf is an empty one. The place's lock guards it.
//
// One sorted list would move half of all entries at each new name; blocks move at most
// maxBlock, and at 100,000 entries a few hundred blocks.
type shelf struct {
	blocks [][]*entry
}

// maxBlock is where a block is split in two. BenchmarkPutAndList gives about the
// same times for every value from 64 to 4,096.
const maxBlock = 256

// at returns where name is, or would be.
func (s *shelf) at(name string) (block, i int, found bool) {
	if s.empty() {
		return 0, 0, false
	}
	// The last block that begins at or before name; the first, if none does.
	block = max(0, sort.Search(len(s.blocks), func(k int) bool { return s.blocks[k][0].info.Key.Name > name })-1)
	i, found = slices.BinarySearchFunc(s.blocks[block], name, func(e *entry, name string) int {
		return strings.Compare(e.info.Key.Name, name)
	})
	return block, i, found
}

// get returns the entry called name, or nil.
func (s *shelf) get(name string) *entry {
	block, i, found := s.at(name)
	if !found {
		return nil
	}
	return s.blocks[block][i]
}

// set adds e, or puts it in the place of the entry with its name.
func (s *shelf) set(e *entry) {
	block, i, found := s.at(e.info.Key.Name)
	switch {
	case found:
		s.blocks[block][i] = e
		return
	case s.empty():
		s.blocks = [][]*entry{{e}}
		return
	}
	full := slices.Insert(s.blocks[block], i, e)
	s.blocks[block] = full
	if len(full) > maxBlock {
		half := len(full) / 2
		s.blocks[block] = slices.Clone(full[:half])
		s.blocks = slices.Insert(s.blocks, block+1, slices.Clone(full[half:]))
	}
}

// remove takes the entry called name away, if there is one.
func (s *shelf) remove(name string) {
	block, i, found := s.at(name)
	if !found {
		return
	}
	s.blocks[block] = slices.Delete(s.blocks[block], i, i+1)
	if len(s.blocks[block]) == 0 {
		s.blocks = slices.Delete(s.blocks, block, block+1)
	}
}

func (s *shelf) empty() bool { return s == nil || len(s.blocks) == 0 }

// page returns up to n entries that begin with prefix and come after the name after.
func (s *shelf) page(prefix, after string, n int) []*entry {
	if s.empty() {
		return nil
	}
	var page []*entry
	block, i, _ := s.at(max(prefix, after))
	for ; block < len(s.blocks); block, i = block+1, 0 {
		for _, e := range s.blocks[block][i:] {
			name := e.info.Key.Name
			if name <= after {
				continue // after itself; the empty after is before every name
			}
			if !strings.HasPrefix(name, prefix) || len(page) == n {
				return page
			}
			page = append(page, e)
		}
	}
	return page
}
