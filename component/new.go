package component

import (
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

// New returns a component of its four answers. The parameters are kept, not copied:
// do not change what they point to while the component is in use.
//
// Two components that New returned are two places in a graph of inputs, also if they
// were given the same answers; their keys are equal then.
func New(typ, version string, params any, inputs ...Component) Component {
	return &node{typ, version, params, slices.Clone(inputs)}
}

// Of returns a component whose type is the Go type of v, as import path and name, and whose
// parameters are v: the natural form where one struct holds the parameters of one
// computation.
//
//	component.Of(Detect{Threshold: -20}, "1.2", recording)
//
// A pointer stands for what it points to. The package of a command is known by the path it
// was built from. Where the type has no name that tells it from every other (a map, a
// struct without a name, a type of a command that was run from loose files as in
// "go run x.go") the component has no type, and making its key fails: use [New] there, and for
// types declared inside a function, which Go does not tell from others of that name.
func Of(v any, version string, inputs ...Component) Component {
	return &node{typeName(reflect.TypeOf(v)), version, v, slices.Clone(inputs)}
}

// node is what New and Of return: by pointer, so that it is comparable whatever the
// parameters are.
type node struct {
	typ, version string
	params       any
	inputs       []Component
}

func (n *node) Type() string        { return n.typ }
func (n *node) Version() string     { return n.version }
func (n *node) Parameters() any     { return n.params }
func (n *node) Inputs() []Component { return n.inputs }

// typeName returns import path and name of a type, or "" where that names no single type.
func typeName(t reflect.Type) string {
	for t != nil && t.Kind() == reflect.Pointer && t.Name() == "" {
		t = t.Elem()
	}
	if t == nil || t.Name() == "" {
		return ""
	}
	if t.PkgPath() == "" { // predeclared: int, string, error
		return ""
	}
	return qualify(t.PkgPath()+"."+t.Name(), commandPath)
}

// qualify puts the path of the running command for its package, which is "main" to
// reflect in every command, also where the type's name has types in brackets. Without that
// path it returns "".
func qualify(name string, command func() string) string {
	const pkg = "main."
	for i := 0; ; {
		at := strings.Index(name[i:], pkg)
		if at < 0 {
			return name
		}
		i += at
		if i > 0 && !strings.ContainsRune("[],* ()", rune(name[i-1])) { // the end of another path
			i += len(pkg)
			continue
		}
		path := command()
		if path == "" {
			return ""
		}
		name = name[:i] + path + name[i+len(pkg)-1:]
		i += len(path) + 1
	}
}

// commandPath is the import path of the running command, or "" if it was built from
// loose files.
var commandPath = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Path == "command-line-arguments" {
		return ""
	}
	return info.Path
})

// WithAsOf returns c as it was at a moment: a component with the answers of c whose
// result holds as of t, whatever moment c itself names. The zero time names none.
func WithAsOf(c Component, t time.Time) Component {
	if c == nil {
		return nil
	}
	if d, ok := c.(dated); ok {
		c = d.Component
	}
	// Only the instant counts. UTC drops the monotonic clock reading too, so that dated
	// values of one component and instant are equal.
	return dated{c, t.UTC()}
}

// dated is comparable wherever the component in it is.
type dated struct {
	Component
	asOf time.Time
}

func (d dated) AsOf() time.Time { return d.asOf }
