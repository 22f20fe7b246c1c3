package interop_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/interop/proxy"
	"github.com/larder-store/larder/interop/servers"
)

// What gocloud.dev/blob does by itself, and must not do here.

// rawContainer is Azurite beside Larder.
func rawContainer(t testing.TB, name string) *container.Client {
	t.Helper()
	credential, err := container.NewSharedKeyCredential(servers.AzureAccount, servers.AzureKey)
	if err != nil {
		t.Fatal(err)
	}
	c, err := container.NewClientWithSharedKeyCredential(servers.Azurite(t).URL+"/"+servers.AzureAccount+"/"+name, credential, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// stranger stores an object as another program does.
func stranger(t testing.TB, s service, bucket, name string) {
	t.Helper()
	if s.name == "azure" {
		if _, err := rawContainer(t, bucket).NewBlockBlobClient(name).UploadBuffer(t.Context(), []byte("strange"), nil); err != nil {
			t.Fatal(err)
		}
		return
	}
	u := servers.FakeGCS(t).URL + "/upload/storage/v1/b/" + bucket + "/o?uploadType=media&name=" + name
	resp, err := http.Post(u, "text/plain", strings.NewReader("strange"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("POST %s = %s", u, resp.Status)
	}
}

// gocloud takes __0x21__ in a name for an escaped "!", and sorts by what it makes of it: a
// stranger's object would look like one of ours, or put ours out of order.
func TestCloudNamesAreTheirOwn(t *testing.T) {
	for _, s := range []service{gcs, azure} {
		t.Run(s.name, func(t *testing.T) {
			b, w := behind(t, s, "")
			want := []string{"a", "ab", "b"}
			for _, name := range want {
				if _, err := tryPut(b, name, "value of "+name, backend.PutOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range []string{"some/prefix/s/a__0x21__", "some/prefix/s/a__0x7a__", "some/prefix/s/c__0x21__", "some/prefix/__0x61__/x", "some/prefix/loose"} {
				stranger(t, s, w.bucket, name)
			}
			var got []string
			for info, err := range b.List(t.Context(), "s", backend.ListOptions{}) {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, info.Key.Name)
			}
			if !slices.Equal(got, want) {
				t.Errorf("List beside strangers = %q, want %q", got, want)
			}
			var shelves []string
			for shelf, err := range b.Shelves(t.Context(), backend.ListOptions{}) {
				if err != nil {
					t.Fatal(err)
				}
				shelves = append(shelves, shelf)
			}
			if !slices.Equal(shelves, []string{"s"}) {
				t.Errorf("Shelves beside strangers = %q, want one", shelves)
			}
		})
	}
}

// What is stored is what every version of Larder stored: metadata as it is, and nothing else
// about the object.
func TestAzureStoresMetadataAsItIs(t *testing.T) {
	b, w := behind(t, azure, "")
	opts := sums([]byte("text"))
	opts.Meta = backend.Meta{"codec": "a b%c", "note": "x/y"}
	w.faults(func(_ string, r *http.Request) proxy.Fault {
		if _, sent := r.Header["X-Ms-Blob-Cache-Control"]; sent {
			t.Error("headers of nothing are sent")
		}
		return proxy.Fault{}
	})
	if _, err := b.Put(t.Context(), key("a"), strings.NewReader("text"), opts); err != nil {
		t.Fatal(err)
	}
	p, err := rawContainer(t, w.bucket).NewBlobClient("some/prefix/s/a!").GetProperties(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	stored := map[string]string{}
	for k, v := range p.Metadata {
		stored[strings.ToLower(k)] = *v
	}
	if got, want := stored["lardermeta"], "codec=a+b%25c&note=x/y"; got != want || len(stored) != 2 {
		t.Errorf("lardermeta is stored as %q, want %q; all: %q", got, want, stored)
	}
	if want := regexp.MustCompile(`^1;([a-z0-9]+=[0-9A-Za-z]+;?)+$`); !want.MatchString(stored["larder"]) {
		t.Errorf("larder is stored as %q, want it to match %v", stored["larder"], want)
	}
	if got := *p.ContentType; got != "application/octet-stream" {
		t.Errorf("Content-Type is stored as %q", got)
	}
	if info, err := b.Stat(t.Context(), key("a")); err != nil || info.Meta["codec"] != "a b%c" {
		t.Errorf("Stat = %+v, %v; want the Meta that was put", info, err)
	}
}

// What is changed on its way is refused by the service, which is told a sum of it. (Of an
// upload in several requests fake-gcs-server does not look at the sum.)
func TestCloudRefusesWhatWasChangedOnItsWay(t *testing.T) {
	const words = "sixteen bytes..."
	for _, c := range []struct {
		service
		text string
	}{{gcs, words}, {azure, words}, {azure, strings.Repeat(words, 17*mebi/16)}} {
		b, w := behind(t, c.service, "")
		w.faults(func(_ string, r *http.Request) proxy.Fault {
			body, err := io.ReadAll(r.Body)
			if err != nil { // of a block, because another one was refused
				return never
			}
			r.Body = io.NopCloser(bytes.NewReader(bytes.Replace(body, []byte("bytes"), []byte("bites"), 1)))
			return proxy.Fault{}
		})
		_, err := tryPut(b, "a", c.text, backend.PutOptions{})
		w.faults(nil)
		if err == nil {
			t.Errorf("%s: a Put of %d bytes that were changed on their way succeeds", c.name, len(c.text))
		}
		if _, err := b.Stat(t.Context(), key("a")); !errors.Is(err, backend.ErrNotFound) {
			t.Errorf("%s: Stat after it = %v, want %v", c.name, err, backend.ErrNotFound)
		}
	}
}

// A body that is cut short never replaces a value, also where nobody knows its sum.
func TestCloudBodyCutShort(t *testing.T) {
	for _, s := range []service{gcs, azure} {
		t.Run(s.name, func(t *testing.T) {
			b, _ := behind(t, s, "")
			if _, err := tryPut(b, "a", "an older value", backend.PutOptions{}); err != nil {
				t.Fatal(err)
			}
			for i := range 50 {
				size := int64(200_000)
				if i == 0 { // what goes in parts
					size = 17 * mebi
				}
				_, err := b.Put(context.Background(), key("a"), &zeros{size: size}, backend.PutOptions{Size: size + 1})
				if !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("Put of a body that ends early = %v, want %v", err, io.ErrUnexpectedEOF)
				}
			}
			wants(t, b, "a", "an older value")
		})
	}
}
