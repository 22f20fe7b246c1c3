package azure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/blob"
)

// bucket is a [blob.Bucket] of Azure: a container. An object's Version is its ETag.
type bucket struct {
	client *container.Client
	http   *http.Client
	name   string
	opts   Options
}

// Limits implements [blob.Bucket].
func (b *bucket) Limits() backend.Limits {
	return backend.Limits{
		AtomicIfAbsent: true, AtomicIfMatch: true, Durable: true, Lasting: true, Shared: true, DearRequests: true,
		MaxValue: maxBlocks * maxBlock,
	}
}

// Close implements [blob.Bucket].
func (b *bucket) Close() error {
	b.http.CloseIdleConnections()
	return nil
}

// etag matches what can be the Version of an object; "*" would match every one.
var etag = regexp.MustCompile(`^(W/)?"[!#-)+-~]+"$`)

// ifMatch is the condition for a version; nil for none, and false for what is no version.
func ifMatch(version string) (*azblob.AccessConditions, bool) {
	if version == "" {
		return nil, true
	}
	return &azblob.AccessConditions{
		ModifiedAccessConditions: &azblob.ModifiedAccessConditions{IfMatch: to.Ptr(azcore.ETag(version))},
	}, etag.MatchString(version)
}

// Head implements [blob.Bucket].
func (b *bucket) Head(ctx context.Context, name string) (blob.Object, error) {
	p, err := b.client.NewBlobClient(name).GetProperties(ctx, nil)
	if err != nil {
		return blob.Object{}, b.translate(ctx, err)
	}
	o := blob.Object{Name: name, Size: *orZero(p.ContentLength), Version: string(*orZero(p.ETag)), ModTime: *orZero(p.LastModified), Meta: metadata(p.Metadata)}
	return o, nil
}

func orZero[T any](p *T) *T {
	if p == nil {
		return new(T)
	}
	return p
}

func metadata(m map[string]*string) map[string]string {
	meta := make(map[string]string, len(m))
	for k, v := range m {
		meta[strings.ToLower(k)] = *orZero(v)
	}
	return meta
}

// Get implements [blob.Bucket].
func (b *bucket) Get(ctx context.Context, name, version string, off, n int64) (io.ReadCloser, blob.Object, error) {
	condition, ok := ifMatch(version)
	if !ok {
		return nil, blob.Object{}, backend.ErrChanged
	}
	if n < 0 {
		n = azblob.CountToEnd
	}
	d, err := b.client.NewBlobClient(name).DownloadStream(ctx, &azblob.DownloadStreamOptions{
		Range: azblob.HTTPRange{Offset: off, Count: n}, AccessConditions: condition,
	})
	if err != nil {
		err = b.translate(ctx, err)
		if errors.Is(err, errPrecondition) {
			err = backend.ErrChanged
		}
		return nil, blob.Object{}, err
	}
	o := blob.Object{Name: name, Size: *orZero(d.ContentLength), Version: string(*orZero(d.ETag)), ModTime: *orZero(d.LastModified), Meta: metadata(d.Metadata)}
	if d.ContentRange != nil { // "bytes 0-9/100"
		_, total, _ := strings.Cut(*d.ContentRange, "/")
		if o.Size, err = strconv.ParseInt(total, 10, 64); err != nil {
			d.Body.Close()
			return nil, blob.Object{}, fmt.Errorf("%w: container %q: Content-Range %q", backend.ErrUnavailable, b.name, *d.ContentRange)
		}
	}
	return d.Body, o, nil
}

