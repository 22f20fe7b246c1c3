// Package stage runs a command that declares what it reads and what it makes, keeps what
// it made, and the next time gives that back instead of running it.
//
// The key of a stage is made of its name, version and parameters, of the command's
// arguments, of the contents of its inputs, and of what else was declared. What was
// not declared does not count: the environment, the clock, the network, undeclared
// files. What one run left is one value in the store, so that two runs never mix.
package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/larder-store/larder/component"
)

// Attribute is the attribute of a stage's component that its runs are kept under.
const Attribute = "run"

// A Stage is a command with what it declares.
type Stage struct {
	Name    string         // its type; empty is the base name of the command
	Version string         // empty is the SHA-256 of the executable
	Params  map[string]any // data of any kind; they only count, the command does not see them
	Args    []string       // the command and its arguments
	Env     []string       // names of variables whose values count
	Inputs  []Input
	Outputs []string // files and directories that the command makes
	Stdin   *Stdin   // what the command reads as its standard input; nil is nothing
	Dir     string   // where it runs, and what paths are relative to; empty is here
	Digests string   // a directory for the digests of large files, see component.RememberIn; empty: none
}

// An Input is a file or a directory that the command reads. Its contents count and its
// label, not where it lies.
type Input struct {
	Label string // empty is Path
	Path  string
}

// command is what counts of a command line, beside the contents of files.
type command struct {
	Args    []string           `larder:"args"`
	Env     map[string]*string `larder:"env,omitzero"` // nil: not set
	Inputs  []string           `larder:"inputs"`       // labels, in the order of the inputs
	Outputs []string           `larder:"outputs"`
	Stdin   bool               `larder:"stdin,omitzero"`
}

// identity is a stage as it was found at one moment.
type identity struct {
	component component.Component
	parts     []part // what may change while the command runs
}

// part is a file or directory that counts, by what it is called in messages.
type part struct {
	what string
	c    component.Component
}

// ErrMisused is what the error of a stage matches that makes no sense, whatever the
// files are.
var ErrMisused = errors.New("misused")

type misuse struct{ text string }

func (m *misuse) Error() string        { return m.text }
func (m *misuse) Is(target error) bool { return target == ErrMisused }

func misused(format string, args ...any) error { return &misuse{fmt.Sprintf(format, args...)} }

// check reports what makes no sense, whatever the files are.
func (s *Stage) check() error {
	if len(s.Args) == 0 || s.Args[0] == "" {
		return misused("no command was given")
	}
	labels := map[string]bool{}
	for _, in := range s.Inputs {
		if in.Path == "" {
			return misused("an input's path is empty")
		}
		if labels[in.label()] {
			return misused("input %q is declared twice", in.label())
		}
		labels[in.label()] = true
	}
	for _, name := range s.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return misused("%q is not the name of a variable", name)
		}
	}
	return s.checkText()
}

// checkText refuses what is not UTF-8, of which no key can be made, in words of the command line.
func (s *Stage) checkText() error {
	for i, arg := range s.Args {
		if !utf8.ValidString(arg) {
			return misused("argument %d of the command, %q, is not valid UTF-8: a file of such a name has to be renamed", i, arg)
		}
	}
	for _, in := range s.Inputs {
		if !utf8.ValidString(in.label()) {
			return misused("input %q is not valid UTF-8: rename the file, or give the input a label, as in -i label=path", in.label())
		}
	}
	for _, out := range s.Outputs {
		if !utf8.ValidString(out) {
			return misused("output %q is not valid UTF-8: give it another name", out)
		}
	}
	for _, name := range s.Env {
		if !utf8.ValidString(name) {
			return misused("the name %q of a variable is not valid UTF-8", name)
		}
		if !utf8.ValidString(os.Getenv(name)) { // which may be a secret
			return misused("the value of the variable %q is not valid UTF-8", name)
		}
	}
	return nil
}

func (in Input) label() string {
	if in.Label != "" {
		return in.Label
	}
	return filepath.ToSlash(filepath.Clean(in.Path))
}

// at returns where a path of the stage lies.
func (s *Stage) at(path string) string {
	if s.Dir == "" || filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(s.Dir, path)
}

// Title returns the stage's name, also where it is the command's.
func (s *Stage) Title() string {
	if s.Name != "" {
		return s.Name
	}
	return strings.TrimSuffix(filepath.Base(s.Args[0]), ".exe")
}

// Component returns what the stage is, with the contents of its inputs as they are now.
func (s *Stage) Component(ctx context.Context) (component.Component, error) {
	id, err := s.identify(ctx)
	if err != nil {
		return nil, err
	}
	return id.component, nil
}

// identify reads all that counts.
func (s *Stage) identify(ctx context.Context) (*identity, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	id := &identity{}
	version := s.Version
	if version == "" {
		exe, err := s.executable()
		if err != nil {
			return nil, err
		}
		c, digest, err := s.executableDigest(exe)
		if err != nil {
			return nil, err
		}
		version = "sha256:" + digest
		id.parts = append(id.parts, part{fmt.Sprintf("the executable %q", exe), c})
	}

	line := command{Args: s.Args, Outputs: []string{}, Inputs: []string{}, Stdin: s.Stdin != nil}
	for _, out := range s.Outputs {
		line.Outputs = append(line.Outputs, filepath.ToSlash(filepath.Clean(out)))
	}
	slices.Sort(line.Outputs)
	for _, name := range s.Env {
		if line.Env == nil {
			line.Env = map[string]*string{}
		}
		line.Env[name] = nil
		if value, ok := os.LookupEnv(name); ok {
			line.Env[name] = &value
		}
	}
	inputs := slices.Clone(s.Inputs)
	slices.SortFunc(inputs, func(a, b Input) int { return strings.Compare(a.label(), b.label()) })
	for _, in := range inputs {
		c, err := s.contents(ctx, s.at(in.Path))
		if err != nil {
			return nil, err
		}
		line.Inputs = append(line.Inputs, in.label())
		id.parts = append(id.parts, part{fmt.Sprintf("input %q", in.Path), c})
	}
	from := []component.Component{component.New(component.CommandType, "1", line)}
	for _, p := range id.parts[len(id.parts)-len(inputs):] {
		from = append(from, p.c)
	}
	if s.Stdin != nil {
		from = append(from, s.Stdin.content)
	}
	var params any
	if len(s.Params) > 0 {
		params = s.Params
	}
	id.component = component.New(s.Title(), version, params, from...)
	return id, nil
}

// CommandError says that the command could not be started.
type CommandError struct {
	Command string
	Err     error
}

// Error names the command.
func (e *CommandError) Error() string { return fmt.Sprintf("command %q: %v", e.Command, e.Err) }

// Unwrap returns the cause, such as exec.ErrNotFound.
func (e *CommandError) Unwrap() error { return e.Err }

// executable returns the path of the file that the command's name stands for.
func (s *Stage) executable() (string, error) {
	name := s.Args[0]
	if filepath.Base(name) != name {
		name = s.at(name)
		if filepath.Base(name) == name {
			name = "." + string(filepath.Separator) + name // not to be sought in PATH
		}
	}
	path, err := exec.LookPath(name)
	var notFound *exec.Error
	if errors.As(err, &notFound) {
		err = notFound.Err
	}
	if err != nil {
		return "", &CommandError{s.Args[0], err}
	}
	return path, nil
}
