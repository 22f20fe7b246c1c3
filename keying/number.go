package keying

import (
	"encoding/binary"
	"math"
	"math/big"
)

// The major types of CBOR (RFC 8949, section 3.1), in the three high bits of a head.
const (
	majorUint  = 0 << 5
	majorNeg   = 1 << 5
	majorBytes = 2 << 5
	majorText  = 3 << 5
	majorArray = 4 << 5
	majorMap   = 5 << 5
	majorTag   = 6 << 5
	majorOther = 7 << 5
)

// The heads of major type 7 that the encoding uses.
const (
	headFalse   = majorOther | 20
	headTrue    = majorOther | 21
	headNull    = majorOther | 22
	headFloat16 = majorOther | 25
	headFloat32 = majorOther | 26
	headFloat64 = majorOther | 27
)

// The tags that the encoding uses (RFC 8949, section 3.4).
const (
	tagTime      = 0 // text of RFC 3339
	tagBignum    = 2 // unsigned, big-endian
	tagNegBignum = 3 // -1 minus that
)

// nan16 is the one NaN.
const nan16 = 0x7e00

// maxIntegerBits bounds integers that come as big.Int, big.Float or big.Rat. A float64 has at most
// 1,024 bits; four times that is the largest RSA key in common use.
const maxIntegerBits = 4096

// appendHead appends the shortest head of a major type with its argument.
func appendHead(b []byte, major byte, n uint64) []byte {
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

func appendInt(b []byte, n int64) []byte {
	if n < 0 {
		return appendHead(b, majorNeg, uint64(^n))
	}
	return appendHead(b, majorUint, uint64(n))
}

// appendBigInt appends an integer of any size: within 64 bits as CBOR's own integers, else
// as a bignum.
func appendBigInt(b []byte, n *big.Int) []byte {
	major, tag := byte(majorUint), uint64(tagBignum)
	if n.Sign() < 0 {
		major, tag = majorNeg, tagNegBignum
		n = new(big.Int).Not(n) // -1 - n
	}
	if n.IsUint64() {
		return appendHead(b, major, n.Uint64())
	}
	magnitude := n.Bytes()
	b = appendHead(b, majorTag, tag)
	b = appendHead(b, majorBytes, uint64(len(magnitude)))
	return append(b, magnitude...)
}

// appendFloat appends a number that came as a float: an integral one as that integer (so
// -0 is 0), any other in the shortest of the three forms that keeps its value.
func appendFloat(b []byte, f float64) []byte {
	switch {
	case f != f:
		return append(b, headFloat16, nan16>>8, nan16&0xff)
	case f == math.Trunc(f) && !math.IsInf(f, 0):
		return appendIntegral(b, f)
	}
	f32 := float32(f)
	if float64(f32) != f {
		return binary.BigEndian.AppendUint64(append(b, headFloat64), math.Float64bits(f))
	}
	if f16, ok := float16(f32); ok {
		return binary.BigEndian.AppendUint16(append(b, headFloat16), f16)
	}
	return binary.BigEndian.AppendUint32(append(b, headFloat32), math.Float32bits(f32))
}

func appendIntegral(b []byte, f float64) []byte {
	if f >= -(1<<63) && f < 1<<63 {
		return appendInt(b, int64(f))
	}
	n, _ := big.NewFloat(f).Int(nil)
	return appendBigInt(b, n)
}

// float16 returns the bits of f in half precision, and whether that keeps its value.
// f is not NaN.
func float16(f float32) (bits uint16, exact bool) {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	exp := int(b>>23&0xff) - 127
	frac := b & (1<<23 - 1)
	switch {
	case exp == 128: // infinite
		return sign | 0x7c00, true
	case exp >= -14 && exp <= 15: // normal: 10 bits of fraction
		return sign | uint16(exp+15)<<10 | uint16(frac>>13), frac&(1<<13-1) == 0
	case exp >= -24 && exp < -14: // subnormal: a multiple of 2^-24
		m, drop := frac|1<<23, uint(-exp-1)
		return sign | uint16(m>>drop), m&(1<<drop-1) == 0
	}
	return 0, false
}

// fromFloat16 is the value of bits in half precision.
func fromFloat16(bits uint16) float64 {
	sign, exp, frac := 1.0, int(bits>>10&0x1f), float64(bits&(1<<10-1))
	if bits&0x8000 != 0 {
		sign = -1
	}
	switch {
	case exp == 0:
		return sign * math.Ldexp(frac, -24)
	case exp < 31:
		return sign * math.Ldexp(1<<10+frac, exp-25)
	case frac == 0:
		return math.Inf(int(sign))
	}
	return math.NaN()
}
