package s3_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	_ "github.com/larder-store/larder/backend/blob/s3"
)

// The credentials that must not appear anywhere.
const (
	accessKey = "AKIAIOSFODNN7EXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
)

func setUp(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey, "AWS_SESSION_TOKEN": "",
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_PROFILE": "", "AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_S3": "",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	} {
		t.Setenv(name, value)
	}
}

func TestOpenRefuses(t *testing.T) {
	setUp(t)
	for url, want := range map[string]string{
		"s3://bucket":           "region",
		"s3:///prefix?region=x": "s3://bucket/prefix",
		"s3://me:" + secretKey[:9] + "@bucket?region=x":            "never part of a URL",
		"s3://bucket:80?region=x":                                  "s3://bucket/prefix",
		"s3://bucket?region=x&endpoint=127.0.0.1:9000":             "endpoint",
		"s3://bucket?endpoint=http://me:hunter22@127.0.0.1":        "endpoint",
		"s3://bucket?region=x&checksum=never":                      "when_required",
		"s3://bucket?region=x&part_size=1MiB":                      "5 MiB",
		"s3://bucket?region=x&multipart_above=6GB":                 "5 GiB",
		"s3://bucket?region=x&multipart_above=many":                "multipart_above",
		"s3://bucket?region=x&concurrency=0":                       "concurrency",
		"s3://bucket?region=x&sse=rot13":                           "aws:kms",
		"s3://bucket?region=x&sse=AES256&sse_key_id=arn":           "sse_key_id",
		"s3://bucket?region=x&if_absent=maybe":                     "if_absent",
		"s3://bucket?region=x&request_payer=me":                    "request_payer",
		"s3://bucket?region=x&region=y":                            "region",
		"s3://bucket?region=x&acl=public":                          "acl",
		"s3://bucket/a__b?region=x":                                "__",
		"s3://bucket/a//b?region=x":                                "segment",
		"s3://bucket/caf%C3%A9?region=x":                           "prefix",
		"s3://bucket/" + strings.Repeat("a/", 151) + "?region=x":   "300",
		"s3://bucket/p?region=x&profile=nobody-has-such-a-profile": "nobody-has-such-a-profile",
	} {
		b, err := backend.Open(context.Background(), url)
		if err == nil {
			b.Close()
			t.Errorf("Open(%q) succeeds, want an error with %q", url, want)
			continue
		}
		if text := err.Error(); !strings.Contains(text, want) || strings.Contains(text, secretKey[:9]) || strings.Contains(text, "hunter22") {
			t.Errorf("Open(%q) = %q, want an error with %q and no secret", url, err, want)
		}
	}
}

