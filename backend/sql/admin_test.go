//go:build unix

package sql_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/pgtest"
	"github.com/larder-store/larder/keying"
)

// Objects that no row names are found, and those of rows, and of writers at work, are not.
func TestStrays(t *testing.T) {
	loc, _ := prepare(t, pgtest.URL(t))
	b, data := open(t, loc), dataOf(t, loc)
	ctx := context.Background()
	claimed := func() {
		_, _ = b.Put(ctx, otherKey, failing{}, backend.PutOptions{Size: largeSize})
	}
	claimed()
	const id = "0123456789abcdef0123456789abcdef"
	for _, name := range []string{id[:2] + "/" + id, "no/id"} {
		if _, err := backend.PutBytes(ctx, data, backend.Key{Shelf: "data", Name: name}, []byte("stray"), backend.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	finder, _ := backend.As[backend.StrayFinder](b)
	find := func(remove bool) (found []string) {
		t.Helper()
		for s, err := range finder.Strays(ctx, remove) {
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, s.Name)
			if s.Size != 5 {
				t.Errorf("a stray of %d bytes, want 5", s.Size)
			}
		}
		return found
	}
	for _, remove := range []bool{false, true} {
		if got := find(remove); len(got) != 1 || !strings.HasSuffix(got[0], "/data/01/"+id) {
			t.Errorf("Strays(remove=%v) = %q, want the one", remove, got)
		}
	}
	if got := find(false); len(got) != 0 {
		t.Errorf("after they were removed, Strays = %q", got)
	}
	if got := get(t, b, theKey); got != old {
		t.Errorf("the key holds %.8q, want the old value", got)
	}
}

// A newer schema is left alone, by a handle that was open too; a schema of another make is refused.
func TestForeignSchemas(t *testing.T) {
	server, ctx := pgtest.URL(t), context.Background()
	loc, _ := prepare(t, server)
	conn, schema := connect(t, loc)
	mustExec(t, conn, "UPDATE "+schema+".meta SET format = 1000")
	for _, how := range []string{loc, pgtest.With(loc, "migrate", "manual")} {
		if _, err := openURL(ctx, how); !errors.Is(err, backend.ErrNewer) {
			t.Errorf("Open of a newer schema = %v, want %v", err, backend.ErrNewer)
		}
	}
	for _, table := range []string{"other", "meta"} {
		loc := alone(t, server)
		conn, schema := connect(t, loc)
		mustExec(t, conn, "CREATE SCHEMA "+schema)
		mustExec(t, conn, "CREATE TABLE "+schema+"."+table+" (x int)")
		if _, err := openURL(ctx, loc); !errors.Is(err, backend.ErrInvalidURL) || !strings.Contains(err.Error(), "schema=") {
			t.Errorf("Open of a schema with a table %s = %v, want %v and advice", table, err, backend.ErrInvalidURL)
		}
		mustExec(t, conn, "SELECT x FROM "+schema+"."+table)
	}
}

// A store is opened with the data that it was made with, and data belongs to one store.
func TestDataBelongsToStore(t *testing.T) {
	ctx := context.Background()
	loc, _ := prepare(t, pgtest.URL(t))
	other := place(t, pgtest.URL(t))
	schema := func(loc string) string { return loc[:strings.Index(loc, "&data=")] }
	data := func(loc string) string { return loc[strings.Index(loc, "&data="):] }
	if _, err := openURL(ctx, schema(loc)+data(other)); !errors.Is(err, backend.ErrInvalidURL) || !strings.Contains(err.Error(), "made with") {
		t.Errorf("Open with other data = %v, want %v", err, backend.ErrInvalidURL)
	}
	if _, err := openURL(ctx, schema(loc)); !errors.Is(err, backend.ErrInvalidURL) || !strings.Contains(err.Error(), "add data=") {
		t.Errorf("Open without data = %v, want %v", err, backend.ErrInvalidURL)
	}
	b, err := openURL(ctx, schema(other)+data(loc))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := put(b, theKey, old, backend.PutOptions{}); err == nil || !strings.Contains(err.Error(), "another store") {
		t.Errorf("Put into the data of another store = %v, want an error", err)
	}
	if _, err := backend.Sweep(ctx, b, backend.SweepOptions{Grace: 1}); err == nil {
		t.Error("a sweep of the data of another store succeeds")
	}
	if got := get(t, open(t, loc), theKey); got != old {
		t.Errorf("the key holds %.8q, want the old value", got)
	}
	for _, bad := range []string{"postgres://h/db", "nope://x", "/dir", "s3://", "%zz"} {
		if b, err := openURL(ctx, pgtest.With(schema(other), "data", bad)); err == nil {
			b.Close()
			t.Errorf("Open with data=%s succeeds", bad)
		}
	}
}

// A store without data can be given some later on.
func TestDataComesLater(t *testing.T) {
	loc := place(t, pgtest.URL(t))
	bare := loc[:strings.Index(loc, "&data=")]
	mustPut(t, open(t, bare), theKey, old)
	b := open(t, pgtest.With(loc, "migrate", "manual"))
	if _, err := openURL(context.Background(), pgtest.With(bare, "data", "file://"+filepath.ToSlash(t.TempDir()))); !errors.Is(err, backend.ErrInvalidURL) || !strings.Contains(err.Error(), "made with") {
		t.Errorf("then Open with other data = %v, want %v", err, backend.ErrInvalidURL)
	}
	mustPut(t, b, otherKey, old)
	for _, key := range []backend.Key{theKey, otherKey} {
		if got := get(t, b, key); got != old {
			t.Errorf("%v holds %.8q, want the old value", key, got)
		}
	}
}

// Opened to read, nothing is made, and nothing changes.
func TestReadOnly(t *testing.T) {
	ctx := context.Background()
	loc := place(t, pgtest.URL(t))
	for _, o := range []backend.OpenOption{backend.ReadOnly(), backend.MustExist()} {
		if _, err := backend.OpenWith(ctx, loc, o); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open of what is not there = %v, want %v", err, fs.ErrNotExist)
		}
	}
	mustPut(t, open(t, loc), theKey, old)
	b, err := backend.OpenWith(ctx, loc, backend.ReadOnly())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got := get(t, b, theKey); got != old {
		t.Errorf("the key holds %.8q, want the old value", got)
	}
	leaser, _ := backend.As[backend.Leaser](b)
	indexer, _ := backend.As[backend.Indexer](b)
	migrator, _ := backend.As[backend.Migrator](b)
	for name, do := range map[string]func() error{
		"Put":      func() error { _, err := put(b, theKey, "new", backend.PutOptions{}); return err },
		"Delete":   func() error { return b.Delete(ctx, theKey) },
		"Sweep":    func() error { _, err := backend.Sweep(ctx, b, backend.SweepOptions{}); return err },
		"Acquire":  func() error { _, err := leaser.Acquire(ctx, "a", 1e9); return err },
		"AddIndex": func() error { return indexer.AddIndex(ctx, "params.a") },
		"Migrate":  func() error { _, err := migrator.Migrate(ctx, false); return err },
	} {
		if err := do(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s = %v, want %v", name, err, errors.ErrUnsupported)
		}
	}
	if _, err := backend.Sweep(ctx, b, backend.SweepOptions{DryRun: true}); err != nil {
		t.Errorf("Sweep that removes nothing = %v", err)
	}
}

