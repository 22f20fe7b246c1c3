// Package packname is for the names of packs, in which sessions keep their items where requests cost. docs/sessions.md describes packs.
package packname

import (
	"fmt"
	"strings"
)

// Prefix begins the name of each pack.
const Prefix = "p/"

// Max is the last number that a name can hold: a flush a second for 31,000 years.
const Max = 999_999_999_999

// Of returns the name of the pack with the numbers from first to last: "p/<last>=<last-first>", in twelve digits each, so that in a list
// a merged pack comes after all that it replaces.
func Of(first, last uint64) string {
	return fmt.Sprintf("%s%012d=%012d", Prefix, last, last-first)
}

// Parse returns the numbers of a pack, and whether it is the name of one.
func Parse(name string) (first, last uint64, ok bool) {
	var span uint64
	if n, err := fmt.Sscanf(strings.TrimPrefix(name, Prefix), "%d=%d", &last, &span); n != 2 || err != nil || span >= last {
		return 0, 0, false
	}
	first = last - span
	return first, last, Of(first, last) == name
}
