package sql

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/calls"
	"github.com/larder-store/larder/internal/indexed"
)

// Options change how a handle works; nil and the zero value mean the defaults.
type Options struct {
	// Data is the URL of the backend that keeps large values ("data" in a URL), such as
	// s3://bucket/prefix. It is opened by [backend.Open], so its package must be linked. Without it
	// values of more than MaxValueAlone bytes are refused.
	Data string

	// Schema is the schema that holds the tables ("schema"); the default is DefaultSchema.
	Schema string

	// Inline is the largest value that is kept in a row ("inline"), in bytes, at most
	// MaxInline; 0 is DefaultInline, a negative one keeps all but empty values in the data.
	Inline int64

	// Timeout is how long a call asks a server that does not answer, before it fails with
	// [backend.ErrUnavailable] ("timeout"); 0 is DefaultTimeout.
	Timeout time.Duration

	// ReadOnly opens a store to read: it makes and changes nothing. MustExist opens a store only if there is
	// one; else Open fails with an error that matches [fs.ErrNotExist]. ReadOnly implies it.
	ReadOnly  bool
	MustExist bool

	// Manual makes Open make no tables ("migrate=manual"): a schema that is absent or old is an error, until
	// it was migrated. Where large values are is recorded all the same, once.
	Manual bool
}

// Defaults and limits of [Options].
const (
	DefaultSchema = "larder"

	// DefaultInline: putting a value of 16 KiB into a row is 2 times as fast as into a
	// local file beside a row, one of 64 KiB as fast; getting it is as fast at 32. See
	// docs/sql.md for the measurement.
	DefaultInline = 32 << 10
	MaxInline     = 1 << 20

	// MaxValueAlone bounds values of a store without data: 1 MiB in a row takes 6 times
	// as long as in a file, and several times its size in memory.
	MaxValueAlone = 16 << 20

	DefaultTimeout = 15 * time.Second
	minTimeout     = 100 * time.Millisecond
)

// maxDescription bounds what the shelf of components keeps in rows, where queries need it:
// keying.MaxPreimage.
const maxDescription = 16 << 20

// connection are the parameters that are libpq's, or pgxpool's, and not ours.
var connection = []string{
	"host", "port", "user", "password", "passfile", "dbname", "service", "servicefile", "connect_timeout", "application_name", "options",
	"sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslsni", "sslnegotiation", "channel_binding", "require_auth",
	"min_protocol_version", "max_protocol_version",
	"target_session_attrs", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "role",
	"krbsrvname", "krbspn",
	"pool_max_conns", "pool_min_conns", "pool_max_conn_lifetime", "pool_max_conn_idle_time", "pool_health_check_period",
}

// ours are the parameters of [Options].
var ours = []string{"data", "schema", "inline", "timeout", "migrate"}

// Open opens the store in the database that rawURL names, with libpq's parameters and environment
// (PGHOST, PGPASSFILE, PGSERVICE, …), and makes it if it is not there.
func Open(ctx context.Context, rawURL string, opts *Options) (*Backend, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	b, err := open(ctx, rawURL, o)
	if err != nil {
		return nil, wrap("open", backend.Key{}, err)
	}
	return b, nil
}

func openURL(ctx context.Context, u *url.URL, p *backend.Params) (backend.Backend, error) {
	o := Options{
		Data:    p.String("data", ""),
		Schema:  p.String("schema", DefaultSchema),
		Inline:  p.Size("inline", DefaultInline),
		Timeout: p.Duration("timeout", DefaultTimeout, minTimeout),
		Manual:  p.Choice("migrate", "auto", "auto", "manual") == "manual",

		ReadOnly:  p.ReadOnly(),
		MustExist: p.MustExist(),
	}
	if o.Inline > MaxInline {
		p.Fail("inline", fmt.Sprintf("at most %d bytes", MaxInline))
	}
	if o.Inline == 0 {
		o.Inline = -1
	}
	if !isSchema(o.Schema) {
		p.Fail("schema", "a name of at most 50 letters a-z, digits and _")
	}
	if u.Fragment != "" {
		return nil, backend.InvalidURL("the URL holds a #: write it as %%23")
	}
	query := url.Values{}
	for _, name := range connection {
		if v := p.String(name, ""); v != "" {
			query.Set(name, v)
		}
	}
	if err := p.Err(); err != nil {
		return nil, err
	}
	raw := *u
	raw.RawQuery = query.Encode()
	if raw.Path == "" {
		raw.Path = "/" // else a URL of parameters alone is written without its //, and is none to pgx
	}
	b, err := Open(ctx, raw.String(), &o)
	if err != nil {
		return nil, err
	}
	return b, nil
}

