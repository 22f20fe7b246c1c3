// Package codec turns values into bytes and back.
//
// [Encode] chooses a codec by the Go type of a value. The codec's name is kept beside
// the bytes, and [Decode] goes by it. A named type goes by what it is made of, a
// pointer by what it points to:
//
//   - "raw": strings, []byte and streams, as they are.
//   - "npy": slices of numbers and bools, [][]T of equal rows, [Matrix] and single
//     complex numbers, in NumPy's format. numpy.load opens them. Their memory is
//     written without a copy, and read into memory that is already there.
//   - "cbor": everything else. Also nil slices, which the other two could not distinguish
//     from empty ones.
//
// There is no gob, no pickle, and nothing that could execute. All functions may be
// called by several goroutines at once.
//
// # What comes back
//
// What Encode accepts, Decode gives back. What would not come back is refused with the
// path to it: funcs, channels, interfaces other than any, unexported fields, fields
// that share a name, cycles. The tag cbor:"-" leaves a field out.
//
// In return Decode never adapts: a value comes back into the type that it was stored
// from, or one that writes the very same bytes. It is an error if a field is missing
// on either side (one that came later is tagged with omitzero), if an array has another
// length, if a null would become 0, or if a number would be rounded.
//
// A few things do come back changed:
//
//   - What an any holds. Integers come back as int64 or, beyond it, [*big.Int]; floats
//     as float64; structs and maps as map[string]any; slices as []any; typed nils as
//     nil. A map with other keys than strings is refused there.
//   - A [time.Time] keeps its instant to the nanosecond and its offset from UTC, but
//     not the name of its zone, nor its monotonic clock: compare with Equal. Years are
//     0 to 9999 and offsets whole minutes, as RFC 3339 has it. The zero time is UTC.
//   - A pointer to a nil pointer, slice, map or any, or to the zero time, comes back as
//     a nil pointer. What several pointers share comes back as several copies.
//   - A field left out by omitempty or omitzero comes back as the zero value.
//   - A type that writes itself (MarshalCBOR, MarshalBinary or MarshalText, each with its
//     counterpart) comes back as its methods make it.
//   - In CBOR a signalling NaN becomes quiet; its payload stays. NPY keeps every bit.
//
// # NPY
//
// The format is version 1.0. Elements are little-endian, and int and uint take 8 bytes,
// whatever the machine. Decode reads versions 1.0 to 3.0, both byte orders and both
// orders of the indices. It widens what fits without loss (float32 to float64, uint8 to
// int64), never the reverse, and no integer to a float. Refused by name are dtypes
// without a Go type, objects (pickles) and records.
//
// # CBOR
//
// The encoding is RFC 8949's core deterministic one (section 4.2.1): shortest numbers,
// sorted keys, no indefinite lengths. So equal values are equal bytes, in every
// language that has it. Times are texts with tag 0. Struct fields are named by the tag cbor,
// else json, else as in Go; the options are those of github.com/fxamacker/cbor. A text
// holds what the Go string held, even if that is not UTF-8.
//
// A large slice inside a struct is CBOR like the rest, written element by element. As a
// value of its own it is NPY, and at least 20 times as fast.
//
// # Bytes that are not to be trusted
//
// An NPY header has at most 10,000 bytes, and what it claims must agree with the size of
// the value before anything is allocated. CBOR nests at most 1,000 levels, has no key
// twice, and is checked as a whole before the first value is made; what then is made is
// bounded by the number of bytes times what one byte can stand for in the wanted type.
// Because an entry says that its value is so large, at most 1 GiB is allocated; beyond
// that, memory grows with what really arrives.
package codec
