package law

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/larder-store/larder/backend"
)

// What holds between processes, also when they are killed.
var processLaws = []Law{
	{
		Name: "process/shared", Needs: []Need{Processes, SharedPlace}, Fn: processesShare,
		Rule: "Processes that have a place open see what each other stores, and keep no other process waiting while they are idle.",
	},
	{
		Name: "process/if-absent", Needs: []Need{Processes, SharedPlace, AtomicIfAbsent}, Fn: processesCreate,
		Rule: "Of processes that race with IfAbsent exactly one wins each key, and its value stays.",
	},
	{
		Name: "process/if-match", Needs: []Need{Processes, SharedPlace, AtomicIfMatch}, Fn: processesRaise,
		Rule: "A counter that processes raise by IfMatch loses no step.",
	},
	{
		Name: "process/storm", Needs: []Need{Processes, SharedPlace}, Fn: processesMix,
		Rule: "Processes that put and get the same keys at once all come to their end, and every read is some whole value.",
	},
	{
		Name: "process/kill", Needs: []Need{Processes, SharedPlace}, Fn: processKilled,
		Rule: "After a kill -9 at any instant what was acknowledged is there, what was not is there wholly or not at all, and work goes on.",
	},
	{
		Name: "process/kill-lease", Waits: true, Needs: []Need{Processes, SharedPlace, Leases}, Fn: holderKilled,
		Rule: "The lease of a process that was killed can be taken after its ttl, with a greater epoch, and not while it lives.",
	},
}

// processes is how many race: more than the machines that run this have cores.
const processes = 4

func processesCreate(ctx context.Context, e *Env) error {
	n := e.pick(20, 100, 3000)
	said, err := e.together(ctx, processes, job{Task: "create", Shelf: e.Shelf("s"), Count: n})
	if err != nil {
		return err
	}
	winner := map[string]int{}
	for worker, lines := range said {
		for _, line := range lines {
			if first, taken := winner[line]; taken {
				return fmt.Errorf("processes %d and %d both %s", first, worker, line)
			}
			winner[line] = worker
		}
	}
	p := e.handle(ctx)
	for i, key := range e.keys("s", n) {
		worker, ok := winner[fmt.Sprintf("won %d", i)]
		if !ok {
			p.failf("none of %d processes created %q", processes, key)
		}
		p.holds(key, raceText(i, worker))
	}
	return p.err
}

func processesRaise(ctx context.Context, e *Env) error {
	p, n := e.handle(ctx), e.pick(10, 50, 1000)
	key := e.keys("s", 1)[0]
	p.put(key, "0 nobody")
	if p.err != nil {
		return p.err
	}
	if _, err := e.together(ctx, processes, job{Task: "raise", Shelf: key.Shelf, Count: n}); err != nil {
		return err
	}
	text, _ := p.get(key)
	if got, _ := count(text); p.err == nil && got != processes*n {
		p.failf("%d processes raised a counter %d times each, and it says %d, want %d", processes, n, got, processes*n)
	}
	return p.err
}

func processesMix(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, key := range e.keys("s", 10) {
		p.put(key, "first")
	}
	if p.err != nil {
		return p.err
	}
	_, err := e.together(ctx, processes, job{Task: "mix", Shelf: e.Shelf("s"), Count: e.pick(15, 80, 3000)})
	return err
}

func processesShare(ctx context.Context, e *Env) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p, keys := e.handle(ctx), e.keys("s", 2)
	p.put(keys[0], "first")
	if p.err != nil {
		return p.err
	}
	const times = 5
	h, err := e.spawn(ctx, job{Task: "answer", Shelf: keys[0].Shelf, Count: times, DieStep: -1})
	if err != nil {
		return err
	}
	for i := range times {
		text := fmt.Sprintf("question %d ", i) + noise(someSizes[i%2], 1)
		p.put(keys[0], text)
		if err := errors.Join(p.err, h.tell(), h.expect("answered")); err != nil {
			return err
		}
		p.holds(keys[1], "seen: "+text)
	}
	if err := h.tell(); err != nil {
		return err
	}
	if _, err := h.rest(); err != nil {
		return err
	}
	return p.err
}

