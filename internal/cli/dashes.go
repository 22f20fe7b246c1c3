package cli

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// endsFlags annotates a subcommand whose flags end at its first argument, which is a
// command with flags of its own.
const endsFlags = "ends flags"

// doubleDashes makes --name of -name, so that long flags can be written either way.
// Short flags, their clusters and values stay as they are. It looks no further than where the
// subcommand does: at "--", and for run at the command.
func doubleDashes(root *cobra.Command, args []string) []string {
	out := append([]string(nil), args...)
	cmd := root
	for i := 0; i < len(out); i++ {
		arg := out[i]
		switch {
		case arg == "--":
			return out
		case len(arg) < 2 || arg[0] != '-':
			sub := subcommand(cmd, arg)
			if sub == nil && cmd.Annotations[endsFlags] != "" {
				return out
			}
			if sub != nil {
				cmd = sub
			}
			continue
		}
		name, _, hasValue := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
		name = strings.TrimPrefix(name, "-")
		if f := longFlag(cmd, name); len(name) > 1 && f != nil {
			if arg[1] != '-' {
				out[i] = "-" + arg
			}
			if f.NoOptDefVal == "" && !hasValue {
				i++ // its value, whatever it looks like
			}
			continue
		}
		if arg[1] != '-' && shortTakesNext(cmd, arg[1:]) {
			i++
		}
	}
	return out
}

func subcommand(cmd *cobra.Command, name string) *cobra.Command {
	for _, sub := range cmd.Commands() {
		if sub.Name() == name || sub.HasAlias(name) {
			return sub
		}
	}
	return nil
}

func longFlag(cmd *cobra.Command, name string) *pflag.Flag {
	if name == "help" {
		return &pflag.Flag{Name: name, NoOptDefVal: "true"} // cobra adds it later
	}
	if f := cmd.Flags().Lookup(name); f != nil {
		return f
	}
	return cmd.Root().PersistentFlags().Lookup(name)
}

// shortTakesNext reports whether a cluster of short flags ends in one whose value
// is the next argument.
func shortTakesNext(cmd *cobra.Command, cluster string) bool {
	for i := range cluster {
		c := cluster[i : i+1]
		f := cmd.Flags().ShorthandLookup(c)
		if f == nil {
			f = cmd.Root().PersistentFlags().ShorthandLookup(c)
		}
		if f == nil {
			return false
		}
		if f.NoOptDefVal == "" {
			return i == len(cluster)-1
		}
	}
	return false
}
