package all_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/larder-store/larder/backend"
	_ "github.com/larder-store/larder/backend/all"
	"github.com/larder-store/larder/internal/guard"
)

// services are the clients of buckets, each by the URL of one at a server of ours.
var services = map[string]func(server string) string{
	"s3": func(server string) string {
		return "s3://bucket/p?anonymous=true&region=r&stall=100ms&endpoint=" + server
	},
	"gcs": func(server string) string {
		return "gs://bucket/p?anonymous=true&stall=100ms&endpoint=" + server + "/storage/v1/"
	},
	"azure": func(server string) string { return "azblob://bucket/p?anonymous=true&stall=100ms&endpoint=" + server },
}

// try calls what a Store calls, and returns the error of each, which must not take for ever.
func try(t *testing.T, url string) map[string]error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // a guard against hanging, far above what is needed
	defer cancel()
	b, err := backend.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	errs := map[string]error{}
	key := backend.Key{Shelf: "s", Name: "n"}
	body, _, err := b.Get(ctx, key)
	if err == nil {
		_, err = io.Copy(io.Discard, body)
		body.Close()
	}
	errs["get"] = err
	for _, err := range b.List(ctx, "s", backend.ListOptions{}) {
		if errs["list"] = err; err != nil {
			break
		}
	}
	for _, err := range b.Shelves(ctx, backend.ListOptions{}) {
		if errs["shelves"] = err; err != nil {
			break
		}
	}
	if ctx.Err() != nil {
		t.Fatalf("%s: the calls did not come to an end: %v", url, errs)
	}
	return errs
}

// hostile starts a server for each service, and checks what the calls say of it.
func hostile(t *testing.T, answer http.HandlerFunc, check func(t *testing.T, errs map[string]error)) {
	t.Helper()
	for name, url := range services {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(answer)
			defer s.Close()
			defer s.CloseClientConnections()
			check(t, try(t, url(s.URL)))
		})
	}
}

func allFail(t *testing.T, errs map[string]error) {
	t.Helper()
	for op, err := range errs {
		if err == nil {
			t.Errorf("%s succeeds", op)
		} else if len(err.Error()) > 4096 {
			t.Errorf("%s: an error of %d bytes", op, len(err.Error()))
		}
	}
}

type zeros struct{ sent *atomic.Int64 }

func (z zeros) Read(p []byte) (int, error) {
	z.sent.Add(int64(len(p)))
	return len(p), nil
}

// Answers without end, to errors and to lists, cost a bounded number of bytes.
func TestAnswersWithoutEnd(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusForbidden, http.StatusOK} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			var sent atomic.Int64
			hostile(t, func(w http.ResponseWriter, r *http.Request) {
				if status == http.StatusOK && !strings.Contains(r.URL.RawQuery, "list") && !strings.Contains(r.URL.Path, "storage/v1") {
					w.WriteHeader(http.StatusNotFound) // objects may be long
					return
				}
				w.Header().Set("Content-Type", "application/xml")
				w.WriteHeader(status)
				io.Copy(w, zeros{&sent})
			}, allFail)
			t.Cleanup(func() {
				const attempts, calls = 10, 3
				if n := sent.Load(); n > int64(len(services))*calls*attempts*2*guard.MaxAnswer {
					t.Errorf("%d MiB were read of answers without end", n>>20)
				}
			})
		})
	}
}

// An answer that never begins is not waited for either.
func TestSilence(t *testing.T) {
	t.Parallel()
	hostile(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // so that the server sees that the client leaves
		<-r.Context().Done()
	}, allFail)
}

func TestSilenceAfterWrites(t *testing.T) {
	t.Parallel()
	for name, url := range services {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				<-r.Context().Done()
			}))
			defer s.Close()
			defer s.CloseClientConnections()
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // a guard against hanging, far above what is needed
			defer cancel()
			b, err := backend.Open(ctx, url(s.URL))
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			_, err = b.Put(ctx, backend.Key{Shelf: "s", Name: "n"}, strings.NewReader("text"), backend.PutOptions{Size: 4})
			if err == nil || ctx.Err() != nil {
				t.Errorf("Put to a service that is silent: %v, want it ended", err)
			}
		})
	}
}

