package durable

import (
	"os"
	"time"
)

// A rename over a name may give the name another place in its directory: on a disk in memory and on btrfs, not on ext4 or xfs.
// A reader that has passed that place does not see the name, though it is there throughout. So a directory that changes while it is
// read is read again, and what is in any of these readings is in it: for a name to be missed, it has to be replaced during each of them.
const (
	readings = 8

	// clockTick is the most by which a file system's clock may lag: a change within the same tick leaves no trace in the time.
	clockTick = 10 * time.Millisecond
)

// A reading says how sure it is that it missed nothing.
type reading int

const (
	calm    reading = iota // nothing changed
	recent                 // something changed a moment before, and perhaps meanwhile
	changed                // something changed
)

// ReadDir returns what is in a directory, in any order. Names that are there throughout are among it, also where others replace
// their files meanwhile. A directory that is gone, or was never one, is an error as of [os.ReadDir].
func ReadDir(path string) ([]os.DirEntry, error) {
	var all []os.DirEntry
	seen := map[string]bool{}
	for n := range readings {
		entries, how, err := readOnce(path)
		if err != nil {
			return nil, err
		}
		if n == 0 && how == calm {
			return entries, nil
		}
		known := len(all)
		for _, e := range entries {
			if !seen[e.Name()] {
				seen[e.Name()] = true
				all = append(all, e)
			}
		}
		if how == calm || how == recent && n > 0 && len(all) == known {
			break
		}
	}
	return all, nil
}

func readOnce(path string) (entries []os.DirEntry, how reading, err error) {
	begun := time.Now()
	d, err := os.Open(path)
	if err != nil {
		return nil, calm, err
	}
	defer d.Close()
	before, err := d.Stat()
	if err != nil {
		return nil, calm, err
	}
	if entries, err = d.ReadDir(-1); err != nil {
		return nil, calm, err
	}
	after, err := d.Stat()
	if err != nil {
		return nil, calm, err
	}
	switch last := after.ModTime(); {
	case !last.Equal(before.ModTime()):
		how = changed
	case begun.Sub(last) <= clockTick:
		how = recent
	}
	return entries, how, nil
}
