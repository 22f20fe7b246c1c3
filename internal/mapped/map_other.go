//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package mapped

import (
	"errors"
	"os"
)

// Map is refused: callers read instead.
func Map(*os.File, int64, int64) ([]byte, func() error, error) {
	return nil, nil, errors.ErrUnsupported
}
