package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/tier"
)

// larder links the stores of this machine only: each SDK that it linked would make every hit on a
// shelf slower. The others are opened, and pictures drawn, by the companion, which is the same command
// with all of it linked, and which larder becomes when it is asked for one.
const cloudCommand = "larder-cloud"

// cloudSchemes are those that the companion opens.
var cloudSchemes = []string{"azblob", "gs", "postgres", "postgresql", "s3"}

// companionVariable passes the companion the version of the larder that became it.
const companionVariable = "LARDER_COMPANION_OF"

// companionFor hands the whole command over to the companion if it takes that to open the
// store. It must come before anything is read or written.
func (a *app) companionFor() error {
	rawURL, err := a.url()
	if err != nil {
		return err
	}
	own := backend.Schemes()
	for _, part := range append(tier.Stores(rawURL), rawURL) {
		scheme := backend.SchemeOf(part)
		if scheme == "" || slices.Contains(own, scheme) {
			continue
		}
		if known := slices.Sorted(slices.Values(append(own, cloudSchemes...))); !slices.Contains(known, scheme) {
			return misused("there is no kind of store %q; known: %s", scheme, strings.Join(slices.Compact(known), ", "))
		}
		return a.becomeCompanion(scheme + ":// is opened")
	}
	return nil
}

// becomeCompanion makes this process the companion. On Unix it returns only if it cannot; elsewhere the
// companion is a child, and its exit code is the error. The text says what needs it.
func (a *app) becomeCompanion(what string) error {
	if a.companionOf != "" { // or it would go on for ever
		return fmt.Errorf("%s by %s, but not by this one; install it anew: %s", what, cloudCommand, installLine(cloudCommand))
	}
	path, err := companion(cloudCommand)
	if err != nil {
		return fmt.Errorf("%s by larder's companion: %w", what, err)
	}
	env := append(os.Environ(), companionVariable+"="+moduleVersion())
	if err := replaceProcess(path, append([]string{path}, a.args...), env); err != nil {
		if code := new(exitError); errors.As(err, &code) {
			return err
		}
		return fmt.Errorf("%s cannot be started: %w; install it anew: %s", path, err, installLine(cloudCommand))
	}
	return nil
}

// checkCompanion refuses to be the companion of a larder of another version: two versions in one
// pipeline, chosen by where the store is, would be a puzzle to whoever meets it.
func (a *app) checkCompanion() error {
	if a.companionOf == "" || sameVersion(a.companionOf, moduleVersion()) {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		self = cloudCommand
	}
	return fmt.Errorf("this is larder %s, but its companion %s is %s; install both from one version: %s",
		a.companionOf, self, moduleVersion(), installLine("..."))
}

// sameVersion reports whether nothing is known against it that two binaries are of one version.
func sameVersion(a, b string) bool {
	known := func(v string) bool { return v != "" && v != "(devel)" && v != unknownVersion }
	return a == b || !known(a) || !known(b)
}

// installLine says how to install a command of this version, if it is a release, else of the latest.
func installLine(name string) string {
	version := moduleVersion()
	if !strings.HasPrefix(version, "v") || strings.ContainsAny(version, "-+") {
		version = "latest"
	}
	return fmt.Sprintf("go install github.com/larder-store/larder/cmd/%s@%s", name, version)
}

// companion finds a program that is installed beside this one, or in PATH.
func companion(name string) (string, error) {
	if self, err := os.Executable(); err == nil {
		if target, err := filepath.EvalSymlinks(self); err == nil {
			self = target
		}
		if path, err := exec.LookPath(filepath.Join(filepath.Dir(self), name)); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%s is neither beside larder nor in PATH; install it: %s", name, installLine(name))
	}
	return path, nil
}

// runCompanion runs the companion as a child, and returns its exit code as an error, 0 too. An
// interrupt from the keyboard reaches both; larder waits for what the child makes of it.
func runCompanion(path string, argv, env []string) error {
	cmd := exec.Command(path, argv[1:]...)
	cmd.Env = env
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		return err
	}
	return &exitError{cmd.ProcessState.ExitCode(), nil}
}
