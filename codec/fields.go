package codec

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// structure visits the fields that the library sees in a struct, and refuses those that
// it would not see.
func (p *profiler) structure(t reflect.Type) error {
	f := fieldVisitor{profiler: p, names: map[string]string{}}
	if blank, ok := t.FieldByName("_"); ok {
		_, f.array = tagOptions(blank.Tag.Get("cbor"), "toarray")
	}
	return f.fields(t)
}

// fieldVisitor visits the fields of one struct, and of those that it embeds.
type fieldVisitor struct {
	*profiler
	array bool              // the struct is stored as an array
	names map[string]string // stored name to the field that has it
	outer []reflect.Type    // structs that embed the present one, and itself
}

func (v *fieldVisitor) fields(t reflect.Type) error {
	if slices.Contains(v.outer, t) {
		return refuse("embeds itself")
	}
	v.outer = append(v.outer, t)
	defer func() { v.outer = v.outer[:len(v.outer)-1] }()
	for f := range t.Fields() {
		tag := tagOf(f)
		if f.Name == "_" || tag.excluded {
			continue
		}
		if err := at("."+f.Name, v.field(f, tag)); err != nil {
			return err
		}
	}
	return nil
}

func (v *fieldVisitor) field(f reflect.StructField, tag fieldTag) error {
	inner, embeds := embedded(f, tag)
	pointer := f.Type.Kind() == reflect.Pointer
	switch {
	case tag.unclear:
		return refuse(`has the tag json:"-"; say cbor:"-" if it shall not be stored, ` +
			`or give it a name with a cbor tag`)
	case !f.IsExported() && !embeds:
		return refuse(`is unexported and would not be stored; export it, ` +
			`or leave it out with the tag cbor:"-"`)
	case embeds && pointer && !f.IsExported():
		return refuse("is an embedded pointer to an unexported struct, which cannot be set; " +
			"embed the struct itself")
	case embeds && pointer && v.array:
		return refuse("is an embedded pointer in a struct stored as an array, which would not " +
			"come back nil; embed the struct itself")
	case embeds:
		return v.fields(inner)
	case v.names[tag.name] != "":
		return refuse("has the name %q, which %s has too", tag.name, v.names[tag.name])
	}
	v.names[tag.name] = f.Name
	return v.visit(f.Type)
}

// fieldTag is what the tags of a struct field say.
type fieldTag struct {
	name     string // as stored
	named    bool   // by the tag
	excluded bool   // cbor:"-"
	unclear  bool   // json:"-": left out of JSON, but of a store?
}

func tagOf(f reflect.StructField) fieldTag {
	tag := f.Tag.Get("cbor")
	if tag == "-" {
		return fieldTag{excluded: true}
	}
	if tag == "" {
		tag = f.Tag.Get("json")
	}
	if tag == "-" {
		return fieldTag{unclear: true}
	}
	name, number := tagOptions(tag, "keyasint")
	if name == "" {
		return fieldTag{name: f.Name}
	}
	if n, err := strconv.Atoi(name); number && err == nil {
		name = strconv.Itoa(n) // 01 and +1 are 1
	}
	return fieldTag{name: name, named: true}
}

// tagOptions splits a tag and reports whether it has an option.
func tagOptions(tag, option string) (name string, has bool) {
	name, options, _ := strings.Cut(tag, ",")
	return name, slices.Contains(strings.Split(options, ","), option)
}

// embedded returns the struct whose fields count as those of the outer one.
func embedded(f reflect.StructField, tag fieldTag) (inner reflect.Type, ok bool) {
	inner = f.Type
	if inner.Kind() == reflect.Pointer {
		inner = inner.Elem()
	}
	return inner, f.Anonymous && !tag.named && inner.Kind() == reflect.Struct
}
