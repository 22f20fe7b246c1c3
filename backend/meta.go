package backend

import (
	"fmt"
	"strings"
)

// Meta is a little text kept beside a value: which codec wrote it, what it cost.
// Keys match [a-z][a-z0-9_]*; values are printable ASCII (0x20 to 0x7e) without
// blanks at their ends. All of it has at most [MaxMeta] bytes, because S3 allows 2 KB
// for its metadata and a backend needs some of that for itself.
type Meta map[string]string

// MaxMeta bounds the bytes of all keys and values of a [Meta].
const MaxMeta = 1500

// isMetaKey reports whether k matches [a-z][a-z0-9_]*.
func isMetaKey(k string) bool {
	for i := range len(k) {
		c := k[i]
		if ('a' > c || c > 'z') && (i == 0 || (c != '_' && ('0' > c || c > '9'))) {
			return false
		}
	}
	return k != ""
}

// Validate reports what is wrong with m, naming the key.
func (m Meta) Validate() error {
	total := 0
	for k, v := range m {
		total += len(k) + len(v)
		if !isMetaKey(k) {
			return fmt.Errorf("%w: metadata key %q does not match [a-z][a-z0-9_]*", ErrInvalidKey, k)
		}
		if strings.TrimSpace(v) != v {
			return fmt.Errorf("%w: metadata %s=%q has blanks at its ends", ErrInvalidKey, k, v)
		}
		for i := 0; i < len(v); i++ {
			if v[i] < 0x20 || v[i] > 0x7e {
				return fmt.Errorf("%w: metadata %s=%q holds more than printable ASCII", ErrInvalidKey, k, v)
			}
		}
	}
	if total > MaxMeta {
		return fmt.Errorf("%w: metadata has %d bytes, %d are allowed", ErrTooLarge, total, MaxMeta)
	}
	return nil
}

// CheckPut is what every Put calls first: key, metadata and options in one go.
func CheckPut(key Key, opts PutOptions) error {
	if err := key.Validate(); err != nil {
		return err
	}
	if opts.Size < 0 {
		return fmt.Errorf("size %d is negative", opts.Size)
	}
	if opts.IfAbsent && opts.IfMatch != "" {
		return fmt.Errorf("IfAbsent and IfMatch exclude each other")
	}
	return opts.Meta.Validate()
}
