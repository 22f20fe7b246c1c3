package cli

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// By GNU's rules, which larder follows, -store x is the flag -s with the value "tore", and -name is four short
// flags. Errors say so, for users of other rules.

// explainFlagError says instead of an error about short flags which long one was meant.
func explainFlagError(cmd *cobra.Command, args []string, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || unknown.GetSpecifiedShortnames() == "" {
		return err
	}
	for _, arg := range args { // pflag names what follows the flags that it knew
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
		if strings.HasSuffix(arg, unknown.GetSpecifiedShortnames()) && longFlag(cmd, name) != nil && arg[0] == '-' {
			return oneDash(name)
		}
	}
	return err
}

// checkDashes refuses a long flag with one dash that was taken for a short flag with its value.
func checkDashes(cmd *cobra.Command, args []string) error {
	for _, arg := range args {
		if arg == "--" {
			return nil
		}
		if len(arg) < 3 || arg[0] != '-' || arg[1] == '-' {
			continue
		}
		name, _, _ := strings.Cut(arg[1:], "=")
		if longFlag(cmd, name) != nil && isValue(shortFlag(cmd, arg[1:2]), arg[2:]) {
			return oneDash(name)
		}
	}
	return nil
}

func oneDash(name string) error {
	return misused("a long flag has two dashes: write --%s, not -%[1]s", name)
}

func longFlag(cmd *cobra.Command, name string) *pflag.Flag {
	if f := cmd.Flags().Lookup(name); f != nil {
		return f
	}
	return cmd.Root().PersistentFlags().Lookup(name)
}

func shortFlag(cmd *cobra.Command, letter string) *pflag.Flag {
	if f := cmd.Flags().ShorthandLookup(letter); f != nil {
		return f
	}
	return cmd.Root().PersistentFlags().ShorthandLookup(letter)
}

// isValue reports whether f, which may be nil, has that value, or one of several.
func isValue(f *pflag.Flag, value string) bool {
	if f == nil {
		return false
	}
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return slices.Contains(list.GetSlice(), value)
	}
	return f.Value.String() == value
}
