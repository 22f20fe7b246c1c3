// Package azure keeps values in a container of Azure Blob Storage.
//
// Importing it registers the scheme "azblob", as in azblob://container/prefix?account=name.
// Credentials are a connection string, an account key or a SAS token in the environment
// (AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN), else Azure's
// default chain; never part of the URL.
package azure

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"gocloud.dev/blob/azureblob"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/blob"
	"github.com/larder-store/larder/internal/gocloud"
	"github.com/larder-store/larder/internal/guard"
)

const scheme = "azblob"

func init() {
	backend.Register(scheme, openURL, "account", "endpoint", "anonymous", "concurrency", "stall")
}

// Options say how a container is reached and used; nil and the zero value mean the
// defaults. Each is a parameter of the URL too, in lower case.
type Options struct {
	Prefix      string // before every name, at most 300 bytes; in a URL, the path
	Account     string // the default is AZURE_STORAGE_ACCOUNT
	Endpoint    string // the default is https://<account>.blob.core.windows.net; an emulator's includes the account
	Anonymous   bool   // sign nothing: for public containers
	Concurrency int    // how many requests one call makes at a time; the default is 4

	Stall time.Duration // for how long a read may deliver nothing, an answer to a write five times as long; the default is a minute
}

// Open opens a container. Errors surface on first use.
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
	if o.Account == "" {
		o.Account = os.Getenv("AZURE_STORAGE_ACCOUNT")
	}
	bounded := &guard.Transport{Next: gocloud.Connections(o.Stall), Stall: o.Stall, Object: readsObject}
	transport := &http.Client{Transport: bounded, CheckRedirect: guard.CheckRedirect}
	client, err := newClient(name, o, &container.ClientOptions{ClientOptions: azcore.ClientOptions{
		Transport: transport, PerCallPolicies: []policy.Policy{policyFunc(watch), policyFunc(known)},
	}})
	if err != nil {
		return nil, err
	}
	bucket := &bucket{http: transport, name: name, opts: o}
	if bucket.cloud, err = azureblob.OpenBucket(ctx, client, nil); err != nil {
		return nil, err
	}
	return blob.Open(bucket, blob.Options{Scheme: scheme, Prefix: o.Prefix, Concurrency: o.Concurrency})
}

// readsObject reports whether a request reads a blob.
func readsObject(r *http.Request) bool {
	q := r.URL.Query()
	return r.Method == http.MethodGet && !q.Has("comp") && !q.Has("restype")
}

type policyFunc func(*policy.Request) (*http.Response, error)

// Do implements [policy.Policy].
func (f policyFunc) Do(req *policy.Request) (*http.Response, error) { return f(req) }

func newClient(name string, o Options, opts *container.ClientOptions) (*container.Client, error) {
	text := os.Getenv("AZURE_STORAGE_CONNECTION_STRING")
	if text != "" && o.Account == "" && o.Endpoint == "" && !o.Anonymous {
		client, err := container.NewClientFromConnectionString(text, name, opts)
		if err != nil { // whose text may repeat the string
			return nil, errors.New("AZURE_STORAGE_CONNECTION_STRING is not a connection string")
		}
		return client, nil
	}
	if o.Account == "" && o.Endpoint == "" {
		return nil, errors.New("which storage account? Add ?account=… to the URL, or set AZURE_STORAGE_ACCOUNT")
	}
	if o.Endpoint == "" {
		o.Endpoint = "https://" + o.Account + ".blob.core.windows.net"
	}
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return nil, backend.InvalidURL("endpoint is not a URL like https://account.blob.core.windows.net, without user and parameters")
	}
	where := strings.TrimRight(o.Endpoint, "/") + "/" + name
	key, token := os.Getenv("AZURE_STORAGE_KEY"), os.Getenv("AZURE_STORAGE_SAS_TOKEN")
	switch {
	case o.Anonymous:
		return container.NewClientWithNoCredential(where, opts)
	case key != "" && o.Account != "":
		credential, err := container.NewSharedKeyCredential(o.Account, key)
		if err != nil {
			return nil, errors.New("AZURE_STORAGE_KEY is not a key of a storage account: it is not base64")
		}
		return container.NewClientWithSharedKeyCredential(where, credential, opts)
	case token != "":
		return container.NewClientWithNoCredential(where+"?"+strings.TrimPrefix(token, "?"), opts)
	}
	credential, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return nil, errors.New("there are no usable credentials: set AZURE_STORAGE_KEY or AZURE_STORAGE_SAS_TOKEN, log in with az, or add anonymous=true for a public container")
	}
	return container.NewClient(where, credential, opts)
}

func openURL(ctx context.Context, u *url.URL, p *backend.Params) (backend.Backend, error) {
	o := Options{
		Prefix:      u.Path,
		Account:     p.String("account", ""),
		Endpoint:    p.String("endpoint", ""),
		Anonymous:   p.Bool("anonymous", false),
		Concurrency: p.Int("concurrency", 4, 1),
		Stall:       p.Duration("stall", guard.Stall, time.Millisecond),
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	if u.Host == "" || u.User != nil || u.Port() != "" || u.Fragment != "" || u.Opaque != "" {
		return nil, backend.InvalidURL("a container is written azblob://container/prefix?account=name, and credentials are never part of a URL")
	}
	b, err := open(ctx, u.Host, &o)
	if err != nil {
		return nil, err
	}
	return b, nil
}
