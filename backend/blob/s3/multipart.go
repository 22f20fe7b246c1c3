package s3

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
	"github.com/larder-store/larder/internal/sums"
)

// restarts bounds how often an upload is begun anew, because another writer of the same
// name came between (409), or the service knows no checksum over all parts.
const restarts = 4

// abortPatience is for how long an upload that failed is cleaned up after, even when the
// caller has given up.
const abortPatience = 30 * time.Second

// putParts stores a large value in parts, several at a time.
func (b *bucket) putParts(ctx context.Context, name string, body *driver.Body, opts driver.PutOptions) (driver.Object, error) {
	for try := 1; ; try++ {
		u := &upload{b: b, name: name, body: body, opts: opts, whole: opts.Known() && !b.opts.PlainUpload && !b.partSums.Load()}
		o, err := u.run(ctx)
		if err == nil || try == restarts || ctx.Err() != nil {
			return o, err
		}
		switch {
		case u.whole && u.sumRefused:
			b.partSums.Store(true)
		case u.conflict:
			if err := driver.Pause(ctx, driver.FirstPause<<try); err != nil {
				return driver.Object{}, err
			}
		default:
			return o, err
		}
	}
}

// upload is one multipart upload.
type upload struct {
	b     *bucket
	name  string
	id    string
	body  *driver.Body
	opts  driver.PutOptions
	whole bool     // one CRC-32C over all parts is promised at the start and given at the end
	size  int64    // of every part but the last
	sums  []uint32 // of each part, as it was read

	// Why it may be worth beginning anew.
	conflict, sumRefused bool
}

func (u *upload) run(ctx context.Context) (driver.Object, error) {
	if err := u.create(ctx); err != nil {
		return driver.Object{}, err
	}
	parts, err := u.send(ctx)
	if err == nil {
		err = u.checkSum()
	}
	if err != nil {
		u.abort(ctx)
		return driver.Object{}, err
	}
	o, err := u.complete(ctx, parts)
	if err != nil {
		u.abort(ctx)
	}
	return o, err
}

func (u *upload) create(ctx context.Context) error {
	in := &s3.CreateMultipartUploadInput{
		Bucket:               &u.b.name,
		Key:                  &u.name,
		Metadata:             u.opts.Meta,
		StorageClass:         types.StorageClass(u.b.opts.StorageClass),
		ServerSideEncryption: types.ServerSideEncryption(u.b.opts.SSE),
		SSEKMSKeyId:          orNil(u.b.opts.SSEKeyID),
		RequestPayer:         u.b.payer(),
	}
	if !u.b.opts.PlainUpload {
		in.ChecksumAlgorithm = types.ChecksumAlgorithmCrc32c
	}
	if u.whole {
		in.ChecksumType = types.ChecksumTypeFullObject
	}
	out, err := u.b.client.CreateMultipartUpload(ctx, in)
	if err != nil {
		u.sumRefused = refusesSum(err)
		return u.b.translate(ctx, err, "s3:PutObject")
	}
	u.id = aws.ToString(out.UploadId)
	if u.id == "" {
		return u.b.notS3(200, nil)
	}
	return nil
}

// refusesSum reports whether a service that has no checksum over all parts may have
// said so.
func refusesSum(err error) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.ErrorCode() {
	case "NotImplemented", "InvalidRequest", "InvalidArgument", "BadDigest", "InvalidPart", "MalformedXML", "XAmzContentChecksumMismatch":
		return true
	}
	return false
}

func (u *upload) send(ctx context.Context) ([]types.CompletedPart, error) {
	size := max(u.b.opts.PartSize, (u.body.Size()+maxParts-1)/maxParts)
	parts := make([]types.CompletedPart, (u.body.Size()+size-1)/size)
	u.sums, u.size = make([]uint32, len(parts)), size
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(u.b.opts.Concurrency)
	for i := range parts {
		off := int64(i) * size
		// Here and not in the goroutine: a body that can only be read in order is.
		part, err := u.body.Part(off, min(size, u.body.Size()-off))
		if err != nil {
			g.Go(func() error { return err })
			break
		}
		g.Go(func() (err error) {
			parts[i], err = u.sendPart(ctx, int32(i+1), part)
			return err
		})
		if ctx.Err() != nil {
			break
		}
	}
	return parts, g.Wait()
}

