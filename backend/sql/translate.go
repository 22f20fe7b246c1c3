package sql

import (
	"slices"
	"strconv"
	"strings"

	"github.com/larder-store/larder/component"
)

// A translation is a condition as SQL over the table of components. It holds wherever the condition does,
// and may hold elsewhere: the pre-images decide. Rows that are odd are not its affair.
type translation struct {
	where    component.Condition
	typ      *string // the type that all answers have
	keyed    bool    // an index leads to few rows, whatever their keys
	declared map[string]bool

	inputs, number, words string // names of the schema
}

func (b *Backend) translate(where component.Condition) *translation {
	schema := quote(b.db.schema) + "."
	t := &translation{where: where, declared: b.declared.paths(), inputs: schema + "inputs", number: schema + "number", words: schema + "words"}
	if v, ok := where.Fixed(component.FieldType, component.Equal); ok {
		if s, ok := v.(string); ok && isWord(s) {
			t.typ = &s
		}
	}
	t.keyed = t.leads(where)
	return t
}

// indexed reports whether the rows are found by an index rather than by looking at all, or all of a type.
func (t *translation) indexed() bool { return t.keyed || t.ordered() }

// ordered reports whether an index holds the answers, and few others, in order of their keys.
func (t *translation) ordered() bool { return t.onlyColumns(t.where) }

// onlyColumns reports whether c asks for nothing but type and key.
func (t *translation) onlyColumns(c component.Condition) bool {
	if c.Op == component.All {
		return !slices.ContainsFunc(c.Of, func(c component.Condition) bool { return !t.onlyColumns(c) })
	}
	return c.Op == component.Equal && c.Field == component.FieldType || c.Field == component.FieldKey && c.Op != component.NotEqual
}

// leads reports whether an index leads to what fulfils c.
func (t *translation) leads(c component.Condition) bool {
	switch c.Op {
	case component.All:
		return slices.ContainsFunc(c.Of, t.leads)
	case component.Any:
		return !slices.ContainsFunc(c.Of, func(c component.Condition) bool { return !t.leads(c) })
	case component.Not:
		return false
	}
	switch c.Field {
	case component.FieldKey:
		return c.Op == component.Equal || c.Op == component.In || c.Op == component.HasPrefix
	case component.FieldInput:
		return c.Op == component.Equal || c.Op == component.In
	case component.FieldVersion:
		return false
	case component.FieldParam:
		if c.Op == component.Equal {
			return patterns(c.Path, c.Value) != nil
		}
		if c.Op == component.In {
			list, _ := c.Value.([]any)
			return len(list) <= maxPatterns && !slices.ContainsFunc(list, func(v any) bool { return patterns(c.Path, v) == nil })
		}
		return t.declared[c.Path] && t.typ != nil && c.Op != component.NotEqual && c.Op != component.Exists && isOrdered(c.Value)
	}
	return false
}

func isOrdered(v any) bool {
	_, text := v.(string)
	return text || isNumber(v)
}

// arguments collects the values of a statement.
type arguments struct{ values []any }

// add returns the parameter of a value.
func (a *arguments) add(v any) string {
	a.values = append(a.values, v)
	return "$" + strconv.Itoa(len(a.values))
}

// sql returns the condition. windowed hides it from indexes on parameters: the rows are already few.
func (t *translation) sql(a *arguments, windowed bool) string {
	w := writer{a: a, t: t, windowed: windowed}
	before := len(a.values)
	sql := w.condition(t.where, true)
	if len(a.values) > maxArguments {
		a.values = a.values[:before]
		return anything
	}
	return sql
}

// maxArguments bounds the values of a statement: the protocol counts them in 16 bits, and a condition of so many is faster decided here.
const maxArguments = 10_000

// writer writes SQL for conditions.
type writer struct {
	a        *arguments
	t        *translation
	windowed bool
}

const anything, never = "true", "false"

// condition returns SQL that holds wherever c does, or, for one that is denied, nowhere else.
func (w writer) condition(c component.Condition, asserted bool) string {
	switch c.Op {
	case component.All:
		return w.join(c.Of, " AND ", anything, asserted)
	case component.Any:
		return w.join(c.Of, " OR ", never, asserted)
	case component.Not:
		return "NOT (" + w.join(c.Of, " OR ", never, !asserted) + ")"
	}
	before := len(w.a.values)
	sql, exact := w.comparison(c)
	if asserted || exact {
		return "(" + sql + ")"
	}
	w.a.values = w.a.values[:before] // the server wants to know the type of each
	return never
}

func (w writer) join(of []component.Condition, op, none string, asserted bool) string {
	if len(of) == 0 {
		return none
	}
	parts := make([]string, len(of))
	for i, c := range of {
		parts[i] = w.condition(c, asserted)
	}
	return "(" + strings.Join(parts, op) + ")"
}

// comparison returns SQL for one comparison, never NULL, and whether it holds exactly where the comparison does.
func (w writer) comparison(c component.Condition) (sql string, exact bool) {
	switch c.Field {
	case component.FieldKey:
		return w.text("c.key", c)
	case component.FieldType:
		return w.text("c.type", c)
	case component.FieldVersion:
		return w.text("c.version", c)
	case component.FieldInput:
		if c.Op == component.Exists {
			return "EXISTS (SELECT FROM " + w.t.inputs + " i WHERE i.component = c.key)", true
		}
		if keys, ok := textsOf(c); ok {
			return "c.key IN (SELECT i.component FROM " + w.t.inputs + " i WHERE i.input = ANY(" + w.a.add(keys) + "::text[]))", true
		}
		sql, exact := w.text("i.input", c)
		return "EXISTS (SELECT FROM " + w.t.inputs + " i WHERE i.component = c.key AND " + sql + ")", exact
	case component.FieldAsOf:
		return w.time("c.as_of", c), false
	case component.FieldStored:
		return w.time("c.stored", c), false
	case component.FieldParam:
		return w.param(c), false
	}
	return anything, false
}
