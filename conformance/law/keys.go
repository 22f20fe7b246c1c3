package law

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/larder-store/larder/backend"
)

// Which keys there are, and which are not.
var keyLaws = []Law{
	{
		Name: "key/longest", Fn: longestKeys,
		Rule: "Keys up to every limit of the grammar work everywhere.",
	},
	{
		Name: "key/refused", Fn: refusedKeys,
		Rule: "A key outside the grammar is ErrInvalidKey, a longer one ErrTooLarge, from every method, and nothing is stored.",
	},
	{
		Name: "key/nested", Fn: nestedKeys,
		Rule: "a, a/b and a/b/c are three keys, in whatever order they come and go.",
	},
	{
		Name: "key/neighbours", Fn: neighbours,
		Rule: "Keys that differ in one byte are different keys: none is escaped, folded, or taken for an engine's own file.",
	},
	{
		Name: "key/hashes", Fn: hashes,
		Rule: "Many long keys of digits and letters, as hashes are, stay apart.",
	},
	{
		Name: "key/shelf-names", Needs: []Need{FreshPlace}, Fn: shelfNames,
		Rule: "A shelf may have any name that is legal, such as engines and their files like to have.",
	},
	{
		Name: "key/shelves", Fn: separateShelves,
		Rule: "The same name on two shelves is two keys, also where one shelf's name begins with the other's, or shelf and name joined by any byte are those of another key.",
	},
}

func longestKeys(ctx context.Context, e *Env) error {
	segment := strings.Repeat("s", backend.MaxSegment)
	var many []string
	for i := range backend.MaxSegments {
		many = append(many, fmt.Sprintf("seg-%02d", i))
	}
	shelf := e.Shelf("x")
	shelf = e.Shelf("x" + strings.Repeat("y", backend.MaxShelf-len(shelf)))
	longest := strings.Join([]string{segment, segment, segment[:backend.MaxName-2*backend.MaxSegment-2]}, "/")
	p := e.handle(ctx)
	for _, name := range []string{"a", segment, longest, longest[:len(longest)-1] + "t", strings.Join(many, "/")} {
		key := backend.Key{Shelf: shelf, Name: name}
		if err := key.Validate(); err != nil {
			return fmt.Errorf("the law itself is wrong: %w", err)
		}
		for _, n := range someSizes {
			p.put(key, name+noise(n, 1))
			p.holds(key, name+noise(n, 1))
		}
		p.lists(shelf, backend.ListOptions{Prefix: name}, name)
	}
	for _, info := range p.list(shelf, backend.ListOptions{}) {
		p.remove(info.Key)
	}
	p.lists(shelf, backend.ListOptions{})
	return p.err
}

var badNames = []string{
	"", "/", "/a", "a/", "a//b", ".", "..", ".a", "a.", "a/.b", "a/b.", "../a", "a/../b", "a__b", "a/__/b",
	"A", "aB", "a b", "a\\b", "a\x00b", "a\nb", "ä", "a%2fb", "a!", "a:b", "a*b", "a?b", "a'b", `a"b`, "a;b", "a+b", "a~", "a@b", "a,b", "a(b",
}

func refusedKeys(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	p.put(e.key("s", "a"), "1")
	refuse := func(key backend.Key, want error) {
		for _, c := range calls(p.b, key, key) {
			if c.single() {
				p.fails(fmt.Sprintf("%s(%q)", c.name, key), c.do(ctx), want)
			}
		}
	}
	for _, name := range badNames {
		refuse(backend.Key{Shelf: e.Shelf("s"), Name: name}, backend.ErrInvalidKey)
		shelf := backend.Key{Shelf: e.Shelf("s") + name, Name: "a"}
		if name == "" {
			shelf.Shelf = ""
		}
		if backend.ValidateShelf(shelf.Shelf) == nil {
			continue // the mark before it makes it a shelf
		}
		refuse(shelf, backend.ErrInvalidKey)
		_, err := collect(p.b.List(ctx, shelf.Shelf, backend.ListOptions{}))
		p.fails(fmt.Sprintf("List(%q)", shelf.Shelf), err, backend.ErrInvalidKey)
	}
	for _, key := range []backend.Key{
		{Shelf: e.Shelf("s"), Name: strings.Repeat("a", backend.MaxSegment+1)},
		{Shelf: e.Shelf("s"), Name: strings.Repeat("a/", backend.MaxSegments) + "a"},
		{Shelf: e.Shelf("s"), Name: strings.Repeat(strings.Repeat("a", 99)+"/", 6) + "a"},
		{Shelf: strings.Repeat("s", backend.MaxShelf+1), Name: "a"},
	} {
		refuse(key, backend.ErrTooLarge)
	}
	p.lists(e.Shelf("s"), backend.ListOptions{}, "a")
	p.holds(e.key("s", "a"), "1")
	return p.err
}

