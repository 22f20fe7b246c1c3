package interop_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/interop/proxy"
	"github.com/larder-store/larder/interop/servers"
)

// behindProxy opens a fresh bucket of a server through a proxy.
func behindProxy(t testing.TB, start func(testing.TB) *servers.Server, parameters string) (backend.Backend, *proxy.Proxy) {
	t.Helper()
	s := start(t)
	p := proxy.New(t, s.URL)
	b, err := backend.Open(t.Context(), s3URL(t, s, p.URL)+parameters)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b, p
}

func key(name string) backend.Key { return backend.Key{Shelf: "s", Name: name} }

func tryPut(b backend.Backend, name, text string, opts backend.PutOptions) (backend.Info, error) {
	filled := sums([]byte(text))
	filled.IfAbsent, filled.IfMatch = opts.IfAbsent, opts.IfMatch
	return b.Put(context.Background(), key(name), strings.NewReader(text), filled)
}

func wants(t testing.TB, b backend.Backend, name, want string) {
	t.Helper()
	if got, err := read(b, name); got != want || err != nil {
		t.Errorf("Get(%q) = %.40q (%d bytes), %v; want %.40q (%d bytes)", name, got, len(got), err, want, len(want))
	}
}

// read reads a value as the Store does: verified.
func read(b backend.Backend, name string) (string, error) {
	body, info, err := b.Get(context.Background(), key(name))
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		return "", err
	}
	if want := sums(text); info.Size != want.Size || info.Sum != want.Sum {
		return "", backend.ErrCorrupt
	}
	return string(text), nil
}

// ended wants a Put to end as told: well, or in an error that is want or has its words.
func ended(t testing.TB, err, want error) {
	t.Helper()
	if want == nil && err == nil {
		return
	}
	if want == nil || err == nil || !errors.Is(err, want) && !strings.Contains(err.Error(), want.Error()) {
		t.Errorf("Put = %v, want %v", err, want)
	}
}

// first does something to the first n requests of a kind.
func first(n int, kind string, f proxy.Fault) func(string, *http.Request) proxy.Fault {
	return func(op string, _ *http.Request) proxy.Fault {
		if op != kind || n == 0 {
			return proxy.Fault{}
		}
		n--
		return f
	}
}

// The faults of one write, and what the caller is told.
func TestFaultsOfAPut(t *testing.T) {
	const old, fresh = "an older value", "the value"
	absent, match := backend.PutOptions{IfAbsent: true}, backend.PutOptions{IfMatch: "old"}
	for _, c := range []struct {
		name   string
		n      int
		fault  proxy.Fault
		opts   backend.PutOptions
		before bool // an older value is there
		want   error
		stored bool
	}{
		{"lost response, plain", 1, proxy.Fault{DropResponse: true}, backend.PutOptions{}, true, nil, true},
		{"lost response, IfAbsent", 1, proxy.Fault{DropResponse: true}, absent, false, nil, true},
		{"lost response, IfMatch", 1, proxy.Fault{DropResponse: true}, match, true, nil, true},
		{"lost request, IfAbsent", 1, proxy.Fault{DropRequest: true}, absent, false, nil, true},
		{"500 after the effect, IfAbsent", 1, proxy.Fault{RefuseAfter: 500, Code: "InternalError"}, absent, false, nil, true},
		{"500 after the effect, IfMatch", 1, proxy.Fault{RefuseAfter: 500, Code: "InternalError"}, match, true, nil, true},
		{"500, plain", 2, proxy.Fault{Refuse: 500, Code: "InternalError"}, backend.PutOptions{}, false, nil, true},
		{"SlowDown, IfAbsent", 2, proxy.Fault{Refuse: 503, Code: "SlowDown"}, absent, false, nil, true},
		{"SlowDown, IfAbsent, exists", 2, proxy.Fault{Refuse: 503, Code: "SlowDown"}, absent, true, backend.ErrExists, false},
		{"409, IfAbsent", 1, proxy.Fault{Refuse: 409, Code: "ConditionalRequestConflict"}, absent, false, nil, true},
		{"409, IfAbsent, exists", 1, proxy.Fault{Refuse: 409, Code: "ConditionalRequestConflict"}, absent, true, backend.ErrExists, false},
		{"409, IfMatch", 1, proxy.Fault{Refuse: 409, Code: "ConditionalRequestConflict"}, match, true, nil, true},
		{"412, IfAbsent", 1, proxy.Fault{Refuse: 412, Code: "PreconditionFailed"}, absent, false, backend.ErrExists, false},
		{"412, IfMatch", 1, proxy.Fault{Refuse: 412, Code: "PreconditionFailed"}, match, true, backend.ErrChanged, false},
		{"gone, IfMatch", 1, proxy.Fault{Refuse: 404, Code: "NoSuchKey"}, match, true, backend.ErrChanged, false},
		{"lost response to a refusal, IfAbsent", 1, proxy.Fault{DropResponse: true}, absent, true, backend.ErrUnavailable, false},
		{"never an answer", 100, proxy.Fault{DropRequest: true}, absent, false, backend.ErrUnavailable, false},
		{"never an answer, stored", 100, proxy.Fault{DropResponse: true}, absent, false, nil, true},
		{"no permission", 1, proxy.Fault{Refuse: 403, Code: "AccessDenied"}, absent, false, errors.New("s3:PutObject"), false},
		{"slow", 1, proxy.Fault{Delay: 300 * time.Millisecond}, absent, false, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, p := behindProxy(t, servers.GoFakeS3, "")
			left := "" // what is there if nothing is stored
			if c.before {
				left = old
				info, err := tryPut(b, "a", old, backend.PutOptions{})
				if err != nil {
					t.Fatal(err)
				}
				if c.opts.IfMatch != "" {
					c.opts.IfMatch = info.Version
				}
			}
			p.Faults(first(c.n, "PUT", c.fault))
			info, err := tryPut(b, "a", fresh, c.opts)
			p.Faults(nil)
			ended(t, err, c.want)
			if err == nil && info.Version == "" {
				t.Error("Put returns no Version")
			}
			if c.stored {
				left = fresh
			}
			leaves(t, b, left, info, err)
		})
	}
}

