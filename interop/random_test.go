package interop_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/interop/proxy"
	"github.com/larder-store/larder/interop/servers"
)

// absent is the state of a key without a value; values are never empty here.
const absent = ""

// model knows what may be stored: an operation that failed leaves the old or the new.
type model struct {
	t      *testing.T
	b      backend.Backend
	rnd    *rand.Rand
	may    map[string]map[string]bool // by key: the states it may be in
	writes int

	corrupt bool // whether bits of what is read may flip now
	acked   int  // how many writes were acknowledged
	failed  int  // how many were not
}

// Many operations of all kinds through a proxy that does all a network can do: what was acknowledged is
// there, what failed left the old or the new, and what is read is right.
func TestRandomFaults(t *testing.T) {
	seeds := []uint64{rand.Uint64(), rand.Uint64()}
	if text := os.Getenv("LARDER_FAULTS_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seeds = []uint64{seed}
	}
	for i, seed := range seeds {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			t.Logf("replay: LARDER_FAULTS_SEED=%d go -C interop test -run TestRandomFaults .", seed)
			b, p := behindProxy(t, servers.VersityGW, "&multipart_above=5MiB&part_size=5MiB")
			m := &model{t: t, b: b, rnd: rand.New(rand.NewPCG(seed, 0)), may: map[string]map[string]bool{}}
			for k := range 6 {
				m.may[fmt.Sprintf("k%d/of/six", k)] = map[string]bool{absent: true}
			}
			weather := rand.New(rand.NewPCG(seed, 1))
			p.Faults(func(op string, _ *http.Request) proxy.Fault { return m.fault(op, weather) })
			for range 250 {
				m.step()
			}
			p.Faults(nil)
			for _, key := range slices.Sorted(maps.Keys(m.may)) {
				m.get(key)
				if len(m.may[key]) != 1 {
					t.Errorf("%s cannot be read without faults", key)
				}
			}
			m.list()
			if m.acked < m.failed {
				t.Errorf("%d writes were acknowledged and %d were not: the faults were not borne with", m.acked, m.failed)
			}
		})
	}
}

// fault chooses what happens to a request.
func (m *model) fault(op string, weather *rand.Rand) proxy.Fault {
	corrupted := proxy.Fault{}
	if m.corrupt && op == "GET" {
		corrupted.Corrupt = 1 + weather.Int64N(20)
	}
	faults := []proxy.Fault{
		{DropRequest: true}, {DropResponse: true},
		{Refuse: 503, Code: "SlowDown"}, {Refuse: 500, Code: "InternalError"}, {RefuseAfter: 500, Code: "InternalError"},
		{Cut: 1 + weather.Int64N(2*mebi)}, {Cut: 1 + weather.Int64N(100)},
		{Slow: 20 * time.Millisecond}, {Delay: 10 * time.Millisecond},
		{CorruptRequest: 1 + weather.Int64N(20)}, corrupted,
	}
	if strings.HasPrefix(op, "PUT") {
		faults = append(faults, proxy.Fault{Refuse: 409, Code: "ConditionalRequestConflict"})
	}
	if weather.IntN(4) > 0 {
		return proxy.Fault{}
	}
	return faults[weather.IntN(len(faults))]
}

func (m *model) key() string {
	return slices.Sorted(maps.Keys(m.may))[m.rnd.IntN(len(m.may))]
}

// value is another one each time, now and then one that goes in parts.
func (m *model) value() string {
	m.writes++
	text := fmt.Sprintf("write %d. ", m.writes)
	if m.rnd.IntN(12) == 0 {
		return strings.Repeat(text, (5*mebi+m.rnd.IntN(3*mebi))/len(text))
	}
	return strings.Repeat(text, 1+m.rnd.IntN(200))
}

func (m *model) step() {
	switch key := m.key(); m.rnd.IntN(12) {
	case 0, 1:
		m.put(key, backend.PutOptions{})
	case 2, 3:
		m.put(key, backend.PutOptions{IfAbsent: true})
	case 4, 5:
		m.replace(key)
	case 6:
		m.delete(key)
	case 7:
		m.delete(key, m.key())
	case 8:
		m.list()
	case 9:
		m.part(key)
	default:
		m.corrupt = true
		m.get(key)
		m.corrupt = false
	}
}

// put stores a value, and says what that tells of the key.
func (m *model) put(key string, opts backend.PutOptions) {
	value, may := m.value(), m.may[key]
	info, err := tryPut(m.b, key, value, opts)
	switch {
	case err == nil:
		m.acked++
		if opts.IfAbsent && !may[absent] {
			m.t.Errorf("Put(%q) under IfAbsent succeeds over %s", key, states(may))
		}
		m.may[key] = map[string]bool{value: true}
		m.stat(key, info.Version)
	case errors.Is(err, backend.ErrExists) && opts.IfAbsent:
		delete(may, absent)
	case errors.Is(err, backend.ErrChanged) && opts.IfMatch != "":
	default:
		m.failed++
		m.known("Put", key, err)
		may[value] = true
	}
	if len(m.may[key]) == 0 {
		m.t.Errorf("Put(%q) = %v, and the key was absent", key, err)
		m.may[key] = map[string]bool{absent: true}
	}
}

