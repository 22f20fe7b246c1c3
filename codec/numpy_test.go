package codec_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"reflect"
	"testing"

	"github.com/larder-store/larder/codec"
)

// numpy returns a Python that has NumPy. Without one the test is skipped, but not
// where CI runs: there it is installed.
func numpy(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import numpy").Run() == nil {
			return python
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("no python3 has NumPy; on Debian, apt-get install python3-numpy")
	}
	t.Skip("NOT TESTED: no python3 here has NumPy; on Debian, apt-get install python3-numpy")
	return ""
}

// exchange reads what Go wrote, checks it against the expression in Python, and writes
// what the expression gives, in the usual order and with the first index varying fastest.
const exchange = `
import json, os, sys
import numpy as np
folder, cases = sys.argv[1], json.load(sys.stdin)
for i, expression in enumerate(cases):
    want = eval(expression)
    got = np.load(os.path.join(folder, "go%d.npy" % i), allow_pickle=False)
    if got.dtype != want.dtype or got.shape != want.shape or got.tobytes() != want.tobytes():
        print("%s was written as %r" % (expression, got))
    mapped = np.load(os.path.join(folder, "go%d.npy" % i), mmap_mode="r") if want.size and want.ndim else want
    if not np.array_equal(mapped, want, equal_nan=want.dtype.kind in "fc"):
        print("%s was mapped as %r" % (expression, mapped))
    np.save(os.path.join(folder, "c%d.npy" % i), want)
    np.save(os.path.join(folder, "fortran%d.npy" % i), np.asfortranarray(want) if want.ndim else want)
    np.save(os.path.join(folder, "big%d.npy" % i), want.astype(want.dtype.newbyteorder(">")))
`

// NumPy opens what is written here, sees the same, and writes what is read here.
func TestExchangeWithNumPy(t *testing.T) {
	python := numpy(t)
	million := make([]float64, 1_000_000)
	for i := range million {
		million[i] = float64(i) / 7
	}
	cases := []struct {
		value      any
		expression string
	}{
		{[]bool{true, false, true}, "np.array([True, False, True])"},
		{[]int8{-128, 127}, "np.array([-128, 127], '<i1')"},
		{[]int16{-32768, 1}, "np.array([-32768, 1], '<i2')"},
		{[]int32{math.MinInt32, 1}, "np.array([-2**31, 1], '<i4')"},
		{[]int64{math.MinInt64, 1}, "np.array([-2**63, 1], '<i8')"},
		{[]int{-1, 1}, "np.array([-1, 1], '<i8')"},
		{[]uint16{65535}, "np.array([65535], '<u2')"},
		{[]uint32{math.MaxUint32}, "np.array([2**32-1], '<u4')"},
		{[]uint64{math.MaxUint64}, "np.array([2**64-1], '<u8')"},
		{[]uint{1}, "np.array([1], '<u8')"},
		{[]float32{0.1, -0.5}, "np.array([0.1, -0.5], '<f4')"},
		{[]float64{0.1, math.Inf(-1), math.Float64frombits(0x7ff8 << 48)}, "np.array([0.1, -np.inf, np.nan])"},
		{[]complex64{1 + 2i}, "np.array([1+2j], '<c8')"},
		{[]complex128{1 - 2i}, "np.array([1-2j], '<c16')"},
		{[]float64{}, "np.array([])"},
		{1 + 2i, "np.array(1+2j)"},
		{million, "np.arange(1000000) / 7"},
		{[][]float64{{1, 2, 3}, {4, 5, 6}}, "np.array([[1., 2, 3], [4, 5, 6]])"},
		{codec.Matrix[uint8]{Rows: 2, Cols: 2, Data: []uint8{1, 2, 3, 4}}, "np.array([[1, 2], [3, 4]], 'u1')"},
		{codec.Matrix[bool]{Rows: 1, Cols: 2, Data: []bool{true, false}}, "np.array([[True, False]])"},
		{codec.NewMatrix[int16](3, 0), "np.zeros((3, 0), '<i2')"},
		{codec.NewMatrix[int16](0, 3), "np.zeros((0, 3), '<i2')"},
	}
	folder := t.TempDir()
	var expressions []string
	for i, tt := range cases {
		name, body := encoded(t, tt.value)
		if name != codec.NPY {
			t.Fatalf("Encode(%T) takes codec %s, want npy", tt.value, name)
		}
		if err := os.WriteFile(fmt.Sprintf("%s/go%d.npy", folder, i), body, 0o600); err != nil {
			t.Fatal(err)
		}
		expressions = append(expressions, tt.expression)
	}
	input, err := json.Marshal(expressions)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", exchange, folder)
	cmd.Stdin = bytes.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Fatalf("NumPy says: %s, error %v", out, err)
	}
	for i, tt := range cases {
		for _, kind := range []string{"c", "fortran", "big"} {
			body, err := os.ReadFile(fmt.Sprintf("%s/%s%d.npy", folder, kind, i))
			if err != nil {
				t.Fatal(err)
			}
			got := reflect.New(reflect.TypeOf(tt.value))
			if err := decode(codec.NPY, body, got.Interface()); err != nil {
				t.Errorf("Decode of %s, saved as %s: %v", tt.expression, kind, err)
			} else if !same(got.Elem().Interface(), tt.value) {
				t.Errorf("Decode of %s, saved as %s = %v, want %v", tt.expression, kind, got.Elem(), tt.value)
			}
		}
	}
}
