package shelve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/shelve"
)

func init() {
	roles["mortal"] = mortal
	roles["failing"] = failing
}

// mortal makes changes until it is killed, and says before and after each what it is. A change that is its own is never
// one of another, whatever happens to those who commit for it.
func mortal(dir string, args []string) error {
	ctx := context.Background()
	b, err := shelve.Open(dir, shelve.WithHook(shelve.Options{}, func(step, _ string) error {
		switch n := rand.IntN(300); {
		case step != "before commit" && step != "after commit":
		case n < 2: // with the answers of all that this commit is for
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		case n == 2: // its guests lose patience
			time.Sleep(400 * time.Millisecond)
		}
		return nil
	}))
	if err != nil {
		return err
	}
	defer b.Close()
	shelve.LikeToHost(b)
	var match string
	for i := 0; ; i++ {
		// A sequence of versions that only this process goes on with.
		v := []byte(strconv.Itoa(i))
		o := options(v)
		o.IfMatch, o.IfAbsent = match, match == ""
		info, err := b.Put(ctx, cache("seq-"+args[0]), bytes.NewReader(v), o)
		if err != nil {
			return fmt.Errorf("%s: its own sequence, %d: %w", args[0], i, err)
		}
		match = info.Version
		fmt.Println("put", i)
		key := cache(fmt.Sprint("once-", args[0], "-", i))
		o = options(v)
		o.IfAbsent = true
		if _, err := b.Put(ctx, key, bytes.NewReader(v), o); err != nil {
			return fmt.Errorf("%s: put if absent: %w", key, err)
		}
		if got, _, err := get(b, cache("seq-"+args[0])); err != nil || !bytes.Equal(got, v) {
			return fmt.Errorf("%s reads %q, %v, and wrote %q", args[0], got, err, v)
		}
		if i%5 == 0 {
			if err := put(b, cache("large-"+args[0]), value(args[0], large)); err != nil {
				return err
			}
		}
		if i%7 == 0 {
			fmt.Println("counting")
			if err := count(ctx, b); err != nil {
				return err
			}
			fmt.Println("counted")
		}
		if i%3 == 0 {
			info, err := b.Stat(ctx, key)
			if err == nil {
				err = b.DeleteMatch(ctx, []backend.Seen{{Key: key, Version: info.Version}})
			}
			if err == nil {
				if _, gone := b.Stat(ctx, key); !errors.Is(gone, backend.ErrNotFound) {
					err = fmt.Errorf("it is still there: %v", gone)
				}
			}
			if err != nil {
				return fmt.Errorf("%s: delete if it is its own: %w", key, err)
			}
		}
	}
}

// mortals is a process that plays mortal.
type mortals struct {
	name      string
	cmd       *exec.Cmd
	out, errs bytes.Buffer
	ended     chan struct{}
}

func beginMortal(t *testing.T, dir, name string) *mortals {
	t.Helper()
	m := &mortals{name: name, cmd: another(t, "mortal", dir, name), ended: make(chan struct{})}
	m.cmd.Stdout, m.cmd.Stderr = &m.out, &m.errs
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(m.ended)
		m.cmd.Wait() // its death is wanted; what it had to say is in errs
	}()
	return m
}

