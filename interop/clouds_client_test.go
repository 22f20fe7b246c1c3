package interop_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/interop/proxy"
	"github.com/larder-store/larder/interop/servers"
)

// What the clients of the services do by themselves, and must not do here.

// every tries all that a backend does and returns the errors.
func every(b backend.Backend) map[string]error {
	ctx := context.Background()
	_, put := tryPut(b, "a", "text", backend.PutOptions{})
	_, large := tryPut(b, "large", strings.Repeat("x", 17*mebi), backend.PutOptions{})
	_, get := read(b, "a")
	_, stat := b.Stat(ctx, key("a"))
	errs := map[string]error{"Put": put, "Put of much": large, "Get": get, "Stat": stat, "Delete": b.Delete(ctx, key("a"))}
	for _, err := range b.List(ctx, "s", backend.ListOptions{}) {
		errs["List"] = err
	}
	return errs
}

// azureblob panics over the answers of another kind of service.
func TestAzureIsNotWhatAnswers(t *testing.T) {
	for name, page := range map[string]string{"text": "hello", "HTML": "<html><body>hello</body></html>", "XML": `<?xml version="1.0"?><EnumerationResults/>`} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			if r.Method == http.MethodPut {
				w.WriteHeader(http.StatusCreated)
			}
			io.WriteString(w, page)
		}))
		t.Cleanup(s.Close)
		b, err := backend.Open(t.Context(), "azblob://container?account=somebody&anonymous=true&endpoint="+s.URL)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.Close() })
		errs := every(b)
		delete(errs, "Delete") // has 202, and no answer to look at
		for op, err := range errs {
			if err == nil || !strings.Contains(err.Error(), `container "container"`) || !strings.Contains(err.Error(), "correct account or endpoint") {
				t.Errorf("%s: %s = %v, want an error that tells what to correct", name, op, err)
			}
		}
	}
}

// zeros is a body of zeros that counts what is taken from it, and can only be read in order.
type zeros struct {
	size, off, taken int64
}

func (z *zeros) Read(p []byte) (int, error) {
	n := min(int64(len(p)), z.size-z.off)
	if n == 0 {
		return 0, io.EOF
	}
	clear(p[:n])
	z.off += n
	z.taken += n
	return int(n), nil
}

func (z *zeros) Seek(off int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		off += z.size
	}
	z.off = off
	return off, nil
}

// Where a block is refused the client would read the rest of the value all the same.
func TestAzureReadsNoMoreThanItCanStore(t *testing.T) {
	b, w := behind(t, azure, "&concurrency=1")
	w.faults(func(kind string, _ *http.Request) proxy.Fault {
		if kind == "PUT PART" {
			return exclude
		}
		return proxy.Fault{}
	})
	body := &zeros{size: 400 * mebi}
	if _, err := b.Put(t.Context(), key("a"), body, backend.PutOptions{Size: body.size}); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("Put = %v, want permission denied", err)
	}
	if body.taken > 100*mebi {
		t.Errorf("%d MiB of a body were read whose first block was refused", body.taken/mebi)
	}
	if got := w.counted(); got["COMPLETE UPLOAD"] != 0 {
		t.Errorf("what was stored in part is completed: %v", got)
	}
}

// The project that pays is named in every request.
func TestGCSUserProject(t *testing.T) {
	b, w := behind(t, gcs, "&user_project=payer")
	w.faults(func(kind string, r *http.Request) proxy.Fault {
		parameter, header := r.URL.Query().Get("userProject"), r.Header.Get("X-Goog-User-Project")
		if kind == "GET" && header != "payer" || kind != "GET" && kind != "PUT PART" && parameter != "payer" {
			t.Errorf("%s names the project %q by parameter and %q by header: %v", kind, parameter, header, r.URL)
		}
		return proxy.Fault{}
	})
	for op, err := range every(b) {
		if err != nil {
			t.Errorf("%s = %v", op, err)
		}
	}
	tried := w.counted()
	for _, kind := range []string{"PUT", "CREATE UPLOAD", "GET", "HEAD", "LIST", "DELETE"} {
		if tried[kind] == 0 {
			t.Errorf("no %s was tried: %v", kind, tried)
		}
	}
}

// What GCS is told of a new object.
func TestGCSWrites(t *testing.T) {
	b, w := behind(t, gcs, "&storage_class=NEARLINE")
	var sent, condition string
	w.faults(func(kind string, r *http.Request) proxy.Fault {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		sent, condition = string(body), r.URL.Query().Get("ifGenerationMatch")
		r.Body = io.NopCloser(strings.NewReader(sent))
		return proxy.Fault{}
	})
	info, err := tryPut(b, "a", "text", backend.PutOptions{IfAbsent: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"storageClass":"NEARLINE"`, `"crc32c":"`, "Content-Type: application/octet-stream"} {
		if !strings.Contains(sent, want) {
			t.Errorf("a Put does not send %s: %s", want, sent)
		}
	}
	if condition != "0" {
		t.Errorf("a Put under IfAbsent sends ifGenerationMatch=%q, want 0", condition)
	}
	if _, err := tryPut(b, "a", "text", backend.PutOptions{IfMatch: info.Version}); err != nil || condition != info.Version {
		t.Errorf("a Put under IfMatch = %v, and sends ifGenerationMatch=%q, want %q", err, condition, info.Version)
	}
}

// An emulator may be named by the environment, as Google's own programs have it.
func TestGCSEmulatorByEnvironment(t *testing.T) {
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(servers.FakeGCS(t).URL, "http://"))
	b, err := backend.Open(t.Context(), "gs://"+servers.GCSBucket(t))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	info, err := tryPut(b, "a", "text", backend.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wants(t, b, "a", "text")
	told(t, b, "a", info)
}

// A delete may be repeated.
func TestCloudDeleteAgain(t *testing.T) {
	for _, s := range []service{gcs, azure} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			b, w := behind(t, s, "")
			if _, err := tryPut(b, "a", "text", backend.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			w.faults(first(1, "DELETE", lost))
			if err := b.Delete(t.Context(), key("a")); err != nil {
				t.Errorf("Delete whose first answer is lost = %v", err)
			}
			if _, err := read(b, "a"); !errors.Is(err, backend.ErrNotFound) {
				t.Errorf("Get after it = %v, want %v", err, backend.ErrNotFound)
			}
		})
	}
}
