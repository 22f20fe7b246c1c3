package sql

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/larder-store/larder/backend"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is one step of the schema: a file, whose number is the format that it makes.
type migration struct {
	format int
	name   string
	sql    string
}

// migrations are all steps, in order. docs/sql.md says why there is no library for them.
var migrations = readMigrations()

func readMigrations() (all []migration) {
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		panic(err) // a slip of the pen above
	}
	for i, path := range files { // in byte order
		text, err := migrationFiles.ReadFile(path)
		name := strings.TrimSuffix(strings.TrimPrefix(path, "migrations/"), ".sql")
		number, _, _ := strings.Cut(name, "_")
		format, notNumber := strconv.Atoi(number)
		if err != nil || notNumber != nil || format != i+1 {
			panic("migrations/ holds " + path)
		}
		all = append(all, migration{format, name, string(text)})
	}
	return all
}

// in returns the step's SQL for one schema.
func (m migration) in(schema string) string {
	return strings.ReplaceAll(m.sql, "{schema}", quote(schema))
}

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// oldestServer is the first that has gen_random_uuid built in.
const oldestServer = 130000

// made is what a schema says of itself.
type made struct {
	format int // 0: there is none yet
	store  string
	data   string
	shown  bool // data is recorded
}

// inspect reads what the schema is. It takes one statement where all is well.
func (d *database) inspect(ctx context.Context) (m made, err error) {
	var data *string
	sql := "SELECT format, store::text, data FROM " + quote(d.schema) + ".meta"
	err = d.do(ctx, true, func(conn *pgxpool.Conn) error {
		m, data = made{}, nil
		if err := checkServer(conn); err != nil {
			return err
		}
		err := conn.QueryRow(ctx, sql, pgx.QueryExecModeExec).Scan(&m.format, &m.store, &data)
		switch {
		case isCode(err, undefinedTable), isCode(err, invalidSchema), errors.Is(err, pgx.ErrNoRows):
			m = made{}
			return nil
		case isCode(err, undefinedColumn):
			return foreign(d.schema, "it has a table meta of another make")
		}
		return err
	})
	if data != nil {
		m.data, m.shown = *data, true
	}
	if err == nil && m.format > len(migrations) {
		err = fmt.Errorf("%w: schema %q has format %d, and this one knows %d; install a newer larder", backend.ErrNewer, d.schema, m.format, len(migrations))
	}
	return m, err
}

func isCode(err error, code string) bool {
	pg := new(pgconn.PgError)
	return errors.As(err, &pg) && pg.Code == code
}

func foreign(schema, why string) error {
	return backend.InvalidURL("schema %q belongs to something else: %s; choose another by schema=", schema, why)
}

func checkServer(conn *pgxpool.Conn) error {
	text := conn.Conn().PgConn().ParameterStatus("server_version")
	if v := serverVersion(text); v != 0 && v < oldestServer {
		return fmt.Errorf("%w: the server is PostgreSQL %s; it takes 13 or newer", errors.ErrUnsupported, text)
	}
	if e := conn.Conn().PgConn().ParameterStatus("server_encoding"); e != "" && e != "UTF8" {
		return fmt.Errorf("%w: the database has the encoding %s; make one with UTF8", errors.ErrUnsupported, e)
	}
	return nil
}

// serverVersion reads "15.18 (Debian …)" as 150000; 0 if it cannot.
func serverVersion(text string) int {
	digits := text
	if i := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = text[:i]
	}
	major, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return major * 10000
}

// migrate makes the steps that the schema lacks, in one transaction. Any number of processes may do so at
// once: the lock belongs to the transaction, which also holds behind a pooler.
func (d *database) migrate(ctx context.Context) (done []migration, err error) {
	err = d.do(ctx, true, func(conn *pgxpool.Conn) error {
		done = nil
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			done, err = d.migrateIn(ctx, tx)
			return err
		})
	})
	return done, err
}

func (d *database) migrateIn(ctx context.Context, tx pgx.Tx) (done []migration, err error) {
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", pgx.QueryExecModeExec, lockNumber(d.schema)); err != nil {
		return nil, err
	}
	format, err := d.formatIn(ctx, tx)
	if err != nil || format >= len(migrations) {
		return nil, err
	}
	for _, m := range migrations[format:] {
		// Several statements at once: pgx sends them as they are.
		if _, err := tx.Conn().PgConn().Exec(ctx, m.in(d.schema)).ReadAll(); err != nil {
			return nil, fmt.Errorf("migration %s: %w", m.name, err)
		}
		done = append(done, m)
	}
	last := migrations[len(migrations)-1].format
	meta := quote(d.schema) + ".meta"
	_, err = tx.Exec(ctx, "INSERT INTO "+meta+" (format) VALUES ($1) ON CONFLICT (one) DO UPDATE SET format = EXCLUDED.format", pgx.QueryExecModeExec, last)
	return done, err
}

// formatIn returns the format of a schema, which is made if it is not there.
func (d *database) formatIn(ctx context.Context, tx pgx.Tx) (format int, err error) {
	var exists, ours bool
	var others int
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1),
		EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = 'meta'),
		(SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1)`,
		pgx.QueryExecModeExec, d.schema).Scan(&exists, &ours, &others)
	switch {
	case err != nil:
		return 0, err
	case !exists:
		_, err := tx.Exec(ctx, "CREATE SCHEMA "+quote(d.schema), pgx.QueryExecModeExec)
		return 0, err
	case !ours && others > 0:
		return 0, foreign(d.schema, fmt.Sprintf("it has %d tables and indexes, and none of a store", others))
	case !ours:
		return 0, nil
	}
	err = tx.QueryRow(ctx, "SELECT format FROM "+quote(d.schema)+".meta", pgx.QueryExecModeExec).Scan(&format)
	return format, err
}

// lockNumber is what all processes that migrate a schema lock.
func lockNumber(schema string) int64 {
	h := fnv.New64a()
	h.Write([]byte("larder migrate " + schema))
	return int64(h.Sum64())
}

// record writes down where the data of the store is, if that was not known yet, and returns what is
// written there.
func (d *database) record(ctx context.Context, data string) (recorded string, err error) {
	meta := quote(d.schema) + ".meta"
	sql := "WITH u AS (UPDATE " + meta + " SET data = $1 WHERE data IS NULL RETURNING data) " +
		"SELECT data FROM u UNION ALL SELECT data FROM " + meta + " WHERE data IS NOT NULL LIMIT 1"
	err = d.row(ctx, true, sql, []any{data}, &recorded)
	if errors.Is(err, pgx.ErrNoRows) { // another recorded it between the two
		err = d.row(ctx, true, "SELECT data FROM "+meta+" WHERE data IS NOT NULL", nil, &recorded)
	}
	return recorded, err
}
