package sql

import (
	"context"
	"maps"
	"sync"

	"github.com/jackc/pgx/v5"
)

// declared are the paths of parameters that have an index of their own.
type declared struct {
	mu  sync.RWMutex
	set map[string]bool // guarded by mu, and never changed
}

func (d *declared) paths() map[string]bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.set
}

func (b *Backend) loadDeclared(ctx context.Context) error {
	var set map[string]bool
	err := b.db.query(ctx, "SELECT path FROM "+quote(b.db.schema)+".declared", nil, func() { set = map[string]bool{} }, func(rows pgx.Rows) error {
		var path string
		err := rows.Scan(&path)
		set[path] = true
		return err
	})
	if err != nil {
		return err
	}
	b.declared.mu.Lock()
	defer b.declared.mu.Unlock()
	b.declared.set = maps.Clone(set)
	return nil
}
