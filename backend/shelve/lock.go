package shelve

import (
	"os"

	"github.com/larder-store/larder/internal/durable"
)

// The locks of this package, see [durable.Lock].

func lock(f *os.File, shared bool) error            { return durable.Lock(f, shared) }
func tryLock(f *os.File, shared bool) (bool, error) { return durable.TryLock(f, shared) }
func unlock(f *os.File) error                       { return durable.Unlock(f) }
