package s3

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/larder-store/larder/internal/driver"
	"github.com/larder-store/larder/internal/guard"
)

// pageSize is what S3 lists in one answer.
const pageSize = 1000

// List implements [driver.Bucket].
func (b *bucket) List(ctx context.Context, opts driver.ListOptions) iter.Seq2[driver.Object, error] {
	return func(yield func(driver.Object, error) bool) {
		in := &s3.ListObjectsV2Input{Bucket: &b.name, RequestPayer: b.payer()}
		if opts.Prefix != "" {
			in.Prefix = &opts.Prefix
		}
		if opts.After != "" {
			in.StartAfter = &opts.After
		}
		if opts.Folders {
			in.Delimiter = aws.String("/")
		}
		// MinIO loses objects from a page that begins at StartAfter and is smaller than the number of
		// those between a folder's name and its slash ("a!", "a-b!" … "a/"): so that one is whole.
		if opts.After == "" && opts.Limit > 0 && opts.Limit < pageSize {
			in.MaxKeys = aws.Int32(int32(opts.Limit))
		}
		var pages guard.Pages
		for {
			out, err := b.client.ListObjectsV2(ctx, in)
			if err != nil {
				yield(driver.Object{}, b.translate(ctx, err, "s3:ListBucket"))
				return
			}
			if out.Name == nil && out.IsTruncated == nil { // not a list at all
				yield(driver.Object{}, b.notS3(http.StatusOK, nil))
				return
			}
			for _, o := range page(out) {
				if !yield(o, nil) {
					return
				}
			}
			if !aws.ToBool(out.IsTruncated) {
				return
			}
			if out.NextContinuationToken == nil {
				yield(driver.Object{}, fmt.Errorf("bucket %q: %s broke off a list without saying how to go on", b.name, b.where()))
				return
			}
			if err := pages.Next(len(out.Contents)+len(out.CommonPrefixes), *out.NextContinuationToken); err != nil {
				yield(driver.Object{}, fmt.Errorf("bucket %q at %s: %w", b.name, b.where(), err))
				return
			}
			in.ContinuationToken, in.StartAfter, in.MaxKeys = out.NextContinuationToken, nil, nil
		}
	}
}

// page merges the objects and the folders of one answer.
func page(out *s3.ListObjectsV2Output) []driver.Object {
	objects := make([]driver.Object, 0, len(out.Contents)+len(out.CommonPrefixes))
	for _, c := range out.Contents {
		objects = append(objects, driver.Object{
			Name: aws.ToString(c.Key), Size: aws.ToInt64(c.Size), Version: aws.ToString(c.ETag), ModTime: aws.ToTime(c.LastModified),
		})
	}
	for _, p := range out.CommonPrefixes {
		objects = append(objects, driver.Object{Name: aws.ToString(p.Prefix)})
	}
	if len(out.CommonPrefixes) > 0 {
		slices.SortFunc(objects, func(x, y driver.Object) int { return cmp.Compare(x.Name, y.Name) })
	}
	return objects
}
