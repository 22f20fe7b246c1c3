package sql

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/larder-store/larder/keying"
)

// What jsonb cannot hold exactly is written as a map of one entry, "$": what kind it is, and the
// value as a text. Maps of users that look like that are written so themselves.
const tag = "$"

// The limits of what is kept in a row. What is beyond is read from the pre-image.
const (
	maxParams = 1 << 20
	maxWord   = 500  // of types and versions, which are in indexes
	maxDepth  = 200  // jsonb is read by recursion
	maxDigits = 1000 // numeric holds 131,072
)

// describe returns what a row says of a pre-image. One that does not decode, or says what a row
// cannot, makes an odd row.
func describe(preimage []byte) described {
	d, err := keying.Decode(preimage)
	if err != nil || !isWord(d.Type) || !isWord(d.Version) {
		return described{params: json.RawMessage("null"), odd: true, inputs: d.Inputs}
	}
	w := described{typ: d.Type, version: d.Version, inputs: d.Inputs}
	if !d.AsOf.IsZero() {
		w.asOf = &d.AsOf
	}
	e := jsonWriter{}
	if e.value(d.Parameters, 0); e.odd || len(e.b) > maxParams {
		w.odd = true
	}
	if e.tooDeep || len(e.b) > maxParams {
		e.b = []byte("null")
	}
	w.params = e.b
	return w
}

// isWord reports whether a text can be a column with an index.
func isWord(s string) bool { return len(s) <= maxWord && isText(s) }

// isText reports whether Postgres can hold a text: no null characters, and UTF-8.
func isText(s string) bool { return !strings.Contains(s, "\x00") && utf8.ValidString(s) }

// jsonWriter writes parameters as jsonb takes them.
type jsonWriter struct {
	b       []byte
	odd     bool // something was written so that paths do not lead through it
	tooDeep bool
}

// jsonOf returns a value as it stands in a row, and whether it stands there exactly.
func jsonOf(v any) ([]byte, bool) {
	e := jsonWriter{}
	e.value(v, 0)
	return e.b, !e.odd && !e.tooDeep && len(e.b) <= maxParams
}

func (e *jsonWriter) value(v any, depth int) {
	if depth > maxDepth {
		e.tooDeep, e.odd = true, true
		e.b = append(e.b, "null"...)
		return
	}
	switch v := v.(type) {
	case nil:
		e.b = append(e.b, "null"...)
	case bool:
		e.b = strconv.AppendBool(e.b, v)
	case int64:
		e.b = strconv.AppendInt(e.b, v, 10)
	case uint64:
		e.b = strconv.AppendUint(e.b, v, 10)
	case *big.Int:
		e.big(v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			e.tagged("float", strconv.FormatFloat(v, 'g', -1, 64))
			e.odd = e.odd || !math.IsNaN(v) // infinities have an order, NaN has none
			return
		}
		e.b = strconv.AppendFloat(e.b, v, 'g', -1, 64)
	case string:
		e.text(v)
	case []byte:
		e.tagged("bytes", hex.EncodeToString(v))
	case time.Time:
		e.tagged("time", v.UTC().Format(time.RFC3339Nano))
	case []any:
		e.b = append(e.b, '[')
		for i, item := range v {
			if i > 0 {
				e.b = append(e.b, ',')
			}
			e.value(item, depth+1)
		}
		e.b = append(e.b, ']')
	case map[any]any:
		e.mapping(v, depth)
	default:
		e.odd = true
		e.b = append(e.b, "null"...)
	}
}

func (e *jsonWriter) big(v *big.Int) {
	text := v.String()
	if len(text) > maxDigits {
		e.odd = true // comparisons of numbers do not see it
		e.tagged("int", text)
		return
	}
	e.b = append(e.b, text...)
}

func (e *jsonWriter) text(s string) {
	if !isText(s) {
		e.tagged("text", hex.EncodeToString([]byte(s)))
		e.odd = true // nor do those of texts
		return
	}
	e.quote(s)
}

func (e *jsonWriter) quote(s string) {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // no text is refused
	}
	e.b = append(e.b, b...)
}

func (e *jsonWriter) tagged(kind, text string) {
	e.b = append(e.b, `{"`+tag+`":["`+kind+`",`...)
	e.quote(text)
	e.b = append(e.b, "]}"...)
}

// mapping writes a map as an object, where its keys are texts.
func (e *jsonWriter) mapping(m map[any]any, depth int) {
	plain := true
	names := make([]string, 0, len(m))
	for k := range m {
		name, ok := k.(string)
		plain = plain && ok && name != tag && isText(name)
		names = append(names, name)
	}
	if !plain {
		e.odd = true // a path may lead to what is in it
		e.b = append(e.b, `{"`+tag+`":["map"]}`...)
		return
	}
	slices.Sort(names)
	e.b = append(e.b, '{')
	for i, name := range names {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.quote(name)
		e.b = append(e.b, ':')
		e.value(m[name], depth+1)
	}
	e.b = append(e.b, '}')
}
