package component

// RefType is the type of what [Ref] returns.
const RefType = "larder.Ref"

// Ref stands for a component whose key is already known, made by the key generator of the same
// store. As an input it is exactly as good as the whole component: the keys of what is
// computed from it are the same. What the component is cannot be asked of it.
//
// [KnownKey] distinguishes a Ref from other components.
func Ref(key string) Component { return ref{key} }

// KnownKey returns the key that a [Ref] was made with, and whether c is one.
func KnownKey(c Component) (key string, ok bool) {
	r, ok := c.(ref)
	return r.key, ok
}

// ref answers as if it were a component of its own, for key generators that know
// nothing of Ref.
type ref struct{ key string }

func (ref) Type() string        { return RefType }
func (ref) Version() string     { return "" }
func (r ref) Parameters() any   { return r.key }
func (ref) Inputs() []Component { return nil }
