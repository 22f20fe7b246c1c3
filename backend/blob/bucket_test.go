package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
)

// scripted is a bucket whose every call a test answers.
type scripted struct {
	driver.Bucket
	limits backend.Limits
	put    func(body *driver.Body, opts driver.PutOptions) (driver.Object, error)
	get    func(version string, off, n int64) (io.ReadCloser, driver.Object, error)
	lists  int // calls of List, which find nothing
}

func (b *scripted) Limits() backend.Limits { return b.limits }

func (b *scripted) Put(_ context.Context, _ string, body *driver.Body, opts driver.PutOptions) (driver.Object, error) {
	return b.put(body, opts)
}

func (b *scripted) Get(_ context.Context, _, version string, off, n int64) (io.ReadCloser, driver.Object, error) {
	return b.get(version, off, n)
}

func (b *scripted) List(context.Context, driver.ListOptions) iter.Seq2[driver.Object, error] {
	b.lists++
	return func(func(driver.Object, error) bool) {}
}

// stored returns what the metadata of a value is that was put, and its bucket.
func stored(t *testing.T, text string) (*scripted, map[string]string) {
	t.Helper()
	var meta map[string]string
	b := &scripted{put: func(_ *driver.Body, opts driver.PutOptions) (driver.Object, error) {
		meta = opts.Meta
		return driver.Object{}, nil
	}}
	_, err := open(t, b, "").Put(context.Background(), key, strings.NewReader(text), backend.PutOptions{Size: int64(len(text))})
	if err != nil {
		t.Fatal(err)
	}
	return b, meta
}

// brokenAfter is a body that breaks off after what there is.
func brokenAfter(text string) io.ReadCloser {
	return io.NopCloser(io.MultiReader(strings.NewReader(text), errReader{}))
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errors.New("connection reset by peer") }

// A condition is never tried where the bucket does not promise that it is decided at that instant.
func TestConditionsThatAreNotPromisedAreRefused(t *testing.T) {
	for _, c := range []struct {
		limits backend.Limits
		opts   backend.PutOptions
		want   error
	}{
		{backend.Limits{}, backend.PutOptions{IfAbsent: true}, errors.ErrUnsupported},
		{backend.Limits{}, backend.PutOptions{IfMatch: "1"}, errors.ErrUnsupported},
		{backend.Limits{AtomicIfMatch: true}, backend.PutOptions{IfAbsent: true}, errors.ErrUnsupported},
		{backend.Limits{AtomicIfAbsent: true}, backend.PutOptions{IfMatch: "1"}, errors.ErrUnsupported},
		{backend.Limits{AtomicIfAbsent: true, AtomicIfMatch: true}, backend.PutOptions{IfMatch: "1"}, nil},
		{backend.Limits{MaxValue: 3}, backend.PutOptions{}, backend.ErrTooLarge},
	} {
		asked := false
		b := &scripted{limits: c.limits, put: func(*driver.Body, driver.PutOptions) (driver.Object, error) {
			asked = true
			return driver.Object{}, nil
		}}
		c.opts.Size = 4
		_, err := open(t, b, "").Put(context.Background(), key, strings.NewReader("text"), c.opts)
		if !errors.Is(err, c.want) || asked != (c.want == nil) {
			t.Errorf("Put(%+v) with %+v = %v, and the bucket was asked: %v; want %v", c.opts, c.limits, err, asked, c.want)
		}
	}
}

// What an HTTP transport still reads after the Put returned is not the caller's body any more.
func TestBodyIsLeftAloneAfterThePut(t *testing.T) {
	var body *driver.Body
	var part io.Reader
	b := &scripted{put: func(sent *driver.Body, _ driver.PutOptions) (driver.Object, error) {
		body = sent
		var err error
		if part, err = sent.Part(0, 4); err != nil {
			t.Fatal(err)
		}
		return driver.Object{}, errors.New("no such luck")
	}}
	open(t, b, "").Put(context.Background(), key, strings.NewReader("text"), backend.PutOptions{Size: 4})
	for what, r := range map[string]io.Reader{"the body": body, "a part": part} {
		if n, err := r.Read(make([]byte, 4)); n > 0 || err == nil || err == io.EOF {
			t.Errorf("reading %s after the Put = %d bytes, %v; want an error", what, n, err)
		}
	}
	if _, err := body.Seek(0, io.SeekStart); err == nil {
		t.Error("the body is rewound after the Put")
	}
}

