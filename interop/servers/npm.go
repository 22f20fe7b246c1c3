package servers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// npm installs a package into the user's cache at its first use, and returns its directory. made is a file that it has when it is
// whole.
func npm(name, version, made string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "larder-interop", strings.ReplaceAll(name, "/", "-")+"-"+version)
	installed := filepath.Join(dir, "node_modules", filepath.FromSlash(name))
	if _, err := os.Stat(filepath.Join(installed, filepath.FromSlash(made))); err == nil {
		return installed, nil
	}
	exe, err := exec.LookPath("npm")
	if err != nil {
		return "", &missingError{name + " is installed by npm, which is not on this machine"}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	out, err := exec.Command(exe, "install", "--prefix", dir, "--no-audit", "--no-fund", name+"@"+version).CombinedOutput()
	if err != nil {
		return "", &missingError{fmt.Sprintf("%s cannot be installed by npm: %v: %s", name, err, out)}
	}
	return installed, nil
}
