package shelve

import (
	"fmt"
	"os"
	"path/filepath"
)

// refuseNetwork refuses a directory on a network file system.
func (d disk) refuseNetwork(dir string) error {
	remote := networkOf
	if d.networkOf != nil {
		remote = d.networkOf
	}
	name, err := remote(existing(dir))
	if err != nil || name == "" {
		return err
	}
	return fmt.Errorf("%s is on a network file system (%s), on which neither locks between machines nor mapped files can be relied upon: "+
		"use a local disk, or a database or object storage to share results; "+
		"if this machine alone uses the store, say network=true", dir, name)
}

// existing returns the nearest directory that is there: dir, or what it would be made in.
func existing(dir string) string {
	for {
		up := filepath.Dir(dir)
		if _, err := os.Stat(dir); err == nil || up == dir {
			return dir
		}
		dir = up
	}
}
