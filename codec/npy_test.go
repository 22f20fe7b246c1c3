package codec_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/larder-store/larder/codec"
)

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".npy"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// numpyFiles are files that NumPy wrote, with what they hold. What Encode makes of
// the same values are the same bytes, but where only is set.
var numpyFiles = []struct {
	name string
	want any
	only string // why NumPy's bytes are not ours
}{
	{"b1_3", []bool{false, true, false}, ""},
	{"i1_3", []int8{0, -1, -2}, ""},
	{"i2_3", []int16{0, -1, -2}, ""},
	{"i4_3", []int32{0, -1, -2}, ""},
	{"i8_3", []int64{0, -1, -2}, ""},
	{"i8_3", []int{0, -1, -2}, ""},
	{"u2_3", []uint16{0, 1, 2}, ""},
	{"u4_3", []uint32{0, 1, 2}, ""},
	{"u8_3", []uint64{0, 1, 2}, ""},
	{"u8_3", []uint{0, 1, 2}, ""},
	{"f4_3", []float32{0.5, 1.5, 2.5}, ""},
	{"f8_3", []float64{0.5, 1.5, 2.5}, ""},
	{"c8_3", []complex64{0.5i, 1 + 1.5i, 2 + 2.5i}, ""},
	{"c16_3", []complex128{0.5i, 1 + 1.5i, 2 + 2.5i}, ""},
	{"c16_scalar", 1 + 2i, ""},
	{"f8_empty", []float64{}, ""},
	{"f8_2x3", [][]float64{{0.5, 1.5, 2.5}, {3.5, 4.5, 5.5}}, ""},
	{"f8_2x3", codec.Matrix[float64]{Rows: 2, Cols: 3, Data: []float64{0.5, 1.5, 2.5, 3.5, 4.5, 5.5}}, ""},
	{"f8_0x4", codec.Matrix[float64]{Rows: 0, Cols: 4}, ""},
	{"f8_4x0", codec.Matrix[float64]{Rows: 4, Cols: 0}, ""},
	{"f8_special", []float64{
		math.Float64frombits(0x7ff8 << 48), math.Float64frombits(0xfff8 << 48), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 5e-324, math.MaxFloat64,
	}, ""},
	{"f8_3_version_1", []float64{0.5, 1.5, 2.5}, ""},

	{"u1_3", []byte{0, 1, 2}, "[]byte is raw"},
	{"f8_scalar", 0.5, "a float is CBOR"},
	{"f8_0x4", [][]float64{}, "the columns are not known"},
	{"f8_3_version_2", []float64{0.5, 1.5, 2.5}, "version"},
	{"f8_3_version_3", []float64{0.5, 1.5, 2.5}, "version"},
	{"big_i2_3", []int16{0, -1, -2}, "byte order"},
	{"big_u4_3", []uint32{0, 1, 2}, "byte order"},
	{"big_f8_3", []float64{0.5, 1.5, 2.5}, "byte order"},
	{"big_c16_3", []complex128{0.5i, 1 + 1.5i, 2 + 2.5i}, "byte order"},
	{"f8_2x3_fortran", [][]float64{{0.5, 1.5, 2.5}, {3.5, 4.5, 5.5}}, "order of the indices"},
	{"f8_2x3_fortran", codec.Matrix[float64]{Rows: 2, Cols: 3, Data: []float64{0.5, 1.5, 2.5, 3.5, 4.5, 5.5}}, "order of the indices"},
	{"big_i4_3x2_fortran", [][]int32{{0, -1}, {-2, -3}, {-4, -5}}, "both orders"},
	{"big_i4_3x2_fortran", [][]int64{{0, -1}, {-2, -3}, {-4, -5}}, "both orders, and wider"},

	{"u1_3", []uint16{0, 1, 2}, "wider"},
	{"u1_3", []int16{0, 1, 2}, "wider"},
	{"u1_3", []int64{0, 1, 2}, "wider"},
	{"u1_3", []int{0, 1, 2}, "wider"},
	{"u4_3", []int64{0, 1, 2}, "wider"},
	{"i1_3", []int64{0, -1, -2}, "wider"},
	{"i1_3", []int{0, -1, -2}, "wider"},
	{"i4_3", []int64{0, -1, -2}, "wider"},
	{"f4_3", []float64{0.5, 1.5, 2.5}, "wider"},
	{"c8_3", []complex128{0.5i, 1 + 1.5i, 2 + 2.5i}, "wider"},
	{"big_i2_3", []int32{0, -1, -2}, "wider, byte order"},
}

