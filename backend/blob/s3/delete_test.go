package s3_test

import (
	"context"
	"encoding/xml"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
)

// A batch of deletes that succeeds as a request may have failed for some of its keys.
func TestDeleteBatchTellsOfEachKey(t *testing.T) {
	setUp(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.Write([]byte(`<?xml version="1.0"?><DeleteResult>` +
			`<Error><Key>p/s/locked!</Key><Code>AccessDenied</Code></Error>` +
			`<Error><Key>p/s/gone!</Key><Code>NoSuchKey</Code></Error></DeleteResult>`))
	}))
	defer s.Close()
	b, err := backend.Open(context.Background(), "s3://recordings/p?endpoint="+s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	keys := []backend.Key{{Shelf: "s", Name: "done"}, {Shelf: "s", Name: "locked"}, {Shelf: "s", Name: "gone"}}
	err = backend.DeleteBatch(context.Background(), b, keys)
	for i, want := range []string{"", "AccessDenied", ""} {
		switch err := backend.ItemError(err, i); {
		case want == "" && err != nil:
			t.Errorf("deleting %v = %v", keys[i], err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "recordings")):
			t.Errorf("deleting %v = %v, want an error with %s and the bucket", keys[i], err, want)
		}
	}
}

// What a service says of one key of a batch means what it means of a request: whether to come again, and what to do. What it says of a key that it was
// not asked about, as one that it writes in another way, may be about any, and what it says of a key is about each item that has it.
func TestDeleteBatchUnderstandsEachKey(t *testing.T) {
	setUp(t)
	said := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.Write([]byte(`<?xml version="1.0"?><DeleteResult><Error>` + said + `</Error></DeleteResult>`))
	}))
	defer s.Close()
	b, err := backend.Open(context.Background(), "s3://recordings/p?endpoint="+s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	a, other := backend.Key{Shelf: "s", Name: "a"}, backend.Key{Shelf: "s", Name: "b"}
	for _, c := range []struct {
		said string
		of   []bool // the items a, b, a: which fail
		want error
	}{
		{"<Key>p/s/b!</Key><Code>SlowDown</Code>", []bool{false, true, false}, backend.ErrUnavailable},
		{"<Key>p/s/b!</Key><Code>InternalError</Code>", []bool{false, true, false}, backend.ErrUnavailable},
		{"<Key>p/s/b!</Key><Code>AccessDenied</Code>", []bool{false, true, false}, fs.ErrPermission},
		{"<Key>p/s/b!</Key><Code>Odd</Code>", []bool{false, true, false}, nil},
		{"<Key>p/s/a!</Key><Code>AccessDenied</Code>", []bool{true, false, true}, fs.ErrPermission},
		{"<Key>p/s/a%21</Key><Code>InternalError</Code>", []bool{true, true, true}, backend.ErrUnavailable},
		{"<Code>InternalError</Code>", []bool{true, true, true}, backend.ErrUnavailable},
	} {
		said = c.said
		err := backend.DeleteBatch(context.Background(), b, []backend.Key{a, other, a})
		for i, fails := range c.of {
			if one := backend.ItemError(err, i); fails != (one != nil) || fails && c.want != nil && !errors.Is(one, c.want) {
				t.Errorf("%s: deleting item %d = %v, want it to fail: %v, with %v", c.said, i, one, fails, c.want)
			}
		}
	}
}

// The condition of a delete goes to the service, which may heed it: what was replaced after it was looked at stays.
func TestDeleteMatchSendsTheCondition(t *testing.T) {
	setUp(t)
	const seen, now = `"1"`, `"2"` // a is replaced as soon as it was looked at
	deleted := make(chan string, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/recordings/p/s/")
		holds := map[string]string{"a!": now, "b!": seen}
		switch {
		case r.Method == http.MethodHead:
			w.Header().Set("ETag", seen)
		case r.Method == http.MethodDelete && r.Header.Get("If-Match") == holds[name]:
			deleted <- name
			w.WriteHeader(http.StatusNoContent)
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusPreconditionFailed)
		default:
			var asked struct {
				Object []struct{ Key, ETag string }
			}
			if err := xml.NewDecoder(r.Body).Decode(&asked); err != nil {
				t.Error(err)
			}
			w.Header().Set("Content-Type", "application/xml")
			w.Write([]byte(`<?xml version="1.0"?><DeleteResult>`))
			for _, o := range asked.Object {
				if name := strings.TrimPrefix(o.Key, "p/s/"); o.ETag == holds[name] {
					deleted <- name
				} else {
					w.Write([]byte(`<Error><Key>` + o.Key + `</Key><Code>PreconditionFailed</Code></Error>`))
				}
			}
			w.Write([]byte(`</DeleteResult>`))
		}
	}))
	defer s.Close()
	b, err := backend.Open(context.Background(), "s3://recordings/p?endpoint="+s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	a, other := backend.Seen{Key: backend.Key{Shelf: "s", Name: "a"}, Version: seen}, backend.Seen{Key: backend.Key{Shelf: "s", Name: "b"}, Version: seen}
	for _, batch := range [][]backend.Seen{{a}, {other}, {a, other}} {
		err := backend.DeleteMatch(context.Background(), b, batch)
		for i, one := range batch {
			switch err := backend.ItemError(err, i); {
			case one == a && !errors.Is(err, backend.ErrChanged):
				t.Errorf("deleting what was replaced meanwhile, %d at once: %v, want %v", len(batch), err, backend.ErrChanged)
			case one == other && err != nil:
				t.Errorf("deleting what is as it was seen, %d at once: %v", len(batch), err)
			case one == other:
				if got := <-deleted; got != "b!" {
					t.Errorf("deleted %s, want b!", got)
				}
			}
		}
	}
	if len(deleted) > 0 {
		t.Errorf("deleted %s as well", <-deleted)
	}
}

// A service that refuses conditions of deletes is asked without.
func TestDeleteMatchWithoutConditions(t *testing.T) {
	setUp(t)
	deleted := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodHead:
			w.Header().Set("ETag", `"1"`)
		case r.Method != http.MethodDelete || r.Header.Get("If-Match") != "":
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(http.StatusNotImplemented)
			w.Write([]byte(`<?xml version="1.0"?><Error><Code>NotImplemented</Code></Error>`))
		default:
			deleted++
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	defer s.Close()
	b, err := backend.Open(context.Background(), "s3://recordings/p?concurrency=1&endpoint="+s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var seen []backend.Seen
	for _, name := range []string{"a", "b", "c"} {
		seen = append(seen, backend.Seen{Key: backend.Key{Shelf: "s", Name: name}, Version: `"1"`})
	}
	for _, batch := range [][]backend.Seen{seen[:1], seen[1:]} {
		if err := backend.DeleteMatch(context.Background(), b, batch); err != nil {
			t.Error(err)
		}
	}
	if deleted != 3 {
		t.Errorf("%d were deleted, want 3", deleted)
	}
}
