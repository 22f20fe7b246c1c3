package keying_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/keying"
)

func ordered(t testing.TB, text string) string {
	t.Helper()
	form, err := keying.Ordered(text)
	if err != nil {
		t.Fatalf("Ordered(%q): %v", text, err)
	}
	return form
}

// These are on disks: no release may change them.
func TestOrderedGolden(t *testing.T) {
	for text, want := range map[string]string{
		"":              "",
		"rate0.5":       "rate0-f5",
		"Trial 7":       "=trial-17",
		"a/b_c-d":       "a-gb_4c-ed",
		"zero":          "z0ero",
		"\x00\x1f":      "-00-0v",
		"~\x7f":         "z4z5",
		"\u0080µ\u07ff": "z600z61hz7hb",
		"中":             "z8dv1",
		"\U0001F600":    "za1clc",
	} {
		if got := ordered(t, text); got != want {
			t.Errorf("Ordered(%q) = %q, want %q", text, got, want)
		}
	}
}

// Every code point, in order: its form is greater than the one before, begins with none that came before,
// and comes back.
func TestOrderedEveryRune(t *testing.T) {
	last := ""
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		form := ordered(t, string(r))
		if form <= last && r > 0 || strings.HasPrefix(form, last) && r > 0 {
			t.Fatalf("Ordered(%q) = %q, after %q", r, form, last)
		}
		if text, err := keying.ParseOrdered(form); err != nil || text != string(r) {
			t.Fatalf("ParseOrdered(%q) = %q, %v, want %q", form, text, err, r)
		}
		last = form
	}
}

func TestOrderedRefusesWhatIsNoText(t *testing.T) {
	for _, text := range []string{"\xff", "a\xc3", "\xed\xa0\x80", "a\xf8b"} {
		if form, err := keying.Ordered(text); err == nil {
			t.Errorf("Ordered(%q) = %q, want an error", text, form)
		}
	}
	if form := ordered(t, "\uFFFD"); form == "" {
		t.Error("the replacement character is a character like any other")
	}
}

func TestParseOrderedIsStrict(t *testing.T) {
	for _, form := range []string{"-", "-h", "-0", "-0w", "-00-", "=7", "=", "_6", "_", "__", "z", "z6", "zz", "z7hc", "za", "A", "a.b", "a/b", "ä", "z8k"} {
		if text, err := keying.ParseOrdered(form); !errors.Is(err, keying.ErrMalformed) {
			t.Errorf("ParseOrdered(%q) = %q, %v, want ErrMalformed", form, text, err)
		}
	}
	for _, name := range []string{"/", "a/b", strings.Repeat("a", 201), strings.Repeat("a", 200) + "/"} {
		if text, err := keying.Unfolded(name); !errors.Is(err, keying.ErrMalformed) {
			t.Errorf("Unfolded(%.20q…) = %.20q…, %v, want ErrMalformed", name, text, err)
		}
	}
}

func FuzzOrdered(f *testing.F) {
	f.Add("a.", "a.b")
	f.Add("", "\x00")
	f.Add("Zz_", "zZ中\U0001F600\uFFFD")
	f.Add(strings.Repeat("long/", 60), strings.Repeat("long/", 59))
	f.Fuzz(func(t *testing.T, a, b string) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			if _, err := keying.Ordered(a + "/" + b); err == nil && !utf8.ValidString(a+"/"+b) {
				t.Fatalf("Ordered takes %q", a+"/"+b)
			}
			return
		}
		x, y := keying.Folded("k"+ordered(t, a)), keying.Folded("k"+ordered(t, b))
		if strings.Compare(a, b) != strings.Compare(x, y) {
			t.Errorf("%q and %q compare as %d, their forms %q and %q as %d", a, b, strings.Compare(a, b), x, y, strings.Compare(x, y))
		}
		if strings.HasPrefix(a, b) != strings.HasPrefix(x, y) {
			t.Errorf("%q begins with %q: %v; the forms %q and %q: %v", a, b, strings.HasPrefix(a, b), x, y, strings.HasPrefix(x, y))
		}
		s, err := keying.Unfolded(x)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := keying.ParseOrdered(s[1:]); err != nil || text != a {
			t.Errorf("ParseOrdered(%q) = %q, %v, want %q", s[1:], text, err, a)
		}
		if err := (backend.Key{Shelf: "s", Name: x}).Validate(); err != nil && !errors.Is(err, backend.ErrTooLarge) {
			t.Errorf("the form of %q: %v", a, err)
		}
	})
}

// What is not a form must not be taken for one: two forms of one text would be two entries.
func FuzzParseOrdered(f *testing.F) {
	for _, form := range []string{"a-f", "z600", "=a_0", "z8000z9jj", "zz", "-0v"} {
		f.Add(form)
	}
	f.Fuzz(func(t *testing.T, form string) {
		text, err := keying.ParseOrdered(form)
		if err != nil {
			return
		}
		if back := ordered(t, text); back != form {
			t.Errorf("%q is read as %q, whose form is %q", form, text, back)
		}
	})
}

func TestOrderedSorts(t *testing.T) {
	texts := []string{"", " ", "-", ".", "/", "0", "10", "2", "A", "Z", "_", "a", "a.", "a.b", "ab", "z", "zz", "{", "ß", "é", "中", "\U0001F600"}
	var forms []string
	for _, text := range texts {
		forms = append(forms, ordered(t, text))
	}
	if !slices.IsSorted(texts) || !slices.IsSorted(forms) {
		t.Errorf("the forms %q of sorted texts are not sorted", forms)
	}
}
