package guard_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/internal/guard"
)

// client reads below /object/ what is an object.
func client(stall time.Duration) *http.Client {
	return &http.Client{CheckRedirect: guard.CheckRedirect, Transport: &guard.Transport{
		Next: http.DefaultTransport, Stall: stall, Object: func(r *http.Request) bool { return strings.HasPrefix(r.URL.Path, "/object/") },
	}}
}

func TestBodies(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status, err := strconv.Atoi(r.FormValue("status")); err == nil {
			w.WriteHeader(status)
		}
		n, _ := strconv.Atoi(r.FormValue("n"))
		io.CopyN(w, zeros{}, int64(n))
		if r.FormValue("stand") != "" {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
	}))
	defer s.Close()
	const above = guard.MaxAnswer + 1
	for _, c := range []struct {
		path string
		want string // in the error; "" for none
		n    int64
	}{
		{"/list?n=1000", "", 1000},
		{"/list?n=" + strconv.Itoa(guard.MaxAnswer), "", guard.MaxAnswer},
		{"/list?n=" + strconv.Itoa(above), "more than 8 MiB", -1},
		{"/object/a?n=" + strconv.Itoa(above), "", above},
		{"/object/a?status=404&n=" + strconv.Itoa(above), "more than 8 MiB", -1},
		{"/object/a?n=1000&stand=1", "stood still for 50ms", -1}, // on a busy machine before it sent anything
		{"/list?n=1000&stand=1", "stood still for 50ms", -1},
	} {
		stall := time.Minute
		if strings.Contains(c.path, "stand") {
			stall = 50 * time.Millisecond
		}
		resp, err := client(stall).Get(s.URL + c.path)
		if err != nil {
			t.Errorf("%s: %v", c.path, err)
			continue
		}
		n, err := io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) || c.n >= 0 && n != c.n {
			t.Errorf("%s: %d bytes and %v, want %d and an error with %q", c.path, n, err, c.n, c.want)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// A body that delivers slowly, but does, may take as long as it likes.
func TestSlowBody(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for range 20 {
			w.Write([]byte("x"))
			w.(http.Flusher).Flush()
			time.Sleep(20 * time.Millisecond)
		}
	}))
	defer s.Close()
	const patient = 5 * time.Second // above any pause of a busy machine
	resp, err := client(patient).Get(s.URL + "/object/a")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || len(text) != 20 {
		t.Errorf("read %q, %v; want it whole", text, err)
	}
}

func TestRedirects(t *testing.T) {
	for _, c := range []struct {
		from, to string
		follow   bool
		keeps    bool // the credentials
	}{
		{"https://b.s3.amazonaws.com/a", "https://b.s3.amazonaws.com/b", true, true},
		{"https://b.s3.amazonaws.com/a", "https://b.s3.eu-west-1.amazonaws.com/a", true, false},
		{"https://b.s3.amazonaws.com/a", "http://b.s3.amazonaws.com/a", false, false},
		{"https://b.s3.amazonaws.com/a", "https://evil.example/a", false, false},
		{"https://b.s3.amazonaws.com/a", "https://amazonaws.com.evil.example/a", false, false},
		{"https://b.s3.amazonaws.com/a", "https://evilamazonaws.com/a", false, false},
		{"https://storage.googleapis.com/a", "https://www.googleapis.com/a", true, false},
		{"http://127.0.0.1:9000/a", "http://127.0.0.1:9000/b", true, true},
		{"http://127.0.0.1:9000/a", "http://127.0.0.1:9001/b", true, false},
		{"http://127.0.0.1:9000/a", "http://169.254.169.254/latest", false, false},
		{"http://minio.lab/a", "http://node1.minio.lab/a", true, false},
		{"http://minio.lab/a", "http://other.lab/a", false, false},
	} {
		from, _ := url.Parse(c.from)
		to, _ := url.Parse(c.to)
		r := &http.Request{URL: to, Header: http.Header{"X-Amz-Security-Token": {"secret"}, "Authorization": {"secret"}, "Range": {"bytes=0-1"}}}
		err := guard.CheckRedirect(r, []*http.Request{{URL: from}})
		if (err == nil) != c.follow {
			t.Errorf("%s to %s: %v, want it followed: %v", c.from, c.to, err, c.follow)
		}
		if err == nil && (r.Header.Get("X-Amz-Security-Token") != "") != c.keeps || r.Header.Get("Range") == "" {
			t.Errorf("%s to %s: the headers are %v, want the credentials kept: %v", c.from, c.to, r.Header, c.keeps)
		}
		if err != nil && strings.Contains(err.Error(), "evil") {
			t.Errorf("%s to %s: the error %v repeats what the server said", c.from, c.to, err)
		}
	}
	to, _ := url.Parse("http://h/a")
	via := make([]*http.Request, 10)
	for i := range via {
		via[i] = &http.Request{URL: to}
	}
	if err := guard.CheckRedirect(&http.Request{URL: to}, via); err == nil {
		t.Error("an eleventh redirect is followed")
	}
}

func TestPages(t *testing.T) {
	var p guard.Pages
	for i := range 100 {
		if err := errors.Join(p.Next(1000, "same"), p.Next(0, strconv.Itoa(i))); err != nil {
			t.Fatalf("a list that gets on: %v", err)
		}
	}
	if err := errors.Join(p.Next(0, "a"), p.Next(0, "b")); err != nil {
		t.Fatalf("empty pages: %v", err)
	}
	if err := p.Next(0, "a"); err == nil {
		t.Error("a circle of empty pages is not noticed")
	}
	var endless guard.Pages
	n := 0
	for ; n < 1_000_000 && endless.Next(0, strconv.Itoa(n)) == nil; n++ {
	}
	if n == 1_000_000 {
		t.Error("empty pages without end are not noticed")
	}
}

// Credentials that a redirect to another host lost stay lost on the next hop there.
func TestCredentialsOfTwoHops(t *testing.T) {
	got := map[string]string{}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got[r.URL.Path] = r.Header.Get("X-Amz-Security-Token") + r.Header.Get("Authorization")
		if r.URL.Path == "/1" {
			http.Redirect(w, r, "/2", http.StatusTemporaryRedirect)
		}
	}))
	defer other.Close()
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL+"/1", http.StatusTemporaryRedirect)
	}))
	defer first.Close()
	r, _ := http.NewRequest("GET", first.URL, nil)
	r.Header.Set("X-Amz-Security-Token", "secret")
	resp, err := (&http.Client{CheckRedirect: guard.CheckRedirect}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if len(got) != 2 || got["/1"] != "" || got["/2"] != "" {
		t.Errorf("another host got %q, want no credentials in either", got)
	}
}
