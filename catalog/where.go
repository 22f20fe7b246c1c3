package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
)

// Grammar is how [ParseWhere] reads a condition, for help texts.
const Grammar = `condition   comparison; or conditions with "not" before, "and" or "or" between, or ( ) around them
comparison  field = value, also != < <= > >= and ~ (begins with);
            field in (value, ...); field exists
field       type version attribute id input from age stored size cost params.PATH
value       a word, or text in "double" or 'single' quotes`

// Words is how a person's words in a condition are read.
type Words struct {
	Now time.Time // what ages count from
	// Key returns the key of the component that is meant by the value of input and from: a key, the beginning of one, or
	// the path of a file. Nil takes the value for the key.
	Key func(text string) (string, error)
}

// A WhereError says where a condition cannot be read, and why.
type WhereError struct {
	Text   string
	Offset int // in bytes
	Msg    string
}

// Error shows the place by a caret below the text, if that is one line.
func (e *WhereError) Error() string {
	if strings.ContainsAny(e.Text, "\n\t") {
		return fmt.Sprintf("%s, at byte %d of %q", e.Msg, e.Offset, e.Text)
	}
	return fmt.Sprintf("%s\n  %s\n  %s^", e.Msg, e.Text, strings.Repeat(" ", utf8.RuneCountInString(e.Text[:e.Offset])))
}

// ParseWhere reads a condition such as
//
//	type=spikes and params.threshold > 3.5 and age < 7d and not input=recording.atf
//
// [Grammar] has its form. Values of params are what they say in JSON (5, true, "5", null), else text; an age is such as
// 90m, 12h or 7d, stored a date, size a number of bytes such as 10MiB, cost seconds or such as 2h. What
// cannot be read is a [WhereError].
func ParseWhere(text string, words Words) (component.Condition, error) {
	p := &whereParser{text: text, words: words}
	p.next()
	c, err := p.or()
	if err == nil && p.kind != endToken {
		err = p.fail("there is %s where an \"and\", an \"or\" or the end should be", p.shown())
	}
	return c, err
}

// The kinds of tokens.
type tokenKind int

const (
	endToken tokenKind = iota
	wordToken
	quotedToken
	signToken // one of ( ) , and the operators
	badToken
)

// maxNesting bounds conditions within conditions.
const maxNesting = 200

type whereParser struct {
	text  string
	words Words
	depth int

	at   int // of what follows the present token
	kind tokenKind
	tok  string // the present token; quotes are undone
	from int    // where it begins
}

var signs = []string{"<=", ">=", "!=", "==", "(", ")", ",", "=", "<", ">", "~"}

// next goes to the next token.
func (p *whereParser) next() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
	p.from = p.at
	rest := p.text[p.at:]
	if rest == "" {
		p.kind, p.tok = endToken, ""
		return
	}
	for _, s := range signs {
		if strings.HasPrefix(rest, s) {
			p.kind, p.tok, p.at = signToken, s, p.at+len(s)
			return
		}
	}
	switch rest[0] {
	case '"':
		dec := json.NewDecoder(strings.NewReader(rest))
		var s string
		if dec.Decode(&s) != nil {
			p.kind, p.tok = badToken, rest
			return
		}
		p.kind, p.tok, p.at = quotedToken, s, p.at+int(dec.InputOffset())
	case '\'':
		end := strings.IndexByte(rest[1:], '\'')
		if end < 0 {
			p.kind, p.tok = badToken, rest
			return
		}
		p.kind, p.tok, p.at = quotedToken, rest[1:1+end], p.at+end+2
	default:
		end := strings.IndexAny(rest, " \t\r\n()=<>!~,\"'")
		if end <= 0 {
			end = len(rest)
			if strings.HasPrefix(rest, "!") {
				end = 1
			}
		}
		p.kind, p.tok, p.at = wordToken, rest[:end], p.at+end
	}
}

func (p *whereParser) fail(format string, args ...any) error {
	return &WhereError{p.text, p.from, fmt.Sprintf(format, args...)}
}

// shown names the present token.
func (p *whereParser) shown() string {
	switch p.kind {
	case endToken:
		return "the end"
	case badToken:
		return "a quote without its end"
	}
	return strconv.Quote(p.tok)
}

// is goes on if the present token is a word or sign.
func (p *whereParser) is(tok string) bool {
	if (p.kind != wordToken && p.kind != signToken) || !strings.EqualFold(p.tok, tok) {
		return false
	}
	p.next()
	return true
}

func (p *whereParser) or() (component.Condition, error) { return p.joined("or", component.Any, p.and) }

func (p *whereParser) and() (component.Condition, error) {
	return p.joined("and", component.All, p.not)
}

// joined reads conditions with a word between them.
func (p *whereParser) joined(word string, op component.Op, part func() (component.Condition, error)) (component.Condition, error) {
	first, err := part()
	if err != nil || !p.is(word) {
		return first, err
	}
	all := []component.Condition{first}
	for {
		c, err := part()
		if err != nil {
			return c, err
		}
		if all = append(all, c); !p.is(word) {
			return component.Condition{Op: op, Of: all}, nil
		}
	}
}

func (p *whereParser) not() (component.Condition, error) {
	if p.depth++; p.depth > maxNesting {
		return component.Condition{}, p.fail("conditions are nested more than %d deep", maxNesting)
	}
	defer func() { p.depth-- }()
	if p.is("not") {
		c, err := p.not()
		return component.Condition{Op: component.Not, Of: []component.Condition{c}}, err
	}
	if !p.is("(") {
		return p.comparison()
	}
	c, err := p.or()
	if err == nil && !p.is(")") {
		err = p.fail("there is %s where a ) should be", p.shown())
	}
	return c, err
}

