package law

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/larder-store/larder/backend"
)

// childVariable makes a process a helper, and says what to do, as JSON.
const childVariable = "LARDER_CONFORMANCE_CHILD"

// childMark begins the lines that a helper says to its parent; what else a test binary
// prints is passed over.
const childMark = "larder-child: "

// job is what a helper process does.
type job struct {
	Loc    string `json:"loc"`
	Task   string `json:"task"`
	Worker int    `json:"worker"`
	Shelf  string `json:"shelf"`
	Count  int    `json:"count"`
	From   int    `json:"from"`
	Large  int    `json:"large"` // bytes that each value of a story has more

	// The helper kills itself when the body of this step is read at this offset; -1
	// for never.
	DieStep int   `json:"die_step"`
	DieAt   int64 `json:"die_at"`
}

// Child does what this process was started for, if a law started it as a helper, and
// reports whether it was. If so, the caller ends the process: with status 0 if err is nil.
//
// A helper speaks with its parent over stdin and stdout, and ends when stdin does, so that
// none outlives its parent.
func Child(ctx context.Context, open func(ctx context.Context, loc string) (backend.Backend, error)) (bool, error) {
	text, ok := os.LookupEnv(childVariable)
	if !ok {
		return false, nil
	}
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return true, fmt.Errorf("%s: %w", childVariable, err)
	}
	task, ok := tasks[j.Task]
	if !ok {
		return true, fmt.Errorf("%s: there is no task %q", childVariable, j.Task)
	}
	b, err := open(ctx, j.Loc)
	if err != nil {
		return true, err
	}
	c := &child{job: j, probe: &probe{ctx: ctx, b: steady{b, new(atomic.Int64)}}, heard: make(chan string)}
	go c.listen(os.Stdin)
	c.say("ready")
	c.hear()
	task(c)
	c.close()
	if c.err == nil {
		c.say("done")
	}
	return true, c.err
}

// child is a helper at work.
type child struct {
	job
	*probe
	heard chan string
}

// say says something to the parent.
func (c *child) say(format string, args ...any) {
	if c.err == nil {
		fmt.Printf(childMark+format+"\n", args...)
	}
}

// hear waits for a word of the parent.
func (c *child) hear() { <-c.heard }

func (c *child) listen(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		c.heard <- lines.Text()
	}
	os.Exit(3) // the parent is gone
}

// die ends the process as kill -9 does.
func (c *child) die() error {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		return err
	}
	select {} // until the signal comes
}

var tasks = map[string]func(*child){
	"create": (*child).create,
	"raise":  (*child).raise,
	"write":  (*child).write,
	"mix":    (*child).mix,
	"answer": (*child).answer,
	"lease":  (*child).lease,
}

// create races for keys and says which it won.
func (c *child) create() {
	for i := range c.Count {
		_, err := c.try(c.key(i), raceText(i, c.Worker), onlyNew)
		switch {
		case err == nil:
			c.say("won %d", i)
		default:
			c.fails("Put(IfAbsent) beside other processes", err, backend.ErrExists)
		}
	}
}

func (c *child) key(i int) backend.Key {
	return backend.Key{Shelf: c.Shelf, Name: fmt.Sprintf("%06d", i)}
}

func raceText(i, worker int) string {
	return fmt.Sprintf("%d by %d ", i, worker) + noise(someSizes[i%2]/10, uint64(worker))
}

// raise counts on, beside other processes.
func (c *child) raise() {
	for i := range c.Count {
		if err := raise(c.probe, c.key(0), fmt.Sprintf("%d.%d", c.Worker, i)); err != nil {
			return
		}
	}
}

// write goes through the steps of a story and says after each that it is done.
func (c *child) write() {
	for i := c.From; i < c.From+c.Count && c.err == nil; i++ {
		s := storyStep(i, c.Large)
		key := backend.Key{Shelf: c.Shelf, Name: s.name}
		if s.remove {
			if i == c.DieStep {
				c.die()
			}
			c.remove(key)
			c.say("step %d", i)
			continue
		}
		body := newBody(s.text)
		if i == c.DieStep {
			body.at, body.hook = min(c.DieAt, int64(len(s.text))), c.die
		}
		if _, err := c.b.Put(c.ctx, key, body, filled(s.text, backend.PutOptions{})); err != nil {
			c.failf("Put(%q): %w", key, err)
		}
		c.say("step %d", i)
	}
}

// mix puts and gets keys that other processes use too.
func (c *child) mix() {
	for i := range c.Count {
		key := c.key((i*7 + c.Worker) % 10)
		c.put(key, fmt.Sprintf("%d %d ", c.Worker, i)+noise(someSizes[i%2], uint64(i)))
		text, info := c.current(c.key(i % 10))
		if err := whole(text, info); c.err == nil && err != nil {
			c.failf("Get beside other processes: %w", err)
		}
		c.list(c.Shelf, backend.ListOptions{Limit: 5})
	}
}

// answer keeps its handle open, and says what it sees whenever it is asked.
func (c *child) answer() {
	for range c.Count {
		text, _ := c.get(c.key(0))
		c.put(c.key(1), "seen: "+text)
		c.say("answered")
		c.hear()
	}
}

// lease holds a lease until the process is killed.
func (c *child) lease() {
	l := c.acquire(c.Shelf, time.Duration(c.Count)*time.Millisecond)
	c.say("epoch %d", l.Epoch())
	for c.err == nil {
		time.Sleep(time.Duration(c.Count) * time.Millisecond / 4)
		if err := l.Renew(c.ctx); err != nil && !errors.Is(err, backend.ErrChanged) {
			c.failf("Renew: %w", err)
		}
	}
}
