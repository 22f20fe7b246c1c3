// Package gcs keeps values in a bucket of Google Cloud Storage.
//
// Importing it registers the scheme "gs", as in gs://bucket/prefix. Credentials are the
// application default ones: GOOGLE_APPLICATION_CREDENTIALS, gcloud's, or the machine's service
// account; never part of the URL. STORAGE_EMULATOR_HOST names an emulator instead.
package gcs

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"gocloud.dev/blob/gcsblob"
	"google.golang.org/api/option"
	transport "google.golang.org/api/transport/http"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/blob"
	"github.com/larder-store/larder/internal/gocloud"
	"github.com/larder-store/larder/internal/guard"
)

const scheme = "gs"

func init() {
	backend.Register(scheme, openURL, "anonymous", "endpoint", "storage_class", "concurrency", "user_project", "stall")
}

// Options say how a bucket is reached and used; nil and the zero value mean the defaults.
// Each is a parameter of the URL too, in lower case with underscores.
type Options struct {
	Prefix       string // before every name, at most 300 bytes; in a URL, the path
	Anonymous    bool   // sign nothing: for public buckets
	Endpoint     string // of another service than Google's, such as http://127.0.0.1:4443/storage/v1/
	StorageClass string // such as NEARLINE
	UserProject  string // is billed, for buckets whose requester pays
	Concurrency  int    // how many requests one call makes at a time; the default is 4

	Stall time.Duration // for how long a read may deliver nothing, an answer to a write five times as long; the default is a minute
}

// Open opens a bucket. Errors surface on first use.
func Open(ctx context.Context, name string, opts *Options) (*blob.Backend, error) {
	b, err := open(ctx, name, opts)
	return b, backend.Wrap("open", scheme, backend.Key{}, err)
}

func open(ctx context.Context, name string, opts *Options) (*blob.Backend, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 4
	}
	auth := []option.ClientOption{option.WithScopes(storage.ScopeReadWrite)}
	if o.Anonymous || os.Getenv("STORAGE_EMULATOR_HOST") != "" {
		auth = []option.ClientOption{option.WithoutAuthentication()}
	}
	connections := gocloud.Connections(o.Stall)
	bounded := &guard.Transport{Next: connections, Stall: o.Stall, Object: readsObject}
	signed, err := transport.NewTransport(context.WithoutCancel(ctx), bounded, auth...)
	if err != nil {
		return nil, errors.New("there are no usable credentials: set GOOGLE_APPLICATION_CREDENTIALS, log in with gcloud, or add anonymous=true for a public bucket")
	}
	signed = &unbroken{signed}
	if o.UserProject != "" {
		signed = &billed{o.UserProject, signed}
	}
	// Reads go through XML, the client's default: JSON answers without the metadata.
	with := []option.ClientOption{option.WithHTTPClient(&http.Client{Transport: signed, CheckRedirect: guard.CheckRedirect})}
	if o.Endpoint != "" {
		with = append(with, option.WithEndpoint(o.Endpoint))
	}
	// gocloud would make a client too, but in an emulator's environment one over the connections of
	// all, and would never close it.
	client, err := storage.NewClient(ctx, with...)
	if err != nil {
		return nil, err
	}
	client.SetRetry(storage.WithMaxAttempts(attempts))
	b, err := openWith(ctx, &bucket{client: client, connections: connections, name: name, opts: o})
	if err != nil {
		client.Close()
	}
	return b, err
}

// attempts is how often a request is made at most, within 15 seconds or so of waiting; the client's default is
// for ever.
const attempts = 5

// readsObject reports whether a request reads an object: by XML, or as media by JSON.
func readsObject(r *http.Request) bool {
	return r.Method == http.MethodGet && (!strings.Contains(r.URL.Path, "/storage/v1/") || r.URL.Query().Get("alt") == "media")
}

func openWith(ctx context.Context, b *bucket) (_ *blob.Backend, err error) {
	if b.cloud, err = gcsblob.OpenBucket(ctx, nil, b.name, &gcsblob.Options{Client: b.client}); err != nil {
		return nil, err
	}
	return blob.Open(b, blob.Options{Scheme: scheme, Prefix: b.opts.Prefix, Concurrency: b.opts.Concurrency})
}

func openURL(ctx context.Context, u *url.URL, p *backend.Params) (backend.Backend, error) {
	o := Options{
		Prefix:       u.Path,
		Anonymous:    p.Bool("anonymous", false),
		Endpoint:     p.String("endpoint", ""),
		StorageClass: p.String("storage_class", ""),
		Concurrency:  p.Int("concurrency", 4, 1),
		UserProject:  p.String("user_project", ""),
		Stall:        p.Duration("stall", guard.Stall, time.Millisecond),
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	if u.Host == "" || u.User != nil || u.Port() != "" || u.Fragment != "" || u.Opaque != "" {
		return nil, backend.InvalidURL("a bucket is written gs://bucket/prefix, and credentials are never part of a URL")
	}
	b, err := open(ctx, u.Host, &o)
	if err != nil {
		return nil, err
	}
	return b, nil
}
