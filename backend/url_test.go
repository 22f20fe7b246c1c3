package backend_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
)

// seen is what the opener of the scheme test was given.
type seen struct {
	url   string
	user  string
	mode  string
	size  int64
	n     int
	wait  time.Duration
	quiet bool
}

var last seen

func init() {
	open := func(_ context.Context, u *url.URL, p *backend.Params) (backend.Backend, error) {
		last = seen{
			url: u.Scheme + "|" + u.Host + "|" + u.Path + "|" + u.RawQuery + "|" + u.Opaque, user: u.User.Username(),
			mode: p.Choice("mode", "fast", "fast", "safe"), size: p.Size("size", 7), n: p.Int("n", 3, 1),
			wait: p.Duration("wait", time.Second, 0), quiet: p.Bool("quiet", true),
		}
		p.String("password", "")
		if len(p.String("password", "long enough")) < 3 {
			p.Fail("password", "a password of at least 3 bytes")
		}
		if err := p.Err(); err != nil {
			return nil, err
		}
		return mem.New(nil), nil
	}
	backend.Register("test", open, "mode", "size", "n", "wait", "quiet", "password", "data")
	backend.Register(backend.DefaultScheme, open)
}

func TestOpen(t *testing.T) {
	plain := seen{mode: "fast", size: 7, n: 3, wait: time.Second, quiet: true}
	for _, c := range []struct {
		rawURL string
		want   func(*seen)
	}{
		{"test://host/path", func(s *seen) { s.url = "test|host|/path||" }},
		{"TEST://host", func(s *seen) { s.url = "test|host|||" }},
		{"test:opaque", func(s *seen) { s.url = "test||||opaque" }},
		{"test:", func(s *seen) { s.url = "test||||" }},
		{"test://me:pw@host/?", func(s *seen) { s.url, s.user = "test|host|/||", "me" }},
		{"/some/path", func(s *seen) { s.url = "shelve||/some/path||" }},
		{"relative/path", func(s *seen) { s.url = "shelve||relative/path||" }},
		{`C:\data`, func(s *seen) { s.url = `shelve||C:\data||` }},
		{"./with:colon", func(s *seen) { s.url = "shelve||./with:colon||" }},
		{"a?b", func(s *seen) { s.url = "shelve||a?b||" }},
		{"test://h?mode=safe&size=64KiB&n=12&wait=1m30s&quiet=0", func(s *seen) {
			*s = seen{url: "test|h|||", mode: "safe", size: 64 << 10, n: 12, wait: 90 * time.Second}
		}},
		{"test://h?wait=0s&quiet=true&size=0", func(s *seen) { s.url, s.wait, s.size = "test|h|||", 0, 0 }},
	} {
		b, err := backend.Open(ctx, c.rawURL)
		if err != nil {
			t.Errorf("Open(%q) = %v", c.rawURL, err)
			continue
		}
		b.Close()
		want := plain
		c.want(&want)
		if last != want {
			t.Errorf("Open(%q) gave its opener %+v, want %+v", c.rawURL, last, want)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	for _, c := range []struct {
		rawURL string
		says   []string
	}{
		{"", []string{"empty", "mem", "test"}},
		{"nosuch://x", []string{`"nosuch"`, "mem, shelve, test", "forgotten import?"}},
		{"test://h?mod=safe", []string{"test open", `"mod"`, "data, mode, n, password, quiet, size, wait"}},
		{"mem:?x=1", []string{`"x"`, "known: none"}},
		{"test://h?n=1&n=2", []string{`"n"`, "2 times"}},
		{"test://h?n=zero", []string{"n", `"zero"`, "whole number of at least 1"}},
		{"test://h?n=0", []string{"n", `"0"`, "at least 1"}},
		{"test://h?n=", []string{"n", `""`}},
		{"test://h?size=1XB", []string{"size", `"1XB"`, "64KiB"}},
		{"test://h?wait=5", []string{"wait", `"5"`, "1.5s"}},
		{"test://h?wait=-1s", []string{"wait", `"-1s"`}},
		{"test://h?quiet=maybe", []string{"quiet", `"maybe"`, "true or false"}},
		{"test://h?mode=slow", []string{"mode", `"slow"`, "fast, safe"}},
		{"test://h?n=%zz", []string{"malformed", "%XX"}},
		{"test://h?a;b", []string{"malformed"}},
		{"test://[::1", []string{"test URL"}},
		{"test://h\x7f", []string{"test URL", "control character"}},
	} {
		b, err := backend.Open(ctx, c.rawURL)
		if err == nil {
			b.Close()
			t.Errorf("Open(%q) succeeds", c.rawURL)
			continue
		}
		if !errors.Is(err, backend.ErrInvalidURL) {
			t.Errorf("Open(%q) = %v, which does not match ErrInvalidURL", c.rawURL, err)
		}
		for _, words := range c.says {
			if !strings.Contains(err.Error(), words) {
				t.Errorf("Open(%q) = %q, want the words %q in it", c.rawURL, err, words)
			}
		}
	}
}

// What is not the URL's fault is not said to be.
func TestOpenersErrors(t *testing.T) {
	var fails error
	backend.Register("fails", func(context.Context, *url.URL, *backend.Params) (backend.Backend, error) { return nil, fails })
	for _, c := range []struct {
		err     error
		invalid bool
	}{
		{errors.New("the disk is on fire"), false},
		{backend.ErrUnavailable, false},
		{backend.ErrInvalidKey, true},
		{fmt.Errorf("the prefix is %w", backend.ErrTooLarge), true},
		{backend.InvalidURL("no bucket: %w", errors.ErrUnsupported), true},
	} {
		fails = c.err
		_, err := backend.Open(ctx, "fails:")
		if errors.Is(err, backend.ErrInvalidURL) != c.invalid || !errors.Is(err, c.err) {
			t.Errorf("an opener's error %q comes as %q, invalid: %v, want %v", c.err, err, !c.invalid, c.invalid)
		}
		if want := "fails open: " + c.err.Error(); err.Error() != want {
			t.Errorf("Open = %q, want %q", err, want)
		}
	}
}

// TestFirstBadValueIsTold: an opener may read on; what was wrong first is what is said.
func TestFirstBadValueIsTold(t *testing.T) {
	_, err := backend.Open(ctx, "test://h?mode=slow&n=zero&wait=never")
	if err == nil || !strings.Contains(err.Error(), "mode") || strings.Contains(err.Error(), "never") {
		t.Errorf("Open = %v, want an error about mode alone", err)
	}
	if last.mode != "fast" || last.n != 3 || last.wait != time.Second {
		t.Errorf("bad values read as %+v, want the defaults", last)
	}
}

// secrets are URLs with a password in every place that one can get into.
var secrets = []string{
	"test://me:hunter2@h/p",
	"test://me:hunter2@h/p?mode=slow",
	"test://me:hunter2@h/p?nosuch=1",
	"test://me:hunter2@h:port/p",
	"test://me:hunter2@h\x7f/",
	"test://me:hunter2@[::1/",
	"test://me:hunter2%zz@h/",
	"test://me:hun ter2@h/",
	"test://me:hunter2/2@h/",
	"test://me:hunter2#2@h/",
	"test://me:hunter2?2@h/",
	"test://me:12/hunter2@h/",
	"test://me:12#hunter2@h/",
	"test://me:12?hunter2@h/",
	"test:me:hunter2@h",
	"nosuch://me:hunter2@h",
	"test://h?password=hunter2&mode=slow",
	"test://h?Password=hunter2",
	"test://h?secret_access_key=hunter2",
	"test://h?session-token=hunter2",
	"test://h?X-Amz-Signature=hunter2",
	"test://h?pwd=hunter2",
	"test://h?data=s3://me:hunter2@bucket",
	"test://h?data=s3%3A%2F%2Fb%3Fsecret%3Dhunter2",
	"test://h?mode=postgres://me:hunter2@h",
	"me:hunter2@h/db",
}

func TestNoErrorShowsASecret(t *testing.T) {
	for _, rawURL := range secrets {
		b, err := backend.Open(ctx, rawURL)
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "hun ter2")) {
			t.Errorf("Open(%q) = %q", rawURL, err)
		}
		if err == nil {
			b.Close()
		}
	}
	if _, err := backend.Open(ctx, "test://h?password=hi"); err == nil || strings.Contains(err.Error(), "hi ") || !strings.Contains(err.Error(), "password: its value is not a password of at least 3 bytes") {
		t.Errorf("Open with a bad password = %v, want an error that does not show it", err)
	}
	if _, err := backend.Open(ctx, "test://me:12/3@h"); err == nil || !strings.Contains(err.Error(), "%2F for /") {
		t.Errorf("Open of a URL that a password tears apart = %v, want the remedy", err)
	}
}

