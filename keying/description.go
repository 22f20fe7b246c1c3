package keying

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/larder-store/larder/component"
)

// Encode returns the pre-image that d was decoded from. Keys of inputs may be those of any
// key generator.
func Encode(d component.Description) ([]byte, error) {
	e := newEncoder()
	defer e.free()
	if err := anyScheme.encode(e, d.Component(), d.Inputs); err != nil {
		return nil, err
	}
	return bytes.Clone(e.buf), nil
}

// Reduce returns v as descriptions hold it, which is how values are compared: 4.0 is the
// integer 4, a struct is a map. What keys refuse is an error.
func Reduce(v any) (any, error) {
	_, preimage, err := Hash{}.Preimage(context.Background(), component.New("value", "", v))
	if err != nil {
		return nil, err
	}
	d, err := Decode(preimage)
	return d.Parameters, err
}

// formatWords and formatNumber make up Format.
const (
	formatWords  = "larder/component/"
	formatNumber = 1
)

// anyScheme takes keys of inputs as they are.
var anyScheme = scheme{check: checkSegment}

// Decode returns what a pre-image says; it does not know the component's key, nor when it was stored. It accepts canonical encodings and nothing
// else, so that equal descriptions have equal bytes; anything else is [ErrMalformed], and, if a later
// format of pre-images says so of itself, [component.ErrNewer] too. Memory
// and depth are bounded by the length of the pre-image, which is at most [MaxPreimage].
func Decode(preimage []byte) (component.Description, error) {
	d := decoder{rest: preimage, size: len(preimage)}
	desc, err := d.description()
	if err != nil {
		return component.Description{}, fmt.Errorf("%w description at byte %d: %w", ErrMalformed, d.at, err)
	}
	return desc, nil
}

func (d *decoder) description() (desc component.Description, err error) {
	if err := d.format(); err != nil {
		return desc, err
	}
	if desc.Type, err = d.text(); err != nil {
		return desc, err
	}
	if desc.Type == "" || desc.Type == component.RefType {
		return desc, fmt.Errorf("the type is %q", desc.Type)
	}
	if desc.Version, err = d.text(); err != nil {
		return desc, err
	}
	if desc.Parameters, err = d.value(); err != nil {
		return desc, err
	}
	if desc.Inputs, err = d.inputs(); err != nil {
		return desc, err
	}
	if desc.AsOf, err = d.moment(); err != nil {
		return desc, err
	}
	if d.at = d.size - len(d.rest); len(d.rest) > 0 {
		return desc, fmt.Errorf("%d bytes follow the end", len(d.rest))
	}
	return desc, nil
}

// format reads what every description begins with.
func (d *decoder) format() error {
	if d.size > MaxPreimage {
		return fmt.Errorf("%d bytes; %d are allowed", d.size, MaxPreimage)
	}
	n, err := d.length(majorArray)
	if err != nil {
		return err
	}
	if n != preimageItems {
		return fmt.Errorf("a list of %d items; a description has %d", n, preimageItems)
	}
	format, err := d.text()
	if err != nil {
		return err
	}
	if number, ok := strings.CutPrefix(format, formatWords); ok {
		if n, err := strconv.Atoi(number); err == nil && n > formatNumber {
			return fmt.Errorf("%w: its format is %q; this version knows %q", component.ErrNewer, format, Format)
		}
	}
	if format != Format {
		return fmt.Errorf("its format is %.40q; this version of Larder knows %q", format, Format)
	}
	return nil
}

func (d *decoder) inputs() ([]string, error) {
	n, err := d.length(majorArray)
	if err != nil || n == 0 {
		return nil, err
	}
	inputs := make([]string, 0, min(n, trusted))
	for i := range n {
		key, err := d.text()
		if err != nil {
			return nil, err
		}
		if err := checkSegment(key); err != nil {
			return nil, fmt.Errorf("key of input %d: %w", i, err)
		}
		inputs = append(inputs, key)
	}
	return inputs, nil
}

func (d *decoder) moment() (time.Time, error) {
	v, err := d.value()
	if err != nil || v == nil {
		return time.Time{}, err
	}
	t, ok := v.(time.Time)
	if !ok || t.IsZero() {
		return time.Time{}, fmt.Errorf("the moment is neither null nor a time that names one")
	}
	return t, nil
}
