package stage

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Undeclared returns the words of the command that name existing files or directories which were
// not declared: what is in them does not count, which is seldom meant. Arguments that are
// scripts themselves (sh -c "python3 fit.py") are taken apart into words.
func (s *Stage) Undeclared() []string {
	declared := map[string]bool{}
	for _, in := range s.Inputs {
		declared[s.at(in.Path)] = true
	}
	for _, out := range s.Outputs {
		declared[s.at(out)] = true
	}
	var found []string
	for _, arg := range s.Args[min(1, len(s.Args)):] {
		whole := s.undeclared(declared, arg, true)
		if whole == "" {
			_, value, _ := strings.Cut(arg, "=") // --config=file
			whole = s.undeclared(declared, value, true)
		}
		if whole != "" {
			found = append(found, whole)
			continue
		}
		for _, word := range strings.FieldsFunc(arg, separates) {
			if path := s.undeclared(declared, word, false); path != "" {
				found = append(found, path)
			}
		}
	}
	return found
}

// separates reports whether a character ends a word of a script.
func separates(r rune) bool { return strings.ContainsRune(" \t\r\n;|&<>()`\"'=,$", r) }

// undeclared returns path if it names something that is not declared, and declares it, so that it is
// named once. A part of an argument must be a file, and none of the system's programs.
func (s *Stage) undeclared(declared map[string]bool, path string, whole bool) string {
	if path == "" || coversPath(declared, s.at(path)) {
		return ""
	}
	info, err := os.Stat(s.at(path))
	switch {
	case err != nil, !info.Mode().IsRegular() && !info.IsDir():
		return ""
	case !whole && (info.IsDir() || slices.Contains(filepath.SplitList(os.Getenv("PATH")), filepath.Dir(s.at(path)))):
		return ""
	}
	declared[s.at(path)] = true
	return path
}

// coversPath reports whether path, or a directory above it, is among the declared.
func coversPath(declared map[string]bool, path string) bool {
	for {
		if declared[path] {
			return true
		}
		above := filepath.Dir(path)
		if above == path {
			return false
		}
		path = above
	}
}
