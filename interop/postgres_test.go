package interop_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/larder-store/larder/backend"
	_ "github.com/larder-store/larder/backend/sql"
	"github.com/larder-store/larder/conformance"
	"github.com/larder-store/larder/internal/pgtest"
	"github.com/larder-store/larder/interop/servers"
)

var schemas atomic.Int64

// postgresOnS3 names a fresh schema, with its data in a fresh bucket.
func postgresOnS3(t testing.TB) string {
	t.Helper()
	return onBucket(t, servers.VersityGW(t), servers.VersityGW(t).Bucket(t))
}

func onBucket(t testing.TB, s *servers.Server, bucket string) string {
	t.Helper()
	loc := pgtest.With(pgtest.URL(t), "schema", fmt.Sprintf("i%d_%d", os.Getpid(), schemas.Add(1)))
	return pgtest.With(loc, "data", "s3://"+bucket+"/some/prefix?endpoint="+url.QueryEscape(s.URL))
}

// An index in Postgres, data in a bucket: all laws.
func TestPostgres(t *testing.T) {
	pgtest.URL(t) // before any helper process is started
	conformance.Run(t, conformance.Config{New: postgresOnS3, Open: openURL, Crash: conformance.Self})
}

// The newest Postgres, beside the distribution's.
func TestNewestPostgres(t *testing.T) {
	t.Setenv(pgtest.Programs, servers.Postgres(t))
	server := pgtest.New(t).URL()
	conformance.Run(t, conformance.Config{
		New: func(t testing.TB) string {
			loc := pgtest.With(server, "schema", fmt.Sprintf("i%d_%d", os.Getpid(), schemas.Add(1)))
			return pgtest.With(loc, "data", "file://"+filepath.ToSlash(t.TempDir()))
		},
		Open:  openURL,
		Quick: true,
	})
}

// onPostgres is a fresh store for scripts. Tampering puts an object there that no entry names.
func onPostgres(t testing.TB) place {
	s := servers.VersityGW(t)
	bucket := s.Bucket(t)
	return place{url: onBucket(t, s, bucket), vars: map[string]string{"BUCKET": bucket}, tamper: func(how, object string) error {
		if how != "stray" {
			return fmt.Errorf("%q is not what is done here", how)
		}
		// As a backup that lacks the newest entries would leave it.
		b, err := openURL(context.Background(), "s3://"+bucket+"/some/prefix?endpoint="+s.URL)
		if err != nil {
			return err
		}
		defer b.Close()
		_, err = backend.PutBytes(context.Background(), b, backend.Key{Shelf: "data", Name: object[:2] + "/" + object}, []byte("stray"), backend.PutOptions{})
		return err
	}}
}
