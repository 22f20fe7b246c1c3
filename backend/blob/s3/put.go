package s3

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
)

// Put implements [driver.Bucket]: one PutObject, or a multipart upload of a large value.
func (b *bucket) Put(ctx context.Context, name string, body *driver.Body, opts driver.PutOptions) (driver.Object, error) {
	if opts.IfMatch != "" && !etag.MatchString(opts.IfMatch) {
		return driver.Object{}, backend.ErrChanged
	}
	if body.Size() > b.opts.MultipartAbove {
		return b.putParts(ctx, name, body, opts)
	}
	in := &s3.PutObjectInput{
		Bucket:               &b.name,
		Key:                  &name,
		Body:                 body,
		ContentLength:        aws.Int64(body.Size()),
		Metadata:             opts.Meta,
		StorageClass:         types.StorageClass(b.opts.StorageClass),
		ServerSideEncryption: types.ServerSideEncryption(b.opts.SSE),
		SSEKMSKeyId:          orNil(b.opts.SSEKeyID),
		RequestPayer:         b.payer(),
		IfMatch:              orNil(opts.IfMatch),
	}
	if opts.IfAbsent {
		in.IfNoneMatch = aws.String("*")
	}
	var per []func(*s3.Options)
	if opts.Known() {
		if !b.opts.PlainUpload {
			// As a header: no trailer with its chunked framing, which some services store as data.
			in.ChecksumSHA256 = aws.String(base64.StdEncoding.EncodeToString(opts.SHA256[:]))
		}
		per = append(per, payloadHash(hex.EncodeToString(opts.SHA256[:])))
	}
	a := &attempt{body: body}
	out, err := b.client.PutObject(a.context(ctx), in, per...)
	if err != nil {
		return driver.Object{}, b.putError(ctx, err, a, opts)
	}
	if out.ETag == nil {
		return driver.Object{}, b.notS3(200, nil)
	}
	return driver.Object{Name: name, Size: body.Size(), Version: *out.ETag}, nil
}

// etag matches what can be the Version of an object. Anything else is no object's; but "*" would
// match every one, and versitygw takes an empty one for no condition.
var etag = regexp.MustCompile(`^(W/)?"[!#-~]+"$|^[!#-)+-~][!#-~]*$`)

// payloadHash spares the SDK to hash a body for the signature whose SHA-256 is known.
func payloadHash(digest string) func(*s3.Options) {
	set := middleware.InitializeMiddlewareFunc("LarderPayloadHash", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		return next.HandleInitialize(v4.SetPayloadHash(ctx, digest), in)
	})
	return s3.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Initialize.Add(set, middleware.After)
	})
}

// putError translates the failure of the request that would have made an object visible.
func (b *bucket) putError(ctx context.Context, err error, a *attempt, opts driver.PutOptions) error {
	err = b.translate(ctx, err, "s3:PutObject")
	refused := errors.Is(err, errPrecondition)
	switch {
	case refused && opts.IfAbsent:
		err = backend.ErrExists
	case refused, opts.IfMatch != "" && errors.Is(err, backend.ErrNotFound):
		err = backend.ErrChanged
	}
	if a.unclear || a.asked && errors.Is(err, backend.ErrUnavailable) {
		return &driver.Unclear{Err: err, Sent: a.unclear}
	}
	return err
}

func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// crcText is a CRC-32C as S3 writes it.
func crcText(sum uint32) *string {
	return aws.String(base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum)))
}

// sumBytes returns a checksum that S3 told; nil for none, and for one of parts without its type.
func sumBytes(text *string) []byte {
	sum, err := base64.StdEncoding.DecodeString(aws.ToString(text))
	if err != nil || len(sum) == 0 {
		return nil
	}
	return sum
}

// serverTime is the service's clock at its answer; ours where it does not say.
func serverTime(metadata middleware.Metadata) time.Time {
	if t, ok := awsmiddleware.GetServerTime(metadata); ok {
		return t
	}
	return time.Now()
}
