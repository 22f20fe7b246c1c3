// Package servers starts real servers for tests, on ports of their own of 127.0.0.1, and
// ends them with the test binary.
package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The credentials of all S3 servers here.
const (
	AccessKey = "larder-test-key"
	SecretKey = "larder-test-secret"
	Region    = "us-east-1"
)

// Environment gives the SDKs the servers' credentials, and keeps them from looking for
// others on this machine.
func Environment() {
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID":           AccessKey,
		"AWS_SECRET_ACCESS_KEY":       SecretKey,
		"AWS_SESSION_TOKEN":           "",
		"AWS_REGION":                  Region,
		"AWS_EC2_METADATA_DISABLED":   "true",
		"AWS_CONFIG_FILE":             os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AZURE_STORAGE_ACCOUNT":       AzureAccount,
		"AZURE_STORAGE_KEY":           AzureKey,
	} {
		os.Setenv(name, value)
	}
}

// A Server is one that runs. URL is its address, such as http://127.0.0.1:40000.
type Server struct {
	Name string
	URL  string
	Dir  string // where it keeps its data; empty for memory
	PID  int    // 0: it runs in this process
}

var (
	mu    sync.Mutex // guards stops
	stops []func()
)

// Stop ends all servers. TestMain calls it.
func Stop() {
	mu.Lock()
	defer mu.Unlock()
	for _, stop := range stops {
		stop()
	}
	stops = nil
}

func atStop(f func()) {
	mu.Lock()
	defer mu.Unlock()
	stops = append(stops, f)
}

// Missing skips the test for want of a server, loudly; in CI it fails.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("NOT TESTED, which CI does not allow: "+format, args...)
	}
	t.Skipf("NOT TESTED: "+format, args...)
}

// freePort returns a port that was free a moment ago. Somebody may take it meanwhile: [once] tries again.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// run starts a command and waits until it answers at url, whatever it answers.
func run(cmd *exec.Cmd, name, url, dir string) (*Server, error) {
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	atStop(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(3 * time.Second):
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
		os.RemoveAll(dir)
	})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			return &Server{Name: name, URL: url, Dir: dir, PID: cmd.Process.Pid}, nil
		}
		select {
		case err := <-ended:
			text, _ := os.ReadFile(log.Name())
			return nil, fmt.Errorf("%s ended (%v): %s", name, err, text)
		case <-ctx.Done():
			return nil, fmt.Errorf("%s does not answer at %s", name, url)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// once starts a server at its first use and remembers how that went.
func once(start func() (*Server, error)) func(t testing.TB) *Server {
	get := sync.OnceValues(func() (*Server, error) {
		for try := 1; ; try++ {
			s, err := start()
			taken := err != nil && strings.Contains(err.Error(), "address already in use")
			if !taken || try == 5 {
				return s, err
			}
		}
	})
	return func(t testing.TB) *Server {
		t.Helper()
		s, err := get()
		var missing *missingError
		if errors.As(err, &missing) {
			Missing(t, "%v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

// missingError: what the server needs is not on this machine.
type missingError struct{ text string }

func (e *missingError) Error() string { return e.text }
