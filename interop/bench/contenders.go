package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/s3blob"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	_ "github.com/larder-store/larder/backend/blob/s3"
	"github.com/larder-store/larder/component"
)

func contenders(endpoint, bucket string) ([]contender, error) {
	ctx := context.Background()
	b, err := backend.Open(ctx, "s3://"+bucket+"?endpoint="+endpoint)
	if err != nil {
		return nil, err
	}
	raw, err := sdk(ctx, endpoint, bucket)
	if err != nil {
		return nil, err
	}
	cloud, err := gocloud(ctx, endpoint, bucket)
	return []contender{ours(b), raw, cloud, store(b)}, err
}

// ours is our backend. The digests of what is put are known, as they are to a Store.
func ours(b backend.Backend) contender {
	known := map[int64]backend.PutOptions{}
	put := func(ctx context.Context, name string, body io.ReadSeeker, size int64) error {
		opts, err := remember(known, body, size)
		if err != nil {
			return err
		}
		_, err = b.Put(ctx, place(name), body, opts)
		return err
	}
	return contender{
		name:  "larder",
		small: put,
		large: func(ctx context.Context, name string, body *os.File, size int64) error {
			return put(ctx, name, body, size)
		},
		get: func(ctx context.Context, name string, w io.Writer) error {
			body, _, err := b.Get(ctx, place(name))
			if err != nil {
				return err
			}
			defer body.Close()
			_, err = io.Copy(w, body)
			return err
		},
		list: func(ctx context.Context) (int, error) {
			n := 0
			for _, err := range b.List(ctx, "list", backend.ListOptions{}) {
				if err != nil {
					return n, err
				}
				n++
			}
			return n, nil
		},
	}
}

// store is a Store on our backend: it sums what is put, and checks what is got.
func store(b backend.Backend) contender {
	s := larder.New(b, nil)
	one := func(name string) larder.Component { return component.New("bench", "1", name) }
	return contender{
		name: "larder's Store",
		large: func(ctx context.Context, name string, body *os.File, _ int64) error {
			_, err := s.Put(ctx, one(name), "value", body)
			return err
		},
		get: func(ctx context.Context, name string, w io.Writer) error {
			body, _, err := s.Reader(ctx, one(name), "value")
			if err != nil {
				return err
			}
			defer body.Close()
			_, err = io.Copy(w, body)
			return err
		},
	}
}

func place(name string) backend.Key {
	if rest, ok := strings.CutPrefix(name, "list/"); ok {
		return backend.Key{Shelf: "list", Name: rest}
	}
	return backend.Key{Shelf: "bench", Name: name}
}

// remember sums a body once for each size: the benchmark puts the same bytes again and again.
func remember(known map[int64]backend.PutOptions, body io.ReadSeeker, size int64) (backend.PutOptions, error) {
	mu.Lock()
	defer mu.Unlock()
	if opts, ok := known[size]; ok {
		return opts, nil
	}
	digest, sum := sha256.New(), crc32.New(crc32.MakeTable(crc32.Castagnoli))
	if _, err := io.Copy(io.MultiWriter(digest, sum), body); err != nil {
		return backend.PutOptions{}, err
	}
	opts := backend.PutOptions{Size: size, Sum: sum.Sum32()}
	digest.Sum(opts.Digest[:0])
	known[size] = opts
	return opts, nil
}

// sdk is the raw SDK as its own examples use it: the transfer manager for what is large.
func sdk(ctx context.Context, endpoint, bucket string) (contender, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return contender{}, err
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.BaseEndpoint, o.UsePathStyle = &endpoint, true
		o.DisableLogOutputChecksumValidationSkipped = true
	})
	manager := transfermanager.New(client)
	return contender{
		name: "raw SDK",
		large: func(ctx context.Context, name string, body *os.File, _ int64) error {
			_, err := manager.UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: &bucket, Key: &name, Body: body})
			return err
		},
		small: func(ctx context.Context, name string, body io.ReadSeeker, _ int64) error {
			_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &name, Body: body})
			return err
		},
		get: func(ctx context.Context, name string, w io.Writer) error {
			out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &name})
			if err != nil {
				return err
			}
			defer out.Body.Close()
			_, err = io.Copy(w, out.Body)
			return err
		},
		list: func(ctx context.Context) (int, error) {
			n := 0
			pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: aws.String("list/")})
			for pages.HasMorePages() {
				page, err := pages.NextPage(ctx)
				if err != nil {
					return n, err
				}
				n += len(page.Contents)
			}
			return n, nil
		},
	}, nil
}

func gocloud(ctx context.Context, endpoint, bucket string) (contender, error) {
	b, err := blob.OpenBucket(ctx, fmt.Sprintf("s3://%s?endpoint=%s&use_path_style=true", bucket, endpoint))
	if err != nil {
		return contender{}, err
	}
	options := &blob.WriterOptions{ContentType: "application/octet-stream"}
	return contender{
		name: "gocloud",
		small: func(ctx context.Context, name string, body io.ReadSeeker, _ int64) error {
			return b.Upload(ctx, name, body, options)
		},
		large: func(ctx context.Context, name string, body *os.File, _ int64) error {
			return b.Upload(ctx, name, body, options)
		},
		get: func(ctx context.Context, name string, w io.Writer) error {
			r, err := b.NewReader(ctx, name, nil)
			if err != nil {
				return err
			}
			defer r.Close()
			_, err = io.Copy(w, r)
			return err
		},
		list: func(ctx context.Context) (int, error) {
			n, it := 0, b.List(&blob.ListOptions{Prefix: "list/"})
			for {
				_, err := it.Next(ctx)
				if err == io.EOF {
					return n, nil
				}
				if err != nil {
					return n, err
				}
				n++
			}
		},
	}, nil
}
