package conformance_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/conformance"
	"github.com/larder-store/larder/conformance/law"
)

// brokenVariable makes TestBroken of this binary hold a broken backend to the laws.
const brokenVariable = "LARDER_TEST_BROKEN"

// TestBroken does something in the process that TestRunSaysWhatIsBroken starts: there it
// is the test of somebody whose backend lists in the wrong order.
func TestBroken(t *testing.T) {
	how := os.Getenv(brokenVariable)
	if how == "" {
		return
	}
	c := conformance.Config{
		New: func(testing.TB) string { return fresh() },
		Open: func(ctx context.Context, loc string) (backend.Backend, error) {
			return refConfig(byNumber).Open(ctx, loc)
		},
	}
	switch how {
	case "skipped":
		c.Skip = map[string]string{"list/delete": "our list moves a cursor", "model/walk": "no time"}
	case "unknown skip":
		c.Skip = map[string]string{"list/everything": "why not"}
	case "unfounded skip":
		c.Skip = map[string]string{"model/walk": ""}
	case "hopeless":
		c.Open = func(ctx context.Context, loc string) (backend.Backend, error) {
			return refConfig(hopeless).Open(ctx, loc)
		}
	case "no open":
		c.Open = nil
	case "model":
		c.Open = hasty
	case "quick":
		c.Quick = true
	case "compared":
		conformance.Compare(t, map[string]conformance.Config{"good": inMemory, "bad": {New: c.New, Open: hasty}})
		return
	case "alone":
		conformance.Compare(t, map[string]conformance.Config{"good": inMemory})
		return
	}
	conformance.Run(t, c)
}

// hopeless stores nothing.
func hopeless(r *ref) {
	r.doPut = func(_ context.Context, k key, _ body, _ put) (info, error) {
		return info{}, backend.Wrap("put", "ref", k, errors.New("the disk is full"))
	}
}

// hasty opens a backend that deletes all below a name.
func hasty(ctx context.Context, loc string) (backend.Backend, error) {
	return refConfig(deletesAllBelow).Open(ctx, loc)
}

