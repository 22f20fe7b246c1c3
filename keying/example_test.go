package keying_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

// The worked example of docs/keys.md.
func ExampleHash() {
	c := component.New("fit", "2", map[string]any{"tau": 0.02, "n": 3.0})
	key, preimage, err := keying.Hash{}.Preimage(context.Background(), c)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(key)
	fmt.Printf("%x\n", preimage)
	// Output:
	// 9954e6c5223463b3ff74f696d4ae490716a6a0486b3ed0ef5942629d35f2ad1b
	// 86726c61726465722f636f6d706f6e656e742f31636669746132a2616e0363746175fb3f947ae147ae147b80f6
}

// A struct, a map and other types of number make one key if they say the same.
func ExampleHash_Key() {
	type Filter struct {
		Order int     `larder:"order"`
		Low   float64 `json:"low"`
		Trace func()  `larder:"-"` // does not change the result
	}
	ctx := context.Background()
	a, err := keying.Hash{}.Key(ctx, component.New("filter", "1", Filter{Order: 4, Low: 300}))
	if err != nil {
		log.Fatal(err)
	}
	b, err := keying.Hash{}.Key(ctx, component.New("filter", "1", map[string]any{"low": 300, "order": uint8(4)}))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(a == b)
	// Output: true
}

// What cannot be encoded faithfully makes no key, and the error says where it is.
func ExampleError() {
	c := component.New("fit", "2", map[string]any{"filter": map[string]any{"fn": func() {}}})
	_, err := keying.Hash{}.Key(context.Background(), c)
	fmt.Println(err)
	var e *keying.Error
	if errors.As(err, &e) {
		fmt.Println(e.Path)
	}
	// Output:
	// component "fit": parameters.filter.fn: func is not data
	// parameters.filter.fn
}

// With the keys of its inputs known, a component's key needs no look at them.
func ExampleHash_KeyFrom() {
	ctx := context.Background()
	recording := component.New("recording", "1", "cell 7")
	c := component.New("fit", "2", nil, recording)
	whole, err := keying.Hash{}.Key(ctx, c)
	if err != nil {
		log.Fatal(err)
	}
	known, err := keying.Hash{}.Key(ctx, recording)
	if err != nil {
		log.Fatal(err)
	}
	key, err := keying.Hash{}.KeyFrom(c, known)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(key == whole)
	// Output: true
}

func ExampleReadable() {
	c := component.New("github.com/me/spikes.Detect", "1.2", map[string]any{
		"dt": 0.1, "filter": map[string]any{"order": 4, "kind": "Butterworth"},
	})
	key, err := keying.Readable{}.Key(context.Background(), c)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(key)
	// Output: spikes.detect_1.2_dt=0.1_filter.kind=butterworth_filter.order=4-c995b8e7903a1ea201b249cfa6b946a1dd62ea81c2467b94b688f6c209891a47
}

// A pre-image says what its key stands for.
func ExampleDecode() {
	c := component.New("fit", "2", map[string]any{"tau": 0.02, "n": 3.0})
	_, preimage, err := keying.Hash{}.Preimage(context.Background(), c)
	if err != nil {
		log.Fatal(err)
	}
	d, err := keying.Decode(preimage)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(d.Type, d.Version, d.Parameters, len(d.Inputs))
	// Output: fit 2 map[n:3 tau:0.02] 0
}

func ExampleEscape() {
	for _, name := range []string{"spikes", "Trial 7", "a__b", ""} {
		segment, err := keying.Escape(name)
		if err != nil {
			log.Fatal(err)
		}
		back, err := keying.Unescape(segment)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%q %q %v\n", name, segment, back == name)
	}
	// Output:
	// "spikes" "spikes" true
	// "Trial 7" "=54rial=207" true
	// "a__b" "a_=5fb" true
	// "" "=" true
}
