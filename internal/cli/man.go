package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newHelp returns the command help, which also writes man pages: of the same texts as --help and docs/cli.md.
// cobra's own generator would link a Markdown and a YAML library into a command that lives for milliseconds.
func newHelp(a *app, root *cobra.Command) *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "help [command]",
		Short: "Show the help of a command, or write all of it as man pages",
		Long: `Show the help of a command, as --help does. With --man, write a page for man(1) of each command
into a directory, such as ~/.local/share/man/man1.`,
		Example: `  larder help run
  larder help --man ~/.local/share/man/man1`,
		RunE: func(_ *cobra.Command, args []string) error {
			if dir != "" {
				if len(args) > 0 {
					return misused("help: --man writes the pages of all commands; leave out %q", args[0])
				}
				return a.writeManPages(root, dir)
			}
			found, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return misused("help: there is no command %q", strings.Join(args, " "))
			}
			return found.Help()
		},
	}
	cmd.Flags().StringVar(&dir, "man", "", "write man pages into this `directory`")
	return cmd
}

// writeManPages writes a page for the command and each of its subcommands.
func (a *app) writeManPages(root *cobra.Command, dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	pages := 0
	var write func(cmd *cobra.Command) error
	write = func(cmd *cobra.Command) error {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		err := wholeFile(filepath.Join(dir, name), func(w io.Writer) error {
			_, err := w.Write([]byte(manPage(cmd)))
			return err
		})
		pages++
		for _, sub := range cmd.Commands() {
			if !sub.Hidden {
				err = errors.Join(err, write(sub))
			}
		}
		return err
	}
	if err := write(root); err != nil {
		return err
	}
	a.note("wrote %s into %s", count(pages, "page"), dir)
	return nil
}

// manPage returns the page of a command, as man(7) has it.
func manPage(cmd *cobra.Command) string {
	var b strings.Builder
	name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"Larder\"\n", roff(strings.ToUpper(name)))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(name), roff(cmd.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(cmd.UseLine()))
	fmt.Fprintf(&b, ".SH DESCRIPTION\n%s", verbatim(cmd.Long))
	options := func(title string, flags *pflag.FlagSet) {
		if flags.HasAvailableFlags() {
			fmt.Fprintf(&b, ".SH %s\n%s", title, verbatim(flags.FlagUsages()))
		}
	}
	options("OPTIONS", cmd.NonInheritedFlags())
	options("OPTIONS OF ALL COMMANDS", cmd.InheritedFlags())
	if cmd.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n%s", verbatim(cmd.Example))
	}
	var subs []string
	for _, sub := range cmd.Commands() {
		if !sub.Hidden {
			subs = append(subs, fmt.Sprintf(".TP\n.B %s\n%s\n", roff(strings.ReplaceAll(sub.CommandPath(), " ", "-")+"(1)"), roff(sub.Short)))
		}
	}
	if len(subs) > 0 {
		fmt.Fprintf(&b, ".SH COMMANDS\n%s", strings.Join(subs, ""))
	}
	if cmd.HasParent() {
		fmt.Fprintf(&b, ".SH SEE ALSO\n.BR %s (1)\n", roff(cmd.Root().Name()))
	}
	return b.String()
}

// verbatim keeps the lines of a text as they are: the help is set by hand.
func verbatim(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = roff(line)
	}
	return ".nf\n" + strings.Join(lines, "\n") + "\n.fi\n"
}

// roff escapes what troff would take for its own.
func roff(line string) string {
	line = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(line)
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		line = `\&` + line
	}
	return line
}
