// Package codec turns values into bytes and back.
//
// [Encode] chooses a codec by the Go type of a value; the name of the codec is
// kept beside the bytes, and [Decode] goes by it. Named types go by what they are
// made of, and a pointer by what it points to:
//
//   - "raw": strings, []byte and streams, as they are.
//   - "npy": slices of numbers and bools, [][]T of equal rows, [Matrix] and single
//     complex numbers, in NumPy's format, version 1.0. numpy.load opens them. Their
//     memory is written without a copy, and read into memory that is already there.
//   - "cbor": everything else, and nil slices, which the other two cannot tell
//     from empty ones.
//
// There is no gob, no pickle, and nothing that could execute.
//
// # What comes back
//
// What Encode accepts, Decode gives back, or Encode refuses it with the path to what
// is not data: funcs, channels, interfaces other than any, unexported fields,
// fields that share a name, cycles. To leave out a field, tag it cbor:"-". In return
// Decode never adapts: a value comes back into the type that it was stored from, or
// one that writes the very same bytes. It is an error if a field is missing on
// either side (tag a field that came later with omitzero), an array has another
// length, a null would become 0, or a number would be rounded.
//
// A few things do come back changed:
//
//   - What an any holds: integers as int64 or, beyond it, [*big.Int]; floats as float64;
//     structs and maps as map[string]any; slices as []any; typed nils as nil. Maps inside an
//     any have keys that are strings, or they are refused.
//   - A [time.Time] keeps its instant to the nanosecond and its offset from UTC, but not the
//     name of its zone nor the monotonic clock: compare with Equal. RFC 3339 sets the limits: years 0 to
//     9999, offsets in whole minutes. The zero time is UTC.
//   - A pointer to a nil pointer, slice, map or any, or to the zero time, comes back as a
//     nil pointer. What several pointers share comes back as several copies.
//   - A field left out by omitempty or omitzero comes back as the zero value.
//   - A type that writes itself (MarshalCBOR, MarshalBinary or MarshalText, with its
//     counterpart) comes back as its methods make it.
//   - In CBOR a signalling NaN becomes quiet; its payload stays. NPY keeps every bit.
//
// # NPY
//
// Elements are little-endian and int and uint take 8 bytes, on every machine. Decode reads
// format versions 1.0 to 3.0, both byte orders, and both orders of the indices. It widens
// what fits without loss (float32 to float64, uint8 to int64), never the reverse, and
// never integers to floats. A dtype without a Go type is refused by its name, so are objects (pickles) and
// records. [][]T takes rows of one piece of memory.
//
// # CBOR
//
// The encoding is RFC 8949's core deterministic one (section 4.2.1): shortest numbers,
// sorted keys, nothing of indefinite length, so that equal values are equal bytes in every
// language. Times are texts with tag 0. Struct fields are named by the tag cbor, else
// json, else as in Go; options are those of github.com/fxamacker/cbor. A text holds what the Go
// string held, even if it is not UTF-8.
//
// Large arrays inside structs are CBOR like the rest, an element at a time. Store
// them as values of their own.
//
// # Bytes that are not to be trusted
//
// An NPY header is at most 10,000 bytes, and what it claims must agree with the size of the
// value before anything is allocated. Up to 1 GiB is allocated at once for a value whose
// entry says that it is so large; beyond that memory grows with what arrives. CBOR nests at most
// 1,000 levels, has no key twice, and is checked as a whole before the first value is made; what a decoded
// value takes is then bounded by the bytes times the size of the Go type that one byte can stand for.
package codec
