package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"

	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
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

// ParseComponent returns the component that a JSON object describes: with "type", "version",
// "parameters" and "inputs", each of which is such an object itself, {"file": path}, {"key": text}, or a
// name among the "components" of the outermost object. Numbers are exact; names that are unknown or there
// twice are errors. Files are read.
func ParseComponent(text []byte) (component.Component, error) {
	if _, err := ParseJSON(bytes.NewReader(text)); err != nil { // names that are there twice, and what follows
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

// FormatComponent returns the JSON of a described component, which ParseComponent reads back to one of
// the same key. What JSON cannot hold, such as bytes, times, NaN and a moment, is an error with its path.
func FormatComponent(d component.Description) ([]byte, error) {
	if !d.AsOf.IsZero() {
		return nil, errors.New("the moment of a component has no form in JSON")
	}
	type key struct {
		Key string `json:"key"`
	}
	object := struct {
		Type       string `json:"type"`
		Version    string `json:"version,omitempty"`
		Parameters any    `json:"parameters,omitempty"`
		Inputs     []key  `json:"inputs,omitempty"`
	}{Type: d.Type, Version: d.Version}
	for _, input := range d.Inputs {
		object.Inputs = append(object.Inputs, key{input})
	}
	var err error
	if object.Parameters, err = exactly(d.Parameters, "parameters"); err != nil {
		return nil, err
	}
	return json.Marshal(object)
}

// exactly returns v as encoding/json writes it without loss.
func exactly(v any, path string) (any, error) {
	switch v := v.(type) {
	case nil, bool, string, int64, uint64, *big.Int:
		return v, nil
	case float64:
		if v-v == 0 {
			return v, nil
		}
	case []any:
		list := make([]any, len(v))
		for i := range v {
			var err error
			if list[i], err = exactly(v[i], fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[any]any:
		object := make(map[string]any, len(v))
		for k, inner := range v {
			name, ok := k.(string)
			if !ok {
				return nil, fmt.Errorf("%s: a name of type %T has no form in JSON", path, k)
			}
			var err error
			if object[name], err = exactly(inner, path+"."+name); err != nil {
				return nil, err
			}
		}
		return object, nil
	}
	return nil, fmt.Errorf("%s: a value of type %T has no form in JSON", path, v)
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
		v, err := ParseParameter(bytes.NewReader(text.Parameters))
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

// ParseJSON reads one JSON value whole, as data: integers of any size, no name twice in an object, no number that
// a float64 cannot hold. A number with a fraction or an exponent is the nearest float64.
func ParseJSON(r io.Reader) (any, error) {
	return parseJSON(r, func(s string) (float64, error) { return strconv.ParseFloat(s, 64) })
}

// ParseParameter is [ParseJSON] for parameters: a number that a float64 would round is an error, as [keying.ExactFloat] says.
func ParseParameter(r io.Reader) (any, error) { return parseJSON(r, keying.ExactFloat) }

func parseJSON(r io.Reader, float func(string) (float64, error)) (any, error) {
	dec := jsonDecoder{json.NewDecoder(r), float}
	dec.UseNumber()
	v, err := dec.value()
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("more follows after the JSON value")
	}
	return v, nil
}

type jsonDecoder struct {
	*json.Decoder
	float func(text string) (float64, error)
}

func (dec jsonDecoder) value() (any, error) {
	token, err := dec.Token()
	if err == io.EOF {
		return nil, io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Number:
		return dec.number(t.String())
	case json.Delim:
		if t == '[' {
			return dec.array()
		}
		return dec.object()
	}
	return token, nil
}

func (dec jsonDecoder) array() (any, error) {
	array := []any{}
	for dec.More() {
		v, err := dec.value()
		if err != nil {
			return nil, err
		}
		array = append(array, v)
	}
	_, err := dec.Token()
	return array, err
}

func (dec jsonDecoder) object() (any, error) {
	object := map[string]any{}
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name := token.(string) // the decoder sees to it
		if _, twice := object[name]; twice {
			return nil, fmt.Errorf("the name %q is there twice in one JSON object", name)
		}
		if object[name], err = dec.value(); err != nil {
			return nil, err
		}
	}
	_, err := dec.Token()
	return object, err
}

func (dec jsonDecoder) number(text string) (any, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	if n, ok := new(big.Int).SetString(text, 10); ok {
		return n, nil
	}
	f, err := dec.float(text)
	if errors.Is(err, strconv.ErrRange) {
		return nil, fmt.Errorf("the number %s is beyond a float64", text)
	}
	return f, err
}
