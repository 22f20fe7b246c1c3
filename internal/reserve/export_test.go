package reserve

// Space is space.
func Space() string { return space() }

// Private is private.
func Private(dir string) error { return private(dir) }
