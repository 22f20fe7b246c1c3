package law_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/conformance/law"
)

// inUse is a place with a value of somebody else in it.
func inUse(t *testing.T) (law.Config, backend.Backend) {
	t.Helper()
	loc := "mem://" + strings.ToLower(t.Name())
	b, err := backend.Open(t.Context(), loc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Put(t.Context(), theirs, strings.NewReader("theirs"), backend.PutOptions{Size: 6}); err != nil {
		t.Fatal(err)
	}
	return law.Config{
		New:  func(context.Context) (string, error) { return loc, nil },
		Open: backend.Open,
	}, b
}

var theirs = backend.Key{Shelf: "cache", Name: "theirs"}

// onlyTheirs wants the place to be as inUse left it.
func onlyTheirs(t *testing.T, b backend.Backend) {
	t.Helper()
	var shelves []string
	for shelf, err := range b.Shelves(context.Background(), backend.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		shelves = append(shelves, shelf)
	}
	if !slices.Equal(shelves, []string{theirs.Shelf}) {
		t.Errorf("after the check there are the shelves %q, want %q", shelves, theirs.Shelf)
	}
	for info, err := range b.List(context.Background(), theirs.Shelf, backend.ListOptions{}) {
		if err != nil || info.Key != theirs {
			t.Errorf("after the check there is %q, %v", info.Key, err)
		}
	}
}

func TestCheckPassesAndLeavesNothing(t *testing.T) {
	cfg, b := inUse(t)
	var told []law.Result
	cfg.Progress = func(r law.Result) { told = append(told, r) }
	r, err := law.Check(t.Context(), cfg, law.Quick)
	if err != nil || r.Err() != nil {
		t.Fatalf("Check = %v, %v", err, r.Err())
	}
	onlyTheirs(t, b)
	if len(told) != 2*len(r.Results) {
		t.Fatalf("%d laws were told in %d steps, want two each", len(r.Results), len(told))
	}
	for _, res := range r.Results {
		of := slices.DeleteFunc(slices.Clone(told), func(one law.Result) bool { return one.Name != res.Name })
		if len(of) != 2 || of[0].Status != law.Running || of[1] != res {
			t.Errorf("%s is told as %v", res.Name, of)
		}
		if res.Status == law.Skipped && !strings.HasPrefix(res.Why, "applies where the backend has ") {
			t.Errorf("%s is skipped because %q", res.Name, res.Why)
		}
	}
	if r.Count(law.Passed) < 100 || r.Count(law.Passed)+r.Count(law.Skipped) != len(r.Results) || r.Seed == 0 || r.Tier != law.Quick {
		t.Errorf("the report is of tier %v, seed %d: %d passed and %d skipped of %d", r.Tier, r.Seed, r.Count(law.Passed), r.Count(law.Skipped), len(r.Results))
	}
}

// broken breaks a few laws: one by an answer, one by a panic, one by hanging.
type broken struct{ backend.Backend }

func (b broken) Stat(context.Context, backend.Key) (backend.Info, error) {
	return backend.Info{}, errors.New("a word of its own")
}

func (b broken) Delete(ctx context.Context, k backend.Key) error {
	if k.Name == "a/b/c" { // of the law delete/absent
		panic("index out of range")
	}
	return b.Backend.Delete(ctx, k)
}

func (b broken) Put(ctx context.Context, k backend.Key, body io.ReadSeeker, o backend.PutOptions) (backend.Info, error) {
	if k.Name == "beside" { // of the law get/many-open
		select {}
	}
	return b.Backend.Put(ctx, k, body, o)
}

func TestCheckOfABrokenBackend(t *testing.T) {
	cfg, _ := inUse(t)
	cfg.Open = func(ctx context.Context, loc string) (backend.Backend, error) {
		b, err := backend.Open(ctx, loc)
		return broken{b}, err
	}
	cfg.Seed, cfg.Patience = 42, 200*time.Millisecond
	cfg.Skip = map[string]string{"put/roundtrip": "because I say so"}
	for _, l := range law.Laws() {
		if !slices.Contains([]string{"get/absent", "delete/absent", "get/many-open", "put/bytes", "list/empty"}, l.Name) {
			cfg.Skip[l.Name] = "not today"
		}
	}
	r, err := law.Check(t.Context(), cfg, law.Full)
	if err != nil {
		t.Fatalf("Check = %v", err)
	}
	for name, want := range map[string]string{
		"get/absent":    "a word of its own",
		"delete/absent": "panic: index out of range",
		"get/many-open": "hangs: not back after 200ms",
	} {
		i := slices.IndexFunc(r.Results, func(res law.Result) bool { return res.Name == name })
		if res := r.Results[i]; res.Status != law.Failed || !strings.Contains(res.Why, want) || res.Seed != 42 {
			t.Errorf("%s is %v, want it failed with %q and seed 42", name, res, want)
		}
	}
	if want := fmt.Sprintf("3 of %d laws are broken: get/absent, get/many-open, delete/absent", len(r.Results)); fmt.Sprint(r.Err()) != want {
		t.Errorf("Err() = %v, want %s", r.Err(), want)
	}
	var text bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"failed   get/absent\n  law:  Get and Stat of a key that holds nothing are ErrNotFound",
		"  but:  Stat(\"law-", "  seed: 42\n", "skipped  handle/shared                    not today\n", "skipped  put/roundtrip",
		fmt.Sprintf("%d laws, tier full, seed 42: 2 passed, 3 failed, %d skipped in ", len(r.Results), len(r.Results)-5),
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, text.String())
		}
	}
	var back law.Report
	asJSON, err := json.Marshal(r)
	if err == nil {
		err = json.Unmarshal(asJSON, &back)
	}
	if err != nil || back.Tier != r.Tier || back.Seed != r.Seed || !slices.Equal(back.Results, r.Results) {
		t.Errorf("the report comes back from JSON as %+v, %v", back, err)
	}
	if !bytes.Contains(asJSON, []byte(`"tier":"full","seed":"42"`)) {
		t.Errorf("the report in JSON is %.200s", asJSON)
	}
}

