package azure

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/larder-store/larder/internal/driver"
)

// upload records what the requests of one attempt to write say, of which gocloud drops the
// answers away. The policy [watch] finds it in their context.
type upload struct {
	tag    string      // the ETag of what was stored
	sent   atomic.Bool // the request that stores was sent whole: an object may have come to be
	failed atomic.Bool // a block could not be stored
}

type uploadKey struct{}

func (u *upload) watched(ctx context.Context) context.Context {
	return context.WithValue(ctx, uploadKey{}, u)
}

// reader is body until a block fails. The client would read on to the end before it fails.
func (u *upload) reader(body *driver.Body) io.Reader { return &untilFailure{u, body} }

type untilFailure struct {
	u    *upload
	body *driver.Body
}

func (r *untilFailure) Read(p []byte) (int, error) {
	if r.u.failed.Load() {
		return 0, io.EOF // the client prefers an error of its reader to that of the block
	}
	return r.body.Read(p)
}

var (
	errIncomplete = errors.New("a block of the value could not be stored")
	errLent       = errors.New("the body of a request is read after its end")
)

// watch is the policy for each call of the client, however often it tries.
func watch(req *policy.Request) (*http.Response, error) {
	u, _ := req.Raw().Context().Value(uploadKey{}).(*upload)
	if u == nil {
		return req.Next()
	}
	if req.Raw().URL.Query().Get("comp") != "block" {
		return u.store(req)
	}
	resp, err := lend(req, nil)
	if err != nil || resp.StatusCode != http.StatusCreated {
		u.failed.Store(true)
	}
	return resp, err
}

// store passes on the request by which the object comes to be: Put Blob or Put Block List.
func (u *upload) store(req *policy.Request) (*http.Response, error) {
	if u.failed.Load() {
		return nil, errIncomplete
	}
	// The client must not try again by itself, and so hide what it met.
	req = req.WithContext(policy.WithRetryOptions(req.Raw().Context(), policy.RetryOptions{MaxRetries: -1}))
	resp, err := lend(req, &u.sent)
	if err == nil && resp.StatusCode == http.StatusCreated {
		u.tag = resp.Header.Get("ETag")
	}
	return resp, err
}

// lend passes on a request with a body that is taken back at the end: a transport may still
// read it then, and the client frees the memory behind it. sent becomes true with the last
// byte handed out; nil: not recorded. The service checks the body against an MD5, the one sum
// that it takes for whole values and for blocks, and that emulators know too.
func lend(req *policy.Request, sent *atomic.Bool) (*http.Response, error) {
	if sent == nil {
		sent = new(atomic.Bool)
	}
	if req.Body() == nil {
		sent.Store(true)
		return req.Next()
	}
	size, sum := req.Raw().ContentLength, md5.New()
	if _, err := io.CopyBuffer(sum, req.Body(), make([]byte, min(size, 32<<10))); err != nil {
		return nil, err
	}
	// The client signs the header that is spelt like this.
	req.Raw().Header["Content-MD5"] = []string{base64.StdEncoding.EncodeToString(sum.Sum(nil))}
	b := &lent{body: req.Body(), size: size, sent: sent}
	defer b.takeBack()
	if err := req.SetBody(b, req.Raw().Header.Get("Content-Type")); err != nil {
		return nil, err
	}
	return req.Next()
}

type lent struct {
	size int64
	sent *atomic.Bool

	mu   sync.Mutex // guards the rest
	body io.ReadSeekCloser
	off  int64
	over bool
}

func (b *lent) takeBack() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
}

func (b *lent) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return 0, errLent
	}
	n, err := b.body.Read(p)
	if b.off += int64(n); b.off == b.size {
		b.sent.Store(true)
	}
	return n, err
}

func (b *lent) Seek(off int64, whence int) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return 0, errLent
	}
	off, err := b.body.Seek(off, whence)
	b.off = off
	return off, err
}

// Close leaves the body open, which its owner closes.
func (b *lent) Close() error { return nil }
