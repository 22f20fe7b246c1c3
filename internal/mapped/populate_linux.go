package mapped

import "syscall"

// atOnce fills the page tables in one go, since all of it is about to be read: 8 MB take 128 faults fewer.
const atOnce = syscall.MAP_POPULATE