// storyPart is one step of a story: a Put or a Delete under one of a few names.
type storyPart struct {
	name   string
	text   string
	remove bool
}

// storyStep is the same for the parent and its helper.
func storyStep(i, large int) storyPart {
	s := storyPart{name: fmt.Sprintf("k-%d", i%5), remove: i%9 == 8}
	if !s.remove {
		s.text = fmt.Sprintf("step %d ", i) + noise([]int{100, 200_000, 5000}[i%3]+large, uint64(i))
	}
	return s
}

// storyAfter is what there is after the first n steps.
func storyAfter(n, large int) map[string]string {
	there := map[string]string{}
	for i := range n {
		s := storyStep(i, large)
		if s.remove {
			delete(there, s.name)
		} else {
			there[s.name] = s.text
		}
	}
	return there
}

func processKilled(ctx context.Context, e *Env) error {
	const steps = 12
	for round := range e.pick(6, 40, 1000) {
		shelf := e.Shelf(fmt.Sprintf("s-%d", round))
		j := job{Task: "write", Shelf: shelf, Count: steps, DieStep: -1}
		acks := steps // after how many steps it is killed from outside
		if round%2 == 0 {
			// From inside, while a body is read: at its beginning, its end, between.
			j.DieStep = e.Rand.IntN(steps)
			n := int64(len(storyStep(j.DieStep, 0).text))
			j.DieAt = []int64{0, 1, n / 2, n - 1, n}[round/2%5]
		} else {
			acks = e.Rand.IntN(steps)
		}
		pause := time.Duration(e.Rand.IntN(1 << e.Rand.IntN(22))) // up to 2 ms
		if err := e.killedIn(ctx, j, acks, pause); err != nil {
			return fmt.Errorf("round %d: %w", round, err)
		}
	}
	if e.Tier < Full {
		return nil
	}
	// In the midst of what takes a while to write.
	for round := range e.pick(0, 20, 200) { // of which one in ten comes in the midst of a write
		j := job{Task: "write", Shelf: e.Shelf(fmt.Sprintf("large-%d", round)), Count: 3, DieStep: -1, Large: e.most(8<<20) - 300_000}
		if err := e.killedIn(ctx, j, 1, time.Duration(e.Rand.IntN(int(40*time.Millisecond)))); err != nil {
			return fmt.Errorf("round %d of large values: %w", round, err)
		}
	}
	return nil
}

// killedIn lets a helper work, kills it, looks what is there, and lets the story go on.
func (e *Env) killedIn(ctx context.Context, j job, acks int, pause time.Duration) error {
	done, err := e.killed(ctx, j, acks, pause)
	if err != nil {
		return err
	}
	p := e.handle(ctx)
	next := p.either(j.Shelf, done, j.Large)
	if p.err != nil {
		return fmt.Errorf("killed after step %d of a process was acknowledged: %w", done-1, p.err)
	}
	// Here and in another process.
	j.From, j.Count, j.DieStep = next, 2, -1
	if _, err := e.together(ctx, 1, j); err != nil {
		return fmt.Errorf("the process after the one that was killed: %w", err)
	}
	if _, err := backend.Sweep(ctx, p.b, backend.SweepOptions{}); err != nil {
		return fmt.Errorf("Sweep: %w", err)
	}
	if p.either(j.Shelf, next+2, j.Large) != next+2 {
		p.failf("after the kill two steps more were acknowledged, and then are not all there")
	}
	if p.err != nil {
		return fmt.Errorf("after the kill and a sweep: %w", p.err)
	}
	return nil
}

