package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/codec"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/sums"
)

// ShelfOutputs is the shelf that says which files a stage left, so that a stage which reads one of them can be linked with it. An
// entry is named <key of the stage>/<key of the file's contents>, and holds a JSON object with the "path" of the
// file. It is a note: without it links are missing, and nothing else. It goes with the description of the stage.
const ShelfOutputs = "larder.outputs"

// An Output is a file that a stage left.
type Output struct {
	Path   string // as declared; of a file in a directory, below that
	SHA256 [sha256.Size]byte
	Size   int64
}

// maxOutputs bounds how many files of one stage are noted. Directories of more are seldom the inputs of other stages file by file.
const maxOutputs = 1000

type outputText struct {
	Path string `json:"path"`
}

// NoteOutputs notes which files the component of a key left; the first 1,000 where there are more. Empty
// files are left out: one is like any other.
func NoteOutputs(ctx context.Context, store *larder.Store, id string, outputs []Output) error {
	atomic := backend.LimitsOf(store.Backend()).AtomicIfAbsent
	var items []backend.Item
	seen := map[string]bool{}
	for _, out := range outputs {
		key, err := store.Key(ctx, component.Content(out.SHA256, out.Size))
		if err != nil {
			return err
		}
		if out.Size == 0 || seen[key] || len(items) >= maxOutputs {
			continue
		}
		seen[key] = true
		text, err := json.Marshal(outputText{out.Path})
		if err != nil {
			return err
		}
		digest, sum := sums.Of(text)
		items = append(items, backend.Item{
			Key:  backend.Key{Shelf: ShelfOutputs, Name: id + "/" + key},
			Body: strings.NewReader(string(text)),
			PutOptions: backend.PutOptions{Size: int64(len(text)), Digest: digest, Sum: sum, IfAbsent: atomic,
				Meta: backend.Meta{codec.MetaKey: codec.Raw}},
		})
	}
	if len(items) == 0 {
		return nil
	}
	_, err := backend.PutBatch(ctx, store.Backend(), items)
	for i := range items {
		if err := backend.ItemError(err, i); err != nil && !errors.Is(err, larder.ErrExists) {
			return err
		}
	}
	return nil
}

// forgetOutputs removes what was noted of a component.
func forgetOutputs(ctx context.Context, store *larder.Store, id string) error {
	var keys []backend.Key
	for info, err := range store.Backend().List(ctx, ShelfOutputs, backend.ListOptions{Prefix: id + "/"}) {
		if err != nil {
			return err
		}
		keys = append(keys, info.Key)
	}
	if len(keys) == 0 {
		return nil
	}
	return backend.DeleteBatch(ctx, store.Backend(), keys)
}

// contents say which values and outputs are files that something is computed from.
type contents struct {
	makers map[string][]made // by key of a file, the components that have a value of its contents
	made   map[string][]made // and by key of such a component, the files
	seen   map[[2]string]bool
}

type made struct{ id, label string }

func (c *contents) add(maker, file, label string) {
	pair := [2]string{maker, file}
	if maker == file || c.seen[pair] {
		return
	}
	c.seen[pair] = true
	c.makers[file] = append(c.makers[file], made{maker, label})
	c.made[maker] = append(c.made[maker], made{file, label})
}

// readContents reads what stages left and, where requests cost little, what the digests of values say. known are the files of
// the store, nil if they were not read yet.
func readContents(ctx context.Context, store *larder.Store, known files) (*contents, error) {
	c := &contents{map[string][]made{}, map[string][]made{}, map[[2]string]bool{}}
	b := store.Backend()
	if backend.LimitsOf(b).CostlyRequests {
		for info, err := range b.List(ctx, ShelfOutputs, backend.ListOptions{}) {
			if err != nil {
				return nil, err
			}
			c.note(info.Key.Name, "")
		}
		return c, nil
	}
	for e, err := range backend.Scan(ctx, b, ShelfOutputs, backend.ListOptions{}) {
		if err != nil {
			return nil, err
		}
		var text outputText
		body, err := io.ReadAll(io.LimitReader(e.Body, 1<<16))
		if err == nil && json.Unmarshal(body, &text) != nil {
			text.Path = ""
		}
		c.note(e.Key.Name, text.Path) // a label that cannot be read is no reason to fail
	}
	if known == nil {
		var err error
		if known, err = filesOf(ctx, b); err != nil {
			return nil, err
		}
	}
	if len(known) == 0 {
		return c, nil
	}
	for info, err := range b.List(ctx, backend.ShelfCache, backend.ListOptions{}) {
		if err != nil {
			return nil, err
		}
		if file, ok := known[content{info.Digest, info.Size}]; ok && info.Size > 0 {
			e := entryOf(info)
			c.add(e.ID, file, e.Attribute)
		}
	}
	return c, nil
}

// note adds what the name of an entry of ShelfOutputs says.
func (c *contents) note(name, label string) {
	if maker, file, ok := strings.Cut(name, "/"); ok && !strings.Contains(file, "/") {
		c.add(maker, file, label)
	}
}

// content identifies contents.
type content struct {
	digest [sha256.Size]byte
	size   int64
}

// files are the keys of files, by what they hold.
type files map[content]string

// add adds a description, if it is of a file.
func (f files) add(d component.Description) {
	params, _ := d.Parameters.(map[any]any)
	digest, _ := params["sha256"].([]byte)
	size, _ := params["size"].(int64)
	if d.Type == component.FileType && len(digest) == sha256.Size {
		f[content{[sha256.Size]byte(digest), size}] = d.Key
	}
}

// filesOf returns all files that are described.
func filesOf(ctx context.Context, b larder.Backend) (files, error) {
	found := files{}
	for d, err := range ofType(ctx, b, component.FileType) {
		switch {
		case err == nil:
			found.add(d)
		case !errors.Is(err, errOther):
			return nil, err
		}
	}
	return found, nil
}
