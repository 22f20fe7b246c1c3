package backend

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// An Opener makes a Backend of a URL whose scheme it was registered for. The URL has
// been parsed and its parameters checked for unknown and repeated names; u.RawQuery
// is empty, the parameters are in p.
//
// An Opener reads every parameter that it needs, then returns p.Err() if it is not
// nil, and only then touches the world. It reports what is wrong with the rest of the URL by
// [InvalidURL].
type Opener func(ctx context.Context, u *url.URL, p *Params) (Backend, error)

// A DirOpener is an [Opener] of stores that are a directory of this machine.
type DirOpener func(ctx context.Context, dir string, p *Params) (Backend, error)

// A FileOpener is an [Opener] of stores that are a file of this machine.
type FileOpener func(ctx context.Context, path string, p *Params) (Backend, error)

type driver struct {
	open   Opener
	isDir  bool
	suffix string // of plain paths, of stores that are a file
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
	register(scheme, driver{open: open, params: params})
}

// RegisterDir is Register for stores that are a directory of this machine: scheme:///dir, or scheme:dir for a
// relative one.
func RegisterDir(scheme string, open DirOpener, params ...string) {
	register(scheme, driver{isDir: true, params: params, open: func(ctx context.Context, u *url.URL, p *Params) (Backend, error) {
		dir, err := dirOf(u, p.plain)
		if err != nil {
			return nil, err
		}
		return open(ctx, dir, p)
	}})
}

// RegisterFile is Register for stores that are a file of this machine: scheme:///path, or scheme:path for a relative one. A plain
// path that ends in the suffix is one too, unless it is a directory.
func RegisterFile(scheme, suffix string, open FileOpener, params ...string) {
	register(scheme, driver{suffix: suffix, params: params, open: func(ctx context.Context, u *url.URL, p *Params) (Backend, error) {
		path, err := dirOf(u, p.plain)
		if err != nil {
			return nil, err
		}
		return open(ctx, path, p)
	}})
}

