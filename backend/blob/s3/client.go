package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"

	"github.com/larder-store/larder/internal/driver"
	"github.com/larder-store/larder/internal/guard"
)

const (
	// idleConnections is above what a program of 64 goroutines needs to find one free.
	idleConnections = 256
	// bufferSize of a connection: with Go's 4 KiB a large body costs 16 times the system calls.
	bufferSize = 64 << 10
)

func newClient(ctx context.Context, o Options) (*s3.Client, error) {
	load := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{})}
	if o.Region != "" {
		load = append(load, config.WithRegion(o.Region))
	}
	if o.Profile != "" {
		load = append(load, config.WithSharedConfigProfile(o.Profile))
	}
	if o.Anonymous {
		load = append(load, config.WithCredentialsProvider(aws.AnonymousCredentials{}))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, fmt.Errorf("the configuration for AWS cannot be read: %w", err)
	}
	if cfg.Region == "" && o.Endpoint == "" && cfg.BaseEndpoint == nil {
		return nil, errors.New("which region is the bucket in? Add ?region=… to the URL, or set AWS_REGION")
	}
	return s3.NewFromConfig(cfg, func(c *s3.Options) {
		if o.Endpoint != "" {
			c.BaseEndpoint = aws.String(o.Endpoint)
		}
		if c.Region == "" {
			c.Region = "us-east-1" // what services without regions take
		}
		c.UsePathStyle = !o.VirtualHost && o.Endpoint != ""
		c.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenSupported
		if o.PlainUpload {
			c.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		}
		// Larder checks a sum of its own; the SDK would hash everything once more.
		c.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		c.DisableLogOutputChecksumValidationSkipped = true
		c.HTTPClient = tracking{connections(cfg.HTTPClient, o.Stall)}
		c.Retryer = newRetryer()
	}), nil
}

// connections makes a client of the SDK's, which knows about proxies and AWS_CA_BUNDLE, whose
// idle connections can be closed.
func connections(client aws.HTTPClient, stall time.Duration) *http.Client {
	b, ok := client.(*awshttp.BuildableClient)
	if !ok {
		b = awshttp.NewBuildableClient()
	}
	t := b.GetTransport() // a copy
	t.MaxIdleConns = 0
	t.MaxIdleConnsPerHost = idleConnections
	t.ReadBufferSize, t.WriteBufferSize = bufferSize, bufferSize
	t.ResponseHeaderTimeout = guard.Silence(stall)
	bounded := &guard.Transport{Next: t, Stall: stall, Object: readsObject}
	return &http.Client{Transport: bounded, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		switch r.Response.StatusCode {
		case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
			return guard.CheckRedirect(r, via) // a bucket made a moment ago
		}
		return http.ErrUseLastResponse // which names the right region
	}}
}

// readsObject reports whether a request reads an object.
func readsObject(r *http.Request) bool {
	return awsmiddleware.GetOperationName(r.Context()) == "GetObject"
}

// newRetryer returns a retryer for one client. The SDK's own allows for so many
// failures in all and then gives up at once, which a cache under load would feel.
func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = driver.Attempts
		o.RateLimiter = ratelimit.None
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
			pause := driver.FirstPause << min(attempt-1, driver.Attempts)
			return pause/2 + rand.N(pause), nil
		})
		o.Retryables = append([]retry.IsErrorRetryable{
			retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
				var b *bodyError
				if errors.As(err, &b) || guard.Refused(err) {
					return aws.FalseTernary
				}
				return aws.UnknownTernary
			}),
			// Two conditional writes met; one of them may have won.
			retry.RetryableHTTPStatusCode{Codes: map[int]struct{}{http.StatusConflict: {}}},
		}, o.Retryables...)
	})
}

// attempt observes the requests of one write, so that its outcome can be judged when
// a response was lost. The SDK calls one after the other.
type attempt struct {
	body    *driver.Body // nil: the request has none worth mentioning
	asked   bool         // a request was made at all
	unclear bool         // one may have taken effect without our knowing
}

type attemptKey struct{}

func (a *attempt) context(ctx context.Context) context.Context {
	return context.WithValue(ctx, attemptKey{}, a)
}

// tracking lets each attempt see its requests.
type tracking struct{ client *http.Client }

// bodyError is a failure of the caller's body: no reason to try again.
type bodyError struct{ err error }

func (e *bodyError) Error() string { return e.err.Error() }
func (e *bodyError) Unwrap() error { return e.err }

// Do implements [aws.HTTPClient].
func (t tracking) Do(r *http.Request) (*http.Response, error) {
	resp, err := t.client.Do(r)
	a, ok := r.Context().Value(attemptKey{}).(*attempt)
	if !ok {
		return whole(r, resp, err)
	}
	a.asked = true
	if a.body != nil && a.body.Err() != nil {
		if err == nil {
			resp.Body.Close()
		}
		return nil, &bodyError{a.body.Err()}
	}
	a.unclear = a.unclear || a.mayHaveWorked(resp, err)
	return whole(r, resp, err)
}

// whole reads the answer to its end, unless it is an object, so that one that is cut off is a failure of
// the connection, after which the SDK tries again, and not a strange answer.
func whole(r *http.Request, resp *http.Response, err error) (*http.Response, error) {
	if err != nil || resp.StatusCode < 300 && readsObject(r) {
		return resp, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, &url.Error{Op: r.Method, URL: r.URL.Redacted(), Err: fmt.Errorf("the answer broke off: %w", err)}
	}
	resp.Body = io.NopCloser(bytes.NewReader(text))
	return resp, nil
}

// mayHaveWorked reports whether a request that seems to have failed may have taken effect.
// A success counts: should it then be said to have failed, its answer was garbled.
func (a *attempt) mayHaveWorked(resp *http.Response, err error) bool {
	if err != nil {
		var dial *net.OpError
		if errors.As(err, &dial) && dial.Op == "dial" {
			return false
		}
		return a.body == nil || a.body.Sent() // no server stores half a body
	}
	switch {
	case resp.StatusCode < 300, resp.StatusCode >= 500 && resp.StatusCode != 501 && resp.StatusCode != 503:
		return true
	}
	return false
}
