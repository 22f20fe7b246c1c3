package law

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
)

// The components that Find is asked for.

// describedAs is a component as its pre-image says; docs/keys.md specifies the bytes, and
// a test of package conformance decodes them.
type describedAs struct {
	preimage string // hex
	says     component.Description
}

func components() []describedAs {
	return []describedAs{
		{
			"86726c61726465722f636f6d706f6e656e742f31667370696b65736131a16666696c746572a3626f6ef4646b696e646662657373656c656f726465720281784035363963373939643530663366633030336332323731663235363430373237636237333166656533306134373230343738376532343439366663613063616330f6",
			component.Description{
				Key: "0cc59fa330ef372ad81a2118eb39f6909b56a7bc38332cbd87dffafa60c6c2fe", Type: "spikes", Version: "1",
				Parameters: map[any]any{"filter": map[any]any{"kind": "bessel", "on": false, "order": int64(2)}},
				Inputs:     []string{"569c799d50f3fc003c2271f25640727cb731fee30a47204787e24496fca0cac0"},
			},
		},
		{
			"86726c61726465722f636f6d706f6e656e742f31636f64646131a4636269671b00200000000000016366657780646e6f6e65f664746578746080f6",
			component.Description{
				Key: "12da3e39e41b4b8b65929c451e2b384964b2109e13d95e649010e18269e67bda", Type: "odd", Version: "1",
				Parameters: map[any]any{"big": int64(1<<53 + 1), "none": nil, "few": []any{}, "text": ""},
			},
		},
		{
			"86726c61726465722f636f6d706f6e656e742f31667370696b65736131a26666696c746572a3626f6ef5646b696e646662657373656c656f7264657204697468726573686f6c64f9cd2081784032383634353861313139326335653032623162633463386631383534333166633431646531383532393363303866353866656461303238326164646661386337f6",
			component.Description{
				Key: "24de4a6ac625c9b1ff1febd6fb686872f3b9730e9e965ec9fecaf2c0145eba27", Type: "spikes", Version: "1",
				Parameters: map[any]any{"filter": map[any]any{"kind": "bessel", "on": true, "order": int64(4)}, "threshold": -20.5},
				Inputs:     []string{"286458a1192c5e02b1bc4c8f185431fc41de185293c08f58feda0282addfa8c7"},
			},
		},
		{
			"86726c61726465722f636f6d706f6e656e742f31697265636f7264696e676131a16466696c6565612e61626680f6",
			component.Description{
				Key: "26e1f891cc58fa906fd7d766331d28d18af6882fe4843e439617d38d9a5becbf", Type: "recording", Version: "1",
				Parameters: map[any]any{"file": "a.abf"},
			},
		},
		{
			"86726c61726465722f636f6d706f6e656e742f316764657472656e646132a3646e616d65656c61622061656f72646572036677696e646f77f9340081784032366531663839316363353866613930366664376437363633333164323864313861663638383266653438343365343339363137643338643961356265636266f6",
			component.Description{
				Key: "286458a1192c5e02b1bc4c8f185431fc41de185293c08f58feda0282addfa8c7", Type: "detrend", Version: "2",
				Parameters: map[any]any{"name": "lab a", "order": int64(3), "window": 0.25},
				Inputs:     []string{"26e1f891cc58fa906fd7d766331d28d18af6882fe4843e439617d38d9a5becbf"},
			},
		},
		{
			"86726c61726465722f636f6d706f6e656e742f31656b696e64736131a46374656e62313064687567651b800000000000000564776f72646361626366646967697473613580c076323032362d31312d30315431323a30303a30302e355a",
			component.Description{
				Key: "b3de21b4491b982510eaa114b446dfd2ae6c90a87d4d9886010c6eec28b7d6ef", Type: "kinds", Version: "1",
				Parameters: map[any]any{"digits": "5", "ten": "10", "huge": uint64(1<<63 + 5), "word": "abc"},
				AsOf:       time.Date(2026, 11, 1, 12, 0, 0, 500_000_000, time.UTC),
			},
		},
		{
			"86726c61726465722f636f6d706f6e656e742f31646a6f696e6131f683784032383634353861313139326335653032623162633463386631383534333166633431646531383532393363303866353866656461303238326164646661386337784032366531663839316363353866613930366664376437363633333164323864313861663638383266653438343365343339363137643338643961356265636266784032383634353861313139326335653032623162633463386631383534333166633431646531383532393363303866353866656461303238326164646661386337f6",
			component.Description{
				Key: "b61c9cf446c312dd6f882e4fe7781eab5da89ad8a31dcc62c35830556f1fba6c", Type: "join", Version: "1",
				Inputs: []string{ // in order, the first one twice
					"286458a1192c5e02b1bc4c8f185431fc41de185293c08f58feda0282addfa8c7",
					"26e1f891cc58fa906fd7d766331d28d18af6882fe4843e439617d38d9a5becbf",
					"286458a1192c5e02b1bc4c8f185431fc41de185293c08f58feda0282addfa8c7",
				},
			},
		},
		{
			"86726c61726465722f636f6d706f6e656e742f3165737461746561318201617880c074323032362d31312d30315431323a30303a30305a",
			component.Description{
				Key: "e233379a2d9aff7f7fc9bd914e1ca4b29dc6c67f50010a09a3c932ec2b995927", Type: "state", Version: "1",
				Parameters: []any{int64(1), "x"},
				AsOf:       time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC),
			},
		},
		{
			"86726c61726465722f636f6d706f6e656e742f31667370696b65736132f680f6",
			component.Description{Key: "e9f165829450ad17a41010902d268a6f24e94ded2c8bfe31dbfcf76ab99c5d95", Type: "spikes", Version: "2"},
		},
		{
			"86726c61726465722f636f6d706f6e656e742f3166646f747465646134a363612e620163632e64a161656178637261774361626380f6",
			component.Description{
				Key: "ece360927b3bc2e7599f808854469017b770414206ddcbd70b32e1f94d30954f", Type: "dotted", Version: "4",
				Parameters: map[any]any{"a.b": int64(1), "c.d": map[any]any{"e": "x"}, "raw": []byte("abc")},
			},
		},
	}
}

