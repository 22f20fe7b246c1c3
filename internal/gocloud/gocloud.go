// Package gocloud holds what the buckets that stand on gocloud.dev/blob have in common.
//
// The portable interface of gocloud gives neither the version of what was written, nor the
// version and the metadata of what is read. Its hatches do: every call takes a function that
// hands out the value of the service's own client, by As.
package gocloud

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	cloud "gocloud.dev/blob"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
	"github.com/larder-store/larder/internal/guard"
)

// Hatch returns what as hands out for the type T. Another release of gocloud may hand out
// something else: an error then, since a condition that is not set would be a lost update.
func Hatch[T any](as func(any) bool) (T, error) {
	var value T
	if !as(&value) {
		return value, fmt.Errorf("this release of gocloud.dev does not hand out a %T", value)
	}
	return value, nil
}

// Pages is a way to list a bucket.
type Pages struct {
	Bucket *cloud.Bucket
	Size   int                                            // entries of one request
	Before func(as func(any) bool) error                  // sets what gocloud has no option for
	Object func(*cloud.ListObject) (driver.Object, error) // by its own name: gocloud unescapes it
	Error  func(ctx context.Context, err error) error     // makes an error one for the caller
}

// List implements the List of a [driver.Bucket].
func (p *Pages) List(ctx context.Context, opts driver.ListOptions) iter.Seq2[driver.Object, error] {
	return func(yield func(driver.Object, error) bool) {
		size := p.Size
		if opts.Limit > 0 && opts.Limit < size {
			size = opts.Limit + 1 // After itself may come too
		}
		query := &cloud.ListOptions{Prefix: opts.Prefix, BeforeList: p.Before}
		if opts.Folders {
			query.Delimiter = "/"
		}
		var pages guard.Pages
		for token := cloud.FirstPageToken; len(token) > 0; {
			page, next, err := p.page(ctx, token, size, query)
			if err != nil {
				yield(driver.Object{}, p.Error(ctx, err))
				return
			}
			token = next
			for _, o := range page {
				if o.Name <= opts.After { // where a service begins at After, and not behind it
					continue
				}
				if !yield(o, nil) {
					return
				}
			}
			if err := pages.Next(len(page), string(next)); err != nil {
				yield(driver.Object{}, err)
				return
			}
		}
	}
}

// page is one page in the order of the objects' own names. gocloud sorts some pages, by
// names in which it has replaced what a stranger wrote, such as __0x21__, by "!".
func (p *Pages) page(ctx context.Context, token []byte, size int, query *cloud.ListOptions) ([]driver.Object, []byte, error) {
	listed, next, err := p.Bucket.ListPage(guard.OnePage(ctx), token, size, query)
	if err != nil {
		return nil, nil, err
	}
	page := make([]driver.Object, len(listed))
	for i, o := range listed {
		if page[i], err = p.Object(o); err != nil {
			return nil, nil, err
		}
	}
	slices.SortFunc(page, func(a, b driver.Object) int { return strings.Compare(a.Name, b.Name) })
	return page, next, nil
}

// Connections are as many as a program of 64 goroutines needs to find one free.
func Connections(stall time.Duration) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 256
	t.ResponseHeaderTimeout = guard.Silence(stall)
	return t
}

// Lost makes an error of a request without an answer, or with one that does not say
// what became of it.
func Lost(err error) error {
	// The URL in front of the cause names a place that is known, and may hold a signature.
	if with := (*url.Error)(nil); errors.As(err, &with) {
		err = with.Err
	}
	return &lostError{guard.Short(err)}
}

// lostError marks a failure after which a write may have taken effect.
type lostError struct{ err error }

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

// Judge says, for [driver.Attempt], what an error means for a write.
func Judge(err error) driver.Verdict {
	var lost *lostError
	switch {
	case errors.As(err, &lost):
		return driver.Lost
	case errors.Is(err, backend.ErrUnavailable):
		return driver.Busy
	}
	return driver.Refused
}