// List implements [blob.Bucket].
func (b *bucket) List(ctx context.Context, opts blob.ListOptions) iter.Seq2[blob.Object, error] {
	return func(yield func(blob.Object, error) bool) {
		delimiter := ""
		if opts.Folders {
			delimiter = "/"
		}
		list := &container.ListBlobsHierarchyOptions{Include: container.ListBlobsInclude{Metadata: true}}
		if opts.Prefix != "" {
			list.Prefix = &opts.Prefix
		}
		if opts.After != "" {
			list.StartFrom = &opts.After
		}
		if opts.Limit > 0 && opts.Limit < 1000 {
			list.MaxResults = to.Ptr(int32(opts.Limit + 1)) // After itself may come too
		}
		pager := b.client.NewListBlobsHierarchyPager(delimiter, list)
		for pager.More() {
			page, err := pager.NextPage(ctx)
			if err != nil {
				yield(blob.Object{}, b.translate(ctx, err))
				return
			}
			for _, o := range objects(page.Segment) {
				if o.Name <= opts.After { // StartFrom is inclusive, and Azurite does not know it
					continue
				}
				if !yield(o, nil) {
					return
				}
			}
		}
	}
}

// objects merges the objects and the folders of one answer.
func objects(segment *container.BlobHierarchyListSegment) []blob.Object {
	if segment == nil {
		return nil
	}
	var all []blob.Object
	items, folders := segment.BlobItems, segment.BlobPrefixes
	for len(items)+len(folders) > 0 {
		if len(items) == 0 || len(folders) > 0 && *folders[0].Name < *items[0].Name {
			all = append(all, blob.Object{Name: *folders[0].Name})
			folders = folders[1:]
			continue
		}
		i := items[0]
		items = items[1:]
		p := orZero(i.Properties)
		all = append(all, blob.Object{
			Name: *i.Name, Size: *orZero(p.ContentLength), Version: quoted(string(*orZero(p.ETag))), ModTime: *orZero(p.LastModified), Meta: metadata(i.Metadata),
		})
	}
	return all
}

// quoted makes an ETag of a list, which has no quotes, look like those of other answers.
func quoted(tag string) string {
	if tag == "" || strings.HasSuffix(tag, `"`) {
		return tag
	}
	return `"` + tag + `"`
}

// Delete implements [blob.Bucket].
func (b *bucket) Delete(ctx context.Context, names []string) error {
	return blob.Each(len(names), 4*b.opts.Concurrency, func(i int) error {
		_, err := b.client.NewBlobClient(names[i]).Delete(ctx, nil)
		if err = b.translate(ctx, err); errors.Is(err, backend.ErrNotFound) {
			err = nil
		}
		return err
	})
}

// errPrecondition: the condition does not hold. What that means depends on it.
var errPrecondition = errors.New("precondition failed")

// translate makes of a client's error one that tells what to do, and holds no secret.
func (b *bucket) translate(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) {
		return fmt.Errorf("%w: container %q: %w", backend.ErrUnavailable, b.name, &lostError{err})
	}
	switch bloberror.Code(answer.ErrorCode) {
	case bloberror.BlobNotFound:
		return backend.ErrNotFound
	case bloberror.ContainerNotFound, bloberror.ResourceNotFound, bloberror.ContainerBeingDeleted:
		return fmt.Errorf("container %q does not exist in this account; create it, or correct the URL", b.name)
	case bloberror.ConditionNotMet, bloberror.BlobAlreadyExists, bloberror.TargetConditionNotMet:
		return errPrecondition
	case bloberror.InvalidRange:
		return blob.ErrRange
	}
	switch status := answer.StatusCode; {
	case status == http.StatusNotFound:
		return backend.ErrNotFound
	case status == http.StatusPreconditionFailed:
		return errPrecondition
	case status == http.StatusRequestedRangeNotSatisfiable:
		return blob.ErrRange
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return fmt.Errorf("container %q: %w: the credentials were refused, or lack a role like Storage Blob Data Contributor (%s)", b.name, fs.ErrPermission, answer.ErrorCode)
	case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
		return fmt.Errorf("%w: container %q: HTTP %d %s", backend.ErrUnavailable, b.name, status, answer.ErrorCode)
	case status >= 500 || status == http.StatusRequestTimeout:
		return fmt.Errorf("%w: container %q: %w", backend.ErrUnavailable, b.name, &lostError{fmt.Errorf("HTTP %d %s", status, answer.ErrorCode)})
	}
	return fmt.Errorf("container %q: HTTP %d %s", b.name, answer.StatusCode, answer.ErrorCode)
}

// lostError marks a failure after which a write may have taken effect.
type lostError struct{ err error }

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }
