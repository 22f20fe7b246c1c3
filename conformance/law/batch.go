package law

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/larder-store/larder/backend"
)

// What the batches of a backend's own do.
var batchLaws = []Law{
	{
		Name: "batch/put", Needs: []Need{BatchPuts}, Fn: batchPut,
		Rule: "PutBatch stores every item as Put would, across shelves and sizes, and returns one Info an item in their order.",
	},
	{
		Name: "batch/put-order", Needs: []Need{BatchPuts}, Fn: batchPutOrder,
		Rule: "Items of one key are stored in the order given: the last one stays, and each has a Version of its own.",
	},
	{
		Name: "batch/put-told", Needs: []Need{BatchPuts}, Fn: batchPutTold,
		Rule: "What a batch stored is what Get, Stat, List and Shelves say, on each handle, though they were asked before.",
	},
	{
		Name: "batch/put-fails", Needs: []Need{BatchPuts}, Fn: batchPutFails,
		Rule: "An item that fails does not keep the others from being stored, and its error stands in its place of the BatchError, with a zero Info.",
	},
	{
		Name: "batch/put-bodies", Needs: []Need{BatchPuts}, Fn: batchPutBodies,
		Rule: "PutBatch treats bodies as Put does: it reads them from offset 0 whatever their type, neither closes nor uses them later, and waits for them without delaying anybody.",
	},
	{
		Name: "batch/put-if", Needs: []Need{BatchPuts, AtomicIfAbsent, AtomicIfMatch}, Fn: batchPutConditions,
		Rule: "The conditions of items hold as those of Puts, also against items before them.",
	},
	{
		Name: "batch/put-race", Needs: []Need{BatchPuts, AtomicIfAbsent, SharedPlace}, Fn: batchPutRace,
		Rule: "Of batches that race with IfAbsent for the same keys, each key is created by exactly one.",
	},
	{
		Name: "batch/put-many", Needs: []Need{BatchPuts}, Fn: batchPutMany,
		Rule: "A batch may have no items, or more than any service takes at once; those that fail have their errors in their places.",
	},
	{
		Name: "batch/delete", Needs: []Need{BatchDeletes}, Fn: batchDelete,
		Rule: "DeleteBatch removes all its keys, across shelves, absent and repeated ones among them.",
	},
	{
		Name: "batch/delete-told", Needs: []Need{BatchDeletes}, Fn: batchDeleteTold,
		Rule: "What DeleteBatch removed is gone from Get, Stat, List and Shelves, on each handle, though they were asked before, and can be created again, with a Version that it never had.",
	},
	{
		Name: "batch/delete-exact", Needs: []Need{BatchDeletes}, Fn: batchDeleteExact,
		Rule: "DeleteBatch removes its keys and no others: not what is below them, not what begins with them, not the same names on other shelves.",
	},
	{
		Name: "batch/delete-fails", Needs: []Need{BatchDeletes}, Fn: batchDeleteFails,
		Rule: "A key that cannot be removed does not keep the others, and its error stands in its place of the BatchError.",
	},
	{
		Name: "batch/delete-many", Needs: []Need{BatchDeletes}, Fn: batchDeleteMany,
		Rule: "DeleteBatch takes no keys, or more than any service takes at once.",
	},
}

// item is one Put of text.
func item(key backend.Key, text string, opts backend.PutOptions) backend.Item {
	return backend.Item{Key: key, Body: strings.NewReader(text), PutOptions: filled(text, opts)}
}

// putAll wants a batch to succeed.
func (p *probe) putAll(items []backend.Item) []backend.Info {
	if p.err != nil {
		return nil
	}
	infos, err := backend.PutBatch(p.ctx, p.b, items)
	if err != nil {
		p.failf("PutBatch of %d items: %w", len(items), err)
	}
	if p.err == nil && len(infos) != len(items) {
		p.failf("PutBatch of %d items returns %d Infos", len(items), len(infos))
	}
	return infos
}

