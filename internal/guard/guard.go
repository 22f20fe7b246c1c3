// Package guard holds what protects a client of a storage service from the service, and from whoever
// answers in its place: answers without end, bodies that stand still, redirects that carry credentials
// elsewhere, lists that go in circles.
package guard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// MaxAnswer bounds what is read of an answer that is not an object: an error, or a page of a list.
	// The largest honest one, 5,000 names of 1,024 bytes each escaped as XML, has about 7 MB.
	MaxAnswer = 8 << 20
	// Stall is for how long a service may deliver nothing of what it was asked for, unless the URL says otherwise.
	Stall = time.Minute
	// patience is how many times as long it may think about a write: completing an upload of thousands of
	// parts takes minutes.
	patience = 5
	// maxRedirects is what browsers and net/http allow.
	maxRedirects = 10
	// maxEmptyPages bounds how many pages of a list in a row may hold nothing. Services skip what was
	// deleted, 1,000 at a time; ten million in a row have not been seen.
	maxEmptyPages = 10_000
)

var (
	errTooLong = refuse("the answer has more than %d MiB; is this the service it should be?", MaxAnswer>>20)
	errCircle  = refuse("the service lists in circles: it says to go on where the list had been already")
	errEmpty   = refuse("the service listed %d pages in a row that hold nothing", maxEmptyPages)
	errStalled = stalled{}
)

// stalled is a time-out to code that decides whether to try again.
type stalled struct{}

func (stalled) Error() string   { return "the connection stood still" }
func (stalled) Timeout() bool   { return true }
func (stalled) Temporary() bool { return true }

// refusal is an error of something that this package refuses: asking again would change nothing.
type refusal struct{ text string }

func refuse(format string, args ...any) error { return &refusal{fmt.Sprintf(format, args...)} }

func (r *refusal) Error() string { return r.text }

// NonRetriable is what Azure's SDK looks for.
func (r *refusal) NonRetriable() {}

// Refused reports whether this package refused what a service did, so that asking again is of no use.
func Refused(err error) bool {
	var r *refusal
	return errors.As(err, &r)
}

// A Transport bounds how long answers are waited for, and their bodies.
type Transport struct {
	Next   http.RoundTripper
	Stall  time.Duration              // how long an answer to a read, or a body, may deliver nothing; 0 is [Stall]
	Object func(r *http.Request) bool // whether the request reads an object, whose length the caller bounds
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	stall := orDefault(t.Stall)
	ctx, cancel := context.WithCancelCause(r.Context())
	timer := time.AfterFunc(stall, func() { cancel(errStalled) })
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		timer.Stop() // sending takes what it takes; Silence bounds what follows
	}
	resp, err := t.Next.RoundTrip(r.WithContext(ctx))
	timer.Stop()
	if err != nil {
		if context.Cause(ctx) == errStalled {
			err = fmt.Errorf("%w for %v", errStalled, stall)
		}
		cancel(nil)
		return nil, err
	}
	if p, ok := ctx.Value(pagesKey{}).(*onePage); ok && resp.StatusCode < 300 {
		if err := p.answered(r.URL.RawQuery); err != nil {
			resp.Body.Close()
			cancel(nil)
			return nil, err
		}
	}
	if resp.Body == nil || resp.Body == http.NoBody {
		cancel(nil)
		return resp, nil
	}
	b := &body{ReadCloser: resp.Body, stall: stall, cancel: cancel, left: -1, timer: timer}
	if resp.StatusCode >= 300 || !t.Object(r) {
		b.left = MaxAnswer
	}
	b.stalled = func() bool { return context.Cause(ctx) == errStalled }
	resp.Body = b
	return resp, nil
}

// Silence returns how long a service may think before it answers a write, for [http.Transport.ResponseHeaderTimeout].
func Silence(stall time.Duration) time.Duration { return patience * orDefault(stall) }

func orDefault(stall time.Duration) time.Duration {
	if stall <= 0 {
		return Stall
	}
	return stall
}

// CloseIdleConnections is what [http.Client.CloseIdleConnections] looks for.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.Next.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// body is the body of an answer.
type body struct {
	io.ReadCloser
	stall   time.Duration
	timer   *time.Timer // ends a Read that takes too long
	stalled func() bool
	cancel  context.CancelCauseFunc
	left    int64 // bytes that may still come; negative: any number
}