// What services answer, and what the user is told.
func TestErrorsTellTheRemedy(t *testing.T) {
	setUp(t)
	xml := func(code string) string {
		return `<?xml version="1.0"?><Error><Code>` + code + `</Code><Message>says ` + secretKey + ` of ` + accessKey + `</Message></Error>`
	}
	for _, c := range []struct {
		name   string
		status int
		header [2]string
		body   string
		want   string
		is     error
		not    error
	}{
		{"absent", 404, [2]string{}, xml("NoSuchKey"), "not found", backend.ErrNotFound, nil},
		{"no bucket", 404, [2]string{}, xml("NoSuchBucket"), `bucket "recordings" does not exist`, nil, backend.ErrNotFound},
		{"no permission", 403, [2]string{}, xml("AccessDenied"), "lack s3:GetObject", fs.ErrPermission, backend.ErrNotFound},
		{"unknown key", 403, [2]string{}, xml("InvalidAccessKeyId"), "refused the credentials", fs.ErrPermission, nil},
		{"wrong secret", 403, [2]string{}, xml("SignatureDoesNotMatch"), "refused the credentials", fs.ErrPermission, nil},
		{"expired", 400, [2]string{}, xml("ExpiredToken"), "log in again", fs.ErrPermission, nil},
		{"clock", 403, [2]string{}, xml("RequestTimeTooSkewed"), "clock", fs.ErrPermission, nil},
		{"region", 301, [2]string{"X-Amz-Bucket-Region", "eu-west-1"}, xml("PermanentRedirect"), "add region=eu-west-1", nil, nil},
		{"region, signed for another", 400, [2]string{"X-Amz-Bucket-Region", "eu-west-1"}, xml("AuthorizationHeaderMalformed"), "add region=eu-west-1", nil, nil},
		{"a web site's 404", 404, [2]string{"Content-Type", "text/html"}, "<html>no such page</html>", "is the endpoint right?", nil, backend.ErrNotFound},
		{"a web site", 200, [2]string{"Content-Type", "text/html"}, "<html>welcome</html>", "is the endpoint right?", nil, backend.ErrNotFound},
		{"a stranger's object", 200, [2]string{"Etag", `"x"`}, "hello", "does not carry Larder's metadata", backend.ErrCorrupt, nil},
		{"busy", 503, [2]string{}, xml("SlowDown"), "SlowDown", backend.ErrUnavailable, nil},
		{"a lock that could not be had", 499, [2]string{}, "", "HTTP 499", backend.ErrUnavailable, nil},
		{"no such function", 501, [2]string{}, xml("NotImplemented"), "if_absent=none", errors.ErrUnsupported, nil},
		{"something new", 400, [2]string{}, xml("BrandNew"), "BrandNew", nil, backend.ErrNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if c.header[0] != "" {
					w.Header().Set(c.header[0], c.header[1])
				}
				w.WriteHeader(c.status)
				w.Write([]byte(c.body))
			}))
			defer s.Close()
			b, err := backend.Open(context.Background(), "s3://recordings/p?endpoint="+s.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			_, _, err = b.Get(context.Background(), backend.Key{Shelf: "s", Name: "a"})
			if err == nil || !strings.Contains(err.Error(), c.want) || c.is != nil && !errors.Is(err, c.is) || c.not != nil && errors.Is(err, c.not) {
				t.Errorf("Get = %v; want an error with %q that matches %v", err, c.want, c.is)
			}
			if err != nil && (strings.Contains(err.Error(), secretKey) || strings.Contains(err.Error(), accessKey)) {
				t.Errorf("the error shows a credential: %v", err)
			}
		})
	}
}

// A service that accepts anything, as a captive portal does, is not believed.
func TestPutIsNotBelievedWithoutETag(t *testing.T) {
	setUp(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
	}))
	defer s.Close()
	b, err := backend.Open(context.Background(), "s3://recordings?endpoint="+s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.Put(context.Background(), backend.Key{Shelf: "s", Name: "a"}, strings.NewReader("x"), backend.PutOptions{Size: 1}); err == nil || !strings.Contains(err.Error(), "is the endpoint right?") {
		t.Errorf("Put = %v, want an error that asks about the endpoint", err)
	}
}

func TestNobodyAnswers(t *testing.T) {
	setUp(t)
	s := httptest.NewServer(nil)
	url := s.URL
	s.Close()
	b, err := backend.Open(context.Background(), "s3://recordings?endpoint="+url)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.Stat(context.Background(), backend.Key{Shelf: "s", Name: "a"}); !errors.Is(err, backend.ErrUnavailable) || !strings.Contains(err.Error(), url) {
		t.Errorf("Stat = %v, want %v and the endpoint", err, backend.ErrUnavailable)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := b.Stat(ctx, backend.Key{Shelf: "s", Name: "a"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Stat with a short deadline = %v, want %v", err, context.DeadlineExceeded)
	}
}

func TestNoCredentials(t *testing.T) {
	setUp(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	b, err := backend.Open(context.Background(), "s3://recordings?endpoint="+s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.Stat(context.Background(), backend.Key{Shelf: "s", Name: "a"}); err == nil || !strings.Contains(err.Error(), "anonymous=true") {
		t.Errorf("Stat without credentials = %v, want an error that tells where they come from", err)
	}
}
