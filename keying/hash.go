package keying

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/larder-store/larder/component"
)

// Hash makes a key of 64 hexadecimal digits: the SHA-256 of the canonical encoding. It is what
// a Store uses unless told otherwise. The zero value is ready, and needs no setup.
type Hash struct{}

var _ Preimager = Hash{}

var hashScheme = scheme{key: hexDigest, check: checkHash}

// Key returns the key of c. Each component that c is computed from is looked at once,
// as [component.Walk] says; what cannot be encoded faithfully is an [*Error], and a cycle a
// [*component.CycleError]. The key of a component.Ref is the one that it was made with.
func (Hash) Key(ctx context.Context, c component.Component) (string, error) {
	key, _, err := hashScheme.of(ctx, c, false)
	return key, err
}

// Preimage returns the key of c and what it is the SHA-256 of. A component.Ref has none:
// [ErrNoPreimage], with its key.
func (Hash) Preimage(ctx context.Context, c component.Component) (key string, preimage []byte, err error) {
	return hashScheme.of(ctx, c, true)
}

// KeyFrom is Key for a component whose inputs have the given keys, in order: the
// same key, without asking for the inputs.
func (Hash) KeyFrom(c component.Component, inputs ...string) (string, error) {
	return hashScheme.keyFrom(c, inputs)
}

func hexDigest(preimage []byte) (string, error) {
	sum := sha256.Sum256(preimage)
	var digits [2 * sha256.Size]byte
	hex.Encode(digits[:], sum[:])
	return string(digits[:]), nil
}

func checkHash(key string) error {
	if !isHexDigest(key) {
		return fmt.Errorf("%.80q is no key of keying.Hash, which are 64 digits of 0-9 a-f", key)
	}
	return nil
}

func isHexDigest(s string) bool {
	if len(s) != 2*sha256.Size {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
