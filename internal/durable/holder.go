package durable

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
)

// IsAt reports whether f is the file that path names.
func IsAt(f *os.File, path string) bool {
	have, err := f.Stat()
	if err != nil {
		return false
	}
	want, err := os.Stat(path)
	return err == nil && os.SameFile(have, want)
}

// Sign writes who this process is into a lock file, with a number that grows while it is alive. It only
// helps: if it fails, or is read half written, an error lacks the name.
func Sign(f *os.File, beats int) {
	_, _ = f.WriteAt(fmt.Appendf(nil, "%d %s %d\n", os.Getpid(), hostname(), beats), 0)
}

// Signature reads what [Sign] wrote into the lock file at path; "" if it cannot be read.
func Signature(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, _ := io.ReadAll(io.LimitReader(f, 512))
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

// Signer says whose signature it is, in words for an error.
func Signer(signature string) string {
	fields := strings.Fields(signature)
	if len(fields) < 2 {
		return "a process that is not known"
	}
	if pid, err := strconv.Atoi(fields[0]); err == nil && pid == os.Getpid() && fields[1] == hostname() {
		return "this process"
	}
	return fmt.Sprintf("process %s on %s", fields[0], fields[1])
}

var hostname = sync.OnceValue(func() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		return "unknown-host"
	}
	return host
})
