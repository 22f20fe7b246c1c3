package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	_ "github.com/larder-store/larder/backend/blob/file"
	"github.com/larder-store/larder/backend/mem"
	_ "github.com/larder-store/larder/backend/shelve"
	_ "github.com/larder-store/larder/backend/tar"
	"github.com/larder-store/larder/backend/tier"
)

// storeVariable names the store where no flag does.
const storeVariable = "LARDER_STORE"

// storeFlag is --store, which joins two stores where it is given twice: the near one and the far one.
type storeFlag struct {
	a     *app
	given int
}

// Set implements pflag.Value.
func (f *storeFlag) Set(rawURL string) error {
	switch f.given++; f.given {
	case 1:
		f.a.storeURL = rawURL
	case 2:
		f.a.storeURL = tier.URL(f.a.storeURL, rawURL)
	default:
		return errors.New("a store, or a near one and a far one")
	}
	return nil
}

// String implements pflag.Value.
func (f *storeFlag) String() string { return "" }

// Type implements pflag.Value.
func (f *storeFlag) Type() string { return "string" }

// url returns where the store is.
func (a *app) url() (string, error) {
	if a.storeURL != "" {
		return a.storeURL, nil
	}
	if url := os.Getenv(storeVariable); url != "" {
		return url, nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", misused("no store is named (by --store or LARDER_STORE), and there is no cache directory for the default one: %v", err)
	}
	return filepath.Join(dir, "larder", "store"), nil
}

// open opens the store to write. wait bounds how long it waits for another process's
// computation; 0 is the library's default.
func (a *app) open(ctx context.Context, wait time.Duration) (*larder.Store, error) {
	rawURL, err := a.url()
	if err != nil {
		return nil, err
	}
	return larder.Open(ctx, rawURL, a.options(wait))
}

// openToChange opens the store for a command that changes it, unless it only says what it would do.
func (a *app) openToChange(ctx context.Context, dryRun bool) (*larder.Store, error) {
	if dryRun {
		return a.openToRead(ctx)
	}
	return a.open(ctx, 0)
}

func (a *app) options(wait time.Duration) *larder.Options {
	return &larder.Options{Logger: slog.New(&words{a: a}), MaxWait: wait, KeysOfStore: true, UseJournal: a.useJournal()}
}

// useJournal returns where commands of this user note which values they found; empty if there is no cache directory.
func (a *app) useJournal() string {
	rawURL, err := a.url()
	if err != nil {
		return ""
	}
	t, err := tallyOf(rawURL)
	if err != nil {
		return ""
	}
	return t.path + ".uses"
}

// openToRead opens the store for a command that changes nothing, and so makes no store
// where there is none. The default store is empty then.
func (a *app) openToRead(ctx context.Context) (*larder.Store, error) {
	rawURL, err := a.url()
	if err != nil {
		return nil, err
	}
	opts := a.options(0)
	opts.ReadOnly = true
	store, err := larder.Open(ctx, rawURL, opts)
	if errors.Is(err, fs.ErrNotExist) && a.storeURL == "" && os.Getenv(storeVariable) == "" {
		return larder.New(mem.New(nil), a.options(0)), nil
	}
	return store, err
}

// tally counts what a store was asked for, for "larder stats".
func (a *app) tally(c counts) {
	rawURL, err := a.url()
	if err != nil {
		return
	}
	if t, err := tallyOf(rawURL); err == nil {
		t.count(c)
	}
}

// inDir returns the URL of a store on this machine with another directory.
func inDir(rawURL, dir string) string {
	if backend.SchemeOf(rawURL) == "" {
		return dir
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return rawURL
	}
	moved := url.URL{Scheme: u.Scheme, Opaque: (&url.URL{Path: filepath.ToSlash(dir)}).EscapedPath(), RawQuery: u.RawQuery}
	return moved.String()
}

// words is a slog.Handler that writes a Store's messages as a line each.
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
	write := func(attr slog.Attr) bool {
		err, ok := attr.Value.Any().(error)
		switch {
		case !ok: // a key: the error has it
		case errors.Is(err, larder.ErrLocked):
			fmt.Fprintf(&b, ": %s", afterText(err.Error(), larder.ErrLocked.Error()+": "))
		default:
			fmt.Fprintf(&b, ": %v", err)
		}
		return true
	}
	for _, attr := range w.attrs {
		write(attr)
	}
	r.Attrs(write)
	b.WriteByte('\n')
	_, err := w.a.words().Write([]byte(b.String()))
	return err
}

// WithAttrs implements slog.Handler.
func (w *words) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &words{w.a, append(w.attrs[:len(w.attrs):len(w.attrs)], attrs...)}
}

// WithGroup implements slog.Handler; a Store has no groups.
func (w *words) WithGroup(string) slog.Handler { return w }

// afterText returns what follows the last mark in text; all, if there is none.
func afterText(text, mark string) string {
	if i := strings.LastIndex(text, mark); i >= 0 {
		return text[i+len(mark):]
	}
	return text
}