// Preimages returns the pre-images that the laws about Find store, by key, and what
// they say, so that a test with a decoder can make sure of them.
func Preimages() (preimages map[string][]byte, says map[string]component.Description) {
	preimages, says = map[string][]byte{}, map[string]component.Description{}
	for _, c := range components() {
		b, err := hex.DecodeString(c.preimage)
		if err != nil {
			panic(err) // a slip of the pen above
		}
		preimages[c.says.Key], says[c.says.Key] = b, c.says
	}
	return preimages, says
}

func allComponents() []component.Description {
	var all []component.Description
	for _, c := range components() {
		all = append(all, c.says)
	}
	return all
}

// numbered returns n descriptions of recordings, in the order of their keys, and their pre-images.
func numbered(n int) (preimages map[string]string, says []component.Description) {
	recording := components()[3]
	template, err := hex.DecodeString(recording.preimage)
	if err != nil {
		panic(err) // a slip of the pen
	}
	preimages = map[string]string{}
	for i := range n {
		file := fmt.Sprintf("%05d", i)
		preimage := strings.Replace(string(template), "a.abf", file, 1)
		d := recording.says
		d.Key = fmt.Sprintf("%x", sha256.Sum256([]byte(preimage)))
		d.Parameters = map[any]any{"file": file}
		preimages[d.Key], says = preimage, append(says, d)
	}
	slices.SortFunc(says, func(a, b component.Description) int { return strings.Compare(a.Key, b.Key) })
	return preimages, says
}

// describe stores all descriptions, half of them in a batch.
func (p *probe) describe(e *Env) {
	preimages, _ := Preimages()
	var items []backend.Item
	for i, key := range slices.Sorted(maps.Keys(preimages)) {
		k := backend.Key{Shelf: e.Shelf(backend.ShelfComponents), Name: key}
		if i%2 == 0 {
			p.put(k, string(preimages[key]))
		} else {
			items = append(items, item(k, string(preimages[key]), backend.PutOptions{}))
		}
	}
	p.putAll(items)
}

// describes stores n descriptions, and returns what they say.
func (p *probe) describes(e *Env, n int) []component.Description {
	preimages, says := numbered(n)
	var items []backend.Item
	for _, d := range says {
		items = append(items, item(backend.Key{Shelf: e.Shelf(backend.ShelfComponents), Name: d.Key}, preimages[d.Key], backend.PutOptions{}))
	}
	for chunk := range slices.Chunk(items, 500) {
		p.putAll(chunk)
	}
	return says
}
