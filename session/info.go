package session

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"slices"
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/codec"
	"github.com/larder-store/larder/internal/sums"
)

// Info is what is known of a session. Its times are instants, in UTC, by the clock of the machine that
// wrote; Stored is by the clock of the store. Compare times of one machine only: clocks differ.
type Info struct {
	Name      string
	Host      string // where it was opened last
	User      string
	PID       int
	Started   time.Time // when it was made
	Opened    time.Time // when it was opened last
	LastWrite time.Time // right to a second; zero if nothing was written
	Stored    time.Time // when the store last heard of it
	Closed    bool      // false: open, or its process died
	Locking   bool
	Layout    Layout
	Labels    map[string]string
}

// infoFormat grows when a program that knows only the older one would misread a session.
const infoFormat = 1

// maxLabels bounds what labels take.
const maxLabels = 64 << 10

// stored is the metadata of a session as it is stored, as JSON.
type stored struct {
	Format    int               `json:"format"`
	Layout    Layout            `json:"layout"`
	Locking   bool              `json:"locking,omitempty"`
	Host      string            `json:"host"`
	User      string            `json:"user"`
	PID       int               `json:"pid"`
	Started   time.Time         `json:"started"`
	Opened    time.Time         `json:"opened"`
	LastWrite time.Time         `json:"last_write,omitzero"`
	Closed    bool              `json:"closed"`
	Labels    map[string]string `json:"labels,omitempty"`
	Nonce     string            `json:"nonce"`             // of this opening
	Earlier   []string          `json:"earlier,omitempty"` // nonces of those before, the last of them last
}

// maxEarlier bounds the openings that a session remembers. A copy knows by them whether a session goes on from another one.
const maxEarlier = 32

// Info returns what is known of a session. One that was never opened is [larder.ErrNotFound].
func (m *Manager) Info(ctx context.Context, session string) (Info, error) {
	shelf, err := shelfOf(m.prefix, session)
	if err != nil {
		return Info{}, err
	}
	st, entry, err := m.stored(ctx, shelf)
	if err != nil {
		return Info{}, wrap(session, err)
	}
	info := Info{
		Name: session, Host: st.Host, User: st.User, PID: st.PID, Started: st.Started.UTC(), Opened: st.Opened.UTC(), LastWrite: st.LastWrite.UTC(),
		Stored: entry.ModTime.UTC(), Closed: st.Closed, Locking: st.Locking, Layout: st.Layout, Labels: st.Labels,
	}
	if st.Closed {
		return info, nil
	}
	return info, wrap(session, m.lastWrite(ctx, shelf, &info))
}

// lastWrite learns from the store what the metadata of an open session does not say yet. It is the store's clock then.
func (m *Manager) lastWrite(ctx context.Context, shelf string, info *Info) error {
	opts := backend.ListOptions{Prefix: packMark}
	if info.Locking {
		opts.Prefix = itemMark
	}
	if info.Layout == LayoutItems && !info.Locking {
		return nil // said within a second
	}
	for e, err := range m.backend.List(ctx, shelf, opts) {
		if err != nil {
			return err
		}
		if e.ModTime.After(info.LastWrite) {
			info.LastWrite = e.ModTime.UTC()
		}
		if e.ModTime.After(info.Stored) {
			info.Stored = e.ModTime.UTC()
		}
	}
	return nil
}

// stored reads the metadata of a session.
func (m *Manager) stored(ctx context.Context, shelf string) (stored, backend.Info, error) {
	body, info, err := m.backend.Get(ctx, backend.Key{Shelf: shelf, Name: metaName})
	if err != nil {
		return stored{}, info, err
	}
	defer body.Close()
	if info.Size > 2*maxLabels+4096 {
		return stored{}, info, fmt.Errorf("%w: its metadata has %d bytes", backend.ErrCorrupt, info.Size)
	}
	b, err := readVerified(body, info)
	if err != nil {
		return stored{}, info, err
	}
	var st stored
	if err := json.Unmarshal(b, &st); err != nil {
		return stored{}, info, fmt.Errorf("%w: its metadata: %w", backend.ErrCorrupt, err)
	}
	if st.Format > infoFormat {
		return stored{}, info, fmt.Errorf("%w: its format is %d, this program knows %d: use a newer Larder", backend.ErrNewer, st.Format, infoFormat)
	}
	if st.Layout != LayoutItems && st.Layout != LayoutPacks {
		return stored{}, info, fmt.Errorf("%w: it has the layout %.20q, known are %q and %q", backend.ErrNewer, st.Layout, LayoutItems, LayoutPacks)
	}
	return st, info, nil
}

// item is the Put of the metadata.
func (st stored) item(shelf string) (backend.Item, error) {
	b, err := json.Marshal(st)
	if err != nil {
		return backend.Item{}, err
	}
	v := &value{codec: codec.Raw, body: bytes.NewReader(b), size: int64(len(b))}
	v.digest, v.sum = sums.Of(b)
	return v.item(backend.Key{Shelf: shelf, Name: metaName}), nil
}

// opened returns the metadata of a session that this process opens now.
func (m *Manager) opened(st stored, nonce string, labels map[string]string) stored {
	if st.Nonce != "" && st.Nonce != nonce {
		earlier := append(slices.Clone(st.Earlier), st.Nonce)
		st.Earlier = earlier[max(0, len(earlier)-maxEarlier):]
	}
	st.Format, st.Closed, st.Nonce = infoFormat, false, nonce
	st.Host, st.User, st.PID, st.Opened = ComputerName(), UserName(), os.Getpid(), m.now()
	if st.Started.IsZero() {
		st.Started = st.Opened
	}
	if len(labels) > 0 {
		all := maps.Clone(st.Labels)
		if all == nil {
			all = map[string]string{}
		}
		maps.Copy(all, labels)
		st.Labels = all
	}
	return st
}

// now is an instant without a place: neither a zone nor a change of its hour matters.
func (m *Manager) now() time.Time { return m.opts.Now().UTC().Round(0) }

func checkLabels(labels map[string]string) error {
	n := 0
	for k, v := range labels {
		n += len(k) + len(v)
	}
	if n > maxLabels {
		return fmt.Errorf("%w: the labels take %d bytes, %d are allowed", backend.ErrTooLarge, n, maxLabels)
	}
	return nil
}

// ComputerName returns the name of this machine.
func ComputerName() string {
	if name, err := os.Hostname(); err == nil && name != "" {
		return name
	}
	return "unknown-host"
}

// UserName returns the name of the user that runs this process.
func UserName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	for _, name := range []string{os.Getenv("USER"), os.Getenv("USERNAME")} {
		if name != "" {
			return name
		}
	}
	return "unknown-user"
}

// isNew reports whether err says that a session has no metadata that anybody could read.
func isNew(err error) bool {
	return errors.Is(err, backend.ErrNotFound) || errors.Is(err, backend.ErrCorrupt)
}