// killed lets a helper work, kills it a pause after so many steps were acknowledged, and
// returns how many were in the end.
func (e *Env) killed(ctx context.Context, j job, acks int, pause time.Duration) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h, err := e.spawn(ctx, j)
	if err != nil {
		return 0, err
	}
	if err := h.tell(); err != nil {
		return 0, err
	}
	done := 0
	var timer *time.Timer
	for {
		if done == acks && timer == nil {
			timer = time.AfterFunc(pause, func() { h.cmd.Process.Kill() })
			defer timer.Stop()
		}
		line, ok := <-h.lines
		if !ok {
			break
		}
		if line == fmt.Sprintf("step %d", done) {
			done++
		}
	}
	if err := <-h.ended; err != nil && h.stderr.Len() > 0 {
		return 0, fmt.Errorf("a helper process: %w", err)
	}
	return done, nil
}

// either wants a shelf to be as after n steps of its story, or as after one more, and
// returns which.
func (p *probe) either(shelf string, n, large int) int {
	now, err := p.look(shelf)
	if err != nil {
		now, err = p.look(shelf) // a server took up a request of the killed one while we looked
	}
	if err != nil {
		p.failf("%w", err)
	}
	var diff string
	for k := range 2 {
		if diff = storyDiff(now, storyAfter(n+k, large)); diff == "" {
			return n + k
		}
	}
	p.failf("the shelf is neither as it was nor as the next step makes it: %s", diff)
	return n
}

// look returns what a shelf holds, as List and Get agree.
func (p *probe) look(shelf string) (map[string]string, error) {
	now := map[string]string{}
	for _, info := range p.list(shelf, backend.ListOptions{}) {
		text, _, err := load(p.ctx, p.b, info.Key)
		if err != nil {
			return nil, fmt.Errorf("Get(%q): %w", info.Key, err)
		}
		if info.Size != int64(len(text)) {
			return nil, fmt.Errorf("a list returns %d bytes of %q, and Get delivers %d", info.Size, info.Key, len(text))
		}
		now[info.Key.Name] = text
	}
	return now, nil
}

func storyDiff(now, want map[string]string) string {
	for name, text := range want {
		if now[name] != text {
			return fmt.Sprintf("%q holds %d bytes %s, want %d bytes %s", name, len(now[name]), clip(now[name]), len(text), clip(text))
		}
	}
	for name := range now {
		if _, ok := want[name]; !ok {
			return fmt.Sprintf("%q holds %d bytes, want nothing", name, len(now[name]))
		}
	}
	return ""
}

func holderKilled(ctx context.Context, e *Env) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	const ttl = 2 * time.Second
	name, p := e.leaseName("a"), e.handle(ctx)
	first := p.acquire(name, longLease)
	first.Release(ctx)
	h, err := e.spawn(ctx, job{Task: "lease", Shelf: name, Count: int(ttl / time.Millisecond), DieStep: -1})
	if err != nil {
		return err
	}
	if err := h.tell(); err != nil {
		return err
	}
	line := <-h.lines
	var epoch uint64
	if _, err := fmt.Sscanf(line, "epoch %d", &epoch); err != nil {
		return fmt.Errorf("a helper process said %q, want its epoch: %w", line, <-h.ended)
	}
	if epoch <= first.Epoch() {
		p.failf("a process got the lease with epoch %d, and before it was %d", epoch, first.Epoch())
	}
	p.locked(name)
	h.cmd.Process.Kill()
	<-h.ended
	var l backend.Lease = noLease{}
	if p.err == nil && !eventually(ctx, func() bool { l, err = p.tryAcquire(name, longLease); return err == nil }) {
		p.failf("the lease of a process that was killed is not free after all the patience of this law: %w", err)
	}
	if p.err == nil && l.Epoch() <= epoch {
		p.failf("the epoch after the process that was killed is %d, and its own was %d", l.Epoch(), epoch)
	}
	if p.err == nil {
		l.Release(ctx)
	}
	return p.err
}