func register(scheme string, d driver) {
	driversMu.Lock()
	defer driversMu.Unlock()
	if _, taken := drivers[scheme]; taken {
		panic("backend: scheme " + scheme + " is registered twice")
	}
	slices.Sort(d.params)
	drivers[scheme] = d
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
func Open(ctx context.Context, rawURL string) (Backend, error) { return OpenWith(ctx, rawURL) }

// OpenWith is [Open] with options.
func OpenWith(ctx context.Context, rawURL string, opts ...OpenOption) (Backend, error) {
	if rawURL == "" {
		return nil, InvalidURL("open: the URL is empty; give a path or one of: %s", known())
	}
	u, plain, err := parse(rawURL)
	if err != nil {
		return nil, err
	}
	driversMu.RLock()
	d, ok := drivers[u.Scheme]
	driversMu.RUnlock()
	if !ok {
		return nil, InvalidURL("open: unknown scheme %q; known: %s (forgotten import?)", u.Scheme, known())
	}
	p, err := parseParams(u.RawQuery, d.params)
	if err != nil {
		return nil, &Error{Op: "open", Backend: u.Scheme, Err: err}
	}
	if plain {
		if err := paramsInPath(rawURL); err != nil {
			return nil, err
		}
	}
	p.plain = plain
	for _, o := range opts {
		o(p)
	}
	u.RawQuery, u.ForceQuery = "", false
	b, err := d.open(ctx, u, p)
	if errors.Is(err, ErrInvalidKey) || errors.Is(err, ErrTooLarge) { // a prefix, say
		err = &invalidURL{err}
	}
	if err != nil {
		return nil, Wrap("open", u.Scheme, Key{}, err)
	}
	return p.readingOnly(u.Scheme, b), nil
}

// ParamOf returns a parameter of a URL as [Open] reads it: the last one may be a URL that is not percent-encoded. It is empty
// where there is none.
func ParamOf(rawURL, name string) string {
	u, _, err := parse(rawURL)
	if err != nil {
		return ""
	}
	query, last, value := nestedURL(u.RawQuery)
	if last == name {
		return value
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return ""
	}
	return values.Get(name)
}

// parse parses a URL, or makes one of a plain path.
func parse(rawURL string) (u *url.URL, plain bool, err error) {
	scheme := SchemeOf(rawURL)
	if scheme == "" {
		return &url.URL{Scheme: schemeOfPath(rawURL), Path: rawURL}, true, nil
	}
	u, err = url.Parse(rawURL)
	if err != nil {
		var e *url.Error // its text repeats the URL, secrets and all
		if errors.As(err, &e) {
			err = e.Err
		}
		return nil, false, InvalidURL("open %s URL: %v", scheme, redactText(err.Error()))
	}
	if torn(u) {
		return nil, false, InvalidURL("open %s URL: there is an @ behind its host; in a password write %%2F for /, %%3F for ?, %%23 for # and %%40 for @", scheme)
	}
	return u, false, nil
}

// paramsInPath refuses a plain path that looks as if it had parameters: a directory of that name would be made, and what they
// say not be done. One that is there is meant.
func paramsInPath(path string) error {
	before, params, _ := strings.Cut(path, "?")
	name, _, given := strings.Cut(params, "=")
	if !given || !isScheme(strings.ReplaceAll(name, "_", "")) {
		return nil
	}
	odd := len(path)
	if i := strings.IndexAny(params, `/`+string(filepath.Separator)); i >= 0 {
		odd = len(before) + 1 + i
	}
	if _, err := os.Stat(path[:odd]); err == nil {
		return nil
	}
	form := "%s:%s?%s=…"
	if filepath.IsAbs(before) {
		form = "%s://%s?%s=…"
	}
	return InvalidURL("open: a plain path takes no parameters: write "+form, schemeOfPath(before), filepath.ToSlash(before), name)
}

// dirOf returns the directory that a URL names. A plain path is taken as it is.
func dirOf(u *url.URL, plain bool) (string, error) {
	if plain {
		return u.Path, nil
	}
	forms := fmt.Sprintf("write %s:///dir for an absolute path, %[1]s:dir for a relative one", u.Scheme)
	if u.Host != "" && u.Host != "localhost" || u.User != nil {
		return "", InvalidURL("the URL names a host: %s", forms)
	}
	if u.Fragment != "" {
		return "", InvalidURL("the URL holds a #: write it as %%23 in a path")
	}
	path := u.Path
	if u.Opaque != "" {
		var err error
		if path, err = url.PathUnescape(u.Opaque); err != nil {
			return "", InvalidURL("the URL's path is malformed: write bytes other than letters as %%XX")
		}
	}
	if path == "" {
		return "", InvalidURL("the URL names no directory: %s", forms)
	}
	if runtime.GOOS == "windows" && strings.HasPrefix(path, "/") && filepath.VolumeName(path[1:]) != "" {
		path = path[1:] // shelve:///C:/dir
	}
	return filepath.FromSlash(path), nil
}

// schemeOfPath returns what a plain path is opened with.
func schemeOfPath(path string) string {
	driversMu.RLock()
	defer driversMu.RUnlock()
	for scheme, d := range drivers {
		if d.suffix == "" || !strings.HasSuffix(path, d.suffix) {
			continue
		}
		if fi, err := os.Stat(path); err == nil && fi.IsDir() {
			break
		}
		return scheme
	}
	return DefaultScheme
}

// LocalFile returns the path of the file that is the store at rawURL, if its scheme is registered as one of files.
func LocalFile(rawURL string) (path string, ok bool) {
	return local(rawURL, func(d driver) bool { return d.suffix != "" })
}

// LocalDir returns the directory that is the store at rawURL, if its scheme is registered as one of directories.
func LocalDir(rawURL string) (dir string, ok bool) {
	return local(rawURL, func(d driver) bool { return d.isDir })
}

func local(rawURL string, is func(driver) bool) (path string, ok bool) {
	u, plain, err := parse(rawURL)
	if err != nil {
		return "", false
	}
	driversMu.RLock()
	ok = is(drivers[u.Scheme])
	driversMu.RUnlock()
	if !ok {
		return "", false
	}
	path, err = dirOf(u, plain)
	return path, err == nil
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

// SchemeOf returns the scheme of a URL in lower case; "" for a plain path. One letter is a drive of Windows, not a
// scheme.
func SchemeOf(rawURL string) string {
	scheme, _, ok := strings.Cut(rawURL, ":")
	if !ok || len(scheme) < 2 || !isScheme(scheme) {
		return ""
	}
	return strings.ToLower(scheme)
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