// TestKilledAndStopped kills and stops processes at random that commit for each other: those that live learn what became of
// all that they asked for, and what was told to be done is there.
func TestKilledAndStopped(t *testing.T) {
	span := 3 * time.Second
	if s := os.Getenv("SPAN"); s != "" {
		span, _ = time.ParseDuration(s)
	}
	seed := uint64(time.Now().UnixNano())
	t.Log("seed", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	var living, dead []*mortals
	give := func() { living = append(living, beginMortal(t, dir, fmt.Sprint("m", len(living)+len(dead)))) }
	bury := func(i int) {
		m := living[i]
		living = slices.Delete(living, i, i+1)
		dead = append(dead, m)
		m.cmd.Process.Kill()
		<-m.ended
		if m.errs.Len() > 0 {
			t.Errorf("%s: %s", m.name, m.errs.String())
		}
	}
	for range 6 {
		give()
	}
	for end := time.Now().Add(span); time.Now().Before(end) && !t.Failed(); {
		for i := len(living) - 1; i >= 0; i-- {
			select {
			case <-living[i].ended:
				bury(i)
				give()
			default:
			}
		}
		time.Sleep(time.Duration(rng.IntN(200)) * time.Millisecond)
		i := rng.IntN(len(living))
		if rng.IntN(4) == 0 {
			bury(i)
			give()
			continue
		}
		p := living[i].cmd.Process
		p.Signal(syscall.SIGSTOP)
		time.Sleep(time.Duration(rng.IntN(600)) * time.Millisecond)
		p.Signal(syscall.SIGCONT)
	}
	for len(living) > 0 {
		bury(0)
	}
	b := open(t, dir, nil)
	least, most, puts := 0, 0, 0
	for _, r := range dead {
		out := r.out.String()
		begun, counted := strings.Count(out, "counting\n"), strings.Count(out, "counted\n")
		least, most = least+counted, most+begun
		n := strings.Count(out, "put ")
		puts += n
		if n == 0 {
			continue
		}
		got, _, err := get(b, cache("seq-"+r.name))
		have, _ := strconv.Atoi(string(got))
		if err != nil || have < n-1 || have > n {
			t.Errorf("%s ends at %q, %v, and was told %d", r.name, got, err, n-1)
		}
	}
	got, _, err := get(b, cache("count"))
	have, _ := strconv.Atoi(string(got))
	if err != nil && most > 0 || have < least || have > most {
		t.Errorf("count = %q, %v, want %d to %d", got, err, least, most)
	}
	t.Logf("%d processes, %d puts, counted %d in %d to %d", len(dead), puts, have, least, most)
	b.Close()
	checkIndex(t, dir)
}

// failing goes on with a sequence of its own for a time, while some commits fail, its own and those of others that commit for it. What is
// told not to be done is not, and what is in doubt is done or not.
func failing(dir string, args []string) error {
	ctx := context.Background()
	b, err := shelve.Open(dir, shelve.WithHook(shelve.Options{}, func(step, _ string) error {
		if (step == "before commit" || step == "after commit") && rand.IntN(30) == 0 {
			return syscall.ENOSPC
		}
		return nil
	}))
	if err != nil {
		return err
	}
	defer b.Close()
	shelve.LikeToHost(b)
	key, match, old, failed, i := cache("fails-"+args[0]), "", []byte(nil), 0, 0
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end) || failed == 0; i++ {
		v := fmt.Append(nil, args[0], i)
		o := options(v)
		o.IfMatch, o.IfAbsent = match, match == ""
		info, putErr := b.Put(ctx, key, bytes.NewReader(v), o)
		got, found, err := get(b, key)
		if errors.Is(err, backend.ErrNotFound) {
			got, found, err = nil, backend.Info{}, nil
		}
		is := bytes.Equal(got, v)
		switch {
		case err != nil:
			return err
		case !is && !bytes.Equal(got, old):
			return fmt.Errorf("%q is neither %q nor %q", got, old, v)
		case putErr == nil && (!is || info.Version != found.Version):
			return fmt.Errorf("%q was put, and is %q", v, got)
		case putErr == nil:
		case !errors.Is(putErr, syscall.ENOSPC):
			return putErr
		case is && !strings.Contains(putErr.Error(), "may have taken effect"):
			return fmt.Errorf("%q was put, in spite of %w", v, putErr)
		case strings.Count(putErr.Error(), "may have taken effect") > 1 || strings.Count(putErr.Error(), "no space") > 1:
			return fmt.Errorf("it is said twice: %w", putErr)
		default:
			failed++
		}
		match, old = found.Version, got
	}
	fmt.Println("failed", failed, "of", i)
	return nil
}

// TestHostFails: whose commit fails at another process is told so, and no more than that.
func TestHostFails(t *testing.T) {
	dir := t.TempDir()
	mustPut(t, open(t, dir, nil), cache("k"), []byte("v"))
	var cmds []*exec.Cmd
	var outs [4]bytes.Buffer
	for i := range outs {
		cmd := another(t, "failing", dir, fmt.Sprint("f", i))
		cmd.Stdout = &outs[i]
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v", i, err)
		}
		t.Logf("%s", outs[i].Bytes())
	}
	checkIndex(t, dir)
}