func nestedKeys(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	nested := []string{"a", "a/b", "a/b/c"}
	for i, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {1, 0, 2}} {
		shelf := e.Shelf(fmt.Sprintf("s-%d", i))
		for _, n := range someSizes {
			for _, k := range order {
				p.put(backend.Key{Shelf: shelf, Name: nested[k]}, nested[k]+noise(n, 1))
			}
			p.lists(shelf, backend.ListOptions{}, nested...)
			for _, k := range order {
				p.holds(backend.Key{Shelf: shelf, Name: nested[k]}, nested[k]+noise(n, 1))
			}
		}
		left := slices.Clone(nested)
		for _, k := range order {
			p.remove(backend.Key{Shelf: shelf, Name: nested[k]})
			left = slices.DeleteFunc(left, func(name string) bool { return name == nested[k] })
			p.lists(shelf, backend.ListOptions{}, left...)
			for _, name := range left {
				p.holds(backend.Key{Shelf: shelf, Name: name}, name+noise(someSizes[1], 1))
			}
		}
	}
	return p.err
}

// near are names that some engine, or somebody's escaping, has confused.
var near = []string{
	"a", "a-b", "a.b", "a/b", "a=b", "a_b", "ab", "a-", "a=", "a_", "a-/b", "a0x2f_b", "a.tmp", "a.attrs", "a.lock", "a.db", "a.meta", "a.json", "a-0", "a-00",
	"a/b.tmp", "a/b.attrs", "a/tmp", "a/data", "a/index", "tmp", "tmp/a", "temp", "data", "lock", "locks", "con", "nul", "aux", "prn", "com1", "lpt1", "index", "meta", "metadata", "public", "default", "system", "admin", "cache.db", "main", "objects", "keys", "values", "larder",
	"0", "00", "000", "1e3", "1000", "0x10", "16", "true", "null", "nan", "-", "--", "_", "=", "==", "-a", "--a", "_a", "=a", "a..b", "a...b",
	"a-v", "a-v1", "a-v2", "a-v10", "a.1", "a.2", "a-1", "a-2", "a=1", "a=2", "a_1", "a_2", "a1", "a2", "a-copy", "a-old", "a-bak",
	"a.part", "a.partial", "a.new", "a.old", "a.bak", "a.orig", "a.swp", "a.crc", "a.sum", "a.sha256", "a.del", "a.idx", "a.log", "a.wal", "a-wal", "a-shm", "a-journal", "a.gz", "a.zst",
	"a.info", "a.props", "a.head", "a.body", "a.chunk", "a/head", "a/meta", "a/0",
}

func neighbours(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	sorted := slices.Sorted(slices.Values(near))
	order := slices.Clone(near)
	for _, n := range []int{0, 100_000} {
		for _, name := range order {
			p.putWith(e.key("s", name), name+noise(n, 1), backend.PutOptions{Meta: backend.Meta{"name": name}})
		}
		slices.Reverse(order) // so that each one is overwritten after what may be taken for its own file
		for _, name := range near {
			p.sameMeta("Get of "+name, p.holds(e.key("s", name), name+noise(n, 1)).Meta, backend.Meta{"name": name})
		}
		p.lists(e.Shelf("s"), backend.ListOptions{}, sorted...)
	}
	for i, name := range sorted {
		p.remove(e.key("s", name))
		p.lists(e.Shelf("s"), backend.ListOptions{}, sorted[i+1:]...)
	}
	return p.err
}

func hashes(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	var keys []backend.Key
	for i := range e.pick(64, 512, 8192) {
		text := filled(fmt.Sprint(i), backend.PutOptions{})
		keys = append(keys, e.key("s", fmt.Sprintf("%x/result", text.Digest)))
	}
	p.fill(keys)
	var want []string
	for _, key := range keys {
		want = append(want, key.Name)
		p.holds(key, key.Name)
	}
	slices.Sort(want)
	p.lists(e.Shelf("s"), backend.ListOptions{}, want...)
	return p.err
}

func separateShelves(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	shelves := []string{"s", "s-x", "s.x", "s=", "s0", "sx", "cache", "components"}
	names := []string{"a", "x-a", "x.a", "x/a"}
	for _, shelf := range shelves {
		for _, name := range names {
			p.put(e.key(shelf, name), shelf+" "+name)
		}
	}
	for i, shelf := range shelves {
		for _, name := range names {
			p.holds(e.key(shelf, name), shelf+" "+name)
		}
		p.lists(e.Shelf(shelf), backend.ListOptions{}, names...)
		p.remove(e.key(shelf, "a"))
		for k, other := range shelves {
			if k > i {
				p.holds(e.key(other, "a"), other+" a")
			}
			p.holds(e.key(other, "x/a"), other+" x/a")
		}
		p.lists(e.Shelf(shelf), backend.ListOptions{}, names[1:]...)
	}
	return p.err
}

func shelfNames(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	for _, name := range near {
		if e.Tier == Quick && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz") != "" { // a word
			continue
		}
		shelf := strings.ReplaceAll(name, "/", ".")
		key := backend.Key{Shelf: shelf, Name: "a"}
		p.put(key, shelf)
		p.holds(key, shelf)
		p.lists(shelf, backend.ListOptions{}, "a")
	}
	return p.err
}
