package shelve

import (
	"bytes"
	"encoding/hex"
	"strings"

	"github.com/larder-store/larder/backend"
)

// An arena holds what the entries of a page need of memory in a few large pieces: of small values, allocations would
// take longer than all else. A nil arena allocates for each.
type arena struct {
	text   strings.Builder // names and versions
	bodies []byte

	metaText string // the metadata that was decoded last
	metaLast backend.Meta
}

// arenaPiece is what is allocated at a time for bodies. Larger ones than an eighth of it stand alone.
const arenaPiece = 32 << 10

// string returns b as a string.
func (a *arena) string(b []byte) string {
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

// clone returns a copy of b.
func (a *arena) clone(b []byte) []byte {
	if len(b) > arenaPiece/8 {
		return bytes.Clone(b)
	}
	if cap(a.bodies)-len(a.bodies) < len(b) {
		a.bodies = make([]byte, 0, arenaPiece)
	}
	start := len(a.bodies)
	a.bodies = append(a.bodies, b...)
	return a.bodies[start:len(a.bodies):len(a.bodies)]
}
