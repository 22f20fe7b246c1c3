package stage

import (
	"context"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/larder-store/larder/component"
)

// dirType is the type of the component that stands for a directory's contents.
const dirType = "larder.Dir"

// contents returns the component that stands for what a file or a directory holds.
func (s *Stage) contents(ctx context.Context, path string) (component.Component, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return s.dirContents(ctx, path)
	}
	return s.file(path)
}

func (s *Stage) file(path string) (component.FileContent, error) {
	if s.Digests == "" {
		return component.File(path)
	}
	return component.File(path, component.RememberIn(s.Digests))
}

// dirContents stands for all regular files below a directory, their names, and whether they may be
// executed. Links to files count as what they lead to; empty directories do not count.
func (s *Stage) dirContents(ctx context.Context, dir string) (component.Component, error) {
	var names []string
	var files []component.Component
	executable := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if e.IsDir() {
			return nil
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if !utf8.ValidString(name) {
			return misused("the name %q is not valid UTF-8: rename the file", name)
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if info.IsDir() {
			return fmt.Errorf("%q is a link to a directory; declare what it leads to as an input of its own", path)
		}
		c, err := s.file(path)
		if err != nil {
			return err
		}
		names = append(names, name)
		files = append(files, c)
		if info.Mode()&0o111 != 0 {
			executable[name] = true
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("input directory %q: %w", dir, err)
	}
	params := map[string]any{"names": names, "executable": executable}
	return component.New(dirType, "1", params, files...), nil
}

// executableDigest returns the component of an executable, and its SHA-256 in hex.
func (s *Stage) executableDigest(path string) (component.Component, string, error) {
	c, err := s.file(path)
	if err != nil {
		return nil, "", fmt.Errorf("the command cannot be identified (give its version by --version instead): %w", err)
	}
	digest := c.Digest()
	return c, hex.EncodeToString(digest[:]), nil
}
