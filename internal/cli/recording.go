package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/larder-store/larder/internal/temp"
	"github.com/larder-store/larder/readers"
)

// A recording is an input that can be read twice.
type recording struct {
	name  string
	path  string // empty: standard input
	file  *os.File
	close func()
}

// recording opens the file at path, or for "-" standard input. What cannot seek is copied to
// a temporary file first: it may be larger than the memory.
func (a *app) recording(ctx context.Context, path string) (*recording, error) {
	in := &recording{name: path, path: path}
	source := a.stdin
	if path == "-" {
		in.name, in.path = "standard input", ""
	} else {
		file, err := openInput(ctx, path)
		if err != nil {
			return nil, err
		}
		source = file
	}
	file, ok := source.(*os.File)
	if ok {
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() {
			in.file, in.close = file, func() {
				if path != "-" {
					file.Close()
				}
			}
			return in, nil
		}
	}
	if ok && path != "-" {
		defer file.Close()
	}
	if source == nil {
		source = strings.NewReader("")
	}
	in.path = ""
	return in, in.spool(input(ctx, source))
}

// spool copies r to a temporary file.
func (in *recording) spool(r io.Reader) error {
	file, err := temp.Create("", "larder-read-*")
	if err != nil {
		return err
	}
	in.file, in.close = file.File, func() { file.Close() }
	_, err = io.Copy(file, r)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		in.close()
	}
	return err
}

// flagNames turns the options that package readers recommends into the flags of the command.
var flagNames = strings.NewReplacer(
	"Options.DecimalComma", "--decimal-comma",
	"Options.Headerless", "--headerless",
	"Options.Text", "--text",
	"Options.Columns", "--columns",
	"Options.Delimiter", "--delimiter",
	"Options.Strict", "--strict",
	"Options.MaxLine", "--max-line",
	"Options.MaxColumns", "--max-columns",
	"Options asks for", "--columns or --text asks for",
)

// inFlags words an error of package readers for users that have flags and no Options.
func inFlags(err error) error {
	var e *readers.ParseError
	if !errors.As(err, &e) {
		return err
	}
	worded := *e
	worded.Hint = flagNames.Replace(e.Hint)
	return &worded
}
