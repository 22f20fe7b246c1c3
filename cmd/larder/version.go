package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/keying"
)

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Tell the version of larder",
		Long:  "Tell the version of larder, of Go and of the form of keys, and which kinds of stores are known.",
		Args:  none,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(a.stdout, "larder   %s\ngo       %s %s/%s\nkeys     %s\nstores   %s\n",
				moduleVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH, keying.Format, strings.Join(backend.Schemes(), ", "))
			return err
		},
	}
}

// moduleVersion returns the version that the binary was built as: a tag, or the commit.
func moduleVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}