// leaves checks what a Put of "a" left there, "" for nothing, and that what it told is true.
func leaves(t *testing.T, b backend.Backend, want string, info backend.Info, err error) {
	t.Helper()
	if want != "" {
		wants(t, b, "a", want)
	} else if _, err := b.Stat(context.Background(), key("a")); !errors.Is(err, backend.ErrNotFound) {
		t.Errorf("Stat after a Put that failed = %v, want %v", err, backend.ErrNotFound)
	}
	if err == nil {
		told(t, b, "a", info)
	}
}

const mebi = 1 << 20

func TestFaultsOfAnUploadInParts(t *testing.T) {
	value := strings.Repeat("sixteen bytes...", 12*mebi/16)
	absent := backend.PutOptions{IfAbsent: true}
	for name, c := range map[string]struct {
		n      int
		kind   string
		fault  proxy.Fault
		want   error
		aborts bool
	}{
		"part fails twice":             {2, "PUT PART", proxy.Fault{Refuse: 500, Code: "InternalError"}, nil, false},
		"part is lost":                 {1, "PUT PART", proxy.Fault{DropResponse: true}, nil, false},
		"parts are refused":            {100, "PUT PART", proxy.Fault{Refuse: 403, Code: "AccessDenied"}, errors.New("s3:PutObject"), true},
		"completion's answer is lost":  {1, "COMPLETE UPLOAD", proxy.Fault{DropResponse: true}, nil, false},
		"completion meets another":     {1, "COMPLETE UPLOAD", proxy.Fault{Refuse: 409, Code: "ConditionalRequestConflict"}, nil, true},
		"completion says exists":       {1, "COMPLETE UPLOAD", proxy.Fault{Refuse: 412, Code: "PreconditionFailed"}, backend.ErrExists, true},
		"completion never arrives":     {100, "COMPLETE UPLOAD", proxy.Fault{DropRequest: true}, backend.ErrUnavailable, true},
		"no sum over all parts":        {1, "CREATE UPLOAD", proxy.Fault{Refuse: 501, Code: "NotImplemented"}, nil, false},
		"another sum over all parts":   {1, "COMPLETE UPLOAD", proxy.Fault{Refuse: 400, Code: "BadDigest"}, nil, true},
		"abort fails, upload fails on": {100, "PUT PART", proxy.Fault{Refuse: 400, Code: "InvalidPart"}, errors.New("InvalidPart"), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, p := behindProxy(t, servers.VersityGW, "&multipart_above=5MiB&part_size=5MiB")
			p.Faults(first(c.n, c.kind, c.fault))
			_, err := tryPut(b, "a", value, absent)
			p.Faults(nil)
			counts := p.Counts()
			ended(t, err, c.want)
			if c.aborts != (counts["ABORT UPLOAD"] > 0) {
				t.Errorf("%d uploads aborted; want some: %v (%v)", counts["ABORT UPLOAD"], c.aborts, counts)
			}
			if c.want == nil {
				wants(t, b, "a", value)
			} else if _, err := b.Stat(context.Background(), key("a")); !errors.Is(err, backend.ErrNotFound) {
				t.Errorf("Stat after a Put that failed = %v, want %v", err, backend.ErrNotFound)
			}
			// Whatever happened, nothing is left behind that costs money.
			report, err := backend.Sweep(context.Background(), b, backend.SweepOptions{DryRun: true, Grace: 1})
			if err != nil || report.Orphans+report.Kept != 0 {
				t.Errorf("Sweep finds %+v, %v; want no unfinished upload", report, err)
			}
		})
	}
}

