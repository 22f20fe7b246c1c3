// Package s3 keeps values in a bucket of Amazon S3, or of a service that speaks its
// language.
//
// Importing it registers the scheme "s3", as in s3://bucket/prefix?region=eu-central-1.
// Credentials come from the SDK's chain: environment, shared files, SSO, the role of the
// machine; never from the URL. docs/buckets.md says what a bucket needs, with a URL for
// each kind of service.
package s3

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/blob"
	"github.com/larder-store/larder/internal/guard"
)

const scheme = "s3"

func init() {
	backend.Register(scheme, openURL, "region", "endpoint", "path_style", "checksum", "profile", "anonymous",
		"sse", "sse_key_id", "storage_class", "part_size", "multipart_above", "concurrency", "if_absent", "request_payer", "stall")
}

// Options say how a bucket is reached and used; nil and the zero value mean the defaults.
// Each is a parameter of the URL too, in lower case with underscores.
type Options struct {
	Prefix string // before every name, at most 300 bytes; in a URL, the path

	// Region of the bucket. The default is the environment's or the profile's, and
	// "us-east-1" beside an Endpoint.
	Region string
	// Endpoint is the address of another service than Amazon's, such as
	// http://127.0.0.1:9000.
	Endpoint string
	// VirtualHost puts the bucket's name into the host, as Amazon has it, also beside an
	// Endpoint. In a URL: path_style=false.
	VirtualHost bool
	// PlainUpload sends a checksum only where the protocol demands it, for services that
	// refuse those that S3 has had since 2025. In a URL: checksum=when_required.
	PlainUpload bool

	Profile   string // of the shared configuration files
	Anonymous bool   // sign nothing: for public buckets

	SSE          string // server-side encryption: AES256, aws:kms, aws:kms:dsse
	SSEKeyID     string // of the key for aws:kms
	StorageClass string // such as STANDARD_IA
	RequestPayer bool   // the requester pays; in a URL: request_payer=requester

	// PartSize is the size of the parts of an upload, 5 MiB or more; the default is 16 MiB. It grows
	// for a value of more than 10,000 parts.
	PartSize int64
	// MultipartAbove is the size above which a value is sent in parts; the default is 64 MiB.
	MultipartAbove int64
	// Concurrency is how many requests one call makes at a time; the default is 4.
	Concurrency int

	// Stall is for how long a read may deliver nothing before the request fails, and an answer to
	// a write five times as long; the default is a minute.
	Stall time.Duration

	// Unconditional declares that the service has no conditional writes that can be relied
	// on: IfAbsent and IfMatch are refused. In a URL: if_absent=none.
	Unconditional bool
}

const (
	// minPart and maxParts are S3's limits, maxValue its largest object.
	minPart  = 5 << 20
	maxParts = 10_000
	maxValue = 5 << 40

	// defaultPart: MinIO takes no chunk above 16 MiB over https.
	defaultPart = 16 << 20
	// defaultAbove: up to it one request is as fast as parts on a link of 1 Gbit/s, and a
	// third of the requests' price.
	defaultAbove = 64 << 20
)

// Open opens a bucket. It makes no request: what is wrong with the bucket or the
// credentials surfaces on first use.
func Open(ctx context.Context, name string, opts *Options) (*blob.Backend, error) {
	b, err := open(ctx, name, opts)
	return b, backend.Wrap("open", scheme, backend.Key{}, err)
}

func open(ctx context.Context, name string, opts *Options) (*blob.Backend, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if err := o.complete(); err != nil {
		return nil, err
	}
	client, err := newClient(ctx, o)
	if err != nil {
		return nil, err
	}
	return blob.Open(&bucket{client: client, name: name, opts: o}, blob.Options{
		Scheme: scheme, Prefix: o.Prefix, Concurrency: o.Concurrency,
	})
}

// complete fills in defaults and refuses what cannot work.
func (o *Options) complete() error {
	if o.PartSize == 0 {
		o.PartSize = defaultPart
	}
	if o.MultipartAbove == 0 {
		o.MultipartAbove = defaultAbove
	}
	if o.Concurrency == 0 {
		o.Concurrency = 4
	}
	switch {
	case o.PartSize < minPart:
		return backend.InvalidURL("part_size is %d bytes; the smallest that S3 takes is 5 MiB", o.PartSize)
	case o.MultipartAbove < 0 || o.MultipartAbove > 5<<30:
		return backend.InvalidURL("multipart_above is %d bytes; S3 takes at most 5 GiB in one request", o.MultipartAbove)
	case o.Concurrency < 0:
		return backend.InvalidURL("concurrency is %d", o.Concurrency)
	case o.SSEKeyID != "" && !strings.HasPrefix(o.SSE, "aws:kms"):
		return backend.InvalidURL("sse_key_id is for sse=aws:kms")
	}
	if o.Endpoint == "" {
		return nil
	}
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return backend.InvalidURL("endpoint is not a URL like https://s3.example.org or http://127.0.0.1:9000, without user and parameters")
	}
	return nil
}

func openURL(ctx context.Context, u *url.URL, p *backend.Params) (backend.Backend, error) {
	o := Options{
		Prefix:       u.Path,
		Region:       p.String("region", ""),
		Endpoint:     p.String("endpoint", ""),
		PlainUpload:  p.Choice("checksum", "when_supported", "when_supported", "when_required") == "when_required",
		Profile:      p.String("profile", ""),
		Anonymous:    p.Bool("anonymous", false),
		SSE:          p.Choice("sse", "", append([]string{""}, sseKinds()...)...),
		SSEKeyID:     p.String("sse_key_id", ""),
		StorageClass: p.String("storage_class", ""),
		PartSize:     p.Size("part_size", defaultPart),
		// Zero would mean the default.
		MultipartAbove: max(1, p.Size("multipart_above", defaultAbove)),
		Concurrency:    p.Int("concurrency", 4, 1),
		Unconditional:  p.Choice("if_absent", "atomic", "atomic", "none") == "none",
		Stall:          p.Duration("stall", guard.Stall, time.Millisecond),
		RequestPayer:   p.Choice("request_payer", "", "", "requester") != "",
	}
	o.VirtualHost = !p.Bool("path_style", o.Endpoint != "")
	if err := p.Err(); err != nil {
		return nil, err
	}
	if u.Host == "" || u.User != nil || u.Port() != "" || u.Fragment != "" || u.Opaque != "" {
		return nil, backend.InvalidURL("a bucket is written s3://bucket/prefix, and credentials are never part of a URL: they come from the environment, a profile or the machine's role")
	}
	b, err := open(ctx, u.Host, &o)
	if err != nil {
		return nil, err
	}
	return b, nil
}

func sseKinds() []string {
	var kinds []string
	for _, kind := range types.ServerSideEncryption("").Values() {
		kinds = append(kinds, string(kind))
	}
	return kinds
}
