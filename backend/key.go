package backend

import (
	"fmt"
	"strconv"
	"strings"
)

// Key names an entry: a shelf, and a name on it.
//
// The grammar is narrow so that no engine has to escape anything (S3 allows 1,024
// bytes for prefix, shelf, name and mark together; file systems 255 for a segment;
// gocloud.dev escapes "__"). Free names go through keying.Escape first.
type Key struct {
	Shelf string // one segment, at most MaxShelf bytes
	Name  string // 1 to MaxSegments segments joined by "/", at most MaxName bytes
}

// The limits of a [Key], in bytes but for MaxSegments.
const (
	MaxShelf    = 120
	MaxName     = 600
	MaxSegment  = 200
	MaxSegments = 60
)

// String returns shelf and name joined by "/".
func (k Key) String() string { return k.Shelf + "/" + k.Name }

// Validate reports what is wrong with the key as an error that matches
// [ErrInvalidKey], or [ErrTooLarge] where only its length is.
func (k Key) Validate() error {
	if err := ValidateShelf(k.Shelf); err != nil {
		return err
	}
	if k.Name == "" {
		return fmt.Errorf("%w: the name is empty", ErrInvalidKey)
	}
	if len(k.Name) > MaxName {
		return fmt.Errorf("%w: the name has %d bytes, %d are allowed", ErrTooLarge, len(k.Name), MaxName)
	}
	segments, start := 0, 0
	for i := 0; i <= len(k.Name); i++ {
		if i < len(k.Name) && k.Name[i] != '/' {
			continue
		}
		if err := validateSegment(k.Name[start:i]); err != nil {
			return err
		}
		segments++
		start = i + 1
	}
	if segments > MaxSegments {
		return fmt.Errorf("%w: the name has %d segments, %d are allowed", ErrTooLarge, segments, MaxSegments)
	}
	return nil
}

// ValidateShelf is [Key.Validate] for a shelf alone.
func ValidateShelf(shelf string) error {
	if len(shelf) > MaxShelf {
		return fmt.Errorf("%w: the shelf's name has %d bytes, %d are allowed", ErrTooLarge, len(shelf), MaxShelf)
	}
	if err := validateSegment(shelf); err != nil {
		return fmt.Errorf("shelf: %w", err)
	}
	return nil
}

// Validate reports what is wrong with the options of a list of shelf.
func (o ListOptions) Validate(shelf string) error {
	if err := ValidateShelf(shelf); err != nil {
		return err
	}
	return o.validate(MaxName, true)
}

// ValidateShelves reports what is wrong with the options of a list of shelves.
func (o ListOptions) ValidateShelves() error { return o.validate(MaxShelf, false) }

func (o ListOptions) validate(longest int, slash bool) error {
	if o.Limit < 0 {
		return fmt.Errorf("limit %d is negative", o.Limit)
	}
	for _, s := range [...]string{o.Prefix, o.After} {
		if len(s) > longest {
			return fmt.Errorf("%w: a prefix or position of %d bytes, %d are allowed", ErrTooLarge, len(s), longest)
		}
		for i := 0; i < len(s); i++ {
			if !keyByte[s[i]] && !(slash && s[i] == '/') {
				return badByte(s, i)
			}
		}
	}
	return nil
}

// keyByte marks the bytes that a segment may hold: [a-z0-9._=-].
var keyByte = func() (t [256]bool) {
	for _, c := range []byte("abcdefghijklmnopqrstuvwxyz0123456789._=-") {
		t[c] = true
	}
	return t
}()

func validateSegment(s string) error {
	if s == "" {
		return fmt.Errorf("%w: an empty segment", ErrInvalidKey)
	}
	if len(s) > MaxSegment {
		return fmt.Errorf("%w: segment %.20q… has %d bytes, %d are allowed", ErrTooLarge, s, len(s), MaxSegment)
	}
	if s[0] == '.' || s[len(s)-1] == '.' {
		return fmt.Errorf("%w: segment %q starts or ends in a dot", ErrInvalidKey, s)
	}
	for i := 0; i < len(s); i++ {
		if !keyByte[s[i]] {
			return badByte(s, i)
		}
	}
	if strings.Contains(s, "__") {
		return fmt.Errorf("%w: segment %q holds \"__\"", ErrInvalidKey, s)
	}
	return nil
}

func badByte(s string, i int) error {
	return fmt.Errorf("%w: %s holds the byte %s; allowed are a-z 0-9 . _ = -",
		ErrInvalidKey, strconv.Quote(s), strconv.QuoteRune(rune(s[i])))
}
