// Package keying makes keys from components: the same key for the same component
// on every machine, in every process and for every Go version. docs/keys.md
// specifies the encoding for other languages.
package keying

import (
	"context"

	"github.com/larder-store/larder/component"
)

// A KeyGenerator makes a key from what a component is. Equal components get equal
// keys, different ones different keys; a component that cannot be distinguished from
// every other is an error, never a key. It is safe for concurrent use.
//
// A key is one segment of backend.Key's grammar: at most 200 bytes of [a-z0-9._=-].
type KeyGenerator interface {
	Key(ctx context.Context, c component.Component) (string, error)
}

// A Preimager is a KeyGenerator that also gives the canonical encoding that the
// key was made from, which a Store keeps on the shelf "components". Of a component.Ref only
// the key is known: it is returned with [ErrNoPreimage].
type Preimager interface {
	KeyGenerator
	Preimage(ctx context.Context, c component.Component) (key string, preimage []byte, err error)
}
