package conformance_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/conformance/law"
)

// honest are references that break nothing, though some are unusual: what fails them is a false
// alarm, and a false alarm is the end of a suite.
var honest = map[string]func(*ref){
	"plain":    func(*ref) {},
	"refusing": refusing,
	"bounded":  bounded,

	"chunked":                       chunked,
	"of content versions":           contentVersions,
	"of coarse times":               func(r *ref) { r.tells = func(i info) info { i.ModTime = i.ModTime.Truncate(time.Second); return i } },
	"of sparse lists":               sparse,
	"of last bytes with io.EOF":     lastBytesWithEOF,
	"sometimes unavailable":         func(r *ref) { sometimesUnavailable(r, 200) },
	"often unavailable":             func(r *ref) { sometimesUnavailable(r, 11) },
	"unavailable at first":          unavailableAtFirst,
	"of Limits that count the gone": countsTheGone,
	"slow":                          func(r *ref) { slow(r, 2*time.Millisecond) },
}

// slow takes its time for every call, as services do, and says so.
func slow(r *ref, pause time.Duration) {
	r.doLimits = func() backend.Limits {
		l := r.Backend.Limits()
		l.CostlyRequests = true
		return l
	}
	r.before = func(ctx context.Context, _ string) error {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		return nil
	}
}

// sometimesUnavailable throttles one call in so many, as services do, before it takes effect; a Put
// also after it did.
func sometimesUnavailable(r *ref, one int64) {
	throttled := func(op string) error {
		if calls.Add(1)%one > 0 {
			return nil
		}
		return &backend.Error{Op: op, Backend: "ref", Err: fmt.Errorf("503 slow down: %w", backend.ErrUnavailable)}
	}
	r.before = func(_ context.Context, op string) error { return throttled(op) }
	r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
		i, err := r.Backend.Put(ctx, k, b, o)
		if err == nil && throttled("put") != nil {
			return info{}, backend.Wrap("put", "ref", k, backend.ErrUnavailable)
		}
		return i, err
	}
}

var calls atomic.Int64

// unavailableAtFirst refuses the first call of each kind on a handle.
func unavailableAtFirst(r *ref) {
	var met sync.Map
	r.before = func(_ context.Context, op string) error {
		if _, again := met.LoadOrStore(op, true); again {
			return nil
		}
		return &backend.Error{Op: op, Backend: "ref", Err: fmt.Errorf("not yet: %w", backend.ErrUnavailable)}
	}
}

// chunked reads large values chunk by chunk, each when it is asked for, and finds them gone where the
// key was overwritten meanwhile.
func chunked(r *ref) {
	const chunk = 32 << 10
	r.doGet = func(ctx context.Context, k key) (io.ReadCloser, info, error) {
		i, err := r.Backend.Stat(ctx, k)
		if err != nil || i.Size <= chunk {
			return r.Backend.Get(ctx, k)
		}
		off, rest := int64(0), ""
		return hooked{Reader: readFunc(func(p []byte) (int, error) {
			if rest == "" {
				if off >= i.Size {
					return 0, io.EOF
				}
				part, _, err := r.Backend.GetRange(ctx, k, i.Version, off, chunk)
				if err != nil {
					return 0, backend.Wrap("get", "ref", k, fmt.Errorf("chunk %d is gone: %w", off/chunk, err))
				}
				text, _ := io.ReadAll(part)
				off, rest = off+int64(len(text)), string(text)
			}
			n := copy(p, rest)
			rest = rest[n:]
			return n, nil
		})}, i, nil
	}
}

// contentVersions tells what a value holds for its version, as an ETag does.
func contentVersions(r *ref) {
	name := func(i info) string { return hex.EncodeToString(i.Digest[:8]) }
	r.named(name)
	r.doPut = func(ctx context.Context, k key, b body, o put) (info, error) {
		for want := o.IfMatch; ; {
			if want != "" {
				o.IfMatch = "none"
				if now, err := r.Backend.Stat(ctx, k); err == nil && name(now) == want {
					o.IfMatch = now.Version
				}
			}
			i, err := r.Backend.Put(ctx, k, b, o)
			if want == "" || o.IfMatch == "none" || !errors.Is(err, backend.ErrChanged) {
				return i, err
			}
		}
	}
}

