package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
	"github.com/larder-store/larder/internal/guard"
)

// bucket is a [driver.Bucket] of S3.
type bucket struct {
	client *s3.Client
	name   string
	opts   Options

	// partSums is set once the service has refused a checksum over all parts together.
	partSums atomic.Bool
}

// Limits implements [driver.Bucket].
func (b *bucket) Limits() backend.Limits {
	return backend.Limits{
		AtomicIfAbsent: !b.opts.Unconditional,
		AtomicIfMatch:  !b.opts.Unconditional,
		Durable:        true,
		Lasting:        true,
		Shared:         true,
		CostlyRequests: true,
		MaxValue:       maxValue,
	}
}

// Close implements [driver.Bucket].
func (b *bucket) Close() error {
	if t, ok := b.client.Options().HTTPClient.(tracking); ok {
		t.client.CloseIdleConnections()
	}
	return nil
}

func (b *bucket) payer() types.RequestPayer {
	if b.opts.RequestPayer {
		return types.RequestPayerRequester
	}
	return ""
}

// Head implements [driver.Bucket].
func (b *bucket) Head(ctx context.Context, name string) (driver.Object, error) {
	in := &s3.HeadObjectInput{Bucket: &b.name, Key: &name, RequestPayer: b.payer(), ChecksumMode: types.ChecksumModeEnabled}
	out, err := b.client.HeadObject(ctx, in)
	if err != nil {
		return driver.Object{}, b.translate(ctx, err, "s3:GetObject")
	}
	if out.ETag == nil {
		return driver.Object{}, b.notS3(200, nil)
	}
	o := driver.Object{
		Name: name, Size: aws.ToInt64(out.ContentLength), Version: *out.ETag, ModTime: aws.ToTime(out.LastModified), Meta: out.Metadata,
	}
	if out.ChecksumType != types.ChecksumTypeComposite { // which is a sum of the parts' sums
		o.SHA256, o.CRC32C = sumBytes(out.ChecksumSHA256), sumBytes(out.ChecksumCRC32C)
	}
	return o, nil
}

// Get implements [driver.Bucket].
func (b *bucket) Get(ctx context.Context, name, version string, off, n int64) (io.ReadCloser, driver.Object, error) {
	in := &s3.GetObjectInput{Bucket: &b.name, Key: &name, RequestPayer: b.payer()}
	if version != "" {
		in.IfMatch = &version
	}
	switch {
	case n >= 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-%d", off, off+n-1))
	case off > 0:
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", off))
	}
	out, err := b.client.GetObject(ctx, in)
	if err != nil {
		err = b.translate(ctx, err, "s3:GetObject")
		if errors.Is(err, errPrecondition) {
			err = backend.ErrChanged
		}
		return nil, driver.Object{}, err
	}
	o := driver.Object{
		Name: name, Size: aws.ToInt64(out.ContentLength), Version: aws.ToString(out.ETag), ModTime: aws.ToTime(out.LastModified), Meta: out.Metadata,
	}
	if o.Version == "" {
		out.Body.Close()
		return nil, driver.Object{}, b.notS3(200, nil)
	}
	if out.ContentRange == nil {
		return skipTo(out.Body, o, off)
	}
	if o.Size, err = totalSize(*out.ContentRange, off); err != nil {
		out.Body.Close()
		return nil, driver.Object{}, err
	}
	return out.Body, o, nil
}

// skipTo serves a range from the answer of a service that knows none and sent it all.
func skipTo(body io.ReadCloser, o driver.Object, off int64) (io.ReadCloser, driver.Object, error) {
	if off > o.Size || off == o.Size && off > 0 {
		body.Close()
		return nil, driver.Object{}, driver.ErrRange
	}
	if _, err := io.CopyN(io.Discard, body, off); err != nil {
		body.Close()
		return nil, driver.Object{}, fmt.Errorf("%w: %w", backend.ErrUnavailable, err)
	}
	return body, o, nil
}

// totalSize reads "bytes 0-9/100", which must begin where it was asked to.
func totalSize(contentRange string, off int64) (int64, error) {
	rest, ok := strings.CutPrefix(contentRange, fmt.Sprintf("bytes %d-", off))
	_, total, found := strings.Cut(rest, "/")
	size, err := strconv.ParseInt(total, 10, 64)
	if !ok || !found || err != nil {
		return 0, fmt.Errorf("%w: asked for bytes from %d on, the service sent %q", backend.ErrUnavailable, off, contentRange)
	}
	return size, nil
}

// grace is the default of [backend.SweepOptions] here: the longest upload takes less.
const grace = 7 * 24 * time.Hour

// Sweep implements [driver.Sweeper]: it aborts unfinished uploads in parts.
func (b *bucket) Sweep(ctx context.Context, prefix string, opts backend.SweepOptions) (report backend.SweepReport, err error) {
	if opts.Grace <= 0 {
		opts.Grace = grace
	}
	in := &s3.ListMultipartUploadsInput{Bucket: &b.name, RequestPayer: b.payer()}
	if prefix != "" {
		in.Prefix = &prefix
	}
	var pages guard.Pages
	for {
		out, err := b.client.ListMultipartUploads(ctx, in)
		if noSuchUpload(err) { // gofakes3's way to say that there are none
			return report, nil
		}
		if err != nil {
			return report, b.translate(ctx, err, "s3:ListBucketMultipartUploads")
		}
		now := serverTime(out.ResultMetadata)
		for _, u := range out.Uploads {
			if now.Sub(aws.ToTime(u.Initiated)) < opts.Grace {
				report.Kept++
				continue
			}
			if !opts.DryRun {
				if err := b.abort(ctx, aws.ToString(u.Key), aws.ToString(u.UploadId)); err != nil {
					return report, err
				}
			}
			report.Orphans++
		}
		if !aws.ToBool(out.IsTruncated) {
			return report, nil
		}
		// Uploads are in no order that could be checked, and what is aborted is gone from the next page: no
		// honest marker comes twice, whatever the pages hold, so none counts as holding something.
		if err := pages.Next(0, aws.ToString(out.NextKeyMarker)+"\x00"+aws.ToString(out.NextUploadIdMarker)); err != nil {
			return report, fmt.Errorf("bucket %q at %s: %w", b.name, b.where(), err)
		}
		in.KeyMarker, in.UploadIdMarker = out.NextKeyMarker, out.NextUploadIdMarker
	}
}
