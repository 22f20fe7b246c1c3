package session

// record is an item as it is stored: what it is called and, unless it says that the item was deleted, its
// encoded value.
type record struct {
	key     string
	codec   string
	body    []byte
	deleted bool
}

// byKey orders records by their keys.
func byKey(a, b record) int {
	switch {
	case a.key < b.key:
		return -1
	case a.key > b.key:
		return 1
	}
	return 0
}

// size is about what a record takes in memory and in a pack.
func (r record) size() int { return len(r.key) + len(r.body) + 48 }
