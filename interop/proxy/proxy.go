// Package proxy stands between a client and a server and does what networks do: it loses
// responses, refuses, cuts, delays and corrupts. It counts the requests too.
package proxy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Fault is what happens to one exchange. The zero Fault does nothing.
type Fault struct {
	// Delay comes before all else.
	Delay time.Duration
	// Refuse answers with a status and an S3 error code, without asking the server.
	Refuse int
	Code   string
	// DropRequest closes the connection without asking the server.
	DropRequest bool
	// DropResponse lets the request take effect, then closes the connection.
	DropResponse bool
	// RefuseAfter lets the request take effect, then answers with a status as if not.
	RefuseAfter int
	// Cut ends the body of the response after so many bytes; 0 does not.
	Cut int64
	// Corrupt flips a bit of the response's body at this offset, counted from 1.
	Corrupt int64
	// CorruptRequest is Corrupt for the request's body.
	CorruptRequest int64
	// Slow pauses within the response's body, after its first KiB.
	Slow time.Duration
}

// Proxy is an HTTP server in front of another.
type Proxy struct {
	URL    string
	target *url.URL

	mu     sync.Mutex // guards the rest
	faults func(op string, r *http.Request) Fault
	counts map[string]int
	bytes  int64
}

// New starts a proxy that ends with the test.
func New(t testing.TB, target string) *Proxy {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: u, counts: map[string]int{}}
	s := httptest.NewServer(p)
	t.Cleanup(s.Close)
	p.URL = s.URL
	return p
}

// Faults chooses what happens to each request from now on; nil: nothing. The function
// is called by one request at a time.
func (p *Proxy) Faults(f func(op string, r *http.Request) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = f
}

// Counts returns how many requests of each kind came since the last call.
func (p *Proxy) Counts() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts := p.counts
	p.counts = map[string]int{}
	return counts
}

// operation names the kind of an S3 request.
func operation(r *http.Request) string {
	q := r.URL.Query()
	_, object, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case r.Method == http.MethodGet && q.Has("uploads"):
		return "LIST UPLOADS"
	case r.Method == http.MethodGet && object == "":
		return "LIST"
	case r.Method == http.MethodPost && q.Has("delete"):
		return "DELETE MANY"
	case r.Method == http.MethodPost && q.Has("uploads"):
		return "CREATE UPLOAD"
	case r.Method == http.MethodPost && q.Has("uploadId"):
		return "COMPLETE UPLOAD"
	case r.Method == http.MethodPut && q.Has("partNumber"):
		return "PUT PART"
	case r.Method == http.MethodDelete && q.Has("uploadId"):
		return "ABORT UPLOAD"
	}
	return r.Method
}

func (p *Proxy) fault(r *http.Request) Fault {
	op := operation(r)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts[op]++
	if p.faults == nil {
		return Fault{}
	}
	return p.faults(op, r)
}

var transport = &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true}

// ServeHTTP implements [http.Handler].
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := p.fault(r)
	if f.Delay > 0 {
		select {
		case <-time.After(f.Delay):
		case <-r.Context().Done():
			return
		}
	}
	switch {
	case f.DropRequest:
		io.Copy(io.Discard, r.Body)
		hangUp(w)
		return
	case f.Refuse != 0:
		io.Copy(io.Discard, r.Body)
		refuse(w, f.Refuse, f.Code)
		return
	}
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host = p.target.Scheme, p.target.Host
	out.RequestURI = "" // Host stays what the client signed
	out.Header.Del("Expect")
	if f.CorruptRequest > 0 {
		out.Body = io.NopCloser(&corrupting{r: r.Body, at: f.CorruptRequest - 1})
	}
	resp, err := transport.RoundTrip(out)
	if err != nil {
		hangUp(w)
		return
	}
	defer resp.Body.Close()
	switch {
	case f.DropResponse:
		io.Copy(io.Discard, resp.Body)
		hangUp(w)
	case f.RefuseAfter != 0:
		io.Copy(io.Discard, resp.Body)
		refuse(w, f.RefuseAfter, f.Code)
	default:
		pass(w, resp, f)
	}
}

func pass(w http.ResponseWriter, resp *http.Response, f Fault) {
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.StatusCode)
	var body io.Reader = resp.Body
	if f.Corrupt > 0 {
		body = &corrupting{r: body, at: f.Corrupt - 1}
	}
	if f.Slow > 0 {
		io.CopyN(w, body, 1<<10)
		http.NewResponseController(w).Flush()
		time.Sleep(f.Slow)
	}
	if f.Cut == 0 {
		io.Copy(w, body)
		return
	}
	n, _ := io.CopyN(w, body, f.Cut)
	if n == f.Cut {
		if flusher, ok := w.(http.Flusher); ok {
			flusher.Flush()
		}
		panic(http.ErrAbortHandler) // closes the connection
	}
}

// hangUp closes the connection without an answer.
func hangUp(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		conn.Close()
	}
}

func refuse(w http.ResponseWriter, status int, code string) {
	if code == "" {
		code = http.StatusText(status)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>by the proxy</Message></Error>`, code)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

// corrupting flips a bit of the byte at an offset.
type corrupting struct {
	r   io.Reader
	off int64
	at  int64
}

func (c *corrupting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if i := c.at - c.off; i >= 0 && i < int64(n) {
		p[i] ^= 1
	}
	c.off += int64(n)
	return n, err
}
