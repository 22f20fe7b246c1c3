// Package mapped shows parts of files as memory, and asks for large pages of memory.
package mapped

// MinSize is from where on a value is mapped: less is read as fast, without a fault and a change of the page tables.
const MinSize = 64 << 10
