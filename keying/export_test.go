package keying

// KeptAfter returns how many entries of maps an encoder still holds after it encoded v, or
// refused it, and was made ready for the next value.
func KeptAfter(v any) int {
	e := &encoder{}
	refused := e.parameters(v) != nil
	kept := 0
	if !refused {
		kept = len(e.pairs) // a map puts away its own
	}
	e.reset()
	for _, p := range e.pairs[:cap(e.pairs)] {
		if p != (pair{}) {
			kept++
		}
	}
	return kept
}
