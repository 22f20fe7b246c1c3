package catalog

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// A Step is one line of a tree.
type Step struct {
	Node  *Node
	Link  Link // that led here; zero at the root
	Level int
	Again bool // the node was there before; what is below it is not repeated
	Deep  bool // what is below it is left out, for it is deeper than asked for
	// Last says of each level below the root whether it ends here: what the lines left of it look like.
	Last []bool
}

// Walk calls visit for each link of the tree, depth first and each node with its links just once, until visit fails.
// What is deeper than levels is left out and marked; 0 is no limit. A step is valid until visit returns.
func (l *Tree) Walk(levels int, visit func(Step) error) error {
	seen := map[string]bool{l.Root: true}
	root := l.Nodes[l.Root]
	if err := visit(Step{Node: root}); err != nil {
		return err
	}
	stack := [][]Link{root.Links} // of each node on the way, the links to come; no recursion: a chain may have 100,000 links
	var last []bool
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if len(*top) == 0 {
			stack = stack[:len(stack)-1]
			last = last[:max(0, len(last)-1)]
			continue
		}
		link := (*top)[0]
		*top = (*top)[1:]
		last = append(last[:len(stack)-1], len(*top) == 0)
		n := l.Nodes[link.ID]
		s := Step{Node: n, Link: link, Level: len(stack), Again: seen[link.ID], Last: last}
		s.Deep = levels > 0 && s.Level >= levels && len(n.Links) > 0 && !s.Again
		seen[link.ID] = seen[link.ID] || !s.Deep
		if err := visit(s); err != nil {
			return err
		}
		if !s.Again && !s.Deep {
			stack = append(stack, n.Links)
		}
	}
	return nil
}

// WriteDot writes the tree in the language of Graphviz, arrows leading from what is computed from to what is computed. name
// returns what to write in a node.
func (l *Tree) WriteDot(w io.Writer, way Direction, name func(*Node) string) error {
	var failed error
	line := func(format string, args ...any) {
		if failed == nil {
			_, failed = fmt.Fprintf(w, format+"\n", args...)
		}
	}
	line("digraph larder {\n\trankdir=LR;\n\tnode [shape=box];")
	for _, id := range slices.Sorted(maps.Keys(l.Nodes)) {
		line("\t%s [label=%s];", dotText(id), dotText(name(l.Nodes[id])))
	}
	for _, id := range slices.Sorted(maps.Keys(l.Nodes)) {
		for _, link := range l.Nodes[id].Links {
			from, to := link.ID, id
			if way == Down {
				from, to = id, link.ID
			}
			style := ""
			if link.Contents {
				style = ", style=dashed"
			}
			line("\t%s -> %s [label=%s%s];", dotText(from), dotText(to), dotText(link.Label), style)
		}
	}
	line("}")
	return failed
}

// dotText quotes a text for Graphviz, to which a backslash begins an escape and a line's end is one.
func dotText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", "", "\x00", "").Replace(s) + `"`
}
