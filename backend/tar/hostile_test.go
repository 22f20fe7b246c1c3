package tar_test

import (
	stdtar "archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/tar"
)

// member is one of a tar made by hand.
type member struct {
	stdtar.Header
	body string
}

const attributes = "SCHILY.xattr.user.larder"

var soundAttributes = `{"sha256":"` + strings.Repeat("ab", 32) + `","crc32c":"00000001","meta":{"codec":"raw"}}`

func headOf(text string) member { return member{stdtar.Header{Name: "LARDER.txt"}, text} }

func tailOf(n int) member {
	return member{stdtar.Header{Name: "LARDER.end"}, fmt.Sprintf(`{"entries":%d}`, n)}
}

func entryOf(name, body string) member { return withAttributes(name, body, soundAttributes) }

func withAttributes(name, body, text string) member {
	return member{stdtar.Header{Name: name, PAXRecords: map[string]string{attributes: text}}, body}
}

// pack makes a tar of members, as tar tools do.
func pack(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := stdtar.NewWriter(&b)
	for _, m := range members {
		m.Size, m.Mode, m.Format = int64(len(m.body)), 0o644, stdtar.FormatPAX
		if m.Typeflag == stdtar.TypeSymlink || m.Typeflag == stdtar.TypeLink || m.Typeflag == stdtar.TypeDir {
			m.Size = 0
		}
		if err := w.WriteHeader(&m.Header); err != nil {
			t.Fatal(err)
		}
		if m.Size > 0 {
			io.WriteString(w, m.body)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func openBytes(t testing.TB, content []byte) (*tar.Backend, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.tar")
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	b, err := tar.Open(context.Background(), path)
	if err == nil {
		t.Cleanup(func() { b.Close() })
	}
	return b, err
}

const headText = "Larder tar 1\n"

// What another program wrote by the documented layout is a store.
func TestHandMade(t *testing.T) {
	b, err := openBytes(t, pack(t, headOf(headText), entryOf("s/b!", "two"), entryOf("s/a!", "one"), entryOf("r/a!", ""), tailOf(3)))
	if err != nil {
		t.Fatal(err)
	}
	if got := listed(t, b, "s", backend.ListOptions{}); len(got) != 2 || !strings.HasPrefix(got[0], "s/a") {
		t.Errorf("List = %q, want a and b", got)
	}
	// What it claims of its values proves nothing.
	if _, _, err := backend.GetVerified(context.Background(), b, backend.Key{Shelf: "s", Name: "a"}); !errors.Is(err, backend.ErrCorrupt) {
		t.Errorf("Get of a value with another checksum = %v, want ErrCorrupt", err)
	}
}

func TestHostile(t *testing.T) {
	ok := entryOf("s/a!", "one")
	dir := member{stdtar.Header{Name: "s/", Typeflag: stdtar.TypeDir}, ""}
	link := member{stdtar.Header{Name: "s/l!", Typeflag: stdtar.TypeSymlink, Linkname: "/etc/passwd"}, ""}
	hard := member{stdtar.Header{Name: "s/l!", Typeflag: stdtar.TypeLink, Linkname: "s/a!"}, ""}
	fifo := member{stdtar.Header{Name: "s/f!", Typeflag: stdtar.TypeFifo}, ""}
	bare := member{stdtar.Header{Name: "s/a!"}, "one"}
	for name, tt := range map[string]struct {
		content []byte
		want    error // nil: any
		says    string
	}{
		"empty":               {nil, nil, "no tar of a Larder store"},
		"no tar":              {[]byte(strings.Repeat("no tar at all ", 100)), nil, "no tar of a Larder store"},
		"another tar":         {pack(t, bare), nil, "no tar of a Larder store"},
		"odd format":          {pack(t, headOf("Larder tar one\n"), tailOf(0)), backend.ErrCorrupt, "LARDER.txt"},
		"format 0":            {pack(t, headOf("Larder tar 0\n"), tailOf(0)), backend.ErrCorrupt, "LARDER.txt"},
		"newer":               {pack(t, headOf("Larder tar 2\n"), tailOf(0)), backend.ErrNewer, "format 2"},
		"huge head":           {pack(t, headOf(headText+strings.Repeat("x", 5000)), tailOf(0)), nil, "no tar of a Larder store"},
		"no tail":             {pack(t, headOf(headText), ok), backend.ErrCorrupt, "cut off"},
		"wrong count":         {pack(t, headOf(headText), ok, tailOf(2)), backend.ErrCorrupt, "LARDER.end"},
		"behind the tail":     {pack(t, headOf(headText), tailOf(0), ok), backend.ErrCorrupt, "more behind"},
		"twice":               {pack(t, headOf(headText), ok, ok, tailOf(2)), backend.ErrCorrupt, "s/a is there twice"},
		"above":               {pack(t, headOf(headText), entryOf("s/../../etc/x!", ""), tailOf(1)), backend.ErrCorrupt, "dot"},
		"absolute":            {pack(t, headOf(headText), entryOf("/etc/x!", ""), tailOf(1)), backend.ErrCorrupt, "/etc/x!"},
		"dot":                 {pack(t, headOf(headText), entryOf("./s/x!", ""), tailOf(1)), backend.ErrCorrupt, "./s/x!"},
		"no shelf":            {pack(t, headOf(headText), entryOf("x!", ""), tailOf(1)), backend.ErrCorrupt, "x!"},
		"no mark":             {pack(t, headOf(headText), entryOf("s/x", ""), tailOf(1)), backend.ErrCorrupt, "does not end"},
		"control sequences":   {pack(t, headOf(headText), entryOf("s/\x1b[31m!", ""), tailOf(1)), backend.ErrCorrupt, `\x1b`},
		"long name":           {pack(t, headOf(headText), entryOf("s/"+strings.Repeat("x", 100_000)+"!", ""), tailOf(1)), backend.ErrCorrupt, "are allowed"},
		"directory":           {pack(t, headOf(headText), dir, ok, tailOf(2)), backend.ErrCorrupt, "no plain file"},
		"symbolic link":       {pack(t, headOf(headText), link, tailOf(1)), backend.ErrCorrupt, "no plain file"},
		"hard link":           {pack(t, headOf(headText), ok, hard, tailOf(2)), backend.ErrCorrupt, "no plain file"},
		"pipe":                {pack(t, headOf(headText), fifo, tailOf(1)), backend.ErrCorrupt, "no plain file"},
		"no attributes":       {pack(t, headOf(headText), bare, tailOf(1)), backend.ErrCorrupt, "has no " + attributes},
		"odd attributes":      {pack(t, headOf(headText), withAttributes("s/a!", "", "{"), tailOf(1)), backend.ErrCorrupt, "attribute"},
		"short digest":        {pack(t, headOf(headText), withAttributes("s/a!", "", `{"sha256":"ab","crc32c":"0"}`), tailOf(1)), backend.ErrCorrupt, "SHA-256"},
		"long digest":         {pack(t, headOf(headText), withAttributes("s/a!", "", strings.Replace(soundAttributes, "ab", "abab", 1)), tailOf(1)), backend.ErrCorrupt, "SHA-256"},
		"no sum":              {pack(t, headOf(headText), withAttributes("s/a!", "", strings.Replace(soundAttributes, "00000001", "x", 1)), tailOf(1)), backend.ErrCorrupt, "CRC-32C"},
		"odd metadata":        {pack(t, headOf(headText), withAttributes("s/a!", "", strings.Replace(soundAttributes, `"raw"`, `1`, 1)), tailOf(1)), backend.ErrCorrupt, "metadata"},
		"metadata outside":    {pack(t, headOf(headText), withAttributes("s/a!", "", strings.Replace(soundAttributes, `"raw"`, `"\u001b"`, 1)), tailOf(1)), backend.ErrCorrupt, "printable"},
		"too much metadata":   {pack(t, headOf(headText), withAttributes("s/a!", "", strings.Replace(soundAttributes, "raw", strings.Repeat("r", 2000), 1)), tailOf(1)), backend.ErrCorrupt, "metadata"},
		"flipped header":      {flipped(pack(t, headOf(headText), ok, tailOf(1)), 1100), backend.ErrCorrupt, ""},
		"size beyond the end": {sized(pack(t, headOf(headText), ok, tailOf(1))), backend.ErrCorrupt, "cut off"},
		"sparse":              {sparse(t), backend.ErrCorrupt, "holes"},
	} {
		_, err := openBytes(t, tt.content)
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: Open = %v, want %v and %q", name, err, tt.want, tt.says)
		}
		if err != nil && len(err.Error()) > 600 {
			t.Errorf("%s: the error has %d bytes", name, len(err.Error()))
		}
	}
}

func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

// sized makes the header of the last member but the tail claim four gigabytes, with the right checksum.
func sized(b []byte) []byte {
	at := bytes.LastIndex(b, []byte("s/a!")) // in the name field of its header
	return slices.Concat(b[:at], block("s/a!", '0', 1<<32), b[at+512:])
}

// block is a header with the right checksum.
func block(name string, kind byte, size int64) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000644\x000000000\x000000000\x00")
	copy(h[124:], fmt.Sprintf("%012o00000000000\x00        %c", size, kind))
	copy(h[257:], "ustar\x0000")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// sparse is a tar whose member says that it is a terabyte of holes.
func sparse(t testing.TB) []byte {
	var records string
	for _, r := range []string{attributes + "=" + soundAttributes, "GNU.sparse.major=1", "GNU.sparse.minor=0", "GNU.sparse.realsize=1099511627776"} {
		n := len(r) + 2 + len(fmt.Sprint(len(r)+4))
		records += fmt.Sprintf("%d %s\n", n, r)
	}
	padded := func(s string) []byte { return append([]byte(s), make([]byte, 512-len(s))...) }
	start, end := pack(t, headOf(headText)), pack(t, tailOf(1))
	return slices.Concat(start[:len(start)-1024], block("pax", 'x', int64(len(records))), padded(records),
		block("s/a!", '0', 512), padded("0\n"), end)
}

// A tar that was cut off anywhere is known for one.
func TestCutOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.tar")
	all := values()
	write(t, path, []value{all[0], all[2], all[6]})
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openBytes(t, whole); err != nil {
		t.Fatal(err)
	}
	// The end of a tar is 1,024 bytes of zeros, of which tools need none.
	for n := 0; n < len(whole)-1024-512; n += 64 {
		if _, err := openBytes(t, whole[:n]); err == nil {
			t.Errorf("Open of the first %d of %d bytes succeeds", n, len(whole))
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(pack(f, headOf(headText), entryOf("s/b!", "two"), entryOf("s/a!", "one"), tailOf(2)))
	f.Add(pack(f, headOf(headText), tailOf(0)))
	f.Fuzz(func(t *testing.T, content []byte) {
		b, err := openBytes(t, content)
		if err != nil {
			return
		}
		for _, shelf := range shelvesOf(t, b, backend.ListOptions{}) {
			for info, err := range b.List(context.Background(), shelf, backend.ListOptions{}) {
				if err != nil || info.Key.Validate() != nil || info.Meta.Validate() != nil || info.Size > int64(len(content)) {
					t.Fatalf("List yields %+v, %v", info, err)
				}
			}
		}
	})
}
