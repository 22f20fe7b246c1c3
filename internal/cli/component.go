package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/larder-store/larder/component"
)

// node is a component as JSON describes it. It answers as a component itself, so that a
// graph that leads back to itself can be made, and then refused with its loop.
type node struct {
	typ, version string
	params       any
	inputs       []component.Component
}

func (n *node) Type() string                  { return n.typ }
func (n *node) Version() string               { return n.version }
func (n *node) Parameters() any               { return n.params }
func (n *node) Inputs() []component.Component { return n.inputs }

// nodeText is the JSON of a component.
type nodeText struct {
	Type       string              `json:"type"`
	Version    string              `json:"version"`
	Parameters json.RawMessage     `json:"parameters"`
	Inputs     []json.RawMessage   `json:"inputs"`
	Components map[string]nodeText `json:"components"` // at the top only
}

// graph are the components of a file.
type graph struct {
	texts map[string]nodeText
	nodes map[string]*node
}

// readComponent reads the component that a file describes.
func readComponent(path string) (component.Component, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("component: %w", err)
	}
	c, err := parseComponent(text)
	if err != nil {
		return nil, misused("component %q: %v", path, err)
	}
	return c, nil
}

func parseComponent(text []byte) (component.Component, error) {
	if _, err := parseJSON(bytes.NewReader(text)); err != nil { // names that are there twice, and what follows
		return nil, err
	}
	var top nodeText
	if err := unmarshal(text, &top); err != nil {
		return nil, err
	}
	g := &graph{top.Components, map[string]*node{}}
	top.Components = nil
	return g.fill(&node{}, top)
}

// fill makes n of its text.
func (g *graph) fill(n *node, text nodeText) (*node, error) {
	if text.Type == "" {
		return nil, fmt.Errorf("a component has no type")
	}
	if text.Components != nil {
		return nil, fmt.Errorf("component %q: only the outermost one may have \"components\"", text.Type)
	}
	n.typ, n.version = text.Type, text.Version
	if len(text.Parameters) > 0 {
		v, err := parseJSON(bytes.NewReader(text.Parameters))
		if err != nil {
			return nil, fmt.Errorf("parameters of %q: %w", text.Type, err)
		}
		n.params = v
	}
	for i, raw := range text.Inputs {
		c, err := g.input(raw)
		if err != nil {
			return nil, fmt.Errorf("input %d of %q: %w", i, text.Type, err)
		}
		n.inputs = append(n.inputs, c)
	}
	return n, nil
}

// input makes a component of a name, a file, a key or a description.
func (g *graph) input(raw json.RawMessage) (component.Component, error) {
	var name string
	if json.Unmarshal(raw, &name) == nil {
		return g.named(name)
	}
	var in struct {
		nodeText
		File string `json:"file"`
		Key  string `json:"key"`
	}
	if err := unmarshal(raw, &in); err != nil {
		return nil, err
	}
	kinds := 0
	for _, given := range []bool{in.File != "", in.Key != "", in.Type != ""} {
		if given {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return nil, fmt.Errorf("it is one of: a name, {\"file\": …}, {\"key\": …}, {\"type\": …, …}")
	case in.File != "":
		return component.File(in.File)
	case in.Key != "":
		return component.Ref(in.Key), nil
	}
	return g.fill(&node{}, in.nodeText)
}

// named returns the one component of a name; while it is being filled, too.
func (g *graph) named(name string) (component.Component, error) {
	if n, ok := g.nodes[name]; ok {
		return n, nil
	}
	text, ok := g.texts[name]
	if !ok {
		return nil, fmt.Errorf("%q is not among the \"components\"", name)
	}
	n := &node{}
	g.nodes[name] = n
	return g.fill(n, text)
}

// unmarshal refuses names that v does not have: they would be typing errors.
func unmarshal(text []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	return dec.Decode(v)
}