func TestRedact(t *testing.T) {
	for _, rawURL := range secrets {
		if got := backend.Redact(rawURL); strings.Contains(got, "hunter2") || strings.Contains(got, "hun ter2") {
			t.Errorf("Redact(%q) = %q", rawURL, got)
		}
	}
	for rawURL, want := range map[string]string{
		"/some/path":                        "/some/path",
		"/home/me@work/x":                   "/home/me@work/x",
		"shelve:///home/me@work/x":          "shelve:///home/me@work/x",
		`C:\data`:                           `C:\data`,
		"mem:":                              "mem:",
		"mem://name":                        "mem://name",
		"s3://bucket/p?region=eu":           "s3://bucket/p?region=eu",
		"postgres://me:pw@h:5432/db":        "postgres://me@h:5432/db",
		"postgres://me@h/db?password=x&a=1": "postgres://me@h/db?a=1&password=redacted",
		"test://[::1":                       "test:…",
		"":                                  "",
	} {
		if got := backend.Redact(rawURL); got != want {
			t.Errorf("Redact(%q) = %q, want %q", rawURL, got, want)
		}
	}
}

// FuzzSecret puts a password into URLs of any shape: neither an error nor Redact shows it.
func FuzzSecret(f *testing.F) {
	for _, s := range []string{"h/p", "h:1/p?mode=x", "[::1]/", "h?n=%zz", "h#frag", "\x7f", "h?data=mem:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, rest string) {
		const secret = "hunter2-in-plain-sight"
		if strings.Contains(rest, "hunter2") {
			t.Skip("the fuzzer found it out")
		}
		for _, rawURL := range []string{"test://me:" + secret + "@" + rest, "test://h?password=" + secret + "&" + rest} {
			b, err := backend.Open(ctx, rawURL)
			if err == nil {
				b.Close()
			} else if strings.Contains(err.Error(), secret) {
				t.Errorf("Open(%q) = %q", rawURL, err)
			}
			if got := backend.Redact(rawURL); strings.Contains(got, secret) {
				t.Errorf("Redact(%q) = %q", rawURL, got)
			}
		}
	})
}