func TestNumPyFilesAreRead(t *testing.T) {
	for _, tt := range numpyFiles {
		got := reflect.New(reflect.TypeOf(tt.want))
		if err := decode(codec.NPY, fixture(t, tt.name), got.Interface()); err != nil {
			t.Errorf("Decode(%s) into %T failed: %v", tt.name, tt.want, err)
			continue
		}
		if !same(got.Elem().Interface(), tt.want) {
			t.Errorf("Decode(%s) = %v, want %v", tt.name, got.Elem(), tt.want)
		}
	}
}

func TestOurFilesAreNumPys(t *testing.T) {
	for _, tt := range numpyFiles {
		if tt.only != "" {
			continue
		}
		if _, got := encoded(t, tt.want); !bytes.Equal(got, fixture(t, tt.name)) {
			t.Errorf("Encode(%#v) =\n%q, want %s,\n%q", tt.want, got, tt.name, fixture(t, tt.name))
		}
	}
}

func TestNumPyFilesThatAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		want []string
	}{
		{"refused_object", []string{`"|O"`, "pickle", "execute"}},
		{"refused_record", []string{"records"}},
		{"refused_half", []string{`"<f2"`, "no Go type"}},
		{"refused_longdouble", []string{`"<f16"`, "no Go type"}},
		{"refused_datetime", []string{`"<M8[ns]"`, "no Go type"}},
		{"refused_text", []string{`"<U2"`, "no Go type"}},
		{"refused_bytes", []string{`"|S2"`, "no Go type"}},
		{"refused_void", []string{`"|V3"`, "no Go type"}},
	} {
		var v any
		err := decode(codec.NPY, fixture(t, tt.name), &v)
		if !errors.Is(err, codec.ErrMalformed) {
			t.Errorf("Decode(%s): error %v, want ErrMalformed", tt.name, err)
			continue
		}
		for _, part := range tt.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("Decode(%s): error %q, want it to say %q", tt.name, err, part)
			}
		}
	}
	var v any
	if err := decode(codec.NPY, fixture(t, "f8_2x2x2"), &v); !errors.Is(err, codec.ErrType) || !strings.Contains(err.Error(), "(2, 2, 2)") {
		t.Errorf("Decode of three dimensions: error %v, want ErrType with the shape", err)
	}
}

// npy makes a file of version 1.0 by hand.
func npy(header string, elements ...byte) []byte {
	b := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), byte(len(header)>>8))
	return append(append(b, header...), elements...)
}

