package interop_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/larder-store/larder/interop/proxy"
	"github.com/larder-store/larder/interop/servers"
)

// Credentials that the servers do not know.
const (
	wrongKey    = "larder-wrong-key"
	wrongSecret = "larder-wrong-secret"
)

// onS3 is a fresh bucket, with a prefix, whose requests are counted.
func onS3(t testing.TB, s *servers.Server) place {
	p := proxy.New(t, s.URL)
	bucket := s.Bucket(t)
	return place{
		url:    "s3://" + bucket + "/some/prefix?endpoint=" + p.URL,
		vars:   map[string]string{"BUCKET": bucket},
		proxy:  p,
		tamper: func(how, object string) error { return tamperS3(s.Client(), bucket, how, object) },
	}
}

// inFiles is a fresh directory.
func inFiles(t testing.TB) place {
	dir := t.TempDir()
	return place{url: "file://" + filepath.ToSlash(dir), tamper: func(how, object string) error {
		return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.Contains(path, object) {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if how == "strip" { // the header goes
				return os.WriteFile(path, []byte("of another program"), 0o600)
			}
			return os.WriteFile(path, damaged(how, text), 0o600)
		})
	}}
}

// damaged flips the last bit of a text, or cuts its last byte.
func damaged(how string, text []byte) []byte {
	last := len(text) - 1
	if how == "cut" {
		return text[:last]
	}
	text[last] ^= 1
	return text
}

// tamperS3 does something to the one object whose name holds a text, behind Larder's back: "flip" a bit
// and "cut" a byte keep its metadata, "strip" keeps the bytes without it.
func tamperS3(c *s3.Client, bucket, how, object string) error {
	ctx := context.Background()
	list, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket})
	if err != nil {
		return err
	}
	var name *string
	for _, o := range list.Contents {
		if strings.Contains(*o.Key, object) {
			if name != nil {
				return fmt.Errorf("%q and %q hold %q", *name, *o.Key, object)
			}
			name = o.Key
		}
	}
	if name == nil {
		return fmt.Errorf("no object's name holds %q", object)
	}
	out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: name})
	if err != nil {
		return err
	}
	text, err := io.ReadAll(out.Body)
	if err != nil {
		return err
	}
	meta := out.Metadata
	if how == "strip" {
		meta = nil
		_, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: name}) // gofakes3 would keep the metadata
		if err != nil {
			return err
		}
	} else {
		text = damaged(how, text)
	}
	_, err = c.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &bucket, Key: name, Body: bytes.NewReader(text), Metadata: meta, ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
	})
	return err
}

// badPlaces are what a store's URL may name by mistake.
func badPlaces(t testing.TB, s *servers.Server) place {
	bucket := s.Bucket(t)
	on := func(endpoint string) string { return "s3://" + bucket + "/p?endpoint=" + endpoint }
	refusing := func(kind string) string { // a service that grants all but one kind of request
		p := proxy.New(t, s.URL)
		p.Faults(func(op string, _ *http.Request) proxy.Fault {
			if op == kind {
				return proxy.Fault{Refuse: http.StatusForbidden, Code: "AccessDenied"}
			}
			return proxy.Fault{}
		})
		return on(p.URL)
	}
	answering := func(status int, header map[string]string, text string) string {
		h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for name, value := range header {
				w.Header().Set(name, value)
			}
			w.WriteHeader(status)
			io.WriteString(w, text)
		}))
		t.Cleanup(h.Close)
		return on(h.URL)
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	const moved = `<?xml version="1.0"?><Error><Code>PermanentRedirect</Code><Message>The bucket is elsewhere</Message></Error>`
	return place{url: on(s.URL), vars: map[string]string{
		"BUCKET":   bucket,
		"ENDPOINT": s.URL,
		"GOOD":     on(s.URL),
		"ABSENT":   "s3://no-such-bucket/p?endpoint=" + s.URL,
		"NOLIST":   refusing("LIST"),
		"NOPUT":    refusing("PUT"),
		"NOGET":    refusing("GET"),
		"HELLO":    answering(http.StatusOK, nil, "hello"),
		"PAGE":     answering(http.StatusNotFound, map[string]string{"Content-Type": "text/html"}, "<html>nothing here"),
		"MOVED":    answering(http.StatusMovedPermanently, map[string]string{"X-Amz-Bucket-Region": "eu-north-1", "Content-Type": "application/xml"}, moved),
		"GONE":     on(gone.URL),

		"WRONG_KEY":    wrongKey,
		"WRONG_SECRET": wrongSecret,
	}}
}
