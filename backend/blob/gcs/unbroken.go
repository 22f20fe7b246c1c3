package gcs

import (
	"context"
	"io"
	"net/http"
)

// unbroken keeps requests from ending well that were given up: the client ends a body that
// broke off as if it were whole, and a server that is content with that would store the stump.
type unbroken struct{ next http.RoundTripper }

// RoundTrip implements [http.RoundTripper].
func (u *unbroken) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return u.next.RoundTrip(r)
	}
	ctx, again := r.Context(), r.GetBody
	r = r.Clone(ctx)
	r.Body = &wanted{r.Body, ctx}
	if again != nil {
		r.GetBody = func() (io.ReadCloser, error) {
			body, err := again()
			return &wanted{body, ctx}, err
		}
	}
	return u.next.RoundTrip(r)
}

// wanted is a body of which nothing more is handed out once its context is done.
type wanted struct {
	io.ReadCloser
	ctx context.Context
}

func (w *wanted) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if gone := w.ctx.Err(); gone != nil {
		return 0, gone
	}
	return n, err
}
