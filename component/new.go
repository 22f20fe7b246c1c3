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
	return &node{typ, version, params, slices.Clone(inputs), false}
}

// Of returns a component whose type is the Go type of v, as import path and name, and whose
// parameters are v: the natural form where one struct holds the parameters of one
// computation.
//
//	component.Of(Detect{Threshold: -20}, "1.2", recording)
//
// A pointer stands for what it points to. The package of a command is known by the path it
// was built from. Where the type has no name that distinguishes it from every other (a map, a
// struct without a name, a type declared inside a function, also as a type argument, a type of a command
// that was run from loose files as in "go run x.go") the component has no type, and making
// its key fails: use [New] there. So it is with a v in a variable of an interface type: Go does not say there
// whether a type was declared inside a function, and two of those may share a name.
func Of[V any](v V, version string, inputs ...Component) Component {
	typ := ""
	// Only a type argument shows that a type was declared inside a function: as in probe[x.T·1].
	local := strings.Contains(reflect.TypeFor[probe[V]]().Name(), inFunction)
	if !local && !isInterface(reflect.TypeFor[V]()) {
		typ = typeName(reflect.TypeOf(v))
	}
	return &node{typ, version, v, slices.Clone(inputs), true}
}

// isInterface reports whether t is an interface type, or a pointer to one.
func isInterface(t reflect.Type) bool {
	for t.Kind() == reflect.Pointer && t.Name() == "" {
		t = t.Elem()
	}
	return t.Kind() == reflect.Interface
}

// probe has the name of its type argument in its own.
type probe[V any] struct{}

// inFunction precedes the number of a type that was declared inside a function.
const inFunction = "·"

// node is what New and Of return: by pointer, so that it is comparable whatever the
// parameters are.
type node struct {
	typ, version string
	params       any
	inputs       []Component
	own          bool // the parameters may be a component: they are what Of was given
}

// OwnParameters reports whether params, the parameters of c, may be a component themselves: those of a value
// that is its own parameters, or that [Of] was given. Those of another component would be
// taken without its type, version and inputs.
func OwnParameters(c Component, params any) bool {
	if d, ok := c.(dated); ok {
		c = d.Component
	}
	if n, ok := c.(*node); ok {
		return n.own
	}
	return pointee(reflect.TypeOf(params)) == pointee(reflect.TypeOf(c))
}

// pointee returns the type behind pointers.
func pointee(t reflect.Type) reflect.Type {
	for t != nil && t.Kind() == reflect.Pointer && t.Name() == "" {
		t = t.Elem()
	}
	return t
}

// LosesMoment returns the type that c embeds, if that is a [Timed] component and c is none: then the moment
// that the embedded one names is no part of what c says. It looks at what structs embed, at any depth; what a
// method hands on by itself cannot be seen.
func LosesMoment(c Component) (embedded reflect.Type, loses bool) {
	if _, ok := c.(Timed); ok {
		return nil, false
	}
	v := reflect.ValueOf(c)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct || !embeds(v.Type()) {
		return nil, false
	}
	return timedWithin(v, embeddedMax)
}

// embedders remembers which structs embed anything: most components do not.
var embedders sync.Map // reflect.Type → bool

func embeds(t reflect.Type) bool {
	if known, ok := embedders.Load(t); ok {
		return known.(bool)
	}
	found := false
	for i := range t.NumField() {
		found = found || t.Field(i).Anonymous
	}
	embedders.Store(t, found)
	return found
}

var timedType = reflect.TypeFor[Timed]()

// embeddedMax is how deep timedWithin looks: deeper than that goes only what embeds itself by pointers.
const embeddedMax = 64

// timedWithin finds a Timed component among what a struct embeds.
func timedWithin(v reflect.Value, depth int) (reflect.Type, bool) {
	if depth == 0 {
		return nil, false
	}
	for i := range v.NumField() {
		if !v.Type().Field(i).Anonymous {
			continue
		}
		f := v.Field(i)
		for f.Kind() == reflect.Interface && !f.IsNil() {
			f = f.Elem()
		}
		t := f.Type()
		if t.Implements(timedType) || t.Kind() != reflect.Interface && reflect.PointerTo(t).Implements(timedType) {
			return t, true
		}
		if f.Kind() == reflect.Pointer && !f.IsNil() {
			f = f.Elem()
		}
		if f.Kind() == reflect.Struct {
			if t, ok := timedWithin(f, depth-1); ok {
				return t, true
			}
		}
	}
	return nil, false
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
	if strings.Contains(t.Name(), inFunction) { // a type argument was declared inside a function
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
