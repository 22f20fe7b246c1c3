package reserve

// Private is private.
func Private(dir string) error { return private(dir) }