// What breaks off is taken up where it was, by the version that it began with.
func TestBrokenBodiesAreResumed(t *testing.T) {
	text := strings.Repeat("0123456789", 200_000)
	for _, c := range []struct {
		name   string
		resume func(off int64) (io.ReadCloser, string, error) // the body from off on, and its version
		want   error
	}{
		{"the rest comes", func(off int64) (io.ReadCloser, string, error) {
			return io.NopCloser(strings.NewReader(text[off:])), "v1", nil
		}, nil},
		{"byte by byte", func(off int64) (io.ReadCloser, string, error) {
			return brokenAfter(text[off:min(off+100_000, int64(len(text)))]), "v1", nil
		}, nil},
		{"nothing comes", func(int64) (io.ReadCloser, string, error) { return brokenAfter(""), "v1", nil }, backend.ErrUnavailable},
		{"it ends early", func(int64) (io.ReadCloser, string, error) {
			return io.NopCloser(bytes.NewReader(nil)), "v1", nil
		}, backend.ErrUnavailable},
		{"another version, in spite of the condition", func(off int64) (io.ReadCloser, string, error) {
			return io.NopCloser(strings.NewReader(text[off:])), "v2", nil
		}, backend.ErrUnavailable},
		{"overwritten", func(int64) (io.ReadCloser, string, error) { return nil, "", backend.ErrChanged }, backend.ErrUnavailable},
		{"deleted", func(int64) (io.ReadCloser, string, error) { return nil, "", backend.ErrNotFound }, backend.ErrUnavailable},
	} {
		b, meta := stored(t, text)
		calls := 0
		b.get = func(version string, off, _ int64) (io.ReadCloser, driver.Object, error) {
			o := driver.Object{Name: "s/a!", Size: int64(len(text)), Version: "v1", Meta: meta}
			if calls++; calls == 1 {
				return brokenAfter(text[:1234]), o, nil
			}
			if version != "v1" {
				t.Errorf("%s: the rest is asked for by version %q, want v1", c.name, version)
			}
			body, found, err := c.resume(off)
			o.Version = found
			return body, o, err
		}
		body, _, err := open(t, b, "").Get(context.Background(), key)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(body)
		body.Close()
		if !errors.Is(err, c.want) || c.want == nil && string(got) != text || !strings.HasPrefix(text, string(got)) {
			t.Errorf("%s: reading = %d of %d bytes, %v; want %v", c.name, len(got), len(text), err, c.want)
		}
		if calls > 30 {
			t.Errorf("%s: %d requests", c.name, calls)
		}
	}
}

// What no name begins with is not looked for: some servers refuse it.
func TestListOfWhatNoNameBeginsWith(t *testing.T) {
	for prefix, asked := range map[string]bool{
		"": true, "a": true, "a/": true, "a/b": true, "a/-": true, "a.": true,
		"/": false, "a//": false, "a//b": false, ".": false, "..": false, "../": false, "a/.": false, "a/../b": false, "a./b": false,
	} {
		b := &scripted{}
		for _, err := range open(t, b, "").List(context.Background(), "s", backend.ListOptions{Prefix: prefix}) {
			t.Errorf("List of %q yields %v", prefix, err)
		}
		if (b.lists > 0) != asked {
			t.Errorf("List of %q asks the bucket %d times; want it to be asked: %v", prefix, b.lists, asked)
		}
	}
}

// grown is a bucket whose object was short when a part of it was asked for, and is longer when it is looked at.
type grown struct {
	*scripted
	now driver.Object
}

func (b *grown) Head(context.Context, string) (driver.Object, error) { return b.now, nil }

// A range that begins behind the end of a value, which is replaced by a longer one before it is described, is not empty as if that were so
// of the longer one.
func TestRangeOfWhatGrows(t *testing.T) {
	s, meta := stored(t, "0123456789")
	s.get = func(string, int64, int64) (io.ReadCloser, driver.Object, error) {
		return nil, driver.Object{}, driver.ErrRange
	}
	b := &grown{s, driver.Object{Name: "s/a!", Size: 10, Version: "v2", Meta: meta}}
	for off, want := range map[int64]error{0: backend.ErrUnavailable, 9: backend.ErrUnavailable, 10: nil, 11: nil} {
		body, info, err := backend.GetRange(context.Background(), open(t, b, ""), key, "", off, 5)
		if !errors.Is(err, want) || want == nil && (err != nil || info.Size != 10) {
			t.Errorf("GetRange from %d = %+v, %v; want %v", off, info, err, want)
		}
		if err == nil {
			body.Close()
		}
	}
}
