//go:build !unix

package reserve

import (
	"os"
	"path/filepath"
)

// candidates returns where the records may lie.
func candidates() []string {
	if cache, err := os.UserCacheDir(); err == nil {
		return []string{filepath.Join(cache, "larder", "runs")}
	}
	return []string{filepath.Join(os.TempDir(), "larder-runs")}
}

func private(string) error { return nil } // these directories are the user's own

func signalProcess(pid int, _ bool) {
	if p, err := os.FindProcess(pid); err == nil {
		p.Kill()
	}
}

// Locks are not inherited here.
func inheritable(*os.File) (int, error) { return 0, nil }
func closeInheritable(int)              {}
