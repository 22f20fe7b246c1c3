package codec_test

import (
	"fmt"
	"io"
	"os"

	"github.com/larder-store/larder/codec"
)

// A value goes to bytes and comes back by the name of its codec.
func Example() {
	e, err := codec.Encode([]float64{0.5, 1.5, 2.5})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Codec, e.Size)

	var trace []float64
	if err := codec.Decode(e.Codec, e.Body, e.Size, &trace); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(trace)
	// Output:
	// npy 152
	// [0.5 1.5 2.5]
}

// A file that NumPy opens needs nothing but the body.
func ExampleEncode_file() {
	m := codec.NewMatrix[float32](2, 3)
	m.Set(1, 2, 7)
	e, err := codec.Encode(m)
	if err != nil {
		fmt.Println(err)
		return
	}
	f, err := os.CreateTemp("", "*.npy")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(f.Name())
	defer f.Close()
	n, err := io.Copy(f, e.Body)
	fmt.Println(n, err) // numpy.load gives an array of shape (2, 3) and dtype float32
	// Output: 152 <nil>
}

// What would not come back is refused, with the path to it.
func ExampleEncode_refused() {
	type filter struct {
		Cutoff float64
		kernel []float64
	}
	type result struct{ Filters []filter }
	_, err := codec.Encode(result{[]filter{{Cutoff: 300, kernel: nil}}})
	fmt.Println(err)
	// Output: encode codec_test.result: not data: result.Filters[].kernel is unexported and would not be stored; export it, or leave it out with the tag cbor:"-"
}

// A value comes back into the type that it was stored from, or not at all.
func ExampleDecodeBytes_anotherType() {
	e, err := codec.Encode(struct{ Rate float64 }{0.1})
	if err != nil {
		fmt.Println(err)
		return
	}
	b, err := io.ReadAll(e.Body)
	if err != nil {
		fmt.Println(err)
		return
	}
	var v struct{ Rate float32 }
	fmt.Println(codec.DecodeBytes(e.Codec, b, &v))
	// Output: decode cbor: value is of another type: found a map, want struct { Rate float32 }: .Rate is a float that would change
}