func TestCheckStopsWhenItsContextEnds(t *testing.T) {
	cfg, b := inUse(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := 0
	cfg.Progress = func(r law.Result) {
		if r.Name == "put/roundtrip" && r.Status == law.Running {
			cancel()
		}
		if r.Status != law.Running {
			done++
		}
	}
	r, err := law.Check(ctx, cfg, law.Quick)
	if !errors.Is(err, context.Canceled) || len(r.Results) != done || done < 5 {
		t.Errorf("Check = %d results, %v, want the %d that were tried and %v", len(r.Results), err, done, context.Canceled)
	}
	onlyTheirs(t, b)
}

func TestCheckRefusesItsConfig(t *testing.T) {
	good, _ := inUse(t)
	for name, c := range map[string]struct {
		change func(*law.Config)
		says   string
	}{
		"no New":         {func(c *law.Config) { c.New = nil }, "needs New and Open"},
		"no Open":        {func(c *law.Config) { c.Open = nil }, "needs New and Open"},
		"unknown skip":   {func(c *law.Config) { c.Skip = map[string]string{"put/nothing": "why not"} }, `"put/nothing", and there is no such law`},
		"unfounded skip": {func(c *law.Config) { c.Skip = map[string]string{"put/empty": ""} }, `"put/empty" without a reason`},
	} {
		cfg := good
		c.change(&cfg)
		if _, err := law.Check(t.Context(), cfg, law.Quick); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("Check with %s = %v, want %q", name, err, c.says)
		}
	}
}

