package stage

import (
	"archive/tar"
	"errors"
	"io/fs"
	"strings"
)

// Standing compares what lies at path with text, and returns what puts it in its place.
func Standing(path, text string, mode fs.FileMode) (put func(path, target, away string) error, err error) {
	s, _, err := standingAt(path, &tar.Header{Size: int64(len(text)), Mode: int64(mode)}, strings.NewReader(text))
	if err == nil && s == nil {
		err = errors.New("it does not stand")
	}
	if err != nil {
		return nil, err
	}
	return s.put, nil
}
