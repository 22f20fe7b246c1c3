package law

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/larder-store/larder/backend"
)

// That all calls fall into one order.
var historyLaws = []Law{
	{
		Name: "history/linear", Fn: linear,
		Rule: "However calls overlap, each takes effect at one instant between its start and its return, and all see one order of them; a call of unknown outcome takes effect once or never.",
	},
}

// The shape of a history. Few keys make calls meet; few calls keep the search for an
// order short.
const (
	historyWorkers = 8
	historySteps   = 20
	historyKeys    = 4
)

func linear(ctx context.Context, e *Env) error {
	for i := range e.pick(6, 100, 5000) {
		h := &history{began: time.Now(), limits: e.Limits, values: map[[32]byte]int{}}
		crew, err := e.crew(ctx, historyWorkers)
		if err != nil {
			return err
		}
		keys := e.keys(fmt.Sprintf("history-%d", i), historyKeys)
		if err := crowd(historyWorkers, func(w int) error {
			return h.work(crew[w], w, keys, e.random(fmt.Sprintf("history %d %d", i, w)))
		}); err != nil {
			return err
		}
		if err := h.check(); err != nil {
			return fmt.Errorf("history %d: %w", i, err)
		}
		for _, p := range crew[1:3] {
			if p.b != e.main {
				p.close()
			}
		}
	}
	return nil
}

// event is what a call asked: Values are known by their numbers, each put once; 0 is
// no value.
type event struct {
	worker int
	key    string
	method string // get, stat, put, create, swap, delete
	value  int    // what put, create and swap store
	expect int    // the value whose Version swap gives

	call, back time.Duration
	result     // of a call that came back with an answer
	unknown    bool
}

// result is what a call answered.
type result struct {
	value  int  // what get and stat found
	failed bool // create and swap: ErrExists, ErrChanged
}

// history is what several workers did and saw.
type history struct {
	began  time.Time
	limits backend.Limits

	mu     sync.Mutex       // guards all below
	values map[[32]byte]int // the number of a value by its Digest
	events []event
}

// fresh returns a new value: its number and then some, so that large ones are neither
// inline nor written at once.
func (h *history) fresh() (int, string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(h.values) + 1
	size := 100
	if n%8 == 0 {
		size = 70_000
	}
	text := fmt.Sprintf("%d ", n) + noise(size, uint64(n))
	h.values[filled(text, backend.PutOptions{}).Digest] = n
	return n, text
}

// worker calls methods at random and writes down what they answer.
type worker struct {
	*history
	*probe
	number int
	keys   []backend.Key
	rnd    *rand.Rand
	known  map[string]seen // by key: what it saw last
}

// seen is a value and its Version.
type seen struct {
	value   int
	version string
}

func (h *history) work(p *probe, number int, keys []backend.Key, rnd *rand.Rand) error {
	w := &worker{h, p, number, keys, rnd, map[string]seen{}}
	for range historySteps {
		key := keys[rnd.IntN(len(keys))]
		if err := w.call(key, w.choose(key)); err != nil {
			return err
		}
	}
	return nil
}

// choose draws a method among those that the backend promises.
func (w *worker) choose(key backend.Key) string {
	methods := []string{"get", "get", "stat", "put", "delete"}
	if w.limits.AtomicIfAbsent {
		methods = append(methods, "create", "create")
	}
	if w.limits.AtomicIfMatch && w.known[key.Name].version != "" {
		methods = append(methods, "swap", "swap")
	}
	return methods[w.rnd.IntN(len(methods))]
}

