package keying_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/keying"
)

// names are free names of every class.
var names = []string{
	"", "a", "spikes", "0", "-", "_", "__", "___", "____", "a__b", "_=5f", ".", "..", "...", "a.b", "a..b", ".a", "a.", "=", "==", "=3d", "a=b",
	"A", "Trial 7", "TRIAL", "a/b", "/", "\\", "a\x00b", "\x7f", "\xff\xfe", "é", "e\u0301", "神経", "🧠", "%2f", "__0x2f__", "~", "con", ":", "*", "\n",
	strings.Repeat("a", 200), strings.Repeat("_", 100), strings.Repeat("A", 66),
}

// noSegments are what no name is escaped to.
var noSegments = []string{
	"", "=6", "=a", "=g0", "=0g", "=61", "=2d", "=5f", "=2E", "a=2e.b", "=2ea=", "==", "=3", "A", "a b", ".", "a.", ".a", "__", "_=5f=5f", "a=2eb", "é", "/", strings.Repeat("a", 201), "=ff=", "=:0", "=0/", "=`0",
}

func TestEscape(t *testing.T) {
	for name, want := range map[string]string{
		"": "=", "spikes": "spikes", "Trial 7": "=54rial=207", "a__b": "a_=5fb", "____": "_=5f_=5f", ".": "=2e", "a.b.": "a.b=2e", "=": "=3d", "µ": "=c2=b5",
	} {
		if got, err := keying.Escape(name); got != want || err != nil {
			t.Errorf("Escape(%q) = %q, %v, want %q", name, got, err, want)
		}
	}
}

func TestEscapeRoundTrip(t *testing.T) {
	segments := map[string]string{}
	for _, name := range names {
		s, err := keying.Escape(name)
		if err != nil {
			t.Fatalf("Escape(%q) = %v", name, err)
		}
		if other, taken := segments[s]; taken {
			t.Errorf("Escape(%q) = Escape(%q) = %q", name, other, s)
		}
		segments[s] = name
		if err := (backend.Key{Shelf: "s", Name: s}).Validate(); err != nil {
			t.Errorf("Escape(%q) is no segment: %v", name, err)
		}
		if got, err := keying.Unescape(s); got != name || err != nil {
			t.Errorf("Unescape(%q) = %q, %v, want %q", s, got, err, name)
		}
	}
}

func TestEscapeTooLong(t *testing.T) {
	if keying.MaxSegment != backend.MaxSegment {
		t.Errorf("MaxSegment = %d, want the backends' %d", keying.MaxSegment, backend.MaxSegment)
	}
	for _, name := range []string{strings.Repeat("a", 201), strings.Repeat("A", 67), strings.Repeat("_", 101), strings.Repeat("_", 1<<20), strings.Repeat("\x00", 1<<20)} {
		s, err := keying.Escape(name)
		if !errors.Is(err, keying.ErrTooLong) || s != "" || !strings.Contains(err.Error(), "200 are allowed") || len(err.Error()) > 400 {
			t.Errorf("Escape of %d times %q = %q, %v, want ErrTooLong with the limit", len(name), name[:1], s, err)
		}
	}
}

func TestUnescapeMalformed(t *testing.T) {
	for _, s := range noSegments {
		if name, err := keying.Unescape(s); !errors.Is(err, keying.ErrMalformed) {
			t.Errorf("Unescape(%q) = %q, %v, want ErrMalformed", s, name, err)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, name := range names {
		f.Add(name, "a")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		s, err := keying.Escape(a)
		if err != nil {
			if !errors.Is(err, keying.ErrTooLong) || 3*len(a) <= keying.MaxSegment {
				t.Fatalf("Escape(%q) = %v", a, err)
			}
			return
		}
		if err := (backend.Key{Shelf: "s", Name: s}).Validate(); err != nil || strings.Contains(s, "/") {
			t.Fatalf("Escape(%q) = %q: %v", a, s, err)
		}
		if back, err := keying.Unescape(s); back != a || err != nil {
			t.Fatalf("Unescape(%q) = %q, %v, want %q", s, back, err, a)
		}
		if other, err := keying.Escape(b); err == nil && (other == s) != (a == b) {
			t.Fatalf("Escape(%q) = %q, Escape(%q) = %q", a, s, b, other)
		}
	})
}

func FuzzUnescape(f *testing.F) {
	for _, s := range noSegments {
		f.Add(s)
	}
	f.Add("=54rial=207")
	f.Fuzz(func(t *testing.T, s string) {
		name, err := keying.Unescape(s)
		if err != nil {
			if !errors.Is(err, keying.ErrMalformed) {
				t.Fatalf("Unescape(%q) = %v", s, err)
			}
			return
		}
		if again, err := keying.Escape(name); again != s || err != nil {
			t.Fatalf("Unescape(%q) = %q, whose escape is %q, %v", s, name, again, err)
		}
	})
}
