package backend_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
)

func TestKeyGrammar(t *testing.T) {
	long := func(n int) string { return strings.Repeat("a", n) }
	for _, c := range []struct {
		shelf, name string
		want        error
	}{
		{"s", "a", nil},
		{"cache", "0123456789abcdef/result", nil},
		{"a.b_c=d-e", "a.b_c=d-e/f.g", nil},
		{"-", "_", nil},
		{"=", "-/=/_", nil},
		{"s", "a..b", nil},
		{"s", "a_b_c", nil},
		{long(backend.MaxShelf), "a", nil},
		{"s", long(backend.MaxSegment), nil},
		{"s", strings.Repeat("a/", backend.MaxSegments-1) + "a", nil},
		{"s", long(200) + "/" + long(200) + "/" + long(198), nil},

		{"", "a", backend.ErrInvalidKey},
		{"s", "", backend.ErrInvalidKey},
		{"a/b", "a", backend.ErrInvalidKey},
		{"s", "/a", backend.ErrInvalidKey},
		{"s", "a/", backend.ErrInvalidKey},
		{"s", "a//b", backend.ErrInvalidKey},
		{"s", ".", backend.ErrInvalidKey},
		{"s", "a/..", backend.ErrInvalidKey},
		{"s", ".a", backend.ErrInvalidKey},
		{"s", "a.", backend.ErrInvalidKey},
		{"s", "a__b", backend.ErrInvalidKey},
		{"a__b", "a", backend.ErrInvalidKey},
		{"s", "A", backend.ErrInvalidKey},
		{"S", "a", backend.ErrInvalidKey},
		{"s", "a b", backend.ErrInvalidKey},
		{"s", "a\\b", backend.ErrInvalidKey},
		{"s", "a\x00", backend.ErrInvalidKey},
		{"s", "é", backend.ErrInvalidKey},
		{"s", "a!", backend.ErrInvalidKey},
		{"s", "a%2fb", backend.ErrInvalidKey},

		{long(backend.MaxShelf + 1), "a", backend.ErrTooLarge},
		{"s", long(backend.MaxSegment + 1), backend.ErrTooLarge},
		{"s", strings.Repeat("a/", backend.MaxSegments) + "a", backend.ErrTooLarge},
		{"s", long(200) + "/" + long(200) + "/" + long(199), backend.ErrTooLarge},
	} {
		key := backend.Key{Shelf: c.shelf, Name: c.name}
		if got := key.Validate(); !errors.Is(got, c.want) {
			t.Errorf("Validate(%q) = %v, want %v", key, got, c.want)
		}
	}
}

// TestKeyErrorsSayWhere: the error says what to change.
func TestKeyErrorsSayWhere(t *testing.T) {
	for _, c := range []struct {
		key  backend.Key
		says []string
	}{
		{backend.Key{Shelf: "My Shelf", Name: "a"}, []string{"shelf", `"My Shelf"`, "'M'", "a-z 0-9"}},
		{backend.Key{Shelf: "s", Name: "a/b c"}, []string{`"b c"`, "' '"}},
		{backend.Key{Shelf: "s", Name: strings.Repeat("n", 601)}, []string{"601 bytes", "600 are allowed"}},
		{backend.Key{Shelf: "s", Name: strings.Repeat("n", 201)}, []string{"201 bytes", "200 are allowed"}},
		{backend.Key{Shelf: strings.Repeat("s", 121), Name: "a"}, []string{"shelf", "121 bytes", "120 are allowed"}},
		{backend.Key{Shelf: "s", Name: "a/.hidden"}, []string{`".hidden"`, "dot"}},
	} {
		err := c.key.Validate()
		if err == nil {
			t.Errorf("Validate(%q) succeeds", c.key)
			continue
		}
		for _, words := range c.says {
			if !strings.Contains(err.Error(), words) {
				t.Errorf("Validate(%.20q) = %q, want the words %q in it", c.key, err, words)
			}
		}
	}
}

func TestListOptions(t *testing.T) {
	for _, c := range []struct {
		shelf string
		opts  backend.ListOptions
		ok    bool
		want  error
	}{
		{"s", backend.ListOptions{}, true, nil},
		{"s", backend.ListOptions{Prefix: "a/", After: "a/b.", Limit: 5}, true, nil},
		{"s", backend.ListOptions{Prefix: "/", After: "__"}, true, nil},
		{"s", backend.ListOptions{Prefix: strings.Repeat("a", backend.MaxName)}, true, nil},
		{"", backend.ListOptions{}, false, backend.ErrInvalidKey},
		{"s", backend.ListOptions{Prefix: "A"}, false, backend.ErrInvalidKey},
		{"s", backend.ListOptions{After: "a\n"}, false, backend.ErrInvalidKey},
		{"s", backend.ListOptions{After: strings.Repeat("a", backend.MaxName+1)}, false, backend.ErrTooLarge},
		{"s", backend.ListOptions{Limit: -1}, false, nil},
	} {
		err := c.opts.Validate(c.shelf)
		if (err == nil) != c.ok || c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("Validate(%q, %+v) = %v, want ok %v, %v", c.shelf, c.opts, err, c.ok, c.want)
		}
	}
}

