//go:build !unix

package main

// postgresGroups are none: the server is started on Unix only.
func postgresGroups() []entry { return nil }
