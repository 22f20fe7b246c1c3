package catalog_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend/mem"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
)

// pipeline stores three stages, each of which reads the file that the one before it left, and returns them. With loop the first reads
// what the second one left too, as stages do that change a file in its place.
func pipeline(t testing.TB, store *larder.Store, loop bool) (stages []component.Component, ids []string) {
	t.Helper()
	ctx := context.Background()
	files := []component.Component{}
	for _, text := range []string{"recording", "spikes", "model", "figure"} {
		files = append(files, component.Content(digestOf([]byte(text)), int64(len(text))))
	}
	for i, text := range []string{"spikes", "model", "figure"} {
		inputs := []component.Component{files[i]}
		if loop && i == 0 {
			inputs = append(inputs, files[2])
		}
		stage := component.New("stage", text, nil, inputs...)
		put(t, store, stage, "run", "archive of "+text, false)
		id, err := store.Key(ctx, stage)
		if err == nil {
			err = catalog.NoteOutputs(ctx, store, id, []catalog.Output{{Path: text, SHA256: digestOf([]byte(text)), Size: int64(len(text))}})
		}
		if err != nil {
			t.Fatal(err)
		}
		stages, ids = append(stages, stage), append(ids, id)
	}
	return stages, ids
}

// A stage is computed from the stages whose files it reads: what is pinned keeps them, and they are forgotten after it only.
func TestInputsByContents(t *testing.T) {
	ctx := context.Background()
	for _, loop := range []bool{false, true} {
		store := kinds["mem"](t)
		stages, ids := pipeline(t, store, loop)
		other := component.New("stage", "other", nil)
		put(t, store, other, "run", "archive of another", false)
		if err := catalog.PinComponent(ctx, store, catalog.Pin{ID: ids[2], By: "me"}); err != nil {
			t.Fatal(err)
		}
		plan, err := catalog.PlanEviction(ctx, store, catalog.Policy{MaxSize: 1, WithInputs: true})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := catalog.Evict(ctx, store, plan); err != nil {
			t.Fatal(err)
		}
		for i, stage := range stages {
			if _, err := larder.Get[string](ctx, store, stage, "run"); err != nil {
				t.Errorf("loop %v: stage %d, which a pinned one comes from: %v", loop, i, err)
			}
		}
		if _, err := larder.Get[string](ctx, store, other, "run"); err == nil {
			t.Errorf("loop %v: what nothing comes from stays", loop)
		}
	}
}

// A copy by condition brings the descriptions of the stages whose files were read.
func TestCopyByContents(t *testing.T) {
	ctx := context.Background()
	for _, loop := range []bool{false, true} {
		src, dst := kinds["mem"](t), opened(t, mem.New(nil))
		_, ids := pipeline(t, src, loop)
		path := filepath.Join(t.TempDir(), "figure.tar")
		opts := catalog.CopyOptions{Where: component.Where(component.FieldVersion, component.Equal, "figure")}
		if _, err := catalog.Copy(ctx, dst, src, opts); err != nil {
			t.Fatal(err)
		}
		export(t, path, opened(t, mem.New(nil)), src, opts)
		tree := func(s *larder.Store) int {
			of, err := catalog.TreeOf(ctx, s, ids[2], catalog.Up, 0)
			if err != nil {
				t.Fatal(err)
			}
			return len(of.Nodes)
		}
		want := tree(src)
		for name, s := range map[string]*larder.Store{"copy": dst, "tar": openTar(t, path)} {
			if got := tree(s); got != want {
				t.Errorf("loop %v: the tree of the %s has %d nodes, want %d", loop, name, got, want)
			}
			for i, id := range ids {
				if _, known, err := catalog.Describe(ctx, s, id); err != nil || !known {
					t.Errorf("loop %v: stage %d is described in the %s: %v, %v", loop, i, name, known, err)
				}
			}
		}
	}
}