func batchPut(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	var items []backend.Item
	var texts []string
	for i, n := range []int{0, 1, 1000, 200_000, 70_000, 5} {
		for _, shelf := range []string{"cache", "components", "s"} {
			text := shelf + noise(n, uint64(i))
			it := item(e.key(shelf, fmt.Sprintf("k-%d", n)), text, backend.PutOptions{Meta: backend.Meta{"i": fmt.Sprint(i)}})
			it.Body.Seek(int64(i%2), io.SeekStart) // wherever it stands
			items, texts = append(items, it), append(texts, text)
		}
	}
	items, texts = append(items, item(e.key("s", "empty"), "", backend.PutOptions{})), append(texts, "")
	for i, n := range someSizes { // equal bytes, and all else different
		for _, shelf := range []string{"cache", "s"} {
			it := item(e.key(shelf, fmt.Sprintf("equal-%d", n)), noise(n, 9), backend.PutOptions{Meta: backend.Meta{"equal": fmt.Sprint(shelf, i)}})
			items, texts = append(items, it), append(texts, noise(n, 9))
		}
	}
	for i, key := range e.wideKeys() {
		items, texts = append(items, item(key, noise(someSizes[i%2], uint64(i)), backend.PutOptions{})), append(texts, noise(someSizes[i%2], uint64(i)))
	}
	infos := p.putAll(items)
	for i, it := range items {
		if p.err != nil {
			break
		}
		p.about("an Info of PutBatch", infos[i], it.Key, texts[i])
		p.sameMeta("an Info of PutBatch", infos[i].Meta, it.Meta)
		mine := it.Meta
		if it.Meta = maps.Clone(mine); mine != nil {
			mine["i"] = "spoilt" // the caller's to change
		}
		got := p.holds(it.Key, texts[i])
		p.sameMeta("Get of an item of a batch", got.Meta, it.Meta)
		p.sameMeta("Stat of an item of a batch", p.stat(it.Key).Meta, it.Meta)
		if got.Version != infos[i].Version {
			p.failf("PutBatch returns Version %q of %q, and Get %q", infos[i].Version, it.Key, got.Version)
		}
	}
	return p.err
}

func batchPutOrder(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	var items []backend.Item
	for i := range 9 {
		for _, name := range []string{"a", "b"} {
			n := someSizes[(i+len(name))%2]
			items = append(items, item(e.key("s", name), fmt.Sprintf("%s %d %s", name, i, noise(n, 1)), backend.PutOptions{}))
		}
	}
	infos := p.putAll(items)
	told := map[string]bool{}
	for i, info := range infos {
		if what := items[i].Key.Name + " " + info.Version; told[what] {
			p.failf("two items of different bytes of one batch, under one key, have the Version %q", info.Version)
		} else {
			told[what] = true
		}
	}
	for i, name := range []string{"a", "b"} {
		last := fmt.Sprintf("%s %d %s", name, 8, noise(someSizes[1], 1))
		got := p.holds(e.key("s", name), last)
		if want := 16 + i; p.err == nil && got.Version != infos[want].Version {
			p.failf("Get of %q returns Version %q, and its last item %q", name, got.Version, infos[want].Version)
		}
	}
	p.lists(e.Shelf("s"), backend.ListOptions{}, "a", "b")
	return p.err
}

