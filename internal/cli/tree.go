package cli

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
)

type treeFlags struct {
	up, down, dot, json, ascii bool
	depth                      int
}

// treeLevels bounds how deep a tree is drawn unless --depth says otherwise: each level is drawn further to the right.
const treeLevels = 50

func newTree(a *app) *cobra.Command {
	var f treeFlags
	cmd := &cobra.Command{
		Use:   "tree [flags] ID",
		Short: "Show what a result comes from, or what comes from it",
		Long: `Show as a tree what a result was computed from (--up, the default), or what was computed from
it (--down). What has been shown above is marked with "^" and not repeated.

Files link by their contents: an input that equals an output of a stage, or a stored value,
comes from there, wherever the file lay meanwhile. "=" marks such links. What a stage left is
noted when it runs. On buckets only outputs of stages are found so.

Downwards, all descriptions are read once, unless a database has an index. Text shows 50 levels
at most unless --depth says how many; --dot (for Graphviz) and --json have all.`,
		Example: `  larder tree 3f2a9c
  larder tree --down --depth 2 recording.atf
  larder tree --up --dot 3f2a9c | dot -Tsvg > where-from.svg`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return misused("tree: name one component: a key, its beginning, a type or a file")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.depth < 0 {
				return misused("tree: --depth is not negative")
			}
			return a.tree(cmd.Context(), &f, args[0])
		},
	}
	cmd.ValidArgsFunction = a.completeAddress
	fl := cmd.Flags()
	fl.BoolVar(&f.up, "up", false, "what it was computed from (default)")
	fl.BoolVar(&f.down, "down", false, "what was computed from it")
	fl.IntVar(&f.depth, "depth", 0, "only so many `levels` (default: all)")
	fl.BoolVar(&f.dot, "dot", false, "in the language of Graphviz")
	fl.BoolVar(&f.json, "json", false, "one JSON object a line for each component, the nearest first")
	fl.BoolVar(&f.ascii, "ascii", false, "draw with - and | (default: where the locale is not UTF-8)")
	cmd.MarkFlagsMutuallyExclusive("up", "down")
	cmd.MarkFlagsMutuallyExclusive("dot", "json", "ascii")
	return cmd
}

func (a *app) tree(ctx context.Context, f *treeFlags, text string) error {
	store, err := a.openToRead(ctx)
	if err != nil {
		return err
	}
	defer store.Close()
	id, err := keyOf(ctx, store, text)
	if err != nil {
		return resolveError(err)
	}
	way := catalog.Up
	if f.down {
		way = catalog.Down
	}
	l, err := catalog.TreeOf(ctx, store, id, way, f.depth)
	if errors.Is(err, larder.ErrNotFound) {
		return &exitError{exitMiss, err}
	}
	if err != nil {
		return err
	}
	raw := a.stdout
	if !f.json {
		raw = a.out()
	}
	w := bufio.NewWriter(raw)
	switch {
	case f.json:
		err = treeJSON(w, l)
	case f.dot:
		err = l.WriteDot(w, way, func(n *catalog.Node) string { return printable(nodeText(n)) })
	default:
		err = drawTree(w, l, f)
	}
	return errors.Join(err, w.Flush())
}

// nodeText says what a component is, in a line.
func nodeText(n *catalog.Node) string {
	if !n.Known {
		return short(n.ID) + "  ?"
	}
	text := short(n.ID) + "  " + printable(n.Description.Type)
	if command := commandText(catalog.CommandLine(n.Description)); command != "" {
		return text + "  $ " + cutText(command)
	}
	if file, ok := fileText(n.Description); ok {
		return text + "  " + file
	}
	if params := parameterText(n.Description.Parameters); params != "" {
		text += "  " + cutText(params)
	}
	return text
}

// fileText says what is known of a file.
func fileText(d component.Description) (string, bool) {
	params, _ := d.Parameters.(map[any]any)
	digest, isFile := params["sha256"].([]byte)
	length, hasSize := params["size"].(int64)
	return fmt.Sprintf("%s, sha256 %s", size(length), short(hex.EncodeToString(digest))), d.Type == component.FileType && isFile && hasSize
}

// The pieces that a tree is drawn with: beside others, at the last one, and left of what is below these.
type pieces struct{ beside, last, bar, gap string }

var (
	lines = pieces{"├─ ", "└─ ", "│  ", "   "}
	ascii = pieces{"|- ", "`- ", "|  ", "   "}
)

func drawTree(w io.Writer, l *catalog.Tree, f *treeFlags) error {
	p := lines
	if f.ascii || !utf8Terminal() {
		p = ascii
	}
	levels := f.depth
	if levels == 0 {
		levels = treeLevels
	}
	return l.Walk(levels, func(s catalog.Step) error {
		var b strings.Builder
		for i, last := range s.Last {
			switch {
			case i == len(s.Last)-1 && last:
				b.WriteString(p.last)
			case i == len(s.Last)-1:
				b.WriteString(p.beside)
			case last:
				b.WriteString(p.gap)
			default:
				b.WriteString(p.bar)
			}
		}
		if s.Link.Contents {
			b.WriteString("= ")
		}
		if s.Link.Label != "" {
			b.WriteString(printable(s.Link.Label) + "  ")
		}
		b.WriteString(nodeText(s.Node))
		switch {
		case s.Again:
			b.WriteString("  ^")
		case s.Deep:
			b.WriteString("  …")
		}
		_, err := fmt.Fprintln(w, b.String())
		return err
	})
}

// utf8Terminal reports whether the locale says that text is UTF-8.
func utf8Terminal() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := os.Getenv(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

// nodeJSON is a component of a tree as JSON.
type nodeJSON struct {
	ID         string     `json:"id"`
	Depth      int        `json:"depth"`
	Type       string     `json:"type,omitempty"`
	Version    string     `json:"version,omitempty"`
	Parameters any        `json:"parameters,omitempty"`
	Links      []linkText `json:"links,omitempty"`
}

type linkText struct {
	ID       string `json:"id"`
	Label    string `json:"label,omitempty"`
	Contents bool   `json:"contents,omitempty"`
}

func treeJSON(w io.Writer, l *catalog.Tree) error {
	nodes := slices.SortedFunc(maps.Values(l.Nodes), func(a, b *catalog.Node) int {
		if a.Depth != b.Depth {
			return a.Depth - b.Depth
		}
		return strings.Compare(a.ID, b.ID)
	})
	for _, n := range nodes {
		text := nodeJSON{n.ID, n.Depth, n.Description.Type, n.Description.Version, plain(n.Description.Parameters), nil}
		for _, link := range n.Links {
			text.Links = append(text.Links, linkText(link))
		}
		if err := writeJSON(w, text); err != nil {
			return err
		}
	}
	return nil
}
