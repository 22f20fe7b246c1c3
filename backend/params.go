package backend

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Params are the query parameters of a URL, each at most once and each a known
// name. The methods return def where the parameter is absent; the first bad
// value is remembered for [Params.Err].
type Params struct {
	values map[string]string
	err    error

	plain     bool // the URL is a plain path
	readOnly  bool
	enforced  bool // the driver refuses to write
	mustExist bool
}

func parseParams(query string, names []string) (*Params, error) {
	query, name, nested := nestedURL(query)
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, InvalidURL("the URL's parameters are malformed: write name=value, joined by &, other bytes as %%XX")
	}
	if name != "" {
		values.Add(name, nested)
	}
	p := &Params{values: make(map[string]string, len(values))}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(names, name) {
			return nil, InvalidURL("unknown URL parameter %q; known: %s", name, orNone(names))
		}
		if len(values[name]) > 1 {
			return nil, InvalidURL("URL parameter %q is given %d times", name, len(values[name]))
		}
		p.values[name] = values[name][0]
	}
	return p, nil
}

// nestedURL splits off the last parameter of a query if its value is a URL that has parameters itself
// and is not percent-encoded: all that follows belongs to that URL.
func nestedURL(query string) (rest, name, value string) {
	for start := 0; start < len(query); {
		part, _, _ := strings.Cut(query[start:], "&")
		name, value, _ := strings.Cut(part, "=")
		if SchemeOf(value) != "" && strings.Contains(value, "?") {
			return query[:start], name, query[start+len(name)+1:]
		}
		start += len(part) + 1
	}
	return query, "", ""
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// Err returns what was wrong with a value that a method was asked for.
func (p *Params) Err() error { return p.err }

// Fail records that the value of a parameter is bad, and what is expected. The
// value is not shown if the name is one for secrets.
func (p *Params) Fail(name, want string) {
	if p.err != nil {
		return
	}
	value := strconv.Quote(Redact(p.values[name]))
	if secretName().MatchString(name) {
		value = "its value"
	}
	p.err = InvalidURL("URL parameter %s: %s is not %s", name, value, want)
}

// String returns a parameter as it is.
func (p *Params) String(name, def string) string {
	if v, ok := p.values[name]; ok {
		return v
	}
	return def
}

// Choice returns a parameter that must be one of the choices.
func (p *Params) Choice(name, def string, choices ...string) string {
	v := p.String(name, def)
	if !slices.Contains(choices, v) {
		p.Fail(name, "one of "+strings.Join(choices, ", "))
		return def
	}
	return v
}

// Bool returns a parameter that is true, false, 1 or 0.
func (p *Params) Bool(name string, def bool) bool {
	return param(p, name, def, "true or false", strconv.ParseBool)
}

// Int returns a whole number of at least low.
func (p *Params) Int(name string, def, low int) int {
	return param(p, name, def, fmt.Sprintf("a whole number of at least %d", low), func(s string) (int, error) {
		n, err := strconv.Atoi(s)
		if err == nil && n < low {
			err = strconv.ErrRange
		}
		return n, err
	})
}

// Duration returns a length of time of at least low, such as 1.5s or 2m.
func (p *Params) Duration(name string, def, low time.Duration) time.Duration {
	return param(p, name, def, fmt.Sprintf("a duration of at least %v, such as 1.5s or 2m", low), func(s string) (time.Duration, error) {
		d, err := time.ParseDuration(s)
		if err == nil && d < low {
			err = strconv.ErrRange
		}
		return d, err
	})
}

// Size returns a number of bytes, such as 65536, 64KiB or 1MiB.
func (p *Params) Size(name string, def int64) int64 {
	return param(p, name, def, "a size, such as 65536, 64KiB or 1MiB", ParseSize)
}

func param[T any](p *Params, name string, def T, want string, parse func(string) (T, error)) T {
	s, ok := p.values[name]
	if !ok {
		return def
	}
	v, err := parse(s)
	if err != nil {
		p.Fail(name, want)
		return def
	}
	return v
}

// ParseSize reads a number of bytes with an optional unit: B, KB, MB, GB, TB
// (powers of 1,000) or KiB, MiB, GiB, TiB (powers of 1,024), in any case.
func ParseSize(s string) (int64, error) {
	digits := strings.TrimRight(s, "BKMGTIbkmgti")
	unit, ok := map[string]int64{
		"": 1, "b": 1,
		"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
		"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
	}[strings.ToLower(s[len(digits):])]
	n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
	if err != nil || !ok || n < 0 || n > (1<<63-1)/unit {
		return 0, fmt.Errorf("%q is not a size, such as 65536, 64KiB or 1MiB", s)
	}
	return n * unit, nil
}