// A role that may not make tables uses what the owner made with Migrate.
func TestRestrictedRole(t *testing.T) {
	ctx := context.Background()
	loc := place(t, pgtest.URL(t))
	conn, schema := connect(t, loc)
	role := strings.Trim(schema, `"`) + "_user"
	mustExec(t, conn, "CREATE ROLE "+role+" LOGIN")
	mustExec(t, conn, "REVOKE CREATE ON DATABASE postgres FROM PUBLIC")
	mustExec(t, conn, "REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC")
	as := strings.Replace(loc, "postgres://postgres@", "postgres://"+role+"@", 1)
	if _, err := openURL(ctx, as); err == nil || !strings.Contains(err.Error(), "larder migrate") {
		t.Errorf("Open by a role that may make nothing = %v, want an error with advice", err)
	}
	owner := open(t, pgtest.With(loc, "migrate", "manual"))
	if _, err := owner.Stat(ctx, theKey); err == nil || errors.Is(err, backend.ErrNotFound) || !strings.Contains(err.Error(), "larder migrate") {
		t.Errorf("Stat without tables = %v, want an error with advice", err)
	}
	migrator, _ := backend.As[backend.Migrator](owner)
	for _, dry := range []bool{true, true, false} {
		steps, err := migrator.Migrate(ctx, dry)
		if err != nil || len(steps) != 1 || steps[0].Name != "0001_store" || !strings.Contains(steps[0].Script, schema+".entries") {
			t.Fatalf("Migrate(%v) = %+v, %v; want one step", dry, steps, err)
		}
	}
	if steps, err := migrator.Migrate(ctx, false); err != nil || len(steps) != 0 {
		t.Errorf("Migrate again = %+v, %v; want nothing", steps, err)
	}
	mustPut(t, owner, theKey, old)
	mustExec(t, conn, "GRANT USAGE ON SCHEMA "+schema+" TO "+role)
	mustExec(t, conn, "GRANT SELECT ON "+schema+".meta, "+schema+".declared TO "+role)
	mustExec(t, conn, "GRANT SELECT, INSERT, UPDATE, DELETE ON "+schema+".entries, "+schema+".loose, "+schema+".components, "+schema+".inputs, "+schema+".leases TO "+role)
	mustExec(t, conn, "GRANT USAGE ON SEQUENCE "+schema+".epochs TO "+role)
	b := open(t, as)
	mustPut(t, b, theKey, text(largeSize, 9))
	var items []backend.Item
	for i := range 10_001 { // more than one batch, and without temporary tables
		it := item(fmt.Sprint("k", i), []byte("x"))
		it.Key.Shelf = "s"
		items = append(items, it)
	}
	if _, err := backend.PutBatch(ctx, b, items); err != nil {
		t.Errorf("PutBatch = %v", err)
	}
	leaser, _ := backend.As[backend.Leaser](b)
	if l, err := leaser.Acquire(ctx, "a", 1e9); err != nil || l.Release(ctx) != nil {
		t.Errorf("Acquire = %v", err)
	}
	if err := b.Delete(ctx, theKey); err != nil {
		t.Errorf("Delete = %v", err)
	}
	if _, err := backend.Sweep(ctx, b, backend.SweepOptions{Grace: 1}); err != nil {
		t.Errorf("Sweep = %v", err)
	}
	indexer, _ := backend.As[backend.Indexer](b)
	if err := indexer.AddIndex(ctx, "params.a"); err == nil || !strings.Contains(err.Error(), "may not") {
		t.Errorf("AddIndex = %v, want an error with advice", err)
	}
}

