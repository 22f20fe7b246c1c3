package sql

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

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
	return w.condition(t.where, true)
}

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

// textsOf returns what a text must be equal to, if c says so.
func textsOf(c component.Condition) ([]string, bool) {
	switch c.Op {
	case component.Equal:
		if s, ok := c.Value.(string); ok && isText(s) {
			return []string{s}, true
		}
		return []string{}, true // equal to nothing that is there
	case component.In:
		list, _ := c.Value.([]any)
		texts := []string{}
		for _, v := range list {
			if s, ok := v.(string); ok && isText(s) {
				texts = append(texts, s)
			}
		}
		return texts, true
	}
	return nil, false
}

var operators = map[component.Op]string{
	component.NotEqual: " <> ", component.Less: " < ", component.LessEqual: " <= ", component.Greater: " > ", component.GreaterEqual: " >= ",
}

// text compares a column that holds a text, in byte order.
func (w writer) text(column string, c component.Condition) (sql string, exact bool) {
	if c.Op == component.Exists {
		return anything, true
	}
	if texts, ok := textsOf(c); ok {
		if len(texts) == 1 {
			return column + " = " + w.a.add(texts[0]), true
		}
		return column + " = ANY(" + w.a.add(texts) + "::text[])", true
	}
	s, ok := c.Value.(string)
	if !ok {
		return never, true
	}
	if !isText(s) { // columns hold no such text, but have an order to it
		return anything, c.Op == component.NotEqual
	}
	if c.Op == component.HasPrefix {
		return "starts_with(" + column + ", " + w.a.add(s) + ")" + w.from(column, s), true
	}
	return column + operators[c.Op] + w.a.add(s), true
}

// from narrows an index down to a prefix: texts that begin with it are not below it.
func (w writer) from(column, prefix string) string {
	if prefix == "" || column == "i.input" {
		return ""
	}
	sql := " AND " + column + " >= " + w.a.add(prefix)
	if end := afterAll(prefix); end != "" {
		sql += " AND " + column + " < " + w.a.add(end)
	}
	return sql
}

// afterAll returns a text behind all that begin with a prefix; "" where that is not simple.
func afterAll(prefix string) string {
	last := prefix[len(prefix)-1]
	if last >= 0x7f {
		return ""
	}
	return prefix[:len(prefix)-1] + string(rune(last+1))
}

// time compares a column of times, which are exact to a microsecond.
func (w writer) time(column string, c component.Condition) string {
	there := column + " IS NOT NULL"
	t, ok := c.Value.(time.Time)
	switch {
	case c.Op == component.Exists, c.Op == component.In, c.Op == component.NotEqual && ok:
		return there
	case !ok:
		return never
	}
	if y := t.UTC().Year(); y < 1 || y > 9999 {
		return there
	}
	low, high := near(t)
	switch c.Op {
	case component.Equal:
		return column + " IS NOT NULL AND " + column + " BETWEEN " + w.a.add(low) + " AND " + w.a.add(high)
	case component.Less, component.LessEqual:
		return column + " IS NOT NULL AND " + column + " <= " + w.a.add(high)
	case component.Greater, component.GreaterEqual:
		return column + " IS NOT NULL AND " + column + " >= " + w.a.add(low)
	}
	return never
}

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
		column := w.t.words + "(c.params, " + path + ")"
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
