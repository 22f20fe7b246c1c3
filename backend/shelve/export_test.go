package shelve

import (
	"time"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/indexed"
)

// WithHook returns options under which each step of publishing a value is told to hook,
// before and after its effect; an error from it fails the step.
func WithHook(o Options, hook func(step, path string) error) *Options {
	o.disk.hook = hook
	return &o
}

// OnNetwork returns options under which all directories are on a network file system.
func OnNetwork(o Options, name string) *Options {
	o.disk.networkOf = func(string) (string, error) { return name, nil }
	return &o
}

// Record encodes an entry as it is kept under its name.
func Record(key backend.Key, o backend.PutOptions, inline []byte, name string, mod time.Time) []byte {
	v, ok := parseID(name)
	if !ok {
		v = newID()
	}
	return newRecord(&indexed.Change{Key: key, Options: o, Inline: inline, Name: name}, v, mod)
}

// ParseRecord decodes what Record encoded.
func ParseRecord(key backend.Key, b []byte) (indexed.Entry, error) { return parseRecord(key, b) }

// DataName returns a name as those of value files.
func DataName() string { return newID().String() }

// LikeToHost lets b take what others ask as soon as it has main.db alone.
func LikeToHost(b *Backend) {
	b.place.main.sem.Lock()
	defer b.place.main.sem.Unlock()
	b.place.main.hostUntil = time.Now().Add(time.Hour)
	b.place.main.groups.Store(hostAfter)
}

// StayHost lets the hosts of this process leave only when they are told to, or end.
func StayHost() { hostMost = time.Hour }