func TestRegister(t *testing.T) {
	if got := backend.Schemes(); !slices.IsSorted(got) || !slices.Contains(got, "mem") || !slices.Contains(got, "test") {
		t.Errorf("Schemes() = %q, want mem and test among them, sorted", got)
	}
	defer func() {
		if r := recover(); r == nil || !strings.Contains(r.(string), "test is registered twice") {
			t.Errorf("Register of a taken scheme panics with %v", r)
		}
	}()
	backend.Register("test", nil)
}

func TestOpenWrapsWhatItsOpenerSays(t *testing.T) {
	whole := errors.New("the disk is on fire")
	backend.Register("burning", func(context.Context, *url.URL, *backend.Params) (backend.Backend, error) { return nil, whole })
	_, err := backend.Open(ctx, "burning://h")
	var e *backend.Error
	if !errors.Is(err, whole) || !errors.As(err, &e) || e.Op != "open" || e.Backend != "burning" {
		t.Errorf("Open = %#v, want an *Error around what the opener says", err)
	}
}

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "1": 1, "65536": 65536, "1B": 1, "10b": 10, "1KB": 1000, "1kb": 1000, "1KiB": 1024, "64kib": 64 << 10,
		"3MB": 3e6, "3MiB": 3 << 20, "2GB": 2e9, "2GiB": 2 << 30, "1TB": 1e12, "1TiB": 1 << 40, "5 MiB": 5 << 20,
		"9223372036854775807": 1<<63 - 1, "8388607TiB": 8388607 << 40,
	} {
		if got, err := backend.ParseSize(s); got != want || err != nil {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "B", "KiB", "-1", "1.5MiB", "1K", "1Ki", "1PiB", "ten", "1MiBB", "9223372036854775808", "8388608TiB", "1e3", "0x10"} {
		if got, err := backend.ParseSize(s); err == nil || !strings.Contains(err.Error(), "64KiB") {
			t.Errorf("ParseSize(%q) = %d, %v, want an error with an example", s, got, err)
		}
	}
}

