// Package codec turns values into bytes and back.
package codec

import (
	"io"
)

// The names of the codecs, as kept in a value's metadata under [MetaKey].
const (
	Raw  = "raw"  // []byte, string and io.Reader: the bytes as they are
	NPY  = "npy"  // numeric slices and matrices: NumPy's format
	CBOR = "cbor" // everything else
)

// MetaKey is the metadata key that names the codec of a value.
const MetaKey = "codec"

// Encoded is a value ready to be stored.
type Encoded struct {
	Codec string
	Body  io.ReadSeeker
	Size  int64
}
