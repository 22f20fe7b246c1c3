package sql

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/larder-store/larder/component"
)

// param compares the parameter at a path.
func (w writer) param(c component.Condition) string {
	switch c.Op {
	case component.Equal:
		return w.contains(c.Path, c.Value)
	case component.In:
		list, _ := c.Value.([]any)
		if len(list) == 0 {
			return never
		}
		if len(list) > maxPatterns {
			return anything
		}
		parts := make([]string, len(list))
		for i, v := range list {
			parts[i] = w.contains(c.Path, v)
		}
		return "(" + strings.Join(parts, " OR ") + ")"
	}
	if _, text := c.Value.(string); c.Op == component.HasPrefix && !text {
		return never
	}
	if w.t.declared[c.Path] && isOrdered(c.Value) && c.Op != component.NotEqual && c.Op != component.Exists {
		return w.declared(c)
	}
	return w.jsonpath(c)
}

// contains asks for a value at a path, by the index on all parameters.
func (w writer) contains(path string, v any) string {
	ps := patterns(path, v)
	if ps == nil {
		return anything
	}
	parts := make([]string, len(ps))
	for i, p := range ps {
		parts[i] = "c.params @> " + w.a.add(p) + "::text::jsonb"
		if w.windowed {
			parts[i] = "(" + parts[i] + ") IS TRUE"
		}
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}

// declared compares by the index that was made for the path.
func (w writer) declared(c component.Condition) string {
	path := literal(c.Path)
	if s, ok := c.Value.(string); ok {
		if !isText(s) {
			return anything
		}
		column := w.t.words + "(c.params, " + path + `) COLLATE "C"` // as in the index, and as text is compared elsewhere
		cut := cutWord(s)
		switch c.Op {
		case component.HasPrefix:
			return column + " >= " + w.a.add(cut) + upper(w, column, cut)
		case component.Less, component.LessEqual:
			return column + " <= " + w.a.add(cut)
		default:
			return column + " >= " + w.a.add(cut)
		}
	}
	number, exact := jsonOf(c.Value)
	if !exact || number[0] == '{' {
		return w.jsonpath(c)
	}
	return w.t.number + "(c.params, " + path + ")" + operators[c.Op] + w.a.add(string(number)) + "::text::numeric"
}

func upper(w writer, column, prefix string) string {
	if prefix == "" {
		return ""
	}
	if end := afterAll(prefix); end != "" {
		return " AND " + column + " < " + w.a.add(end)
	}
	return ""
}

// cutWord cuts a text off as indexes on texts do.
func cutWord(s string) string {
	n := 0
	for i := range s {
		if n++; n > maxIndexed {
			return s[:i]
		}
	}
	return s
}

// maxIndexed is how many letters of a text are in an index.
const maxIndexed = 200

// jsonpath asks for what no index leads to. A comparison in it is false for a value of another kind.
func (w writer) jsonpath(c component.Condition) string {
	paths := jsonPaths(c.Path)
	if paths == nil {
		return anything
	}
	test, ok := pathTest(c)
	if !ok {
		return anything
	}
	parts := make([]string, len(paths))
	for i, p := range paths {
		parts[i] = "c.params @? " + w.a.add(p+test) + "::text::jsonpath"
	}
	return "(" + strings.Join(parts, " OR ") + ")"
}

// pathTest returns what follows the path; false where that says nothing.
func pathTest(c component.Condition) (string, bool) {
	if c.Op == component.Exists {
		return "", true
	}
	s, text := c.Value.(string)
	if text && !isText(s) {
		return "", false
	}
	switch {
	case c.Op == component.HasPrefix && text:
		return " ? (@ starts with " + jsonText(s) + ")", true
	case c.Op == component.NotEqual:
		return "", true
	case text, isNumber(c.Value):
		value, exact := jsonOf(c.Value)
		if !exact || value[0] == '{' {
			return "", true
		}
		op := strings.TrimSpace(operators[c.Op])
		return fmt.Sprintf(" ? (@ %s %s)", op, value), true // texts are ordered by letters, as bytes of UTF-8 are
	}
	return "", true
}

func jsonText(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // no text is refused
	}
	return string(b)
}