// A URL with parameters may be the last parameter of another without being percent-encoded.
func TestNestedURL(t *testing.T) {
	var got, other string
	backend.Register("nesting", func(_ context.Context, _ *url.URL, p *backend.Params) (backend.Backend, error) {
		got, other = p.String("data", ""), p.String("other", "")
		return nil, errors.New("opens nothing")
	}, "data", "other")
	const inner = "s3://bucket/p%20q?region=x&endpoint=http%3A%2F%2Fhost"
	for rawURL, want := range map[string][2]string{
		"nesting://h/?other=1&data=" + inner:                         {inner, "1"},
		"nesting://h/?data=" + url.QueryEscape(inner) + "&other=1":   {inner, "1"},
		"nesting://h/?data=s3://bucket/p&other=2":                    {"s3://bucket/p", "2"},
		"nesting://h/?other=is+it%3F&data=file:///d?sync=data&mode=": {"file:///d?sync=data&mode=", "is it?"},
		"nesting://h/?other=a?b&data=d":                              {"d", "a?b"},
	} {
		got, other = "", ""
		if _, err := backend.Open(context.Background(), rawURL); err == nil || !strings.Contains(err.Error(), "opens nothing") {
			t.Errorf("Open(%q) = %v", rawURL, err)
		}
		if got != want[0] || other != want[1] {
			t.Errorf("Open(%q) has data %q and other %q, want %q", rawURL, got, other, want)
		}
	}
}

// A plain path that looks as if it had parameters would be a directory of that name, without what they ask for.
func TestParametersOfAPlainPath(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "s?max_size=1KiB")
	_, err := backend.Open(context.Background(), path)
	want := "write " + backend.DefaultScheme + "://" + filepath.ToSlash(dir) + "/s?max_size=…"
	if !errors.Is(err, backend.ErrInvalidURL) || !strings.Contains(err.Error(), want) {
		t.Errorf("Open(%q) = %v, want ErrInvalidURL and %q", path, err, want)
	}
	if _, err := backend.Open(context.Background(), filepath.Join(dir, "s?X1=2")); !errors.Is(err, backend.ErrInvalidURL) {
		t.Errorf("Open of a path with another parameter = %v, want ErrInvalidURL", err)
	}
	if err := os.Mkdir(path, 0o700); err != nil { // one that is there is meant
		t.Fatal(err)
	}
	for _, odd := range []string{path, filepath.Join(path, "store"), filepath.Join(dir, "why?"), filepath.Join(dir, "a?b c=d")} {
		if _, err := backend.Open(context.Background(), odd); err != nil && strings.Contains(err.Error(), "takes no parameters") {
			t.Errorf("Open(%q) = %v, want it taken as it is", odd, err)
		}
	}
}