func TestRunSaysWhatIsBroken(t *testing.T) {
	for _, c := range []struct {
		how, run string
		env      []string
		fails    bool
		says     []string
		not      []string
	}{
		{"plain", "^TestBroken$/^list$/^(order|repeat|refused|churn|delete)$", []string{"LARDER_CONFORMANCE=quick", "LARDER_CONFORMANCE_SEED=7"}, true, []string{
			"--- FAIL: TestBroken/list/delete", "a loop that deletes what List yields is given 64 of 100",
			"law:    A loop that deletes what it is given is given every entry.",
			"replay: LARDER_CONFORMANCE=quick LARDER_CONFORMANCE_SEED=7 go test " + raceFlag() + "-run '^TestBroken/list/delete$'", "--- PASS: TestBroken/list/order",
		}, []string{"begin with"}},
		{"plain", "^TestBroken$/^list$/^delete$", []string{"LARDER_CONFORMANCE=full"}, true, []string{"replay: LARDER_CONFORMANCE=full LARDER_CONFORMANCE_SEED="}, nil},
		{"hopeless", "^TestBroken$/^(put|list)$", []string{"LARDER_CONFORMANCE=quick"}, true, []string{
			"laws are broken, and what fails early explains what fails late: begin with put/roundtrip: Put(\"s/a\")",
		}, nil},
		{"skipped", "^TestBroken$/^list$/^delete$", []string{"LARDER_CONFORMANCE=quick"}, false, []string{
			"--- SKIP: TestBroken/list/delete", "our list moves a cursor",
		}, nil},
		{"skipped", "^TestBroken$/^model$/^walk$", []string{"LARDER_CONFORMANCE=quick"}, false, []string{"no time"}, nil},
		{"unknown skip", "^TestBroken$", nil, true, []string{`"list/everything", and there is no such law`}, []string{"put/roundtrip"}},
		{"unfounded skip", "^TestBroken$", nil, true, []string{`"model/walk" without a reason`}, []string{"put/roundtrip"}},
		{"no open", "^TestBroken$", nil, true, []string{"Config needs New and Open"}, []string{"put/roundtrip"}},
		{"plain", "^TestBroken$", []string{"LARDER_CONFORMANCE=fast"}, true, []string{`"fast"`, "quick, full, soak"}, nil},
		{"plain", "^TestBroken$", []string{"LARDER_CONFORMANCE_SEED=x"}, true, []string{`"x" is not a seed`}, nil},
		{"quick", "^TestBroken$/^put$", []string{"LARDER_CONFORMANCE="}, false, []string{"--- PASS: TestBroken/put/sizes"}, []string{"put/large"}},
		{"quick", "^TestBroken$/^put$", []string{"LARDER_CONFORMANCE=full"}, false, []string{"--- PASS: TestBroken/put/large"}, nil},
		{"model", "^TestBroken$/^model$/^walk$", []string{"LARDER_CONFORMANCE=full", "LARDER_CONFORMANCE_SEED=7"}, true, []string{
			"the last of these 3 calls is answered", "by the reference", "law:    Any sequence of calls",
		}, nil},
		{"compared", "^TestBroken$", []string{"LARDER_CONFORMANCE=full", "LARDER_CONFORMANCE_SEED=7"}, true, []string{
			"bad answers\n", "and good\n", "replay: LARDER_CONFORMANCE=full LARDER_CONFORMANCE_SEED=7 go test " + raceFlag() + "-run '^TestBroken$'",
		}, nil},
		{"alone", "^TestBroken$", nil, true, []string{"Compare needs two backends"}, nil},
	} {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(exe, "-test.v", "-test.run="+c.run)
		cmd.Env = append(os.Environ(), append(c.env, brokenVariable+"="+c.how)...)
		out, err := cmd.CombinedOutput()
		if (err != nil) != c.fails {
			t.Errorf("the test of a backend that is %s ends with %v, want a failure %v:\n%s", c.how, err, c.fails, out)
		}
		for _, words := range c.says {
			if !strings.Contains(string(out), words) {
				t.Errorf("the test of a backend that is %s lacks the words %q:\n%s", c.how, words, out)
			}
		}
		for _, words := range c.not {
			if strings.Contains(string(out), words) {
				t.Errorf("the test of a backend that is %s has the words %q:\n%s", c.how, words, out)
			}
		}
	}
}

// TestSeedReplays: one seed chooses the same operations, another others.
func TestSeedReplays(t *testing.T) {
	var walk law.Law
	for _, l := range law.Laws() {
		if l.Name == "model/walk" {
			walk = l
		}
	}
	why := func(seed uint64) string {
		cfg := refConfig(deletesAllBelow)
		cfg.Seed = seed
		return law.Try(t.Context(), cfg, walk, law.Full).Why
	}
	first, second, other := why(1), why(1), why(2)
	if first == "" || first != second {
		t.Errorf("one seed finds\n%s\nand then\n%s", first, second)
	}
	if first == other {
		t.Errorf("two seeds find the same:\n%s", first)
	}
}

// TestPreimages makes sure that what the laws about Find store says what they claim.
func TestPreimages(t *testing.T) {
	preimages, says := law.Preimages()
	if len(preimages) < 6 {
		t.Fatalf("there are %d pre-images", len(preimages))
	}
	for key, preimage := range preimages {
		got, err := decode(key, preimage)
		if err != nil {
			t.Errorf("decode %s: %v", key, err)
			continue
		}
		want := says[key]
		if got.Type != want.Type || got.Version != want.Version || got.Key != key || !got.AsOf.Equal(want.AsOf) {
			t.Errorf("%s says %+v, want %+v", key, got, want)
		}
	}
}