// Indexes on parameters can be made over and over, after a failure too, and are used.
func TestAddIndex(t *testing.T) {
	ctx := context.Background()
	loc := place(t, pgtest.URL(t))
	b := open(t, loc)
	indexer, _ := backend.As[backend.Indexer](b)
	where := component.And(component.Where(component.FieldType, component.Equal, "fit"), component.WhereParam("rate", component.Less, int64(5)))
	planner, _ := backend.As[backend.Planner](b)
	if got := planner.Plan(component.Query{Where: where}); !strings.Contains(got, "larder index add") {
		t.Errorf("Plan without an index = %q, want advice", got)
	}
	fit := component.Where(component.FieldType, component.Equal, "fit")
	rate, phase := component.WhereParam("rate", component.Less, int64(5)), component.WhereParam("filter.phase", component.HasPrefix, "lo")
	either := component.Condition{Op: component.Any, Of: []component.Condition{rate, phase}}
	for _, c := range []struct {
		where component.Condition
		want  string
	}{
		{component.And(fit, rate), "; an index may help: larder index add params.rate"},
		{component.And(fit, rate, phase), "; an index may help: larder index add params.rate params.filter.phase"},
		{component.And(fit, either), "; an index may help: larder index add params.rate params.filter.phase"},
		{component.And(fit, component.WhereParam("rate", component.NotEqual, int64(5))), ""},
		{component.And(fit, component.WhereParam("rate", component.Exists, nil)), ""},
		{component.And(fit, component.Where(component.FieldVersion, component.Equal, "v2")), ""},
		{component.And(fit, component.Condition{Op: component.Not, Of: []component.Condition{rate}}), ""},
	} {
		if got, want := planner.Plan(component.Query{Where: c.where}), "by looking at all components of the type"+c.want; got != want {
			t.Errorf("Plan(%+v) = %q, want %q", c.where, got, want)
		}
	}
	for _, bad := range []string{"rate", "params", "params.", "params." + strings.Repeat("x", 1000), "params.a\x00"} {
		if err := indexer.AddIndex(ctx, bad); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("AddIndex(%.20q) = %v, want %v", bad, err, errors.ErrUnsupported)
		}
	}
	for range 2 {
		if err := indexer.AddIndex(ctx, "params.rate"); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := indexer.Indexes(ctx); err != nil || !slices.Equal(got, []string{"params.rate"}) {
		t.Errorf("Indexes = %q, %v; want params.rate", got, err)
	}
	if got := planner.Plan(component.Query{Where: where}); !strings.Contains(got, "by an index") {
		t.Errorf("Plan = %q, want an index", got)
	}
	conn, schema := connect(t, loc)
	rows, err := conn.Query(ctx, "SELECT indexrelid::regclass::text FROM pg_index WHERE indisvalid AND indrelid = $1::regclass AND indexrelid::regclass::text LIKE '%declared%'", schema+".components")
	if err != nil {
		t.Fatal(err)
	}
	if names, err := pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || len(names) != 2 {
		t.Errorf("the table has the indexes %q, %v; want one of numbers and one of words", names, err)
	}
	informer, _ := backend.As[backend.Informer](b)
	facts, err := informer.Facts(ctx)
	if err != nil || !slices.ContainsFunc(facts, func(f backend.Fact) bool { return f.Name == "indexed" && f.Value == "params.rate" }) {
		t.Errorf("Facts = %v, %v; want the index among them", facts, err)
	}
}