func batchPutFails(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	p.put(e.key("s", "old"), "old")
	bad := backend.Key{Shelf: e.Shelf("s"), Name: "Not/Valid"}
	short := item(e.key("s", "short"), "text", backend.PutOptions{})
	short.Body = strings.NewReader("tex")
	long := item(e.key("s", "old"), "text", backend.PutOptions{})
	long.Body = strings.NewReader("text and more")
	broken := item(e.key("s", "broken"), noise(200_000, 1), backend.PutOptions{})
	broken.Body = failing(noise(200_000, 1), 100_000)
	items := []backend.Item{
		item(e.key("s", "first"), "first", backend.PutOptions{}),
		item(bad, "bad", backend.PutOptions{}),
		item(e.key("t", "second"), noise(200_000, 2), backend.PutOptions{}),
		short, long, broken,
		item(e.key("s", "meta"), "meta", backend.PutOptions{Meta: backend.Meta{"NO": "1"}}),
		item(e.key("s", "last"), "last", backend.PutOptions{}),
	}
	wants := []error{nil, backend.ErrInvalidKey, nil, io.ErrUnexpectedEOF, backend.ErrTooLong, errBody, backend.ErrInvalidKey, nil}
	for i, bad := range items { // each that fails alone, between two that do not
		if wants[i] == nil {
			continue
		}
		before, after := e.key("alone", fmt.Sprint("before-", i)), e.key("alone", fmt.Sprint("behind-", i))
		infos, err := backend.PutBatch(ctx, p.b, []backend.Item{item(before, "before", backend.PutOptions{}), bad, item(after, "behind", backend.PutOptions{})})
		for k, want := range map[int]backend.Key{0: before, 2: after} {
			if ierr := backend.ItemError(err, k); ierr != nil || len(infos) != 3 || infos[k].Key != want {
				p.failf("an item of a batch beside %q, which fails: %w", bad.Key, errors.Join(ierr, fmt.Errorf("%d Infos", len(infos))))
			}
		}
		if p.err == nil && backend.ItemError(err, 1) == nil {
			p.failf("%q, which cannot be stored, succeeds between two items", bad.Key)
		}
		p.holds(before, "before")
		p.holds(after, "behind")
	}
	p.holds(e.key("s", "old"), "old")
	p.lists(e.Shelf("s"), backend.ListOptions{}, "old")
	infos, err := backend.PutBatch(ctx, p.b, items)
	var batch backend.BatchError
	if !errors.As(err, &batch) || len(batch) != len(items) || len(infos) != len(items) {
		p.failf("PutBatch with items that fail = %d Infos and error %T %v, want one of each an item", len(infos), err, err)
		return p.err
	}
	for i, want := range wants {
		what := fmt.Sprintf("item %d, %q,", i, items[i].Key)
		switch {
		case want == nil && batch[i] != nil:
			p.failf("%s fails with its neighbours: %w", what, batch[i])
		case want == errBody && batch[i] == nil:
			p.failf("%s succeeds, and its body failed", what)
		case want != nil && want != errBody:
			p.fails(what, batch[i], want)
		}
		if failed := want != nil; p.err == nil && failed != (infos[i].Key == backend.Key{}) {
			p.failf("%s has the Info %+v", what, infos[i])
		}
		if want != nil {
			p.typed(what, items[i].Key, batch[i])
			p.op(what, batch[i], "put")
		}
	}
	p.holds(items[0].Key, "first")
	p.holds(items[2].Key, noise(200_000, 2))
	p.holds(items[7].Key, "last")
	p.holds(e.key("s", "old"), "old")
	p.lists(e.Shelf("s"), backend.ListOptions{}, "first", "last", "old")
	return p.err
}

func batchPutConditions(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	a, b, c, d := e.key("s", "a"), e.key("s", "b"), e.key("s", "c"), e.key("s", "d")
	old := p.put(a, "old").Version
	p.put(b, "old")
	items := []backend.Item{
		item(a, "a swapped", matching(old)),
		item(a, "a again", matching(old)),
		item(b, "b created", onlyNew),
		item(c, "c created", onlyNew),
		item(c, "c again", onlyNew),
		item(d, "d swapped", matching(old)),
		item(d, "d put", backend.PutOptions{}),
	}
	infos, err := backend.PutBatch(ctx, p.b, items)
	for i, want := range []error{nil, backend.ErrChanged, backend.ErrExists, nil, backend.ErrExists, backend.ErrChanged, nil} {
		got := backend.ItemError(err, i)
		if !errors.Is(got, want) {
			p.failf("item %d, %q, %s = error %s, want %s", i, items[i].Key, conditions(items[i].PutOptions), quoted(got), quoted(want))
		}
		if p.err == nil && (len(infos) != len(items) || (want == nil) != (infos[i].Key == items[i].Key)) {
			p.failf("item %d of %d, whose error is %s, has another Info than its own, or one though it failed", i, len(items), quoted(want))
		}
	}
	p.holds(a, "a swapped")
	p.holds(b, "old")
	p.holds(c, "c created")
	p.holds(d, "d put")
	return p.err
}

