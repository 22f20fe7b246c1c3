package cli

import (
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/catalog"
)

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                       "0 s",
		time.Microsecond:        "under 1 ms",
		999 * time.Millisecond:  "999 ms",
		1234 * time.Millisecond: "1.2 s",
		41 * time.Second:        "41 s",
		90 * time.Second:        "1 min 30 s",
		41*time.Hour + 12*time.Minute + 59*time.Second: "41 h 12 min",
	} {
		if got := duration(d); got != want {
			t.Errorf("duration(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 10 << 10: "10 KiB",
		1<<20 - 1: "1024 KiB", 1 << 20: "1.0 MiB", 37800 << 20: "37 GiB", 1 << 40: "1.0 TiB", 1 << 60: "1048576 TiB",
	} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestParseAge(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30d": 720 * time.Hour, "1.5d": 36 * time.Hour, "2w": 336 * time.Hour, "12h": 12 * time.Hour, "90m": 90 * time.Minute, "0s": 0,
	} {
		if got, err := catalog.ParseAge(text); err != nil || got != want {
			t.Errorf("catalog.ParseAge(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "d", "30", "-1d", "-1h", "NaNd", "1e3d", "thirty days", "1h2d"} {
		if got, err := catalog.ParseAge(text); err == nil {
			t.Errorf("catalog.ParseAge(%q) = %v, want an error", text, got)
		}
	}
}

func TestAge(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Minute: "0s", 0: "0s", 59 * time.Second: "59s", time.Minute: "1m", time.Hour: "1h", 47 * time.Hour: "47h", 48 * time.Hour: "2d", 9000 * time.Hour: "375d",
	} {
		if got := age(d); got != want {
			t.Errorf("age(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestParseSince(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.Local)
	for text, want := range map[string]time.Time{
		"2d":                   now.Add(-48 * time.Hour),
		"2026-03-01":           time.Date(2026, 3, 1, 0, 0, 0, 0, time.Local),
		"2026-03-01 08:30":     time.Date(2026, 3, 1, 8, 30, 0, 0, time.Local),
		"2026-03-01T08:30:00Z": time.Date(2026, 3, 1, 8, 30, 0, 0, time.UTC),
	} {
		if got, err := parseSince(text, now); err != nil || !got.Equal(want) {
			t.Errorf("parseSince(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
}

// Values of parameters are what they say in JSON, else text.
func TestParseValue(t *testing.T) {
	for text, want := range map[string]any{
		"5": int64(5), "5.0": 5.0, "1e3": 1000.0, "true": true, "null": nil, `"5"`: "5", "": "", "abc": "abc", "1.2.3": "1.2.3",
		"05": "05", "NaN": "NaN", "-0": int64(0), " 5": int64(5), "{": "{", "True": "True",
	} {
		if got, err := parseValue(text); err != nil || got != want {
			t.Errorf("parseValue(%q) = %#v, %v; want %#v", text, got, err, want)
		}
	}
	for _, text := range []string{"1e999", "[1e999]", `{"a":1,"a":1}`, `[{"b":{"a":1,"a":2}}]`} {
		if got, err := parseValue(text); err == nil {
			t.Errorf("parseValue(%q) = %#v, want an error", text, got)
		}
	}
}

func TestLocalDir(t *testing.T) {
	for rawURL, want := range map[string]string{
		"dir": "dir", "/a/b": "/a/b", "./a:b": "./a:b", `C:\store`: `C:\store`, "shelve:///a/b": "/a/b",
		"shelve:///a%20b?sync=full": "/a b", "shelve:a/b%25": "a/b%", "file:///x": "/x", "file:x": "x",
		"s3://bucket/x": "", "mem:": "", "mem://x": "", "file://host/x": "", "shelve://%zz": "",
	} {
		got, ok := backend.LocalDir(rawURL)
		if got != want || ok != (want != "") {
			t.Errorf("backend.LocalDir(%q) = %q, %v; want %q", rawURL, got, ok, want)
		}
	}
}

// Commands count together, whatever is cut, and folding loses nothing.
func TestTally(t *testing.T) {
	tally := tally{t.TempDir() + "/counts/x"}
	if got, err := tally.sum(); err != nil || got != (counts{}) {
		t.Fatalf("sum of nothing = %+v, %v", got, err)
	}
	for range 3 {
		tally.count(counts{Hits: 2, SavedMS: 10})
	}
	f, err := tally.append(counts{Misses: 1})
	if err != nil {
		t.Fatal(err)
	}
	f.WriteString(`{"hits":5` + "\n")
	f.Close()
	want := counts{Hits: 6, Misses: 1, SavedMS: 30}
	if got, err := tally.sum(); err != nil || got != want {
		t.Errorf("sum = %+v, %v; want %+v", got, err, want)
	}
	tally.fold()
	tally.count(counts{Hits: 1})
	want.Hits++
	if got, err := tally.sum(); err != nil || got != want {
		t.Errorf("sum after folding = %+v, %v; want %+v", got, err, want)
	}
	if err := tally.reset(); err != nil {
		t.Fatal(err)
	}
	if got, err := tally.sum(); err != nil || got != (counts{}) {
		t.Errorf("sum after a reset = %+v, %v", got, err)
	}
}
