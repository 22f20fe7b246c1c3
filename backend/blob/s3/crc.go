package s3

import "hash/crc32"

// combine returns the CRC-32C of two pieces, one after the other, from those of each: the
// first is carried over as many zero bytes as the second has.
func combine(first, second uint32, secondSize int64) uint32 {
	shift := uint32(1) << 31 // x^0; the highest bit is the lowest power
	power := uint32(1) << 23 // x^8, a byte
	for n := secondSize; n > 0; n >>= 1 {
		if n&1 != 0 {
			shift = multiply(shift, power)
		}
		power = multiply(power, power)
	}
	return multiply(shift, first) ^ second
}

// multiply returns the product of two polynomials modulo Castagnoli's.
func multiply(a, b uint32) (product uint32) {
	for ; a != 0; a <<= 1 {
		if a&(1<<31) != 0 {
			product ^= b
		}
		lowest := b & 1
		b >>= 1
		if lowest != 0 {
			b ^= crc32.Castagnoli
		}
	}
	return product
}
