package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
	"github.com/larder-store/larder/internal/guard"
)

// Delete implements [driver.Bucket]: 1,000 objects a request, where the service can.
func (b *bucket) Delete(ctx context.Context, names []string) error { return b.delete(ctx, names, nil) }

// DeleteMatch implements [driver.Bucket]. Not every service heeds the condition of a delete, and those that do not say nothing of it. So each
// object is looked at first, and the condition goes along for those that do.
func (b *bucket) DeleteMatch(ctx context.Context, names, versions []string) error {
	errs := make(backend.BatchError, len(names))
	looked := driver.Each(len(names), b.opts.Concurrency, func(i int) error {
		o, err := b.Head(ctx, names[i])
		if errors.Is(err, backend.ErrNotFound) || err == nil && o.Version != versions[i] {
			return backend.ErrChanged
		}
		return err
	})
	var present, seen []string
	var at []int
	for i := range names {
		if errs[i] = backend.ItemError(looked, i); errs[i] == nil {
			present, seen, at = append(present, names[i]), append(seen, versions[i]), append(at, i)
		}
	}
	if len(present) == 0 {
		return errs.OrNil()
	}
	err := b.delete(ctx, present, seen)
	for n, i := range at {
		errs[i] = backend.ItemError(err, n)
	}
	return errs.OrNil()
}

// delete deletes objects; where versions are given, under the condition that they have them.
func (b *bucket) delete(ctx context.Context, names, versions []string) error {
	if len(names) == 1 {
		return b.deleteEach(ctx, names, versions)
	}
	errs := make(backend.BatchError, len(names))
	var g errgroup.Group
	g.SetLimit(b.opts.Concurrency)
	for start := 0; start < len(names); start += pageSize {
		end := min(start+pageSize, len(names))
		var wanted []string
		if versions != nil {
			wanted = versions[start:end]
		}
		g.Go(func() error {
			b.deletePage(ctx, names[start:end], wanted, errs[start:end])
			return nil
		})
	}
	g.Wait()
	return errs.OrNil()
}

// deleteEach deletes by a request each.
func (b *bucket) deleteEach(ctx context.Context, names, versions []string) error {
	return driver.DeleteEach(names, versions, b.opts.Concurrency, func(name, version string) error {
		return b.deleteOne(ctx, name, version)
	})
}

func (b *bucket) deleteOne(ctx context.Context, name, version string) error {
	in := &s3.DeleteObjectInput{Bucket: &b.name, Key: &name, IfMatch: orNil(version), RequestPayer: b.payer()}
	_, err := b.client.DeleteObject(ctx, in)
	err = b.translate(ctx, err, "s3:DeleteObject")
	switch {
	case errors.Is(err, errPrecondition):
		return backend.ErrChanged
	case errors.Is(err, errors.ErrUnsupported) && version != "": // it was looked at
		return b.deleteOne(ctx, name, "")
	}
	return err
}

func (b *bucket) deletePage(ctx context.Context, names, versions []string, errs []error) {
	ids := make([]types.ObjectIdentifier, len(names))
	for i := range names {
		ids[i].Key = &names[i]
		if versions != nil {
			ids[i].ETag = &versions[i]
		}
	}
	out, err := b.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &b.name, Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(true)}, RequestPayer: b.payer(),
	})
	if err != nil {
		err = b.translate(ctx, err, "s3:DeleteObject")
		if errors.Is(err, errors.ErrUnsupported) { // Google's S3 for one
			err = b.deleteEach(ctx, names, versions)
			for i := range errs {
				errs[i] = backend.ItemError(err, i)
			}
			return
		}
		for i := range errs {
			errs[i] = err
		}
		return
	}
	if len(out.Errors) == 0 {
		return
	}
	said, asked := map[string]error{}, map[string]bool{}
	for _, name := range names {
		asked[name] = true
	}
	var other error // about what was not asked for
	for _, failed := range out.Errors {
		err, name := b.saidOfOne(aws.ToString(failed.Code)), aws.ToString(failed.Key)
		switch absent := errors.Is(err, backend.ErrNotFound); {
		case errors.Is(err, errPrecondition), absent && versions != nil:
			err = backend.ErrChanged
		case absent:
			err = nil
		}
		if said[name] = err; !asked[name] && err != nil && other == nil {
			other = fmt.Errorf("%w (of %s, which it was not asked to delete: what became of the others is unknown)", err, guard.Quote(strconv.Quote(name)))
		}
	}
	for i, name := range names {
		if err, ok := said[name]; ok {
			errs[i] = err
		} else {
			errs[i] = other
		}
	}
}

// saidOfOne translates what the service said of one of many objects.
func (b *bucket) saidOfOne(code string) error {
	code = guard.Quote(code)
	err := fmt.Errorf("bucket %q: %s says %s", b.name, b.where(), code)
	if say, ok := verdicts[code]; ok {
		if known := say(b, code, http.Header{}, "s3:DeleteObject"); !errors.Is(known, backend.ErrUnavailable) {
			return known
		}
		err = fmt.Errorf("%w: %w", backend.ErrUnavailable, err) // it was asked once, and not as often as known says
	}
	return err
}