func TestHeaders(t *testing.T) {
	good := []string{
		"{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }\n",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (2,)}\n",
		"{'descr':'|u1','fortran_order':False,'shape':(2,)}\n",
		`{"shape": (2,), "fortran_order": False, "descr": "|u1"}   ` + "\n",
		"{'descr': '|u1', 'fortran_order': True, 'shape': (2,), }\n",
		"{'descr': '<u1', 'fortran_order': False, 'shape': (2,), }\n",
		"{'descr': '>u1', 'fortran_order': False, 'shape': (2,), }\n",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (2L,), }\n",
		"  { 'descr' : '|u1' , 'fortran_order' : False , 'shape' : ( 2 , ) , }\n",
	}
	for _, h := range good {
		var got []byte
		if err := decode(codec.NPY, npy(h, 7, 8), &got); err != nil || !bytes.Equal(got, []byte{7, 8}) {
			t.Errorf("Decode of header %q = %v, error %v, want [7 8]", h, got, err)
		}
	}
	for h, want := range map[string]string{
		"": "want '{'", "\n": "want '{'", "[]\n": "want '{'", "{}\n": "want descr, fortran_order and shape",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }":                               "newline",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (2,), } x\n":                           "newline",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }\n\n":                           "newline",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (2,), \n":                              "quoted word",
		"{'descr': '|u1', 'fortran_order': False}\n":                                              "want descr",
		"{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (2,)}\n":               `key "descr" twice`,
		"{'descr': '|u1', 'fortran_order': False, 'shape': (2,), 'x': 1}\n":                       `unknown key "x"`,
		"{'descr': '|u1', 'fortran_order': 0, 'shape': (2,), }\n":                                 "want True or False",
		"{'descr': '|u1', 'fortran_order': False, 'shape': 2, }\n":                                "want '('",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (2), }\n":                              "found a number",
		"{'descr': '|u1', 'fortran_order': False, 'shape': [2], }\n":                              "want '('",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (-2,), }\n":                            "want a length",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (2.0,), }\n":                           "want ')'",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (02,), }\n":                            "want a length",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (,), }\n":                              "want a length",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (2,,), }\n":                            "want a length",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (9223372036854775808,)}\n":             "want a length",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (" + strings.Repeat("1,", 33) + ")}\n": "more than 32 dimensions",
		"{'descr': '|u1, 'fortran_order': False, 'shape': (2,), }\n":                              "no Go type",
		`{'descr': '\x7cu1', 'fortran_order': False, 'shape': (2,), }` + "\n":                     "quoted word",
		"{'descr': 'u1', 'fortran_order': False, 'shape': (2,), }\n":                              "want a dtype",
		"{'descr': '=u2', 'fortran_order': False, 'shape': (1,), }\n":                             "want a dtype",
		"{'descr': '|u2', 'fortran_order': False, 'shape': (1,), }\n":                             "want a byte order",
		"{'descr': '<u', 'fortran_order': False, 'shape': (1,), }\n":                              "no Go type",
		"{'descr': '<u-1', 'fortran_order': False, 'shape': (1,), }\n":                            "no Go type",
		"{'descr': '<f2', 'fortran_order': False, 'shape': (1,), }\n":                             "no Go type",
		"{'descr': ('|u1', (2,)), 'fortran_order': False, 'shape': (1,), }\n":                     "quoted word",
		"{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (2,), }\n":                    "records",
		"{'descr': __import__('os').system('id'), 'fortran_order': False, 'shape': ()}":           "quoted word",
		// The size must agree.
		"{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }\n":                        "does not take the 2 bytes",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }\n":                        "does not take the 2 bytes",
		"{'descr': '<u8', 'fortran_order': False, 'shape': (1,), }\n":                        "does not take the 2 bytes",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (1152921504606846976,), }\n":      "does not take the 2 bytes",
		"{'descr': '<f8', 'fortran_order': False, 'shape': (2305843009213693952,), }\n":      "does not take the 2 bytes",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296), }\n":    "does not take the 2 bytes",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (9223372036854775807, 2, 3), }\n": "does not take the 2 bytes",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (0, 9223372036854775807), }\n":    "does not take the 2 bytes",
	} {
		var got any
		err := decode(codec.NPY, npy(h, 7, 8), &got)
		if !errors.Is(err, codec.ErrMalformed) || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("Decode of header %q = %v, error %v, want ErrMalformed saying %q", h, got, err, want)
		}
	}
}

func TestBrokenFiles(t *testing.T) {
	whole := fixture(t, "f8_3")
	edit := func(at int, to ...byte) []byte {
		b := bytes.Clone(whole)
		copy(b[at:], to)
		return b
	}
	long := make([]byte, 12, 12+codec.MaxHeader+1)
	copy(long, "\x93NUMPY\x02\x00")
	binary.LittleEndian.PutUint32(long[8:], codec.MaxHeader+1)
	for _, tt := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "ends within its header"},
		{"magic alone", whole[:6], "ends within its header"},
		{"cut in the header", whole[:100], "ends within its header"},
		{"cut in the elements", whole[:140], "does not take the 12 bytes"},
		{"too long", append(bytes.Clone(whole), 0), "does not take the 25 bytes"},
		{"other magic", edit(0, 'N'), "begins with"},
		{"a pickle", []byte("\x80\x04\x95 a pickled thing"), "begins with"},
		{"version 0.0", edit(6, 0), "0.0"},
		{"version 4.0", edit(6, 4), "4.0"},
		{"version 1.1", edit(7, 1), "1.1"},
		{"header of 4 GB", edit(6, 2, 0, 0xff, 0xff, 0xff, 0xff), "limit is 10000"},
		{"header of the limit and 1", long[:cap(long)], "limit is 10000"},
		{"2^61+1 numbers, 8 bytes", npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2305843009213693953,), }\n", make([]byte, 8)...), "does not take the 8 bytes"},
		{"2^64 numbers, no bytes", npy("{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296), }\n"), "does not take the 0 bytes"},
		{"header longer than the file", edit(8, 0xff, 0x10), "ends within its header"},
	} {
		var got any
		err := decode(codec.NPY, tt.file, &got)
		if !errors.Is(err, codec.ErrMalformed) || !strings.Contains(fmt.Sprint(err), tt.want) {
			t.Errorf("%s: Decode = %v, error %v, want ErrMalformed saying %q", tt.name, got, err, tt.want)
		}
	}
}

