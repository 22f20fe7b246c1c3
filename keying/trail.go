package keying

import (
	"fmt"
	"reflect"
	"strconv"
)

// trail is the way from the parameters down to a value, by which a value that holds itself
// is found.
type trail struct {
	places []place
}

// place is what distinguishes one map, slice or pointer from another.
type place struct {
	t   reflect.Type
	ptr uintptr
	len int
}

// enter goes down into v, unless v lies within itself.
func (t *trail) enter(v reflect.Value) error {
	p := place{t: v.Type()}
	switch v.Kind() {
	case reflect.Slice:
		p.ptr, p.len = v.Pointer(), v.Len()
	case reflect.Map, reflect.Pointer:
		p.ptr = v.Pointer()
	}
	for _, other := range t.places {
		if p == other && p.ptr != 0 {
			return faultf("%s is cyclic: it holds itself", p.t)
		}
	}
	t.places = append(t.places, p)
	return nil
}

func (t *trail) leave() { t.places = t.places[:len(t.places)-1] }

// member is the step of a path to a named member of a map or struct.
func member(name string) string {
	if plainName(name) {
		return "." + name
	}
	if len(name) > longestName {
		return fmt.Sprintf("[%q…]", name[:longestName])
	}
	return "[" + strconv.Quote(name) + "]"
}

// index is the step of a path to an item of a list.
func index(i int) string { return "[" + strconv.Itoa(i) + "]" }

// longestName is how much of a name is shown in a path.
const longestName = 100

func plainName(s string) bool {
	if s == "" || len(s) > longestName {
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return true
}
