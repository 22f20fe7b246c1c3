package durable

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Present refuses to go on where the directory root, whose info is as it was when it was opened, was moved
// away and another one without the marker lies in its place: half a store would come to be there, and what
// is written be lost to the users of the other half. A store that was made anew in its place is as good.
func Present(root string, opened fs.FileInfo, marker string) error {
	info, err := os.Stat(root)
	if err != nil {
		return err
	}
	if os.SameFile(info, opened) {
		return nil
	}
	if _, err := os.Stat(filepath.Join(root, marker)); err != nil {
		return fmt.Errorf("%s was moved away while it was open, and another directory is in its place; put it back, or open the store where it is now", root)
	}
	return nil
}