// replace puts over what is there, by its version; now and then by one that is out of date.
func (m *model) replace(key string) {
	value, version := m.get(key)
	if version == "" {
		return
	}
	if m.rnd.IntN(3) == 0 {
		m.put(key, backend.PutOptions{})
	}
	current := len(m.may[key]) == 1 && m.may[key][value]
	gone := !m.may[key][value]
	before := m.acked
	m.put(key, backend.PutOptions{IfMatch: version})
	if stored := m.acked > before; stored && gone {
		m.t.Errorf("Put(%q) under IfMatch replaces another version than it names", key)
	} else if !stored && current && len(m.may[key]) == 1 {
		m.t.Errorf("Put(%q) under IfMatch says that another version is there than the one that is", key)
	}
}

// get reads a value, and says what that tells of the key.
func (m *model) get(key string) (value, version string) {
	may := m.may[key]
	info, err := m.b.Stat(context.Background(), backend.Key{Shelf: "s", Name: key})
	if err == nil {
		version = info.Version
	}
	value, err = read(m.b, key)
	switch {
	case errors.Is(err, backend.ErrNotFound):
		value, version = absent, ""
	case err != nil:
		m.known("Get", key, err)
		return absent, ""
	}
	if !may[value] {
		m.t.Errorf("Get(%q) delivers %d bytes %.30q; may be %s", key, len(value), value, states(may))
	}
	m.may[key] = map[string]bool{value: true}
	return value, version
}

func (m *model) stat(key, version string) {
	info, err := m.b.Stat(context.Background(), backend.Key{Shelf: "s", Name: key})
	if err != nil {
		m.known("Stat", key, err)
	} else if info.Version != version {
		m.t.Errorf("Stat(%q) tells Version %q, the Put returned %q", key, info.Version, version)
	}
}

// part reads a range of what is certainly there.
func (m *model) part(key string) {
	value, _ := m.get(key)
	if value == absent {
		return
	}
	off := m.rnd.IntN(len(value))
	n := 1 + m.rnd.IntN(len(value)-off)
	body, _, err := backend.GetRange(context.Background(), m.b, backend.Key{Shelf: "s", Name: key}, "", int64(off), int64(n))
	if err != nil {
		m.known("GetRange", key, err)
		return
	}
	defer body.Close()
	got, err := io.ReadAll(body)
	if err != nil {
		m.known("GetRange", key, err)
	}
	if want := value[off : off+n]; err == nil && string(got) != want || !strings.HasPrefix(want, string(got)) {
		m.t.Errorf("GetRange(%q, %d, %d) delivers %d bytes of others, %v", key, off, n, len(got), err)
	}
}

func (m *model) delete(keys ...string) {
	items := make([]backend.Key, len(keys))
	for i, key := range keys {
		items[i] = backend.Key{Shelf: "s", Name: key}
	}
	err := backend.DeleteBatch(context.Background(), m.b, items)
	for i, key := range keys {
		if err := backend.ItemError(err, i); err != nil {
			m.known("Delete", key, err)
			m.may[key][absent] = true
			continue
		}
		m.may[key] = map[string]bool{absent: true}
	}
}

func (m *model) list() {
	found, last := map[string]int64{}, ""
	for info, err := range m.b.List(context.Background(), "s", backend.ListOptions{}) {
		if err != nil {
			m.known("List", "", err)
			return
		}
		if info.Key.Name <= last {
			m.t.Errorf("List yields %q after %q", info.Key.Name, last)
		}
		last = info.Key.Name
		found[last] = info.Size
	}
	for key, may := range m.may {
		size, listed := found[key]
		fits := false
		for state := range may {
			fits = fits || listed == (state != absent) && size == int64(len(state))
		}
		if !fits {
			m.t.Errorf("List returns %d bytes of %q (%v); may be %s", size, key, listed, states(may))
		}
		delete(found, key)
	}
	if len(found) > 0 {
		m.t.Errorf("List yields %v besides, which was not put", found)
	}
}

// known wants an error to be one that callers can tell.
func (m *model) known(op, key string, err error) {
	if m.corrupt && strings.Contains(err.Error(), "does not answer like S3") {
		return // an error whose text a flipped bit made illegible
	}
	if !errors.Is(err, backend.ErrUnavailable) && !errors.Is(err, backend.ErrCorrupt) && !errors.Is(err, backend.ErrNotFound) {
		m.t.Errorf("%s(%q) = %v, which is none of the errors that faults lead to", op, key, err)
	}
}

func states(may map[string]bool) string {
	var texts []string
	for state := range may {
		texts = append(texts, fmt.Sprintf("%d bytes %.30q", len(state), state))
	}
	slices.Sort(texts)
	return strings.Join(texts, " or ")
}