// A bool in memory that is neither 0 nor 1 would break a program, so it must be one
// even where the value is thrown away.
func TestHostileBools(t *testing.T) {
	file := npy("{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }\n", 1, 0x80, 0)
	got := make([]bool, 3)
	memory := unsafe.Slice((*byte)(unsafe.Pointer(&got[0])), 3)
	if err := decode(codec.NPY, file, &got); !errors.Is(err, codec.ErrMalformed) || len(got) != 0 {
		t.Errorf("Decode of a bool 0x80 = %v, error %v, want none and ErrMalformed", got, err)
	}
	for i, b := range memory {
		if b > 1 {
			t.Errorf("bool %d is %#x in memory", i, b)
		}
	}
}

var bigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// The elements are written from where they lie and read to where they shall lie.
func TestNoCopy(t *testing.T) {
	if bigEndian {
		t.Skip("on a big-endian machine elements have to be turned round")
	}
	src := make([]float64, 100_000)
	for i := range src {
		src[i] = float64(i)
	}
	e, err := codec.Encode(src)
	if err != nil {
		t.Fatal(err)
	}
	w := &addresses{}
	if _, err := e.Body.(io.WriterTo).WriteTo(w); err != nil {
		t.Fatal(err)
	}
	want := uintptr(unsafe.Pointer(&src[0]))
	for _, part := range w.parts[1:] { // the first is the header
		if part.at != want {
			t.Fatalf("WriteTo hands over memory at %#x, want %#x: the elements were copied", part.at, want)
		}
		want += uintptr(part.length)
		if part.length > codec.Step {
			t.Errorf("WriteTo hands over %d bytes at once, want at most %d", part.length, codec.Step)
		}
	}

	_, body := encoded(t, src)
	dst := make([]float64, 0, len(src))
	first := &dst[:1][0]
	r := &addresses{from: bytes.NewReader(body)}
	if err := codec.Decode(codec.NPY, r, int64(len(body)), &dst); err != nil {
		t.Fatal(err)
	}
	if &dst[0] != first || len(dst) != len(src) {
		t.Fatalf("Decode into a slice with room used other memory")
	}
	want = uintptr(unsafe.Pointer(first))
	direct := 0
	for _, part := range r.parts {
		if part.at == want {
			want += uintptr(part.length)
			direct += part.length
		}
	}
	if direct != 8*len(src) {
		t.Errorf("the reader was given %d bytes of the slice's memory to fill, want all %d", direct, 8*len(src))
	}
}

// addresses notes where the memory lies that it is called with.
type addresses struct {
	from  io.Reader
	parts []part
}

type part struct {
	at     uintptr
	length int
}

func (a *addresses) Write(p []byte) (int, error) {
	a.parts = append(a.parts, part{uintptr(unsafe.Pointer(unsafe.SliceData(p))), len(p)})
	return len(p), nil
}

func (a *addresses) Read(p []byte) (int, error) {
	n, err := a.from.Read(p)
	a.parts = append(a.parts, part{uintptr(unsafe.Pointer(unsafe.SliceData(p))), n})
	return n, err
}