// A narrow range of a parameter that has an index is found by it, of numbers and of texts.
func TestIndexIsUsed(t *testing.T) {
	const n = 3000
	ctx := context.Background()
	loc := place(t, pgtest.URL(t))
	b := open(t, loc)
	var items []backend.Item
	for i := range n {
		key, preimage, err := keying.Hash{}.Preimage(ctx, component.New("fit", "1", map[string]any{"rate": i, "name": fmt.Sprintf("%06d", i)}))
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, item(key, preimage))
	}
	if _, err := backend.PutBatch(ctx, b, items); err != nil {
		t.Fatal(err)
	}
	indexer, _ := backend.As[backend.Indexer](b)
	conn, schema := connect(t, loc)
	for path, low := range map[string]any{"rate": int64(n - 5), "name": fmt.Sprintf("%06d", n-5)} {
		if err := indexer.AddIndex(ctx, "params."+path); err != nil {
			t.Fatal(err)
		}
		where := component.And(component.Where(component.FieldType, component.Equal, "fit"), component.WhereParam(path, component.GreaterEqual, low))
		if got := keysOf(t, b, component.Query{Where: where}, nil); len(got) != 5 {
			t.Errorf("%s: found %d, want 5", path, len(got))
		}
	}
	for begin := time.Now(); ; time.Sleep(100 * time.Millisecond) { // the server counts at leisure
		var used int
		err := conn.QueryRow(ctx, "SELECT count(*) FROM pg_stat_user_indexes WHERE schemaname = $1 AND (indexrelname LIKE 'declared\\_number\\_%' OR indexrelname LIKE 'declared\\_words\\_%') AND idx_scan > 0", strings.Trim(schema, `"`)).Scan(&used)
		if err != nil {
			t.Fatal(err)
		}
		if used == 2 {
			return
		}
		if time.Since(begin) > time.Minute {
			t.Fatalf("%d indexes were used, want that of rates and that of names", used)
		}
	}
}

// What is computed from what is followed to the end.
func TestReach(t *testing.T) {
	ctx := context.Background()
	b := open(t, place(t, pgtest.URL(t)))
	var items []backend.Item
	var chain []component.Component
	var keys []string
	for i := range 6 {
		var inputs []component.Component
		if i > 0 {
			inputs = append(inputs, chain[i-1])
		}
		c := component.New(fmt.Sprint("step\x00"[:4+i%2], i), "1", i, inputs...) // some are odd
		key, preimage, err := keying.Hash{}.Preimage(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		chain, keys, items = append(chain, c), append(keys, key), append(items, item(key, preimage))
	}
	if _, err := backend.PutBatch(ctx, b, items); err != nil {
		t.Fatal(err)
	}
	reacher, _ := backend.As[backend.Reacher](b)
	var got []string
	for key, err := range reacher.Reach(ctx, component.Where(component.FieldKey, component.Equal, keys[1])) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, key)
	}
	slices.Sort(got)
	want := slices.Sorted(slices.Values(keys[2:]))
	if !slices.Equal(got, want) {
		t.Errorf("Reach = %q, want %q", got, want)
	}
}
