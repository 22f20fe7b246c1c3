package blob

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/larder-store/larder/backend"
)

// mark ends the name of every object: <prefix>/<shelf>/<name>!
//
// Servers over file systems cannot hold an object "a" beside "a/b"; with the mark they
// need not. It lies outside the grammar of keys and sorts before all of it, so that
// objects come in the byte order of their keys. It is among S3's safe characters.
const mark = "!"

// maxPrefix keeps prefix, shelf, name, two slashes and the mark within the 1,024 bytes
// of a name in S3.
const maxPrefix = 300

// checkPrefix returns prefix with a slash at its end, or "" for none.
func checkPrefix(prefix string) (string, error) {
	prefix = strings.Trim(prefix, "/")
	if prefix == "" {
		return "", nil
	}
	if len(prefix) > maxPrefix {
		return "", fmt.Errorf("%w: the prefix %.20q… has %d bytes, %d are allowed", backend.ErrTooLarge, prefix, len(prefix), maxPrefix)
	}
	for segment := range strings.SplitSeq(prefix, "/") {
		if len(segment) > backend.MaxShelf {
			return "", fmt.Errorf("%w: the part %.20q… of the prefix has %d bytes, %d are allowed", backend.ErrTooLarge, segment, len(segment), backend.MaxShelf)
		}
		// Upper case is no part of the grammar of keys, but many have it in their prefixes.
		if err := backend.ValidateShelf(strings.ToLower(segment)); err != nil {
			return "", fmt.Errorf("the prefix %q is not one that every service takes as it is: %w", prefix, err)
		}
		for i := range len(segment) {
			if segment[i] >= 0x80 {
				return "", fmt.Errorf("%w: the prefix %q holds more than ASCII", backend.ErrInvalidKey, prefix)
			}
		}
	}
	return prefix + "/", nil
}

// object returns the name of the object of key.
func (b *Backend) object(key backend.Key) string {
	return b.prefix + key.Shelf + "/" + key.Name + mark
}

// key returns the key of an object, and false for a stranger's.
func (b *Backend) key(object string) (backend.Key, bool) {
	rest, ours := strings.CutPrefix(object, b.prefix)
	rest, marked := strings.CutSuffix(rest, mark)
	shelf, name, ok := strings.Cut(rest, "/")
	key := backend.Key{Shelf: shelf, Name: name}
	return key, ours && marked && ok && key.Validate() == nil
}

// keyCheck goes into an object's metadata: an object that was renamed, or belongs to a
// store with a longer prefix, is not taken for another key's value. The prefix is no part
// of it, so that a whole store may be moved.
func keyCheck(key backend.Key) string { return keyCheckOf(key.String()) }

func keyCheckOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:8])
}
