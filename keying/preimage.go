package keying

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/larder-store/larder/component"
)

// Format is the domain tag: the first item of every pre-image. It keeps these hashes apart from all
// others, and its number changes with the encoding.
const Format = "larder/component/1"

// preimageItems: format, type, version, parameters, input keys, as-of.
const preimageItems = 6

// scheme is what one key generator does differently from another.
type scheme struct {
	key   func(preimage []byte) (string, error)
	check func(key string) error // whether a key known from elsewhere is one of this scheme
}

// keyFrom makes the key of c, whose inputs have the given keys.
func (s scheme) keyFrom(c component.Component, inputs []string) (string, error) {
	if err := checkNil(c); err != nil {
		return "", err
	}
	if key, ok := component.KnownKey(c); ok {
		key, _, err := s.known(key, false)
		return key, err
	}
	e := newEncoder()
	defer e.free()
	if err := s.encode(e, c, inputs); err != nil {
		return "", err
	}
	return s.key(e.buf)
}

// of makes the key of c and, if it is asked for, a copy of the pre-image.
func (s scheme) of(ctx context.Context, c component.Component, want bool) (key string, preimage []byte, err error) {
	if err := ctx.Err(); err != nil {
		return "", nil, err
	}
	if err := checkNil(c); err != nil {
		return "", nil, err
	}
	if key, ok := component.KnownKey(c); ok {
		return s.known(key, want)
	}
	e := newEncoder()
	defer e.free()
	if inputs, ok := knownKeys(c.Inputs()); ok { // no graph to walk
		if err := s.encode(e, c, inputs); err != nil {
			return "", nil, err
		}
		if key, err = s.key(e.buf); err != nil {
			return "", nil, err
		}
	} else if key, err = s.walk(ctx, e, c); err != nil {
		return "", nil, err
	}
	if want {
		preimage = append(make([]byte, 0, len(e.buf)), e.buf...)
	}
	return key, preimage, nil
}

// checkNil refuses nil and nil pointers, whose methods would panic.
func checkNil(c component.Component) error {
	if c == nil {
		return errors.New("the component is nil")
	}
	if v := reflect.ValueOf(c); v.Kind() == reflect.Pointer && v.IsNil() {
		return fmt.Errorf("the component is a nil %T", c)
	}
	return nil
}

func (s scheme) known(key string, want bool) (string, []byte, error) {
	if err := s.check(key); err != nil {
		return "", nil, &Error{component.RefType, "key", err}
	}
	if want {
		return key, nil, &Error{component.RefType, "key", ErrNoPreimage}
	}
	return key, nil, nil
}

// knownKeys returns the keys of inputs if they are known without a walk.
func knownKeys(inputs []component.Component) ([]string, bool) {
	if len(inputs) == 0 {
		return nil, true
	}
	if _, ok := component.KnownKey(inputs[0]); !ok {
		return nil, false
	}
	keys := make([]string, len(inputs))
	for i, c := range inputs {
		key, ok := component.KnownKey(c)
		if !ok {
			return nil, false
		}
		keys[i] = key
	}
	return keys, true
}

// walk makes the keys of all that c is computed from, then that of c, and leaves the
// pre-image of c in e.
func (s scheme) walk(ctx context.Context, e *encoder, c component.Component) (string, error) {
	keys := make([]string, 0, 8) // in the order of visits
	var inputKeys []string
	err := component.Walk(ctx, c, func(c component.Component, inputs []int) error {
		if key, ok := component.KnownKey(c); ok {
			keys = append(keys, key) // encode checks it where it is used
			return nil
		}
		inputKeys = inputKeys[:0]
		for _, i := range inputs {
			inputKeys = append(inputKeys, keys[i])
		}
		e.buf = e.buf[:0]
		if err := s.encode(e, c, inputKeys); err != nil {
			return err
		}
		key, err := s.key(e.buf)
		keys = append(keys, key)
		return err
	})
	if err != nil {
		return "", err
	}
	return keys[len(keys)-1], nil
}

// encode appends the pre-image of c to e.
func (s scheme) encode(e *encoder, c component.Component, inputs []string) error {
	typ := c.Type()
	if path, err := s.encodeItems(e, typ, c, inputs); err != nil {
		if f, ok := err.(*fault); ok {
			path, err = path+f.path, f.err
		}
		return &Error{typ, path, err}
	}
	return nil
}

// encodeItems returns in which item an error is.
func (s scheme) encodeItems(e *encoder, typ string, c component.Component, inputs []string) (item string, err error) {
	e.buf = append(e.buf, majorArray|preimageItems)
	e.buf = append(appendHead(e.buf, majorText, uint64(len(Format))), Format...)
	switch typ {
	case "":
		return "type", errors.New("it is empty; name the code that computes the result " +
			"(component.Of needs a value of a type with a name, in a package with an import path)")
	case component.RefType:
		return "type", errors.New("a component.Ref stands for a key, which can be given no moment or other answers; give them to the whole component")
	}
	if err := e.text(typ); err != nil {
		return "type", err
	}
	if err := e.text(c.Version()); err != nil {
		return "version", err
	}
	params := c.Parameters()
	e.own = component.OwnParameters(c, params)
	if err := e.parameters(params); err != nil {
		return "parameters", err
	}
	e.buf = appendHead(e.buf, majorArray, uint64(len(inputs)))
	for i, key := range inputs {
		if err := s.check(key); err != nil {
			return "inputs" + index(i), err
		}
		if err := e.text(key); err != nil {
			return "inputs" + index(i), err
		}
	}
	if err := e.asOf(c); err != nil {
		return "asOf", err
	}
	if len(e.buf) > MaxPreimage {
		return "inputs", fmt.Errorf("the description has %d bytes; %d are allowed", len(e.buf), MaxPreimage)
	}
	return "", nil
}

// asOf appends the moment that c names, or null.
func (e *encoder) asOf(c component.Component) error {
	if timed, ok := c.(component.Timed); ok {
		if t := timed.AsOf(); !t.IsZero() {
			return e.instant(t)
		}
	}
	if embedded, loses := component.LosesMoment(c); loses {
		return faultf("%T embeds %s, which may name a moment, and has no method AsOf that hands it on; give it one", c, embedded)
	}
	e.buf = append(e.buf, headNull)
	return nil
}