// A body that stands still ends with an error, whatever it is of.
func TestBodiesThatStandStill(t *testing.T) {
	t.Parallel()
	hostile(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.Write([]byte("<"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}, allFail)
}

// A redirect to another host is not followed, and that host learns nothing.
func TestRedirectsElsewhere(t *testing.T) {
	var asked atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1) }))
	defer other.Close()
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			hostile(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", elsewhere+"/stolen")
				w.WriteHeader(status)
			}, allFail)
		})
	}
	t.Cleanup(func() {
		if n := asked.Load(); n > 0 {
			t.Errorf("another host got %d requests", n)
		}
	})
}

// A redirect in circles ends.
func TestRedirectsInCircles(t *testing.T) {
	t.Parallel()
	hostile(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", r.URL.String())
		w.WriteHeader(http.StatusTemporaryRedirect)
	}, allFail)
}

// A list that goes in circles ends with an error.
func TestListsInCircles(t *testing.T) {
	pages := map[string]string{
		"s3":    `<?xml version="1.0"?><ListBucketResult><Name>bucket</Name><IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken></ListBucketResult>`,
		"gcs":   `{"kind":"storage#objects","nextPageToken":"again","items":[]}`,
		"azure": `<?xml version="1.0"?><EnumerationResults ServiceEndpoint="http://h/" ContainerName="bucket"><Blobs/><NextMarker>again</NextMarker></EnumerationResults>`,
	}
	for name, url := range services {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("x-ms-version", "2021-12-02")
				w.Header().Set("Content-Type", map[bool]string{true: "application/json", false: "application/xml"}[name == "gcs"])
				io.WriteString(w, pages[name])
			}))
			defer s.Close()
			errs := try(t, url(s.URL))
			for _, op := range []string{"list", "shelves"} {
				if err := errs[op]; err == nil || !strings.Contains(err.Error(), "in circles") {
					t.Errorf("%s of a list in circles: %v, want it noticed", op, err)
				}
			}
		})
	}
}

// A service that is always busy ends a call with an error.
func TestBusyForEver(t *testing.T) {
	t.Parallel()
	hostile(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, allFail)
}

// A list whose first request fails for a moment is asked for again.
func TestListsAreRetried(t *testing.T) {
	pages := map[string]string{
		"s3":    `<?xml version="1.0"?><ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated></ListBucketResult>`,
		"gcs":   `{"kind":"storage#objects","items":[]}`,
		"azure": `<?xml version="1.0"?><EnumerationResults ServiceEndpoint="http://h/" ContainerName="bucket"><Blobs/><NextMarker></NextMarker></EnumerationResults>`,
	}
	for name, url := range services {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int64
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("x-ms-version", "2021-12-02")
				w.Header().Set("Content-Type", map[bool]string{true: "application/json", false: "application/xml"}[name == "gcs"])
				if n.Add(1) == 1 {
					w.WriteHeader(503)
					return
				}
				io.WriteString(w, pages[name])
			}))
			defer s.Close()
			b, err := backend.Open(context.Background(), url(s.URL))
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			for _, err := range b.List(context.Background(), "s", backend.ListOptions{}) {
				if err != nil {
					t.Errorf("after one 503 and %d requests: %v", n.Load(), err)
				}
			}
			if n.Load() < 2 {
				t.Errorf("the server got %d requests, want the list asked for again", n.Load())
			}
		})
	}
}

// A sweep of unfinished uploads whose list goes in circles ends with an error.
func TestSweepInCircles(t *testing.T) {
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		if strings.Contains(r.URL.RawQuery, "uploads") {
			n.Add(1)
			io.WriteString(w, `<?xml version="1.0"?><ListMultipartUploadsResult><Bucket>bucket</Bucket><IsTruncated>true</IsTruncated><NextKeyMarker>a</NextKeyMarker><NextUploadIdMarker>b</NextUploadIdMarker></ListMultipartUploadsResult>`)
			return
		}
		io.WriteString(w, `<?xml version="1.0"?><ListBucketResult><Name>bucket</Name><IsTruncated>false</IsTruncated></ListBucketResult>`)
	}))
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // a guard against hanging, far above what is needed
	defer cancel()
	b, err := backend.Open(ctx, services["s3"](s.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	_, err = backend.Sweep(ctx, b, backend.SweepOptions{})
	if err == nil || !strings.Contains(err.Error(), "in circles") {
		t.Errorf("Sweep after %d requests: %v, want it noticed", n.Load(), err)
	}
}
