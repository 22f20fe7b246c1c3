package mapped

import "golang.org/x/sys/unix"

// atOnce fills the page tables in one go, since all of it is about to be read: 8 MB take 128 faults fewer.
const atOnce = unix.MAP_POPULATE
