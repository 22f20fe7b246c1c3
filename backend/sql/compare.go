package sql

import (
	"time"

	"github.com/larder-store/larder/component"
)

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
