package gcs_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend/blob/gcs"
)

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// What the client writes to a body after its request was given up is the end of a whole one.
func TestNothingIsSentOfWhatWasGivenUp(t *testing.T) {
	for _, again := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		read := func(r *http.Request) (*http.Response, error) {
			body := r.Body
			if again {
				var err error
				if body, err = r.GetBody(); err != nil {
					t.Fatal(err)
				}
			}
			begin := make([]byte, 5)
			if _, err := io.ReadFull(body, begin); string(begin) != "begin" || err != nil {
				t.Errorf("the body begins with %q, %v", begin, err)
			}
			cancel()
			if rest, err := io.ReadAll(body); len(rest) > 0 || !errors.Is(err, context.Canceled) {
				t.Errorf("after it was given up a body yields %q, %v; want nothing and %v", rest, err, context.Canceled)
			}
			return nil, context.Canceled
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1/", strings.NewReader("begin, and end"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := gcs.Unbroken(transport(read)).RoundTrip(r); !errors.Is(err, context.Canceled) {
			t.Errorf("RoundTrip = %v", err)
		}
	}
}
