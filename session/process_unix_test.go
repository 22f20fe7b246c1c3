//go:build unix

package session_test

import (
	"testing"
	"time"

	"github.com/larder-store/larder/internal/sessiontest"
	"github.com/larder-store/larder/session"
)

// disk are the places that several processes share, with leases that are short where the death of a holder cannot be seen.
func disk(t *testing.T, test func(t *testing.T, o sessiontest.Order, shelves bool)) {
	for name, o := range map[string]sessiontest.Order{
		"shelve":        {URL: "shelve://" + t.TempDir()},
		"shelve, packs": {URL: "shelve://" + t.TempDir(), Layout: session.LayoutPacks},
		"file":          {URL: "file://" + t.TempDir(), TTL: 15 * time.Second},
		"file, packs":   {URL: "file://" + t.TempDir(), TTL: 15 * time.Second, Layout: session.LayoutPacks},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, o, o.TTL == 0)
		})
	}
}

func TestKilledWriters(t *testing.T) {
	disk(t, func(t *testing.T, o sessiontest.Order, _ bool) {
		o.N = 200
		if o.Layout == session.LayoutPacks {
			o.N, o.Flush = 400, 10
		}
		sessiontest.Killing(t, o, 8, 4)
	})
}

func TestDeadHolder(t *testing.T) {
	t.Parallel()
	disk(t, func(t *testing.T, o sessiontest.Order, shelves bool) { sessiontest.Dying(t, o, shelves) })
}

func TestSleepingHolder(t *testing.T) {
	t.Parallel()
	disk(t, func(t *testing.T, o sessiontest.Order, shelves bool) { sessiontest.Sleeping(t, o, "hold", shelves) })
}

func TestSleepingLocker(t *testing.T) {
	t.Parallel()
	disk(t, func(t *testing.T, o sessiontest.Order, shelves bool) {
		if o.Layout == "" {
			sessiontest.Sleeping(t, o, "update", shelves)
		}
	})
}

func TestLockedIncrements(t *testing.T) {
	t.Parallel()
	sessiontest.Counting(t, sessiontest.Order{URL: "shelve://" + t.TempDir(), N: 1000}, 8)
}
