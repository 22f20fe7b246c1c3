package interop_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/larder-store/larder"
	_ "github.com/larder-store/larder/backend/blob/azure"
	_ "github.com/larder-store/larder/backend/blob/file"
	_ "github.com/larder-store/larder/backend/blob/gcs"
	_ "github.com/larder-store/larder/backend/blob/s3"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/interop/servers"
)

// A worker is a process that asks for a result: this test binary again, with its order in
// the environment. It begins, and ends its computation, when it reads a line.
const orderVariable = "LARDER_TEST_ORDER"

type order struct {
	URL   string
	TTL   time.Duration
	Count string // the file to which each computation adds a line
}

// patience is for how long a word is waited for. Nothing is judged by it but a hang.
const patience = 2 * time.Minute

func init() {
	text := os.Getenv(orderVariable)
	if text == "" {
		return
	}
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		panic(err)
	}
	if err := o.follow(); err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

var shared = component.New("test/shared", "1", map[string]any{"n": 1})

func (o order) follow() error {
	ctx := context.Background()
	log := slog.New(slog.NewTextHandler(os.Stdout, nil))
	store, err := larder.Open(ctx, o.URL, &larder.Options{Logger: log, LeaseTTL: o.TTL})
	if err != nil {
		return err
	}
	defer store.Close()
	in := bufio.NewScanner(os.Stdin)
	fmt.Println("ready")
	in.Scan()
	value, err := larder.Memo(ctx, store, shared, "x", func(context.Context) (string, error) {
		if err := addLine(o.Count); err != nil {
			return "", err
		}
		fmt.Println("computing")
		in.Scan()
		return madeBy(os.Getpid()), nil
	})
	if err != nil {
		return err
	}
	fmt.Println("value:", value)
	return nil
}

func madeBy(pid int) string { return fmt.Sprintf("made by %d", pid) }

// addLine adds a line to a file that processes share.
func addLine(path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintln(f, os.Getpid())
	return err
}

// lines counts the lines of a file.
func lines(t *testing.T, path string) int {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), "\n")
}

// process is one that a test started, and what it says on stdout and stderr.
type process struct {
	cmd  *exec.Cmd
	in   io.Writer
	said chan string // lines; closed at its end
	pid  int
}

// begin starts a process. It dies with the test.
func begin(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	if os.Getenv("GORACE") == "" { // with the race detector a process would sleep a second before it ends
		cmd.Env = append(cmd.Environ(), "GORACE=atexit_sleep_ms=10")
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd, in, make(chan string, 1000), cmd.Process.Pid}
	go func() {
		defer close(p.said)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.said <- s.Text()
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		out.Close()
	})
	return p
}

func work(t *testing.T, o order) *process {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), orderVariable+"="+string(text))
	p := begin(t, cmd)
	p.until(t, "ready")
	return p
}

// until returns the next line that contains one of the words.
func (p *process) until(t *testing.T, words ...string) string {
	t.Helper()
	var heard []string
	timeout := time.After(patience)
	for {
		select {
		case line, ok := <-p.said:
			for _, word := range words {
				if ok && strings.Contains(line, word) {
					return line
				}
			}
			if !ok {
				t.Fatalf("process %d ended without a word of %q; it said:\n%s", p.pid, words, strings.Join(heard, "\n"))
			}
			heard = append(heard, line)
		case <-timeout:
			t.Fatalf("process %d says nothing of %q; it said:\n%s", p.pid, words, strings.Join(heard, "\n"))
		}
	}
}

// next lets a worker go on: begin, or end its computation.
func (p *process) next(t *testing.T) {
	t.Helper()
	if _, err := io.WriteString(p.in, "\n"); err != nil {
		t.Fatalf("process %d: %v", p.pid, err)
	}
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// end waits until p has ended well.
func (p *process) end(t *testing.T) {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- p.cmd.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("process %d: %v", p.pid, err)
		}
	case <-time.After(patience):
		t.Errorf("process %d does not end", p.pid)
		p.signal(t, syscall.SIGKILL)
		for line := range p.said {
			t.Log(line)
		}
	}
}

// kill ends a process as a crash does, and waits until it is gone.
func (p *process) kill(t *testing.T) {
	t.Helper()
	p.signal(t, syscall.SIGKILL)
	p.cmd.Wait()
}

// names wants a line to name a process.
func names(t *testing.T, line string, pid int) {
	t.Helper()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("process %d on %s", pid, host); !strings.Contains(line, want) {
		t.Errorf("%q does not name %q", line, want)
	}
}

// gives wants the value as the next that p says of it.
func (p *process) gives(t *testing.T, want string) {
	t.Helper()
	if got := p.until(t, "value:"); got != "value: "+want {
		t.Errorf("process %d has %q, want %q", p.pid, got, want)
	}
}

// places are where processes compute once.
var places = []struct {
	name string
	url  func(t testing.TB) string
}{
	{"versitygw", func(t testing.TB) string { s := servers.VersityGW(t); return s3URL(t, s, s.URL) }},
	{"gofakes3", func(t testing.TB) string { s := servers.GoFakeS3(t); return s3URL(t, s, s.URL) }},
	{"gcs", func(t testing.TB) string {
		return "gs://" + servers.GCSBucket(t) + "?anonymous=true&endpoint=" + servers.FakeGCS(t).URL + "/storage/v1/"
	}},
	{"azure", func(t testing.TB) string {
		return "azblob://" + servers.AzureContainer(t) + "?endpoint=" + servers.Azurite(t).URL + "/" + servers.AzureAccount
	}},
	{"file", func(t testing.TB) string { return "file://" + filepath.ToSlash(t.TempDir()) }},
}

// everywhere runs a test on each of the places, all at once: most of the time it waits.
func everywhere(t *testing.T, test func(t *testing.T, url string)) {
	for _, place := range places {
		t.Run(place.name, func(t *testing.T) {
			t.Parallel()
			test(t, place.url(t))
		})
	}
}
