package backend

// As returns b, or the first backend below it, as an optional ability T. It looks
// through wrappers that have a method Unwrap() Backend, which only wrappers have
// that change nothing about what is stored.
//
//	if s, ok := backend.As[backend.Sweeper](b); ok { … }
func As[T any](b Backend) (T, bool) {
	for b != nil {
		if r, ok := b.(*readOnly); ok {
			return asReader[T](r)
		}
		if t, ok := b.(T); ok {
			return t, true
		}
		w, ok := b.(interface{ Unwrap() Backend })
		if !ok {
			break
		}
		b = w.Unwrap()
	}
	var none T
	return none, false
}