// A dead writer's upload is found by a Sweep, and a living one's is spared.
func TestSweepAbortsUnfinishedUploads(t *testing.T) {
	b, p := behindProxy(t, servers.VersityGW, "&multipart_above=5MiB&part_size=5MiB")
	p.Faults(func(op string, _ *http.Request) proxy.Fault {
		switch op {
		case "COMPLETE UPLOAD", "ABORT UPLOAD":
			return proxy.Fault{Refuse: 403, Code: "AccessDenied"}
		}
		return proxy.Fault{}
	})
	if _, err := tryPut(b, "a", strings.Repeat("x", 6*mebi), backend.PutOptions{}); err == nil {
		t.Fatal("Put succeeds without its completion")
	}
	p.Faults(nil)
	for _, c := range []struct {
		opts          backend.SweepOptions
		orphans, kept int
	}{
		{backend.SweepOptions{}, 0, 1},
		{backend.SweepOptions{Grace: 1, DryRun: true}, 1, 0},
		{backend.SweepOptions{Grace: 1}, 1, 0},
		{backend.SweepOptions{Grace: 1}, 0, 0},
	} {
		if c.opts.Grace == 1 {
			time.Sleep(2 * time.Second) // the server tells its time in whole seconds
		}
		got, err := backend.Sweep(context.Background(), b, c.opts)
		if err != nil || got.Orphans != c.orphans || got.Kept != c.kept {
			t.Errorf("Sweep(%+v) = %+v, %v; want %d orphans, %d kept", c.opts, got, err, c.orphans, c.kept)
		}
	}
}