func (u *upload) sendPart(ctx context.Context, number int32, part *io.SectionReader) (types.CompletedPart, error) {
	in := &s3.UploadPartInput{
		Bucket:        &u.b.name,
		Key:           &u.name,
		UploadId:      &u.id,
		PartNumber:    &number,
		Body:          part,
		ContentLength: aws.Int64(part.Size()),
		RequestPayer:  u.b.payer(),
	}
	var per []func(*s3.Options)
	if !u.b.opts.PlainUpload {
		sum, digest, err := u.b.sumPart(part)
		if err != nil {
			return types.CompletedPart{}, err
		}
		u.sums[number-1], in.ChecksumCRC32C = sum, crcText(sum)
		if digest != "" {
			per = append(per, payloadHash(digest))
		}
	}
	out, err := u.b.client.UploadPart((&attempt{body: u.body}).context(ctx), in, per...)
	if err != nil {
		return types.CompletedPart{}, u.b.translate(ctx, err, "s3:PutObject")
	}
	return types.CompletedPart{PartNumber: &number, ETag: out.ETag, ChecksumCRC32C: in.ChecksumCRC32C}, nil
}

// sumPart returns what a part is sent with: its CRC-32C and, where the signature covers the payload,
// its SHA-256 in hex. Both in one pass over pieces that stay in the CPU's cache: a pass
// for each, as the SDK would make, cost a sixth of the client's time for 256 MiB.
func (b *bucket) sumPart(part *io.SectionReader) (sum uint32, digest string, err error) {
	crc, sha := crc32.New(sums.Castagnoli()), sha256.New()
	w := io.MultiWriter(crc, sha)
	if !b.signsPayload() {
		w = crc
	}
	// The wrapping keeps io from choosing a buffer of its own.
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{part}, make([]byte, 64<<10)); err != nil {
		return 0, "", err
	}
	if _, err := part.Seek(0, io.SeekStart); err != nil {
		return 0, "", err
	}
	if b.signsPayload() {
		digest = hex.EncodeToString(sha.Sum(nil))
	}
	return crc.Sum32(), digest, nil
}

// signsPayload reports whether the signature covers bodies, which TLS makes needless.
func (b *bucket) signsPayload() bool {
	e := b.client.Options().BaseEndpoint
	return e != nil && strings.HasPrefix(strings.ToLower(*e), "http:")
}

// checkSum makes sure that what was read for the parts is what the caller summed. Not all services can.
func (u *upload) checkSum() error {
	if !u.opts.Known() || u.b.opts.PlainUpload {
		return nil
	}
	all, left := uint32(0), u.body.Size()
	for _, sum := range u.sums {
		n := min(u.size, left)
		all, left = combine(all, sum, n), left-n
	}
	if all != u.opts.CRC32C {
		return fmt.Errorf("%w: bucket %q: what was sent is not what was summed: it changed while it was sent", backend.ErrUnavailable, u.b.name)
	}
	return nil
}

// complete makes the object visible, under the condition.
func (u *upload) complete(ctx context.Context, parts []types.CompletedPart) (driver.Object, error) {
	in := &s3.CompleteMultipartUploadInput{
		Bucket:          &u.b.name,
		Key:             &u.name,
		UploadId:        &u.id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		RequestPayer:    u.b.payer(),
		IfMatch:         orNil(u.opts.IfMatch),
	}
	if u.opts.IfAbsent {
		in.IfNoneMatch = aws.String("*")
	}
	if u.whole {
		in.ChecksumType = types.ChecksumTypeFullObject
		in.ChecksumCRC32C = crcText(u.opts.CRC32C)
		in.MpuObjectSize = aws.Int64(u.body.Size())
	}
	a := &attempt{}
	out, err := u.b.client.CompleteMultipartUpload(a.context(ctx), in, once)
	if err != nil {
		u.conflict = isConflict(err)
		u.sumRefused = refusesSum(err)
		return driver.Object{}, u.b.putError(ctx, err, a, u.opts)
	}
	if out.ETag == nil {
		return driver.Object{}, u.b.notS3(200, nil)
	}
	return driver.Object{Name: u.name, Size: u.body.Size(), Version: *out.ETag}, nil
}

// once leaves a 409 to putParts: the upload that met it is void.
func once(o *s3.Options) {
	o.Retryer = withoutConflicts{o.Retryer}
}

type withoutConflicts struct{ aws.Retryer }

func (r withoutConflicts) IsErrorRetryable(err error) bool {
	return !isConflict(err) && r.Retryer.IsErrorRetryable(err)
}

func isConflict(err error) bool {
	var response *awshttp.ResponseError
	return errors.As(err, &response) && response.HTTPStatusCode() == http.StatusConflict
}

// abort frees the parts that were stored. What it fails to do a Sweep does later.
func (u *upload) abort(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortPatience)
	defer cancel()
	_ = u.b.abort(ctx, u.name, u.id)
}

func (b *bucket) abort(ctx context.Context, name, id string) error {
	_, err := b.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.name, Key: &name, UploadId: &id, RequestPayer: b.payer()})
	if noSuchUpload(err) {
		return nil
	}
	return b.translate(ctx, err, "s3:AbortMultipartUpload")
}

func noSuchUpload(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "NoSuchUpload"
}