var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,49}$`)

func isSchema(name string) bool {
	return schemaName.MatchString(name) && !strings.HasPrefix(name, "pg_") && name != "information_schema"
}

func open(ctx context.Context, rawURL string, o Options) (*Backend, error) {
	if o.Schema == "" {
		o.Schema = DefaultSchema
	}
	if o.Inline == 0 {
		o.Inline = DefaultInline
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if !isSchema(o.Schema) || o.Inline > MaxInline || o.Timeout < minTimeout {
		return nil, backend.InvalidURL("schema %q, inline %d or timeout %v is outside its limits", o.Schema, o.Inline, o.Timeout)
	}
	counter := calls.New()
	db, err := connect(ctx, rawURL, o, counter)
	if err != nil {
		return nil, err
	}
	b, err := build(ctx, db, o, counter)
	if err != nil {
		db.pool.Close()
		return nil, err
	}
	return b, nil
}

// connect makes the pool, which connects when it is first used.
func connect(ctx context.Context, rawURL string, o Options, counter *calls.Counter) (*database, error) {
	d := &database{schema: o.Schema, patience: o.Timeout, closing: counter.Closing(), secrets: secretsOf(rawURL)}
	c, err := pgxpool.ParseConfig(rawURL)
	if err != nil {
		return nil, d.explain(ctx, err)
	}
	for _, secret := range []string{c.ConnConfig.Password} {
		if secret != "" {
			d.secrets = append(d.secrets, secret)
		}
	}
	d.configure(c)
	if d.pool, err = pgxpool.NewWithConfig(ctx, c); err != nil {
		return nil, d.explain(ctx, err)
	}
	return d, nil
}

// secretsOf returns what of a URL must never be shown.
func secretsOf(rawURL string) (secrets []string) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil
	}
	add := func(secret string) {
		if secret != "" {
			secrets = append(secrets, secret, url.QueryEscape(secret), url.PathEscape(secret))
		}
	}
	if password, ok := u.User.Password(); ok {
		add(password)
	}
	for _, name := range []string{"password", "sslpassword"} {
		add(u.Query().Get(name))
	}
	return secrets
}

func build(ctx context.Context, db *database, o Options, counter *calls.Counter) (*Backend, error) {
	b := &Backend{db: db, opts: o, parts: indexed.Parts{Calls: counter, Wrap: wrap}}
	b.handle = indexed.NewHandle(&b.parts)
	if o.ReadOnly {
		b.parts.ReadOnly = errReadOnly
	}
	b.index = newIndex(db)
	b.parts.Store = indexed.Store{
		Index:    pager{b.index, counter},
		Data:     noData{},
		Inline:   max(o.Inline, 0),
		InlineOn: map[string]int64{backend.ShelfComponents: maxDescription},
	}
	if o.Data != "" {
		data, err := openData(ctx, o.Data, o.ReadOnly)
		if err != nil {
			return nil, err
		}
		b.data, b.parts.Store.Data = data, data
		b.parts.Store.Index = pager{&claimer{b.index, data}, counter}
	} else {
		b.parts.Store.Inline, b.parts.Check = MaxValueAlone, fitsAlone
	}
	if err := b.settle(ctx, o.Manual); err != nil {
		if b.data != nil {
			b.data.b.Close()
		}
		return nil, err
	}
	return b, nil
}

// settle makes sure that the schema is there and belongs to the data.
func (b *Backend) settle(ctx context.Context, manual bool) error {
	m, err := b.db.inspect(ctx)
	switch absent := m.format == 0; {
	case err != nil:
		return err
	case absent && (b.opts.MustExist || b.opts.ReadOnly):
		return &noStore{b.db.schema}
	case m.format < len(migrations) && b.opts.ReadOnly:
		return fmt.Errorf("%w: schema %q has format %d, and this larder reads %d; run \"larder migrate\"", errors.ErrUnsupported, b.db.schema, m.format, len(migrations))
	case m.format < len(migrations) && manual:
		return nil // later calls say what is missing
	}
	if m.format < len(migrations) {
		if _, err := b.db.migrate(ctx); err != nil {
			return err
		}
		if m, err = b.db.inspect(ctx); err != nil {
			return err
		}
	}
	if b.data == nil {
		if m.shown {
			return backend.InvalidURL("the store keeps large values in %s; add data= with that URL", m.data)
		}
		return nil
	}
	b.data.mu.Lock()
	b.data.store = m.store
	b.data.mu.Unlock()
	if !m.shown && !b.opts.ReadOnly {
		if m.data, err = b.db.record(ctx, b.data.place); err != nil {
			return err
		}
	}
	if m.data != "" && m.data != b.data.place {
		return backend.InvalidURL("the store keeps large values in %s, not in %s; open it with the data that it was made with", m.data, b.data.place)
	}
	return b.loadDeclared(ctx)
}