// Memory that suffices is used again, and kept after an error.
func TestMemoryIsReused(t *testing.T) {
	_, small := encoded(t, []float64{1, 2})
	dst := make([]float64, 5, 8)
	first := &dst[0]
	if err := decode(codec.NPY, small, &dst); err != nil || &dst[0] != first || len(dst) != 2 || cap(dst) != 8 {
		t.Errorf("Decode into a longer slice: length %d, capacity %d, error %v, want 2 and 8 in the same memory", len(dst), cap(dst), err)
	}
	if err := codec.Decode(codec.NPY, io.MultiReader(bytes.NewReader(small[:140]), errReader{}), int64(len(small)), &dst); !errors.Is(err, errBad) {
		t.Fatal(err)
	}
	if len(dst) != 0 || cap(dst) != 8 || &dst[:1][0] != first {
		t.Errorf("after an error the slice has length %d and capacity %d, want 0 and 8 in the same memory", len(dst), cap(dst))
	}
	for _, name := range []string{"f8_2x3", "f8_2x3_fortran"} {
		m := codec.Matrix[float64]{Data: make([]float64, 10)}
		first := &m.Data[0]
		if err := decode(codec.NPY, fixture(t, name), &m); err != nil || &m.Data[0] != first || len(m.Data) != 6 {
			t.Errorf("Decode(%s) into a Matrix with room: %d elements, error %v, want 6 in the same memory", name, len(m.Data), err)
		}
		file := fixture(t, name)
		r := io.MultiReader(bytes.NewReader(file[:150]), errReader{})
		if err := codec.Decode(codec.NPY, r, int64(len(file)), &m); err != errBad || m.Rows*m.Cols != len(m.Data) {
			t.Errorf("Decode(%s) from a reader that fails: error %v, and a Matrix of %d x %d with %d elements", name, err, m.Rows, m.Cols, len(m.Data))
		}
	}
}

// The rows of [][]T do not grow into one another.
func TestRowsAreApart(t *testing.T) {
	var rows [][]float64
	if err := decode(codec.NPY, fixture(t, "f8_2x3"), &rows); err != nil {
		t.Fatal(err)
	}
	_ = append(rows[0], 99)
	if rows[1][0] != 3.5 {
		t.Errorf("appending to row 0 changed row 1 to %v", rows[1])
	}
}

// An int of 32 bits is stored in 8 bytes, and read if it fits.
func TestSmallInts(t *testing.T) {
	if strconv.IntSize != 32 {
		t.Skip("an int has 64 bits here")
	}
	_, body := encoded(t, []int64{1 << 40})
	var got []int
	if err := decode(codec.NPY, body, &got); !errors.Is(err, codec.ErrType) || len(got) != 0 {
		t.Errorf("Decode of 1<<40 into []int = %v, error %v, want ErrType", got, err)
	}
	_, body = encoded(t, []uint64{1 << 40})
	var unsigned []uint
	if err := decode(codec.NPY, body, &unsigned); !errors.Is(err, codec.ErrType) || len(unsigned) != 0 {
		t.Errorf("Decode of 1<<40 into []uint = %v, error %v, want ErrType", unsigned, err)
	}
}

func TestMatrix(t *testing.T) {
	m := codec.NewMatrix[int](2, 3)
	m.Set(1, 2, 7)
	m.Row(0)[1] = 5
	if m.At(1, 2) != 7 || m.At(0, 1) != 5 || !reflect.DeepEqual(m.Data, []int{0, 5, 0, 0, 0, 7}) {
		t.Errorf("after Set(1, 2, 7) and Row(0)[1] = 5 the data are %v", m.Data)
	}
	for _, bad := range []codec.Matrix[int]{
		{Rows: 2, Cols: 2, Data: make([]int, 3)},
		{Rows: -1, Cols: -4, Data: make([]int, 4)},
		{Rows: -1, Cols: 0},
		{Rows: math.MaxInt, Cols: 2, Data: make([]int, 2)},
		{Rows: 1, Cols: 1},
	} {
		if _, err := codec.Encode(bad); !errors.Is(err, codec.ErrNotData) {
			t.Errorf("Encode(Matrix of %d x %d with %d elements): error %v, want ErrNotData", bad.Rows, bad.Cols, len(bad.Data), err)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("NewMatrix(-1, -1) did not panic")
		}
	}()
	codec.NewMatrix[int](-1, -1)
}
