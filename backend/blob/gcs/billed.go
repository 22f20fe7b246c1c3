package gcs

import (
	"net/http"

	"cloud.google.com/go/storage"
)

// billed names the project that pays to requests of which gocloud gives nothing to set it on: a
// list, a Head. The client's own way would be a handle of the bucket, which gocloud makes itself.
type billed struct {
	project string
	next    http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (b *billed) RoundTrip(r *http.Request) (*http.Response, error) {
	q := r.URL.Query()
	// The URL of an upload under way knows the project; a read sends it in a header.
	if q.Has("upload_id") || r.Header.Get("X-Goog-User-Project") != "" {
		return b.next.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	q.Set("userProject", b.project)
	r.URL.RawQuery = q.Encode()
	return b.next.RoundTrip(r)
}

// billedRead is o with the project that pays: reads go by XML, which wants a header.
func (b *bucket) billedRead(o *storage.ObjectHandle) *storage.ObjectHandle {
	if b.opts.UserProject == "" {
		return o
	}
	return b.client.Bucket(b.name).UserProject(b.opts.UserProject).Object(o.ObjectName())
}
