//go:build unix

package session_test

import (
	"path/filepath"
	"testing"
	"time"

	_ "github.com/larder-store/larder/backend/sql"
	"github.com/larder-store/larder/internal/pgtest"
	"github.com/larder-store/larder/internal/sessiontest"
)

func init() { stopServers = pgtest.Stop }

// Sessions in Postgres: items of their own, and leases by the database's clock.
func TestPostgres(t *testing.T) {
	server := pgtest.URL(t)
	for name, test := range map[string]func(t *testing.T, o sessiontest.Order){
		"killed":   func(t *testing.T, o sessiontest.Order) { o.N = 200; sessiontest.Killing(t, o, 8, 4) },
		"dead":     func(t *testing.T, o sessiontest.Order) { sessiontest.Dying(t, o, false) },
		"asleep":   func(t *testing.T, o sessiontest.Order) { sessiontest.Sleeping(t, o, "hold", false) },
		"locked":   func(t *testing.T, o sessiontest.Order) { sessiontest.Sleeping(t, o, "update", false) },
		"counting": func(t *testing.T, o sessiontest.Order) { o.N = 100; sessiontest.Counting(t, o, 8) },
	} {
		t.Run(name, func(t *testing.T) {
			url := pgtest.With(server, "schema", "sessions_"+name)
			url = pgtest.With(url, "data", "file://"+filepath.ToSlash(t.TempDir()))
			test(t, sessiontest.Order{URL: url, TTL: 15 * time.Second})
		})
	}
}