// TestTryWithoutAPlace: what cannot be made or opened is a failure that says so.
func TestTryWithoutAPlace(t *testing.T) {
	l := law.Laws()[0]
	good, _ := inUse(t)
	full := errors.New("the disk is full")
	for name, c := range map[string]struct {
		change func(*law.Config)
		says   string
	}{
		"New that fails": {func(c *law.Config) { c.New = func(context.Context) (string, error) { return "", full } }, "make a new place: the disk is full"},
		"Open that fails": {func(c *law.Config) {
			c.Open = func(context.Context, string) (backend.Backend, error) { return nil, full }
		}, "open the place: the disk is full"},
		"Open of nothing": {func(c *law.Config) {
			c.Open = func(context.Context, string) (backend.Backend, error) { return nil, nil }
		}, "neither a backend nor an error"},
		"a tiny MaxValue":  {func(c *law.Config) { c.Open = tiny }, "MaxValue is 100"},
		"New that panics":  {func(c *law.Config) { c.New = func(context.Context) (string, error) { panic("no") } }, "panic: no"},
		"Open that leaves": {func(c *law.Config) { c.Open = leaves }, "ended its goroutine"},
	} {
		cfg := good
		c.change(&cfg)
		if r := law.Try(t.Context(), cfg, l, law.Quick); r.Status != law.Failed || !strings.Contains(r.Why, c.says) {
			t.Errorf("Try with %s = %v, want it failed with %q", name, r, c.says)
		}
	}
}

func tiny(context.Context, string) (backend.Backend, error) {
	return mem.New(&mem.Options{MaxValue: 100}), nil
}

func leaves(context.Context, string) (backend.Backend, error) {
	runtime.Goexit()
	return nil, nil
}

// TestTable: every row is one that a person can read and a program can find.
func TestTable(t *testing.T) {
	name := regexp.MustCompile(`^[a-z-]+/[a-z-]+$`)
	seen := map[string]bool{}
	group, groups := "", map[string]bool{}
	for _, l := range law.Laws() {
		switch {
		case !name.MatchString(l.Name):
			t.Errorf("the name %q is not group/case", l.Name)
		case seen[l.Name]:
			t.Errorf("two laws are called %s", l.Name)
		case !regexp.MustCompile(`^[A-Za-z].*\.$`).MatchString(l.Rule):
			t.Errorf("the rule of %s is not a sentence: %q", l.Name, l.Rule)
		case l.Tier < law.Quick || l.Tier > law.Soak || l.Fn == nil:
			t.Errorf("%s has tier %v, or nothing to do", l.Name, l.Tier)
		}
		seen[l.Name] = true
		g, _, _ := strings.Cut(l.Name, "/")
		if g != group && groups[g] {
			t.Errorf("%s stands apart from its group", l.Name)
		}
		group, groups[g] = g, true
	}
}

func TestTierText(t *testing.T) {
	for tier, want := range map[law.Tier]string{law.Quick: "quick", law.Full: "full", law.Soak: "soak"} {
		var back law.Tier
		if err := back.UnmarshalText([]byte(want)); tier.String() != want || back != tier || err != nil {
			t.Errorf("%q is %v and reads as %v, %v", want, tier, back, err)
		}
	}
	var tier law.Tier
	if err := tier.UnmarshalText([]byte("fast")); err == nil || !strings.Contains(err.Error(), "quick, full, soak") {
		t.Errorf("the tier fast = %v, want an error with the known ones", err)
	}
	if got := law.Tier(9).String(); got != "Tier(9)" {
		t.Errorf("Tier(9).String() = %q", got)
	}
}

func TestChildOfNobody(t *testing.T) {
	if asked, err := law.Child(t.Context(), backend.Open); asked || err != nil {
		t.Errorf("Child = %v, %v where nobody asked", asked, err)
	}
	for text, says := range map[string]string{"{": "unexpected end", `{"task":"dance"}`: `"dance"`, `{"task":"mix","loc":"nosuch://x"}`: "nosuch"} {
		t.Setenv("LARDER_CONFORMANCE_CHILD", text)
		if asked, err := law.Child(t.Context(), backend.Open); !asked || err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("Child asked for %s = %v, %v, want an error with %q", text, asked, err, says)
		}
	}
}
