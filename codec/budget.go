package codec

import (
	"encoding/binary"
	"fmt"
)

// CBOR is compact: 40 MB of empty maps took 5.7 GB once they were decoded. So the memory that a value may
// take is bounded by what it takes as bytes, before any of it is made; also when a value is
// encoded, so that none is stored that could not be read again.
const (
	freeMemory   = 256 << 20 // bytes that any value may take
	memoryFactor = 32        // and so many for each of its bytes: a map of a few short names takes 35

	itemMemory = 16 // of an item in an any, or in a slice
	mapMemory  = 96 // of a map or a slice without its items, at the least
)

// affordable refuses a value, encoded as b, that could take too much memory as a type whose largest part takes
// unit bytes.
func affordable(b []byte, unit int64) error {
	limit := freeMemory + memoryFactor*int64(len(b))
	if int64(len(b))*(itemMemory+max(unit, mapMemory)) <= limit {
		return nil
	}
	items, containers := count(b)
	if need := items*itemMemory + containers*max(unit, mapMemory); need > limit {
		return fmt.Errorf("its %d items could take %d MiB, and for its %d bytes %d are allowed; store numbers as slices of numbers, or the value in parts",
			items, need>>20, len(b), limit>>20)
	}
	return nil
}

// count returns how many items b has, at whatever depth, and how many of them are arrays and maps. What is
// malformed ends the count: the decoder refuses it.
func count(b []byte) (items, containers int64) {
	for len(b) > 0 {
		items++
		major, info := b[0]>>5, b[0]&0x1f
		b = b[1:]
		arg := uint64(info)
		if info >= 24 {
			n := 1 << (info - 24)
			if info > 27 || len(b) < n {
				return items, containers
			}
			var full [8]byte
			copy(full[8-n:], b[:n])
			arg, b = binary.BigEndian.Uint64(full[:]), b[n:]
		}
		switch major {
		case 2, 3: // bytes and text
			if arg > uint64(len(b)) {
				return items, containers
			}
			b = b[arg:]
		case 4, 5: // arrays and maps: their items follow
			containers++
		}
	}
	return items, containers
}
