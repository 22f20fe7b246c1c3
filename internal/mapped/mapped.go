// Package mapped shows parts of files as memory.
package mapped

import "errors"

// MinSize is from where on a value is mapped: less is read as fast, without a fault and a change of the page tables.
const MinSize = 64 << 10

var errSize = errors.New("it does not fit the addresses of this machine")
