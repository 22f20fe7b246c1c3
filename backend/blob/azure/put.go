package azure

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"golang.org/x/sync/errgroup"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/blob"
)

const (
	// maxBlocks and maxBlock are Azure's limits.
	maxBlocks = 50_000
	maxBlock  = 4000 << 20
	// oneRequest is up to which size a value is one Put Blob; above it goes in blocks.
	oneRequest = 64 << 20
	blockSize  = 16 << 20
)

// Put implements [blob.Bucket]: one Put Blob, or blocks and their list for a large value.
// Blocks of an upload that was never finished Azure removes after a week.
func (b *bucket) Put(ctx context.Context, name string, body *blob.Body, opts blob.PutOptions) (blob.Object, error) {
	condition, ok := ifMatch(opts.IfMatch)
	if !ok {
		return blob.Object{}, backend.ErrChanged
	}
	if opts.IfAbsent {
		condition = &azblob.AccessConditions{
			ModifiedAccessConditions: &azblob.ModifiedAccessConditions{IfNoneMatch: to.Ptr(azcore.ETagAny)},
		}
	}
	meta := make(map[string]*string, len(opts.Meta))
	for k, v := range opts.Meta {
		meta[k] = &v
	}
	client := b.client.NewBlockBlobClient(name)
	write := func() (*azcore.ETag, error) { return b.putOne(ctx, client, body, meta, condition) }
	if body.Size() > oneRequest {
		write = func() (*azcore.ETag, error) { return b.putBlocks(ctx, client, body, meta, condition) }
	}
	return blob.Attempt(ctx, body, func() (blob.Object, error) {
		tag, err := write()
		err = b.translate(ctx, err)
		switch refused := errors.Is(err, errPrecondition); {
		case refused && opts.IfAbsent:
			err = backend.ErrExists
		case refused, opts.IfMatch != "" && errors.Is(err, backend.ErrNotFound):
			err = backend.ErrChanged
		}
		return blob.Object{Name: name, Size: body.Size(), Version: string(*orZero(tag))}, err
	}, judge)
}

// once keeps the client from trying again by itself, and so from hiding what it met.
func once(ctx context.Context) context.Context {
	return policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: -1})
}

func (b *bucket) putOne(ctx context.Context, client *blockblob.Client, body *blob.Body, meta map[string]*string, condition *azblob.AccessConditions) (*azcore.ETag, error) {
	r, err := client.Upload(once(ctx), streaming.NopCloser(body), &blockblob.UploadOptions{Metadata: meta, AccessConditions: condition})
	return r.ETag, err
}

func (b *bucket) putBlocks(ctx context.Context, client *blockblob.Client, body *blob.Body, meta map[string]*string, condition *azblob.AccessConditions) (*azcore.ETag, error) {
	size := max(blockSize, (body.Size()+maxBlocks-1)/maxBlocks)
	ids := make([]string, (body.Size()+size-1)/size)
	g, sending := errgroup.WithContext(ctx)
	g.SetLimit(b.opts.Concurrency)
	for i := range ids {
		ids[i] = base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, uint32(i)))
		off := int64(i) * size
		part, err := body.Part(off, min(size, body.Size()-off)) // in order, for bodies that know no other
		if err != nil {
			g.Wait()
			return nil, err
		}
		g.Go(func() error {
			_, err := client.StageBlock(sending, ids[i], streaming.NopCloser(part), &blockblob.StageBlockOptions{
				TransactionalValidation: azblob.TransferValidationTypeComputeCRC64(),
			})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	// All that the object takes has arrived: from here on it may be stored without an answer.
	body.MarkSent()
	r, err := client.CommitBlockList(once(ctx), ids, &blockblob.CommitBlockListOptions{Metadata: meta, AccessConditions: condition})
	return r.ETag, err
}

func judge(err error) blob.Verdict {
	var lost *lostError
	switch {
	case errors.As(err, &lost):
		return blob.Lost
	case errors.Is(err, backend.ErrUnavailable):
		return blob.Busy
	}
	return blob.Refused
}