// whereFields are the fields by their names, and how their values are read.
var whereFields = map[string]struct {
	field component.Field
	read  func(p *whereParser) (any, error)
}{
	"type":      {component.FieldType, (*whereParser).textValue},
	"version":   {component.FieldVersion, (*whereParser).textValue},
	"attribute": {component.FieldAttribute, (*whereParser).textValue},
	"id":        {component.FieldKey, (*whereParser).textValue},
	"input":     {component.FieldInput, (*whereParser).keyValue},
	"from":      {component.FieldFrom, (*whereParser).keyValue},
	"age":       {component.FieldStored, (*whereParser).ageValue},
	"stored":    {component.FieldStored, (*whereParser).timeValue},
	"size":      {component.FieldSize, (*whereParser).sizeValue},
	"cost":      {component.FieldCost, (*whereParser).costValue},
}

const paramsField = "params"

var whereOps = map[string]component.Op{"=": component.Equal, "==": component.Equal, "!=": component.NotEqual,
	"<": component.Less, "<=": component.LessEqual, ">": component.Greater, ">=": component.GreaterEqual, "~": component.HasPrefix}

// inverse of an age is when it was.
var inverse = map[component.Op]component.Op{component.Less: component.Greater, component.LessEqual: component.GreaterEqual,
	component.Greater: component.Less, component.GreaterEqual: component.LessEqual}

func (p *whereParser) comparison() (component.Condition, error) {
	name := p.tok
	path, isParam := strings.CutPrefix(name, paramsField+".")
	f, known := whereFields[name]
	if isParam || name == paramsField {
		f.field, f.read, known = component.FieldParam, (*whereParser).paramValue, true
		if !isParam {
			path = ""
		}
	} else {
		path = ""
	}
	if p.kind == endToken {
		return component.Condition{}, p.fail("there is the end where a field should be; the fields are %s and params.PATH", strings.Join(fieldNames(), ", "))
	}
	if p.kind != wordToken || !known {
		return component.Condition{}, p.fail("%s is no field; the fields are %s and params.PATH", p.shown(), strings.Join(fieldNames(), ", "))
	}
	p.next()
	c := component.Condition{Field: f.field, Path: path}
	if p.is("exists") {
		c.Op = component.Exists
		return c, nil
	}
	if p.tok == "in" && p.kind == wordToken && c.Field == component.FieldStored {
		return c, p.fail("a moment is compared by < <= > >=")
	}
	if p.is("in") {
		return p.list(c, f.read)
	}
	op, known := whereOps[p.tok]
	if p.kind != signToken || !known {
		return c, p.fail("there is %s where one of = != < <= > >= ~ in exists should be", p.shown())
	}
	later, isOrder := inverse[op]
	switch {
	case c.Field == component.FieldStored && !isOrder: // two moments are never the same, nor do they begin with one
		return c, p.fail("a moment is compared by < <= > >=")
	case op == component.HasPrefix && (c.Field == component.FieldSize || c.Field == component.FieldCost):
		return c, p.fail("a number does not begin with another: use = != < <= > >= or in")
	}
	p.next()
	if c.Op = op; name == "age" {
		c.Op = later
	}
	var err error
	c.Value, err = p.value(f.read)
	return c, err
}

// list reads the values of "in".
func (p *whereParser) list(c component.Condition, read func(*whereParser) (any, error)) (component.Condition, error) {
	c.Op = component.In
	if !p.is("(") {
		return c, p.fail("there is %s where the ( of a list should be", p.shown())
	}
	values := []any{}
	for {
		v, err := p.value(read)
		if err != nil {
			return c, err
		}
		values = append(values, v)
		if p.is(")") {
			c.Value = values
			return c, nil
		}
		if !p.is(",") {
			return c, p.fail("there is %s where a comma or a ) should be", p.shown())
		}
	}
}

// value reads the present token as a value, and goes on.
func (p *whereParser) value(read func(*whereParser) (any, error)) (any, error) {
	if p.kind != wordToken && p.kind != quotedToken {
		return nil, p.fail("there is %s where a value should be", p.shown())
	}
	v, err := read(p)
	var where *WhereError
	if err != nil && !errors.As(err, &where) {
		err = p.fail("%v", err)
	}
	if err != nil {
		return nil, err
	}
	p.next()
	return v, nil
}

func (p *whereParser) textValue() (any, error) { return p.tok, nil }

func (p *whereParser) keyValue() (any, error) {
	if p.words.Key == nil {
		return p.tok, nil
	}
	return p.words.Key(p.tok)
}

// paramValue is what a word says in JSON, else text; what is quoted is text.
func (p *whereParser) paramValue() (any, error) {
	if p.kind == quotedToken || !json.Valid([]byte(p.tok)) {
		return p.tok, nil
	}
	return ParseParameter(strings.NewReader(p.tok))
}

func (p *whereParser) ageValue() (any, error) {
	d, err := ParseAge(p.tok)
	return p.words.Now.Add(-d), err
}

func (p *whereParser) timeValue() (any, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, p.tok, time.Local); err == nil {
			return t, nil
		}
	}
	return nil, fmt.Errorf("%q is no date, such as 2026-03-01 or \"2026-03-01 08:30\"", p.tok)
}

func (p *whereParser) sizeValue() (any, error) { return backend.ParseSize(p.tok) }

func (p *whereParser) costValue() (any, error) {
	if s, err := strconv.ParseFloat(p.tok, 64); err == nil && s >= 0 && s == s {
		return s, nil
	}
	d, err := ParseAge(p.tok)
	if err != nil {
		return nil, fmt.Errorf("%q is no cost: a number of seconds, or such as 90m or 2h", p.tok)
	}
	return d.Seconds(), nil
}

func fieldNames() []string {
	names := make([]string, 0, len(whereFields))
	for name := range whereFields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