func TestFaultsOfAGet(t *testing.T) {
	for _, size := range []int{1, 1000, 3 * mebi, 21 * mebi} {
		value := make([]byte, size)
		rand.NewChaCha8([32]byte{}).Read(value)
		for name, fault := range map[string]func() func(string, *http.Request) proxy.Fault{
			"cut once": func() func(string, *http.Request) proxy.Fault {
				return first(1, "GET", proxy.Fault{Cut: max(1, int64(size/7))})
			},
			"cut often": func() func(string, *http.Request) proxy.Fault {
				return first(6, "GET", proxy.Fault{Cut: max(1, int64(size/9))})
			},
			"lost response": func() func(string, *http.Request) proxy.Fault {
				return first(2, "GET", proxy.Fault{DropResponse: true})
			},
			"503": func() func(string, *http.Request) proxy.Fault {
				return first(2, "GET", proxy.Fault{Refuse: 503, Code: "SlowDown"})
			},
			"every second lost": func() func(string, *http.Request) proxy.Fault { return everySecond() },
		} {
			t.Run(fmt.Sprintf("%d bytes, %s", size, name), func(t *testing.T) {
				t.Parallel()
				b, p := behindProxy(t, servers.GoFakeS3, "")
				if _, err := tryPut(b, "a", string(value), backend.PutOptions{}); err != nil {
					t.Fatal(err)
				}
				p.Faults(fault())
				wants(t, b, "a", string(value))
			})
		}
		t.Run(fmt.Sprintf("%d bytes, corrupted", size), func(t *testing.T) {
			t.Parallel()
			b, p := behindProxy(t, servers.GoFakeS3, "")
			if _, err := tryPut(b, "a", string(value), backend.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			p.Faults(first(1, "GET", proxy.Fault{Corrupt: 1}))
			if got, err := read(b, "a"); !errors.Is(err, backend.ErrCorrupt) {
				t.Errorf("Get of a value with a flipped bit = %d bytes, %v; want %v", len(got), err, backend.ErrCorrupt)
			}
		})
	}
}

func everySecond() func(string, *http.Request) proxy.Fault {
	n := 0
	return func(string, *http.Request) proxy.Fault {
		n++
		return proxy.Fault{DropResponse: n%2 == 0}
	}
}

// A large value that is overwritten while it is read is never mixed: every part is asked
// for by the version of the first.
func TestOverwriteWhileReading(t *testing.T) {
	b, p := behindProxy(t, servers.VersityGW, "")
	value := func(c byte) string { return strings.Repeat(string(c), 24*mebi) }
	if _, err := tryPut(b, "a", value('x'), backend.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	p.Faults(func(op string, r *http.Request) proxy.Fault { // the later parts wait
		if op == "GET" && r.Header.Get("Range") != "" {
			return proxy.Fault{Delay: 500 * time.Millisecond}
		}
		return proxy.Fault{}
	})
	body, _, err := b.Get(context.Background(), key("a"))
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if _, err := tryPut(b, "a", value('y'), backend.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(body)
	if !errors.Is(err, backend.ErrUnavailable) || bytes.Contains(got, []byte("y")) {
		t.Errorf("reading on = %d bytes, of the new value: %v, error %v; want %v and nothing of the new value",
			len(got), bytes.Contains(got, []byte("y")), err, backend.ErrUnavailable)
	}
	p.Faults(nil)
	wants(t, b, "a", value('y'))
}

// Under faults of all kinds at once: what was acknowledged is there, what is read is right,
// one IfAbsent wins.
func TestStormOfFaults(t *testing.T) {
	b, p := behindProxy(t, servers.VersityGW, "")
	rnd := rand.New(rand.NewPCG(1, 2))
	p.Faults(func(string, *http.Request) proxy.Fault { // called by one at a time
		switch rnd.IntN(20) {
		case 0:
			return proxy.Fault{DropResponse: true}
		case 1:
			return proxy.Fault{DropRequest: true}
		case 2:
			return proxy.Fault{Refuse: 503, Code: "SlowDown"}
		case 3:
			return proxy.Fault{RefuseAfter: 500, Code: "InternalError"}
		case 4:
			return proxy.Fault{Cut: 10}
		case 5:
			return proxy.Fault{Corrupt: 5}
		case 6:
			return proxy.Fault{Delay: 20 * time.Millisecond}
		}
		return proxy.Fault{}
	})
	const workers, rounds = 8, 40
	var mu sync.Mutex
	winners := map[string][]string{} // values whose Put under IfAbsent succeeded
	unsure := map[string]bool{}      // keys with a Put of unknown outcome
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				name, value := fmt.Sprintf("k%02d", i), fmt.Sprintf("worker %d in round %d writes this", w, i)
				_, err := tryPut(b, name, value, backend.PutOptions{IfAbsent: true})
				mu.Lock()
				switch {
				case err == nil:
					winners[name] = append(winners[name], value)
				case !errors.Is(err, backend.ErrExists):
					unsure[name] = true
				}
				mu.Unlock()
				if got, err := read(b, name); err == nil && !strings.HasSuffix(got, fmt.Sprintf("in round %d writes this", i)) {
					t.Errorf("Get(%q) = %q", name, got)
				}
			}
		})
	}
	wg.Wait()
	p.Faults(nil)
	for i := range rounds {
		name := fmt.Sprintf("k%02d", i)
		got, err := read(b, name)
		switch won := winners[name]; {
		case err != nil:
			t.Errorf("Get(%q) = %v, want a value", name, err)
		case len(won) > 1:
			t.Errorf("%q has %d winners: %q", name, len(won), won)
		case len(won) == 1 && won[0] != got:
			t.Errorf("%q was won by %q and holds %q", name, won[0], got)
		case len(won) == 0 && !unsure[name]:
			t.Errorf("%q has no winner, and nobody is unsure", name)
		}
	}
}