// FuzzKey compares the validator with the grammar as a sentence says it.
func FuzzKey(f *testing.F) {
	for _, s := range []string{"a", "a/b", "a..b", ".a", "a__b", "", "a//b", "A", strings.Repeat("a/", 60), "a\xff"} {
		f.Add("s", s)
		f.Add(s, "a")
	}
	const allowed = "abcdefghijklmnopqrstuvwxyz0123456789._=-"
	segment := func(s string) bool {
		return len(s) >= 1 && len(s) <= backend.MaxSegment && strings.Trim(s, allowed) == "" && strings.Trim(s, ".") != "" &&
			!strings.HasPrefix(s, ".") && !strings.HasSuffix(s, ".") && !strings.Contains(s, "__") && onlyOf(s, allowed)
	}
	f.Fuzz(func(t *testing.T, shelf, name string) {
		segments := strings.Split(name, "/")
		want := len(shelf) <= backend.MaxShelf && segment(shelf) && len(name) <= backend.MaxName && len(segments) <= backend.MaxSegments
		for _, s := range segments {
			want = want && segment(s)
		}
		err := backend.Key{Shelf: shelf, Name: name}.Validate()
		if (err == nil) != want {
			t.Errorf("Validate(%q, %q) = %v, want valid %v", shelf, name, err, want)
		}
		if err != nil && !errors.Is(err, backend.ErrInvalidKey) && !errors.Is(err, backend.ErrTooLarge) {
			t.Errorf("Validate(%q, %q) = %v, which matches neither sentinel", shelf, name, err)
		}
	})
}

func onlyOf(s, allowed string) bool {
	for i := range len(s) {
		if !strings.Contains(allowed, s[i:i+1]) {
			return false
		}
	}
	return true
}

func TestMeta(t *testing.T) {
	long := strings.Repeat("v", backend.MaxMeta-1)
	for _, c := range []struct {
		meta backend.Meta
		want error
	}{
		{nil, nil},
		{backend.Meta{}, nil},
		{backend.Meta{"a": ""}, nil},
		{backend.Meta{"a_1": "two  words ~!"}, nil},
		{backend.Meta{"k": long}, nil},
		{backend.Meta{"": "v"}, backend.ErrInvalidKey},
		{backend.Meta{"A": "v"}, backend.ErrInvalidKey},
		{backend.Meta{"1a": "v"}, backend.ErrInvalidKey},
		{backend.Meta{"a-b": "v"}, backend.ErrInvalidKey},
		{backend.Meta{"a\n": "v"}, backend.ErrInvalidKey},
		{backend.Meta{"k": " v"}, backend.ErrInvalidKey},
		{backend.Meta{"k": "v\t"}, backend.ErrInvalidKey},
		{backend.Meta{"k": "a\x00b"}, backend.ErrInvalidKey},
		{backend.Meta{"k": "\x7f"}, backend.ErrInvalidKey},
		{backend.Meta{"k": "é"}, backend.ErrInvalidKey},
		{backend.Meta{"kk": long}, backend.ErrTooLarge},
		{backend.Meta{"k": long, "l": ""}, backend.ErrTooLarge},
	} {
		if got := c.meta.Validate(); !errors.Is(got, c.want) {
			t.Errorf("Validate(%.60q) = %v, want %v", c.meta, got, c.want)
		}
	}
}

func TestCheckPut(t *testing.T) {
	key := backend.Key{Shelf: "s", Name: "a"}
	for _, c := range []struct {
		key  backend.Key
		opts backend.PutOptions
		says string // "" for success
	}{
		{key, backend.PutOptions{}, ""},
		{key, backend.PutOptions{Size: 1, IfAbsent: true, Meta: backend.Meta{"a": "1"}}, ""},
		{key, backend.PutOptions{IfMatch: "v"}, ""},
		{backend.Key{Shelf: "s"}, backend.PutOptions{}, "empty"},
		{key, backend.PutOptions{Size: -1}, "size -1 is negative"},
		{key, backend.PutOptions{IfAbsent: true, IfMatch: "v"}, "exclude each other"},
		{key, backend.PutOptions{Meta: backend.Meta{"A": "1"}}, `"A"`},
	} {
		err := backend.CheckPut(c.key, c.opts)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("CheckPut(%q, %+v) = %v, want %q", c.key, c.opts, err, c.says)
		}
	}
}