// sparse lists what a List must tell, and no more.
func sparse(r *ref) {
	r.doList = r.relisted(func(infos []info, _ opts) []info {
		for n, i := range infos {
			infos[n] = info{Key: i.Key, Size: i.Size, ModTime: i.ModTime}
		}
		return infos
	})
}

// lastBytesWithEOF returns the last bytes of a body together with io.EOF, as those of net/http do.
func lastBytesWithEOF(r *ref) {
	r.gets(func(text string, i info) (io.Reader, info) {
		return readFunc(func(p []byte) (int, error) {
			n := copy(p, text)
			if text = text[n:]; text == "" {
				return n, io.EOF
			}
			return n, nil
		}), i
	})
}

// countsTheGone counts to a Limit entries that were deleted while it lists: Limit is at most so many.
func countsTheGone(r *ref) {
	r.doList = func(ctx context.Context, shelf string, o opts) list {
		return func(yield func(info, error) bool) {
			infos, err := all(r.Backend.List(ctx, shelf, o))
			for _, i := range infos {
				_, serr := r.Backend.Stat(ctx, i.Key)
				if errors.Is(serr, backend.ErrNotFound) {
					continue
				}
				if serr != nil {
					yield(info{}, serr)
					return
				}
				if !yield(i, nil) {
					return
				}
			}
			if err != nil {
				yield(info{}, err)
			}
		}
	}
}

// honestConfig is one that leaves out what looks at the whole process, unless alone.
func honestConfig(unusual func(*ref), alone bool) law.Config {
	cfg := refConfig(unusual)
	cfg.Skip = map[string]string{}
	for _, l := range law.Laws() {
		if l.Alone && !alone {
			cfg.Skip[l.Name] = "looks at the whole process"
		}
	}
	return cfg
}

// TestHonest lets references that break nothing pass: what mutants fail by is what they
// break.
func TestHonest(t *testing.T) {
	for name, unusual := range honest {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report, err := law.Check(t.Context(), honestConfig(unusual, false), law.Quick)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range report.Results {
				if r.Status == law.Failed {
					t.Errorf("%v", r)
				}
			}
		})
	}
}

// TestStress tries every law many times on the references that break nothing: for so many rounds, or for
// as long, as LARDER_TEST_STRESS says. docs/conformance.md tells how to do so beside busy loops.
func TestStress(t *testing.T) {
	text := os.Getenv("LARDER_TEST_STRESS")
	if text == "" {
		t.Skip("set LARDER_TEST_STRESS to a number of rounds, or to a duration such as 10m")
	}
	rounds, err := strconv.Atoi(text)
	end := time.Now().Add(24 * time.Hour)
	if err != nil {
		most, derr := time.ParseDuration(text)
		if derr != nil {
			t.Fatal(derr)
		}
		rounds, end = 1<<30, time.Now().Add(most)
	}
	tier := law.Quick
	if err := tier.UnmarshalText([]byte(os.Getenv("LARDER_CONFORMANCE"))); err != nil {
		tier = law.Quick
	}
	only := os.Getenv("LARDER_TEST_STRESS_ONLY") // of the references, those whose names hold this
	done := map[string]int{}
	for round := range rounds {
		for _, name := range slices.Sorted(maps.Keys(honest)) {
			if !strings.Contains(name, only) || time.Now().After(end) {
				continue
			}
			cfg := honestConfig(honest[name], true)
			cfg.Seed = uint64(round + 1)
			var places []string
			cfg.New = func(context.Context) (string, error) {
				place := fresh()
				places = append(places, place)
				return place, nil
			}
			report, err := law.Check(t.Context(), cfg, tier)
			if err != nil {
				t.Fatal(err)
			}
			done[name]++
			for _, place := range places {
				forget(place)
			}
			for _, r := range report.Results {
				if r.Status == law.Failed {
					t.Errorf("round %d, %s: %v", round, name, r)
				}
			}
		}
		if time.Now().After(end) {
			break
		}
	}
	t.Logf("rounds: %v", done)
}
