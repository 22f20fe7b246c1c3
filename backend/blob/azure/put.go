package azure

import (
	"context"
	"errors"
	"io"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	cloud "gocloud.dev/blob"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
	"github.com/larder-store/larder/internal/gocloud"
)

const (
	// maxBlocks and maxBlock are Azure's limits.
	maxBlocks = 50_000
	maxBlock  = 4000 << 20
	// blockSize is up to which size a value is one Put Blob; above it goes in blocks of that
	// size. The client copies a block before it sends it, as many at a time as Options.Concurrency.
	blockSize = 16 << 20
)

// Put implements [driver.Bucket]: one Put Blob, or blocks and their list for a large value.
// Blocks of an upload that was never finished Azure removes after a week.
func (b *bucket) Put(ctx context.Context, name string, body *driver.Body, opts driver.PutOptions) (driver.Object, error) {
	condition, ok := ifMatch(opts.IfMatch)
	if !ok {
		return driver.Object{}, backend.ErrChanged
	}
	if opts.IfAbsent {
		condition = &azblob.AccessConditions{
			ModifiedAccessConditions: &azblob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)},
		}
	}
	var u *upload
	return driver.Attempt(ctx, body, func() (driver.Object, error) {
		u = &upload{}
		err := b.translate(ctx, b.write(u.watched(ctx), name, u.reader(body), body.Size(), condition, opts.Meta))
		switch refused := errors.Is(err, errPrecondition); {
		case refused && opts.IfAbsent:
			err = backend.ErrExists
		case refused, opts.IfMatch != "" && errors.Is(err, backend.ErrNotFound):
			err = backend.ErrChanged
		}
		return driver.Object{Name: name, Size: body.Size(), Version: u.tag}, err
	}, func(err error) driver.Verdict {
		verdict := gocloud.Judge(err)
		if verdict == driver.Lost && !u.sent.Load() { // a block, or the connection
			return driver.Busy
		}
		return verdict
	})
}

// write is one attempt. It goes by Upload, because a Writer of azureblob panics where an
// upload fails while it is closed.
func (b *bucket) write(ctx context.Context, name string, body io.Reader, size int64, condition *azblob.AccessConditions, meta map[string]string) error {
	return b.cloud.Upload(ctx, name, body, &cloud.WriterOptions{
		ContentType: "application/octet-stream", // is required, and the service's default
		BeforeWrite: func(as func(any) bool) error {
			o, err := gocloud.Hatch[*blockblob.UploadStreamOptions](as)
			if err != nil {
				return err
			}
			o.AccessConditions = condition
			o.HTTPHeaders = nil // instead of several empty ones
			o.Metadata = make(map[string]*string, len(meta))
			for k, v := range meta { // as it is: gocloud would escape it
				o.Metadata[k] = &v
			}
			o.BlockSize, o.Concurrency = max(blockSize, (size+maxBlocks-1)/maxBlocks), b.opts.Concurrency
			if size <= blockSize {
				// What is less than a block is one request. The client reserves a block for each value.
				o.BlockSize, o.Concurrency = size+1, 1
			}
			return nil
		},
	})
}
