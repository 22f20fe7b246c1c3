//go:build !unix

package cli

// replaceProcess runs the program at path in place of this one: there is no exec here.
func replaceProcess(path string, argv, env []string) error {
	return runCompanion(path, argv, env)
}
