package cli

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"
	"time"
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
	return parseJSON(strings.NewReader(text))
}

// parseJSON reads one JSON value whole and exactly: integers of any size, no name
// twice in an object, no number that a float64 cannot hold.
func parseJSON(r io.Reader) (any, error) {
	dec := json.NewDecoder(r)
	dec.UseNumber()
	v, err := jsonValue(dec)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("more follows after the JSON value")
	}
	return v, nil
}

func jsonValue(dec *json.Decoder) (any, error) {
	token, err := dec.Token()
	if err == io.EOF {
		return nil, io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Number:
		return number(t.String())
	case json.Delim:
		if t == '[' {
			return jsonArray(dec)
		}
		return jsonObject(dec)
	}
	return token, nil
}

func jsonArray(dec *json.Decoder) (any, error) {
	array := []any{}
	for dec.More() {
		v, err := jsonValue(dec)
		if err != nil {
			return nil, err
		}
		array = append(array, v)
	}
	_, err := dec.Token()
	return array, err
}

func jsonObject(dec *json.Decoder) (any, error) {
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
		if object[name], err = jsonValue(dec); err != nil {
			return nil, err
		}
	}
	_, err := dec.Token()
	return object, err
}

func number(text string) (any, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	if n, ok := new(big.Int).SetString(text, 10); ok {
		return n, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("the number %s is beyond a float64", text)
	}
	return f, nil
}

// writeJSON writes v on a line of its own.
func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
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
