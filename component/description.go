package component

import (
	"errors"
	"time"
)

// ErrNewer is what errors match about something that a newer version of Larder wrote, in a form that this
// one does not know. It is neither corrupt nor absent: it is left as it is.
var ErrNewer = errors.New("written by a newer version of Larder")

// A Description is what a store knows of a component: its key's pre-image, decoded. It is plain
// data.
type Description struct {
	Key     string // the component's key; "" where it is not known
	Type    string
	Version string
	// Parameters hold nil, bool, int64, uint64 (beyond int64), *big.Int (beyond both),
	// float64 (not integral), string, []byte, time.Time (UTC), []any and map[any]any. Keys of maps are
	// string, int64, uint64, float64 and bool.
	Parameters any
	Inputs     []string  // their keys, in order
	AsOf       time.Time // zero if the component names no moment
	Stored     time.Time // when the description was stored; zero where that is not known
}

// Component returns a component with the described answers, and so with the same
// key; its inputs are known by their keys alone.
func (d Description) Component() Component {
	inputs := make([]Component, len(d.Inputs))
	for i, key := range d.Inputs {
		inputs[i] = Ref(key)
	}
	c := New(d.Type, d.Version, d.Parameters, inputs...)
	if d.AsOf.IsZero() {
		return c
	}
	return WithAsOf(c, d.AsOf)
}

// A Value is what is known of one stored attribute of a component without reading it.
type Value struct {
	Attribute string
	Size      int64         // in bytes
	Cost      time.Duration // what computing it took; negative where that was not recorded
	Stored    time.Time
}
