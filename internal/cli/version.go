package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/keying"
)

func newVersion(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Show the version of larder",
		Long:  "Show the version of larder, of Go and of the form of keys, and which kinds of stores are known.",
		Args:  none,
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return writeJSON(a.stdout, versionText{moduleVersion(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, keying.Format, backend.Schemes()})
			}
			_, err := fmt.Fprintf(a.out(), "larder   %s\ngo       %s %s/%s\nkeys     %s\nstores   %s\n",
				moduleVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH, keying.Format, storeKinds())
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as a JSON object")
	return cmd
}

// versionText is the version as JSON.
type versionText struct {
	Larder   string   `json:"larder"`
	Go       string   `json:"go"`
	Platform string   `json:"platform"`
	Keys     string   `json:"keys"`
	Stores   []string `json:"stores"` // schemes that this command opens itself
}

// storeKinds names the schemes that can be opened, and by whom.
func storeKinds() string {
	own := backend.Schemes()
	kinds := strings.Join(own, ", ")
	others := slices.DeleteFunc(slices.Clone(cloudSchemes), func(s string) bool { return slices.Contains(own, s) })
	if len(others) == 0 {
		return kinds
	}
	path, err := companion(cloudCommand)
	if err != nil {
		path = cloudCommand + ", which is not installed"
	}
	return fmt.Sprintf("%s; %s by %s", kinds, strings.Join(others, ", "), path)
}

const unknownVersion = "unknown"

// moduleVersion returns the version that the binary was built as: a tag, or the commit.
func moduleVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return unknownVersion
	}
	return info.Main.Version
}