func (b *body) Read(p []byte) (int, error) {
	if b.left >= 0 {
		p = p[:min(int64(len(p)), b.left+1)]
	}
	b.timer.Reset(b.stall)
	n, err := b.ReadCloser.Read(p)
	b.timer.Stop()
	if b.left >= 0 {
		if b.left -= int64(n); b.left < 0 {
			return 0, errTooLong
		}
	}
	if err != nil && err != io.EOF && b.stalled() {
		err = fmt.Errorf("%w for %v", errStalled, b.stall)
	}
	return n, err
}

func (b *body) Close() error {
	b.timer.Stop()
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

// domains are those within which a service sends its clients about.
var domains = []string{".amazonaws.com", ".amazonaws.com.cn", ".googleapis.com", ".core.windows.net"}

// secretHeaders are credentials that net/http would hand on to another host.
var secretHeaders = []string{"X-Amz-Security-Token", "X-Goog-User-Project", "X-Ms-Copy-Source-Authorization", "Authorization", "Cookie"}

// CheckRedirect is for [http.Client]: it follows a redirect within the same host, or the service's own
// domain, and neither from https to http nor more than ten in a row. To another host no
// credentials go.
func CheckRedirect(r *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return refuse("stopped after %d redirects", maxRedirects)
	}
	from, to := via[len(via)-1].URL, r.URL
	switch {
	case from.Scheme == "https" && to.Scheme != "https":
		return refuse("the service redirects from https to %s, which is not followed", to.Scheme)
	case from.Host != to.Host && !related(from.Hostname(), to.Hostname()):
		return refuse("the service redirects to another host, which is not followed; correct the endpoint if that is where it is")
	}
	// Each redirected request begins with the headers of the first one, so that what an earlier hop to
	// another host removed would be back on a later hop within that host.
	for _, earlier := range via {
		if earlier.URL.Host != to.Host {
			removeSecrets(r.Header)
			break
		}
	}
	return nil
}

func removeSecrets(h http.Header) {
	for _, name := range secretHeaders {
		h.Del(name)
	}
}

// related reports whether two hosts are of one service: one lies in the other's domain, or both in one of
// the services'.
func related(a, b string) bool {
	a, b = strings.ToLower(a), strings.ToLower(b)
	if net.ParseIP(a) != nil || net.ParseIP(b) != nil {
		return a == b
	}
	if strings.HasSuffix(a, "."+b) || strings.HasSuffix(b, "."+a) {
		return true
	}
	for _, domain := range domains {
		if strings.HasSuffix(a, domain) && strings.HasSuffix(b, domain) {
			return true
		}
	}
	return false
}

// maxQuoted is how much of what a service or another program said is quoted in an error.
const maxQuoted = 300

// Quote returns what a service said, no longer than an error can carry.
func Quote(text string) string {
	if r := []rune(text); len(r) > maxQuoted {
		return string(r[:maxQuoted]) + "…"
	}
	return text
}

// Short returns err with words no longer than Quote allows.
func Short(err error) error { return short{err} }

type short struct{ error }

func (s short) Error() string { return Quote(s.error.Error()) }
func (s short) Unwrap() error { return s.error }

// Pages looks after the pages of one list. The zero value is ready. It is for one goroutine.
type Pages struct {
	empty int
	seen  map[string]bool // tokens since a page held something
}

type pagesKey struct{}

// OnePage returns a context for a call that returns one page of a list, of a client that fetches further ones
// by itself as long as they hold nothing: a [Transport] ends one that goes in circles.
func OnePage(ctx context.Context) context.Context {
	return context.WithValue(ctx, pagesKey{}, &onePage{asked: map[string]int{}})
}

// maxSameAnswers bounds how often one request of a list is answered well and made again all the same: a client
// repeats it when the body broke off. Answers that are errors do not count, since clients repeat those
// requests for as long as they see fit.
const maxSameAnswers = 10

// onePage counts the requests by which a client looks for one page that holds something.
type onePage struct {
	mu    sync.Mutex
	asked map[string]int // successful answers, by query
	pages int
}

func (p *onePage) answered(query string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked[query]++
	p.pages++
	if p.asked[query] > maxSameAnswers {
		return errCircle
	}
	if p.pages > maxEmptyPages {
		return errEmpty
	}
	return nil
}

// Next takes how many entries a page held and what asks for the following one. The error says that the
// list does not get on. That entries come in order, and so none twice, is for the caller to check.
func (p *Pages) Next(entries int, token string) error {
	if entries > 0 {
		p.empty, p.seen = 0, nil
	}
	if p.seen[token] {
		return errCircle
	}
	if p.seen == nil {
		p.seen = map[string]bool{}
	}
	p.seen[token] = true
	if p.empty++; p.empty > maxEmptyPages {
		return errEmpty
	}
	return nil
}
