package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/larder-store/larder"
)

// url returns where the store is.
func (a *app) url() (string, error) {
	if a.storeURL != "" {
		return a.storeURL, nil
	}
	if url := os.Getenv("LARDER_STORE"); url != "" {
		return url, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", misused("no store is named (by --store or LARDER_STORE), and there is no cache directory for the default one: %v", err)
	}
	return filepath.Join(dir, "larder", "store"), nil
}

// open opens the store. wait bounds how long it waits for another process's
// computation; 0 is the library's default.
func (a *app) open(ctx context.Context, wait time.Duration) (*larder.Store, error) {
	url, err := a.url()
	if err != nil {
		return nil, err
	}
	return larder.Open(ctx, url, &larder.Options{
		Logger:  slog.New(&words{a: a}),
		MaxWait: wait,
	})
}

// words is a slog.Handler that tells a Store's messages as a line each.
type words struct {
	a     *app
	attrs []slog.Attr
}

// Enabled implements slog.Handler.
func (w *words) Enabled(_ context.Context, level slog.Level) bool {
	if w.a.quiet {
		return level >= slog.LevelError
	}
	return level >= slog.LevelInfo
}

// Handle implements slog.Handler.
func (w *words) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	fmt.Fprintf(&b, "larder: %s", strings.TrimPrefix(r.Message, "larder: "))
	tell := func(attr slog.Attr) bool {
		if attr.Key == "err" {
			fmt.Fprintf(&b, ": %v", attr.Value)
		}
		return true
	}
	for _, attr := range w.attrs {
		tell(attr)
	}
	r.Attrs(tell)
	b.WriteByte('\n')
	_, err := w.a.stderr.Write([]byte(b.String()))
	return err
}

// WithAttrs implements slog.Handler.
func (w *words) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &words{w.a, append(w.attrs[:len(w.attrs):len(w.attrs)], attrs...)}
}

// WithGroup implements slog.Handler; a Store has no groups.
func (w *words) WithGroup(string) slog.Handler { return w }