// call calls a method. About one call in ten is cancelled midway, so that its outcome is
// unknown.
func (w *worker) call(key backend.Key, method string) error {
	ctx, cancel := w.ctx, context.CancelFunc(func() {})
	if w.rnd.IntN(10) == 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(w.rnd.IntN(1<<20))) // up to 1 ms
	}
	defer cancel()
	ev := event{worker: w.number, key: key.Name, method: method}
	opts, text := backend.PutOptions{}, ""
	switch method {
	case "create":
		opts = onlyNew
	case "swap":
		opts, ev.expect = matching(w.known[key.Name].version), w.known[key.Name].value
	}
	if method == "put" || method == "create" || method == "swap" {
		ev.value, text = w.fresh()
	}
	ev.call = time.Since(w.began)
	info, err := w.ask(ctx, key, method, text, opts)
	ev.back = time.Since(w.began)
	reads := method == "get" || method == "stat"
	switch {
	case err == nil && reads:
		ev.result.value = w.find(info)
		w.known[key.Name] = seen{ev.result.value, info.Version}
	case err == nil:
		w.known[key.Name] = seen{ev.value, info.Version}
	case errors.Is(err, errTorn):
		return fmt.Errorf("%s %q: %w", method, key, err)
	case reads && errors.Is(err, backend.ErrNotFound):
	case method == "create" && errors.Is(err, backend.ErrExists), method == "swap" && errors.Is(err, backend.ErrChanged):
		ev.failed = true
	case ctx.Err() != nil && w.ctx.Err() == nil, backend.Retryable(err), errors.Is(err, errReading):
		ev.unknown = true
	default:
		return fmt.Errorf("%s %q: %w", method, key, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, ev)
	return nil
}

// errTorn is a read that succeeded and should not have, cancelled or not.
var errTorn = errors.New("torn")

// ask makes the call itself. A value that was read must be whole.
func (w *worker) ask(ctx context.Context, key backend.Key, method, text string, opts backend.PutOptions) (backend.Info, error) {
	switch method {
	case "get":
		text, info, err := loadOnce(ctx, bare(w.b), key)
		if err == nil {
			if err := whole(text, info); err != nil {
				return info, fmt.Errorf("%w: %w", errTorn, err)
			}
		}
		return info, err
	case "stat":
		return bare(w.b).Stat(ctx, key)
	case "delete":
		return backend.Info{}, bare(w.b).Delete(ctx, key)
	}
	return (&probe{ctx: ctx, b: bare(w.b)}).try(key, text, opts)
}

// find returns the number of the value that info belongs to, 0 if there is none.
func (h *history) find(info backend.Info) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.values[info.Digest]
}

// register is one key: its state is the number of the value that it holds.
var register = porcupine.Model{
	Init: func() any { return 0 },
	Step: func(state, input, _ any) (bool, any) {
		holds, ev := state.(int), input.(event)
		switch ev.method {
		case "get", "stat":
			return ev.unknown || ev.result.value == holds, holds
		case "put":
			return true, ev.value
		case "delete":
			return true, 0
		}
		fits := holds == 0
		if ev.method == "swap" {
			fits = holds != 0 && holds == ev.expect
		}
		switch {
		case !ev.unknown && fits == ev.failed:
			return false, holds
		case fits:
			return true, ev.value
		}
		return true, holds
	},
}

// check looks for one order of all events of each key.
func (h *history) check() error {
	byKey := map[string][]event{}
	for _, ev := range h.events {
		byKey[ev.key] = append(byKey[ev.key], ev)
	}
	for key, events := range byKey {
		slices.SortFunc(events, func(a, b event) int { return cmp.Compare(a.call, b.call) })
		var ops []porcupine.Operation
		for _, ev := range events {
			op := porcupine.Operation{ClientId: ev.worker, Input: ev, Call: int64(ev.call), Return: int64(ev.back)}
			if ev.unknown {
				// It may still take effect long after the caller gave up; at the end
				// of all, where it is not seen, stands for never.
				op.Return = 1<<63 - 1
			}
			ops = append(ops, op)
		}
		// A history that is not decided in this time is not held against anybody.
		const enough = 10 * time.Second
		if porcupine.CheckOperationsTimeout(register, ops, enough) == porcupine.Illegal {
			return fmt.Errorf("no order of these calls on %q explains what they answered:\n%s", key, told(events))
		}
	}
	return nil
}

// told writes events one a line.
func told(events []event) string {
	var text strings.Builder
	for _, ev := range events {
		what := ev.method
		switch {
		case ev.method == "swap":
			what = fmt.Sprintf("swap %d for %d", ev.expect, ev.value)
		case ev.value != 0:
			what = fmt.Sprintf("%s %d", ev.method, ev.value)
		}
		answer := "ok"
		switch {
		case ev.unknown:
			answer = "unknown"
		case ev.failed:
			answer = "refused"
		case ev.method == "get" || ev.method == "stat":
			answer = fmt.Sprintf("found %d", ev.result.value)
		}
		fmt.Fprintf(&text, "%9.3f to %9.3f ms  worker %d  %-16s %s\n", ms(ev.call), ms(ev.back), ev.worker, what, answer)
	}
	return text.String()
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
