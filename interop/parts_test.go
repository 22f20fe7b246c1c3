package interop_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/interop/proxy"
	"github.com/larder-store/larder/interop/servers"
)

// Conditions hold for a value that goes in parts as for one that does not.
func TestConditionsOfUploads(t *testing.T) {
	for name, text := range map[string]string{"one request": "16 bytes of text", "parts": strings.Repeat("16 bytes of text", 6*mebi/16)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, p := behindProxy(t, servers.VersityGW, "&multipart_above=5MiB&part_size=5MiB")
			old, err := tryPut(b, "a", "1 "+text, backend.PutOptions{})
			if err != nil {
				t.Fatal(err)
			}
			fresh, err := tryPut(b, "a", "2 "+text, backend.PutOptions{IfMatch: old.Version})
			if err != nil {
				t.Fatalf("Put under IfMatch of what is there = %v", err)
			}
			for _, c := range []struct {
				key  string
				opts backend.PutOptions
				want error
			}{
				{"a", backend.PutOptions{IfAbsent: true}, backend.ErrExists},
				{"a", backend.PutOptions{IfMatch: old.Version}, backend.ErrChanged},
				{"absent", backend.PutOptions{IfMatch: fresh.Version}, backend.ErrChanged},
			} {
				if _, err := tryPut(b, c.key, "3 "+text, c.opts); !errors.Is(err, c.want) {
					t.Errorf("Put(%q, %+v) = %v, want %v", c.key, c.opts, err, c.want)
				}
			}
			wants(t, b, "a", "2 "+text)

			var wg sync.WaitGroup
			errs := make([]error, 4)
			for i := range errs {
				wg.Go(func() { _, errs[i] = tryPut(b, "raced", string(rune('a'+i))+text, backend.PutOptions{IfAbsent: true}) })
			}
			wg.Wait()
			won := 0
			for i, err := range errs {
				if err == nil {
					won++
					wants(t, b, "raced", string(rune('a'+i))+text)
				} else if !errors.Is(err, backend.ErrExists) {
					t.Errorf("a racer's Put = %v, want %v", err, backend.ErrExists)
				}
			}
			if won != 1 {
				t.Errorf("%d of %d racers won, want one", won, len(errs))
			}
			if inParts := p.Counts()["COMPLETE UPLOAD"] > 0; inParts != (name == "parts") {
				t.Errorf("the values went in parts: %v", inParts)
			}
		})
	}
}

// What an upload in parts takes, as docs/buckets.md promises.
func TestBudgetOfAnUploadInParts(t *testing.T) {
	b, p := behindProxy(t, servers.VersityGW, "&multipart_above=5MiB&part_size=5MiB")
	sent := map[string]string{} // the checksums that go with each kind of request
	p.Faults(func(op string, r *http.Request) proxy.Fault {
		sent[op] = r.Header.Get("X-Amz-Checksum-Type") + " " + r.Header.Get("X-Amz-Checksum-Crc32c")
		return proxy.Fault{}
	})
	value := strings.Repeat("x", 12*mebi)
	if _, err := tryPut(b, "a", value, backend.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	crc := func(text string) string {
		return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sums([]byte(text)).Sum))
	}
	if sent["COMPLETE UPLOAD"] != "FULL_OBJECT "+crc(value) || sent["CREATE UPLOAD"] != "FULL_OBJECT " {
		t.Errorf("sent are the checksums %q, want FULL_OBJECT and at the end %s", sent, crc(value))
	}
	if part := sent["PUT PART"]; part != " "+crc(value[:5*mebi]) && part != " "+crc(value[:2*mebi]) {
		t.Errorf("sent with a part is the checksum %q, want its CRC-32C", part)
	}
	want := map[string]int{"CREATE UPLOAD": 1, "PUT PART": 3, "COMPLETE UPLOAD": 1}
	if got := p.Counts(); !maps.Equal(got, want) {
		t.Errorf("12 MiB in parts of 5 MiB take %v, want %v", got, want)
	}
}

// A body that changes between its summing and its sending is not stored under the sums of before.
func TestBodyThatChangedIsNotStored(t *testing.T) {
	for name, size := range map[string]int{"one request": 100, "parts": 12 * mebi} {
		b, _ := behindProxy(t, servers.VersityGW, "&multipart_above=5MiB&part_size=5MiB")
		text := []byte(strings.Repeat("x", size))
		opts := sums(text)
		text[size-1] = 'y'
		_, err := b.Put(context.Background(), key("a"), bytes.NewReader(text), opts)
		if !errors.Is(err, backend.ErrUnavailable) || !strings.Contains(err.Error(), "changed while it was sent") {
			t.Errorf("%s: Put of a body that changed = %v, want %v that says so", name, err, backend.ErrUnavailable)
		}
		if _, err := b.Stat(context.Background(), key("a")); !errors.Is(err, backend.ErrNotFound) {
			t.Errorf("%s: Stat after it = %v, want %v", name, err, backend.ErrNotFound)
		}
	}
}
