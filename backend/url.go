package backend

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// An Opener makes a Backend of a URL whose scheme it was registered for. The URL has
// been parsed and its parameters checked for unknown and repeated names; u.RawQuery
// is empty, the parameters are in p.
//
// An Opener reads every parameter that it needs, then returns p.Err() if it is not
// nil, and only then touches the world. What is wrong with the rest of the URL it tells by
// [InvalidURL].
type Opener func(ctx context.Context, u *url.URL, p *Params) (Backend, error)

type driver struct {
	open   Opener
	params []string
}

var (
	driversMu sync.RWMutex // guards drivers
	drivers   = map[string]driver{}
)

// DefaultScheme is what a plain path is opened with.
const DefaultScheme = "shelve"

// Register makes open answer for URLs of a scheme, with the names of the query
// parameters that it takes. It belongs in an init function, and panics if the scheme
// is taken.
func Register(scheme string, open Opener, params ...string) {
	driversMu.Lock()
	defer driversMu.Unlock()
	if _, taken := drivers[scheme]; taken {
		panic("backend: scheme " + scheme + " is registered twice")
	}
	drivers[scheme] = driver{open, slices.Sorted(slices.Values(params))}
}

// Schemes returns the registered schemes, sorted.
func Schemes() []string {
	driversMu.RLock()
	defer driversMu.RUnlock()
	return slices.Sorted(maps.Keys(drivers))
}

// Open opens the backend that rawURL names, such as shelve:///var/cache/x or
// s3://bucket/prefix?region=eu-central-1. What has no scheme is a path, and opens as
// [DefaultScheme]. The package of a scheme must be linked in; importing
// github.com/larder-store/larder/backend/all links them all.
//
// Errors never show a password, token or signature of the URL. They match [ErrInvalidURL]
// where the URL itself is wrong.
func Open(ctx context.Context, rawURL string) (Backend, error) {
	if rawURL == "" {
		return nil, InvalidURL("open: the URL is empty; give a path or one of: %s", known())
	}
	scheme, ok := schemeOf(rawURL)
	if !ok {
		return open(ctx, DefaultScheme, &url.URL{Scheme: DefaultScheme, Path: rawURL}, "")
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		var e *url.Error // its text repeats the URL, secrets and all
		if errors.As(err, &e) {
			err = e.Err
		}
		return nil, InvalidURL("open %s URL: %v", scheme, redactText(err.Error()))
	}
	if torn(u) {
		return nil, InvalidURL("open %s URL: there is an @ behind its host; in a password write %%2F for /, %%3F for ?, %%23 for # and %%40 for @", scheme)
	}
	query := u.RawQuery
	u.RawQuery, u.ForceQuery = "", false
	return open(ctx, u.Scheme, u, query)
}

func open(ctx context.Context, scheme string, u *url.URL, query string) (Backend, error) {
	driversMu.RLock()
	d, ok := drivers[scheme]
	driversMu.RUnlock()
	if !ok {
		return nil, InvalidURL("open: unknown scheme %q; known: %s (forgotten import?)", scheme, known())
	}
	p, err := parseParams(query, d.params)
	if err != nil {
		return nil, &Error{Op: "open", Backend: scheme, Err: err}
	}
	b, err := d.open(ctx, u, p)
	if errors.Is(err, ErrInvalidKey) || errors.Is(err, ErrTooLarge) { // a prefix, say
		err = &invalidURL{err}
	}
	if err != nil {
		return nil, Wrap("open", scheme, Key{}, err)
	}
	return b, nil
}

// InvalidURL makes an error that matches [ErrInvalidURL], and says no more than its own words.
func InvalidURL(format string, args ...any) error {
	return &invalidURL{fmt.Errorf(format, args...)}
}

type invalidURL struct{ err error }

func (e *invalidURL) Error() string        { return e.err.Error() }
func (e *invalidURL) Unwrap() error        { return e.err }
func (e *invalidURL) Is(target error) bool { return target == ErrInvalidURL }

func known() string {
	if s := Schemes(); len(s) > 0 {
		return strings.Join(s, ", ")
	}
	return "none"
}

// schemeOf splits off a scheme. One letter is a Windows drive, not a scheme.
func schemeOf(s string) (string, bool) {
	scheme, _, ok := strings.Cut(s, ":")
	if !ok || len(scheme) < 2 || !isScheme(scheme) {
		return "", false
	}
	return strings.ToLower(scheme), true
}

// isScheme is RFC 3986's rule for schemes.
func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20 // lower case, where it is a letter
		if ('a' > c || c > 'z') && (i == 0 || !strings.ContainsRune("0123456789+.-", rune(s[i]))) {
			return false
		}
	}
	return s != ""
}

// Params are the query parameters of a URL, each at most once and each a known
// name. The methods return def where the parameter is absent; the first bad
// value is remembered for [Params.Err].
type Params struct {
	values map[string]string
	err    error
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
		if _, ok := schemeOf(value); ok && strings.Contains(value, "?") {
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

// secretName matches parameters whose values are never shown. It is compiled when it is first
// needed: a command that does one thing in 2 ms would pay for it at every start.
var secretName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)pass|pwd|secret|token|key|sig|sas|cred|auth`)
})

// torn tells whether a password with one of / ? # in it, not written as %XX, has torn
// a URL apart: then part of the password passes for a port, the rest for a path, a
// parameter or a fragment, and the @ is in there.
func torn(u *url.URL) bool {
	return u.User == nil && u.Port() != "" && strings.Contains(u.Path+u.RawQuery+u.Fragment, "@")
}

// Redact returns a URL fit for errors and logs: without password, and with the
// values of parameters that may be secrets replaced, also in URLs that are values of
// parameters. What does not parse, or may hold a password in another place, is
// shortened to its scheme. What is no URL is returned as it is.
func Redact(rawURL string) string {
	scheme, ok := schemeOf(rawURL)
	if !ok {
		return rawURL
	}
	u, err := url.Parse(rawURL)
	if err != nil || torn(u) || strings.Contains(u.Opaque, "@") {
		return scheme + ":…"
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	q := u.Query()
	for name, values := range q {
		for i := range values {
			if values[i] = Redact(values[i]); secretName().MatchString(name) {
				values[i] = "redacted"
			}
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}

// redactText keeps of a parse error only what cannot hold a secret: the words
// before the first quote.
func redactText(s string) string {
	head, _, cut := strings.Cut(s, `"`)
	if !cut {
		return s
	}
	return strings.TrimSpace(head)
}
