package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
)

// What is copied: values as a pipeline over recordings leaves them, and many small ones as a sweep does.
const (
	copiedLarge, copiedLargeSize                  = 100, 4 << 20
	copiedSmall, copiedSmallFull, copiedSmallSize = 10_000, 50_000, 1 << 10
)

// smallInTime is what copying all the small values of a full run may take.
const smallInTime = 15 * time.Second

func copyingLarge(b *bench) (*group, error) {
	g := &group{title: fmt.Sprintf("cp between shelves, %d values of %d MiB, per value", copiedLarge, copiedLargeSize>>20), most: 5}
	return g, b.copying(g, "copied-large", copiedLarge, copiedLargeSize)
}

func copyingSmall(b *bench) (*group, error) {
	n := b.size(copiedSmall, copiedSmallFull)
	g := &group{title: fmt.Sprintf("cp between shelves, %d values of %d KiB, per value", n, copiedSmallSize>>10), most: 3}
	g.notes = append(g.notes, fmt.Sprintf("goal: %d in under %v, which is %v per value", copiedSmallFull, smallInTime, smallInTime/copiedSmallFull))
	return g, b.copying(g, "copied-small", n, copiedSmallSize)
}

// copying compares a copy with cp -r of the directory, and fsync of each file of it.
func (b *bench) copying(g *group, name string, n, size int) error {
	dir := filepath.Join(b.dir, name)
	var src *larder.Store
	g.onClose(func() {
		if src != nil {
			src.Close()
		}
		os.RemoveAll(dir)
	})
	open := func() (err error) {
		if src != nil {
			return nil
		}
		if src, err = larder.Open(b.ctx, filepath.Join(dir, "src"), nil); err != nil {
			return err
		}
		return b.fillToCopy(src, n, size)
	}
	round := 0
	const us, peer = "larder cp (catalog.Copy)", "cp -r, then fsync of each file"
	add := func(name string, copyTo func(to string) error) {
		g.addWhole(name, n, func(n int) (measured, error) {
			if err := open(); err != nil {
				return measured{}, err
			}
			round++
			to := filepath.Join(dir, fmt.Sprint("dst", round))
			defer os.RemoveAll(to)
			return timed(func(int) error { return copyTo(to) })(n)
		})
	}
	add(peer, func(to string) error {
		if out, err := exec.CommandContext(b.ctx, "cp", "-r", filepath.Join(dir, "src"), to).CombinedOutput(); err != nil {
			return fmt.Errorf("cp: %w: %s", err, out)
		}
		return syncTree(to)
	})
	add(us, func(to string) error {
		dst, err := larder.Open(b.ctx, to, nil)
		if err != nil {
			return err
		}
		r, err := catalog.Copy(b.ctx, dst, src, catalog.CopyOptions{})
		if err == nil && (r.Values != n || r.Findings() > 0) {
			err = fmt.Errorf("copied %+v, not %d values", r, n)
		}
		if closing := dst.Close(); err == nil {
			err = closing
		}
		return err
	})
	if size > 64<<10 { // what small values cost depends on commits, not on bytes
		g.goals = append(g.goals, goal{us, peer, 1 / 0.7})
	}
	return nil
}

func (b *bench) fillToCopy(s *larder.Store, n, size int) error {
	const attributes = 100 // of a component
	for i := 0; i < n; i += attributes {
		c := component.New("bench/copied", "1", map[string]any{"i": i})
		sem := make(chan error, attributes)
		for j := range min(attributes, n-i) {
			go func() {
				_, err := s.Put(b.ctx, c, fmt.Sprint("a", j), random(size))
				sem <- err
			}()
		}
		for range min(attributes, n-i) {
			if err := <-sem; err != nil {
				return err
			}
		}
	}
	return nil
}

// syncTree makes all files and directories below a path durable.
func syncTree(root string) error {
	return filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Sync()
	})
}
