package stage_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/internal/stage"
)

// A run that was kept says which files it left, by what they hold; nothing else does.
func TestLeft(t *testing.T) {
	p := newPlace(t)
	s := p.shell("echo one > file; mkdir -p dir/sub; echo two > dir/sub/x; : > dir/empty; ln -s sub dir/link", "file", "dir")
	got := p.run(s)
	want := map[string]string{"file": "one\n", "dir/sub/x": "two\n"}
	for _, f := range got.Left {
		text, ok := want[f.Path]
		if !ok || f.SHA256 != sha256.Sum256([]byte(text)) || f.Size != int64(len(text)) {
			t.Errorf("left %q, %d bytes, %x; want one of %q", f.Path, f.Size, f.SHA256, want)
		}
		delete(want, f.Path)
	}
	if len(want) > 0 {
		t.Errorf("not left: %q", want)
	}
	if got := p.run(s); !got.Hit || len(got.Left) > 0 {
		t.Errorf("a hit left %v", got.Left)
	}
	if got := p.run(p.shell("echo x > file; exit 1", "file")); len(got.Left) > 0 {
		t.Errorf("a failure left %v", got.Left)
	}
}

// A run that is too old is no hit, says so, and is replaced.
func TestTooOld(t *testing.T) {
	p := newPlace(t)
	s := p.shell("echo done")
	p.run(s)
	none := func(o *stage.Options) { o.Fresh = []larder.GetOption{larder.MaxAge(0)} }
	before := p.runs()
	if got := p.run(s, none); got.Hit || got.Stale == "" || got.NotKept != "" || got.Late || p.runs() != before+1 {
		t.Errorf("with MaxAge(0): %+v, want a run that is kept, and why", got.Outcome)
	}
	if o, err := s.Lookup(t.Context(), stage.Options{Store: p.store, Fresh: []larder.GetOption{larder.MaxAge(0)}}); err != nil || o.Hit || o.Stale == "" {
		t.Errorf("Lookup with MaxAge(0): %+v, %v", o, err)
	}
	if got := p.run(s, func(o *stage.Options) { o.Fresh = []larder.GetOption{larder.MaxAge(time.Hour)} }); !got.Hit || got.Stale != "" {
		t.Errorf("with MaxAge of an hour: %+v, want a hit", got.Outcome)
	}
}
