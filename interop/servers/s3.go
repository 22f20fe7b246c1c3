package servers

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// VersityGW is versitygw over a directory: built from the module that go.mod pins.
var VersityGW = once(StartVersityGW)

// StartVersityGW starts another one.
func StartVersityGW() (*Server, error) {
	dir, err := os.MkdirTemp("", "larder-versitygw-")
	if err != nil {
		return nil, err
	}
	exe := filepath.Join(dir, "versitygw")
	if out, err := exec.Command("go", "build", "-o", exe, "github.com/versity/versitygw/cmd/versitygw").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build versitygw: %w: %s", err, out)
	}
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	cmd := exec.Command(exe, "--keep-alive", "--port", address, "--quiet", "posix", data)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+AccessKey, "ROOT_SECRET_KEY="+SecretKey)
	return run(cmd, "versitygw", "http://"+address, dir)
}

// GoFakeS3 is gofakes3 in memory. It stores what it is sent without looking at checksums.
var GoFakeS3 = once(func() (*Server, error) {
	s := httptest.NewServer(gofakes3.New(newMetadata{s3mem.New()}).Server())
	atStop(s.Close)
	return &Server{Name: "gofakes3", URL: s.URL}, nil
})

// newMetadata makes an object have the metadata that it was put with, as gofakes3 1.2 keeps the entries of the one that it overwrites: it
// writes down the names, and shows no others.
type newMetadata struct{ *s3mem.Backend }

const namesOf = "X-Amz-Meta-Names"

func (b newMetadata) PutObject(bucket, key string, meta map[string]string, input io.Reader, size int64, conditions *gofakes3.PutConditions) (gofakes3.PutObjectResult, error) {
	meta[namesOf] = strings.Join(slices.Collect(maps.Keys(meta)), " ")
	return b.Backend.PutObject(bucket, key, meta, input, size, conditions)
}

func (b newMetadata) CopyObject(fromBucket, fromKey, bucket, key string, meta map[string]string) (gofakes3.CopyObjectResult, error) {
	return gofakes3.CopyObject(b, fromBucket, fromKey, bucket, key, meta)
}

func (b newMetadata) GetObject(bucket, key string, r *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	o, err := b.Backend.GetObject(bucket, key, r)
	return withNewMetadata(o), err
}

func (b newMetadata) HeadObject(bucket, key string) (*gofakes3.Object, error) {
	o, err := b.Backend.HeadObject(bucket, key)
	return withNewMetadata(o), err
}

func withNewMetadata(o *gofakes3.Object) *gofakes3.Object {
	if o == nil {
		return nil
	}
	kept := map[string]string{}
	for _, name := range strings.Fields(o.Metadata[namesOf]) {
		kept[name] = o.Metadata[name]
	}
	o.Metadata = kept
	return o
}

// Client is the raw SDK on a server.
func (s *Server) Client() *s3.Client { return Client(s.URL) }

// Client is the raw SDK on the S3 server at url.
func Client(url string) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(url),
		Region:       Region,
		UsePathStyle: true,
		Credentials:  credentials.NewStaticCredentialsProvider(AccessKey, SecretKey, ""),
	})
}

var buckets atomic.Int64

// Bucket makes a fresh bucket and returns its name.
func (s *Server) Bucket(t testing.TB) string {
	t.Helper()
	name, err := s.NewBucket()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// NewBucket is Bucket outside of tests.
func (s *Server) NewBucket() (string, error) {
	name := fmt.Sprintf("larder-%d-%d", os.Getpid(), buckets.Add(1))
	_, err := s.Client().CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: &name})
	if err != nil {
		return "", fmt.Errorf("create bucket %s on %s: %w", name, s.Name, err)
	}
	return name, nil
}
