package cli

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/internal/terminal"
)

// parseParams reads key=value texts. A value that is JSON is what it says, else it is text.
func parseParams(texts []string) (map[string]any, error) {
	var params map[string]any
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return nil, misused("parameter %q is not key=value", text)
		}
		if _, twice := params[key]; twice {
			return nil, misused("parameter %q is given twice", key)
		}
		for _, part := range []string{key, value} {
			if !utf8.ValidString(part) {
				return nil, misused("parameter %q: %q is not valid UTF-8; give such bytes in another form, as hexadecimal digits for example", key, part)
			}
		}
		v, err := parseValue(value)
		if err != nil {
			return nil, misused("parameter %q: %v", key, err)
		}
		if params == nil {
			params = map[string]any{}
		}
		params[key] = v
	}
	return params, nil
}

func parseValue(text string) (any, error) {
	if !json.Valid([]byte(text)) {
		return text, nil
	}
	return catalog.ParseParameter(strings.NewReader(text))
}

// writeJSON writes v on a line of its own.
func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	line := terminal.EscapeJSON(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	_, err := w.Write(append(line, '\n'))
	return err
}

// plain returns v as encoding/json can write it. What JSON has no word for is text: bytes as
// hexadecimal digits, NaN and infinities by their names, complex numbers as Go writes them.
func plain(v any) any {
	switch v := v.(type) {
	case nil, bool, string, int64, uint64, *big.Int:
		return v
	case float64:
		return plainFloat(v)
	case float32:
		return plainFloat(float64(v))
	case []byte:
		return hex.EncodeToString(v)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case complex128, complex64:
		return fmt.Sprint(v)
	}
	switch rv := reflect.ValueOf(v); rv.Kind() {
	case reflect.Slice, reflect.Array:
		list := make([]any, rv.Len())
		for i := range list {
			list[i] = plain(rv.Index(i).Interface())
		}
		return list
	case reflect.Map:
		object := make(map[string]any, rv.Len())
		for it := rv.MapRange(); it.Next(); {
			object[fmt.Sprint(it.Key().Interface())] = plain(it.Value().Interface())
		}
		return object
	}
	return v
}

func plainFloat(f float64) any {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 0):
		return fmt.Sprint(f)
	}
	return f
}
