package cli

import (
	"runtime"
	"sync"
)

// largeRun is the size of a run from which it is worth to sum, read and write at once.
const largeRun = 1 << 20

// oneProcessor has goroutines take turns on one processor until all is called. A small stage is a chain of steps: with more
// processors each of them wakes threads that find nothing to do, which took a seventh of its CPU time.
func oneProcessor() (all func()) {
	before := runtime.GOMAXPROCS(1)
	return sync.OnceFunc(func() { runtime.GOMAXPROCS(before) })
}
