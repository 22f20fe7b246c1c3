package shelve

import (
	"encoding/hex"
	"strings"

	"github.com/larder-store/larder/backend"
)

// An arena holds what the entries of a page need of memory in a few large pieces: of small values, allocations would
// take longer than all else. A nil arena allocates for each.
type arena struct {
	text   strings.Builder // names and versions
	bodies []byte          // of a Room

	metaText string // the metadata that was decoded last
	metaLast backend.Meta
}

// A piece is what is allocated at a time for text: the first one is small, each later one twice as large up to arenaPiece.
const (
	firstPiece = 1 << 10
	arenaPiece = 32 << 10
)

// string returns b as a string.
func (a *arena) string(b []byte) string {
	if a.text.Cap()-a.text.Len() < len(b) {
		size := max(min(2*a.text.Cap(), arenaPiece), firstPiece, len(b))
		a.text.Reset()
		a.text.Grow(size)
	}
	start := a.text.Len()
	a.text.Write(b)
	return a.text.String()[start:]
}

func (a *arena) version(v id) string {
	if a == nil {
		return v.String()
	}
	var text [2 * len(v)]byte
	hex.Encode(text[:], v[:])
	return a.string(text[:])
}

// meta decodes metadata. Entries of a scan whose metadata are the same, as those of a session are, share one map.
func (a *arena) meta(b []byte) (backend.Meta, error) {
	if a == nil {
		return decodeMeta(b)
	}
	if a.metaLast != nil && a.metaText == string(b) {
		return a.metaLast, nil
	}
	m, err := decodeMeta(b)
	if err == nil {
		a.metaText, a.metaLast = string(b), m
	}
	return m, err
}

// body returns a copy of b, if bodies are wanted.
func (a *arena) body(b []byte) []byte {
	if a == nil || b == nil {
		return nil
	}
	start := len(a.bodies)
	a.bodies = append(a.bodies, b...)
	return a.bodies[start:len(a.bodies):len(a.bodies)]
}