func batchPutRace(ctx context.Context, e *Env) error {
	const workers, n = 8, 10
	handles, err := e.several(ctx, workers)
	if err != nil {
		return err
	}
	for round := range e.pick(3, 20, 300) {
		keys := e.keys(fmt.Sprintf("race-%d", round), n)
		create := func(int) backend.PutOptions { return onlyNew }
		if err := raceBatches(ctx, handles, keys, "created", create, backend.ErrExists); err != nil {
			return err
		}
		if !e.Limits.AtomicIfMatch {
			continue
		}
		// And now each key changes hands once.
		p := handles[0].with(ctx)
		var versions [n]string
		for i, key := range keys {
			versions[i] = p.stat(key).Version
		}
		if p.err != nil {
			return p.err
		}
		swap := func(i int) backend.PutOptions { return matching(versions[i]) }
		if err := raceBatches(ctx, handles, keys, "replaced", swap, backend.ErrChanged); err != nil {
			return err
		}
	}
	return nil
}

// raceBatches puts all keys by each handle at once, under conditions that one of them can fulfil. The others get the error lost.
func raceBatches(ctx context.Context, handles []*probe, keys []backend.Key, did string, opts func(i int) backend.PutOptions, lost error) error {
	text := func(key backend.Key, w int) string { return fmt.Sprintf("%s %s by %d", key.Name, did, w) }
	won := make([][]bool, len(handles))
	if err := crowd(len(handles), func(w int) error {
		won[w] = make([]bool, len(keys))
		var items []backend.Item
		for i, key := range keys {
			it := item(key, text(key, w), opts(i))
			it.Body = dawdling(text(key, w))
			items = append(items, it)
		}
		_, err := backend.PutBatch(ctx, handles[w].b, items)
		for i := range keys {
			err := backend.ItemError(err, i)
			won[w][i] = err == nil
			if err != nil && !errors.Is(err, lost) {
				return fmt.Errorf("item %d of a batch in a race: %w", i, err)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	p := handles[0].with(ctx)
	for i, key := range keys {
		winners := 0
		for w := range won {
			if won[w][i] {
				winners++
				p.holds(key, text(key, w))
			}
		}
		if winners != 1 {
			p.failf("%d of %d batches %s %q", winners, len(handles), did, key)
		}
	}
	return p.err
}

func batchPutMany(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	p.putAll(nil)
	var items []backend.Item
	var want []string
	for _, key := range e.keys("s", e.aPageAndMore()) {
		items = append(items, item(key, key.Name, backend.PutOptions{Meta: backend.Meta{"name": key.Name}}))
		want = append(want, key.Name)
	}
	slices.Reverse(items)
	for i, info := range p.putAll(items) {
		if p.err == nil && info.Key != items[i].Key {
			p.failf("PutBatch of %d items returns the Info of %q in the place of %q", len(items), info.Key, items[i].Key)
		}
	}
	p.lists(e.Shelf("s"), backend.ListOptions{}, want...)
	for i := 0; i < len(items); i += 50 {
		it := items[i]
		p.sameMeta("Get of an item of a large batch", p.holds(it.Key, it.Key.Name).Meta, it.Meta)
	}
	var bulky []backend.Item // as many bytes as engines take in one request, and more
	for i := range e.byTier(40, 120, 400) {
		bulky = append(bulky, item(e.key("bulky", fmt.Sprint(i)), noise(75_000, uint64(i)), backend.PutOptions{}))
	}
	p.putAll(bulky)
	for i := range bulky {
		p.holds(bulky[i].Key, noise(75_000, uint64(i)))
	}
	for _, places := range [][]int{{2, 50, 120}, {129}, {0}} { // one that fails alone, at either end, too
		p.failsAt(e, places...)
	}
	return p.err
}

// failsAt puts a batch whose items at these places fail, wherever an engine divides it.
func (p *probe) failsAt(e *Env, places ...int) {
	var items []backend.Item
	for i, key := range e.keys("places", 130) {
		if slices.Contains(places, i) {
			key.Name = "Not/Valid"
		}
		items = append(items, item(key, key.Name, backend.PutOptions{}))
	}
	infos, err := backend.PutBatch(p.ctx, p.b, items)
	for i, it := range items {
		failed := backend.ItemError(err, i) != nil
		if want := slices.Contains(places, i); p.err == nil && failed != want {
			p.failf("item %d of %d, %q, fails: %v, want %v", i, len(items), it.Key, failed, want)
		}
		if p.err == nil && (len(infos) != len(items) || !failed && infos[i].Key != it.Key) {
			p.failf("PutBatch of %d items, of which some fail, returns another Info in the place of %q", len(items), it.Key)
		}
	}
}

func (p *probe) removeAll(keys []backend.Key) {
	if p.err != nil {
		return
	}
	if err := backend.DeleteBatch(p.ctx, p.b, keys); err != nil {
		p.failf("DeleteBatch of %d keys: %w", len(keys), err)
	}
}

func batchDelete(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	var gone []backend.Key
	for i, shelf := range []string{"cache", "components", "s", "t"} {
		for _, name := range []string{"a", "a/b", "b"} {
			key := e.key(shelf, name)
			p.put(key, noise(someSizes[i%2], 1))
			if name != "b" {
				gone = append(gone, key, e.key(shelf, "absent"), key)
			}
		}
	}
	p.removeAll(append(gone, e.key("none", "a")))
	for _, key := range gone {
		p.absent(key)
	}
	for i, shelf := range []string{"cache", "components", "s", "t"} {
		p.lists(e.Shelf(shelf), backend.ListOptions{}, "b")
		p.holds(e.key(shelf, "b"), noise(someSizes[i%2], 1))
	}
	p.removeAll([]backend.Key{e.key("t", "b")})
	p.shelf(e.Shelf("t"), false)
	if e.Limits.AtomicIfAbsent {
		p.putWith(e.key("t", "b"), "created anew", onlyNew)
		p.holds(e.key("t", "b"), "created anew")
	}
	return p.err
}

func batchDeleteFails(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	keys := e.keys("s", 130)
	p.fill(keys)
	keys[2].Name, keys[120].Name = "Not/Valid", "Not/Valid/either"
	err := backend.DeleteBatch(ctx, p.b, keys)
	var batch backend.BatchError
	if !errors.As(err, &batch) || len(batch) != len(keys) {
		p.failf("DeleteBatch with an invalid key = error %T %v, want a BatchError with one error a key", err, err)
		return p.err
	}
	for i, err := range batch {
		if i == 2 || i == 120 {
			p.fails("DeleteBatch's error for an invalid key", err, backend.ErrInvalidKey)
			p.typed("DeleteBatch's error for an invalid key", keys[i], err)
		} else if err != nil {
			p.failf("DeleteBatch's error for a key beside an invalid one: %w", err)
		}
	}
	p.lists(e.Shelf("s"), backend.ListOptions{}, "000002", "000120")
	return p.err
}

func batchDeleteMany(ctx context.Context, e *Env) error {
	p := e.handle(ctx)
	p.removeAll(nil)
	keys := e.keys("s", e.aPageAndMore())
	p.fill(keys)
	kept := e.key("s", "kept")
	p.put(kept, "kept")
	p.removeAll(keys)
	p.lists(kept.Shelf, backend.ListOptions{}, "kept")
	return p.err
}
