package s3_test

import (
	"context"
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
