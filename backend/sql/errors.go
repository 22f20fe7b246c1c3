package sql

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/larder-store/larder/backend"
)

// SQLSTATE codes, by what they mean here.
const (
	invalidSchema        = "3F000"
	undefinedTable       = "42P01"
	undefinedColumn      = "42703"
	undefinedObject      = "42704"
	noPrivilege          = "42501"
	noDatabase           = "3D000"
	queryCancelled       = "57014"
	adminShutdown        = "57P01"
	crashShutdown        = "57P02"
	cannotConnectNow     = "57P03"
	databaseDropped      = "57P04"
	idleTimeout          = "57P05"
	idleInTransaction    = "25P03"
	deadlock             = "40P01"
	serializationFailure = "40001"
	cachedPlan           = "0A000"
	rowSecurity          = "0A000" // of a COPY
	undefinedPrepared    = "26000"
	uniqueViolation      = "23505"
	tooManyConnections   = "53300"
	diskFull             = "53100"
	readOnlyTransaction  = "25006"
	lockNotAvailable     = "55P03"
)

// errUnsure is the error of a write whose connection broke before the server answered.
var errUnsure = errors.New("the connection broke before the server answered, so it may have taken effect")

// fate is what became of a statement that failed.
type fate int

const (
	failed  fate = iota // it had no effect, and will have none another time
	unsent              // it had no effect, and may work another time
	undone              // it was rolled back because of others, and may work at once
	unknown             // it may have had its effect, or may have it yet
)

// fateOf judges the error of a statement. Texts are not looked at: a COMMIT whose answer was lost was seen to
// say "conn closed".
func fateOf(err error) fate {
	if pg := new(pgconn.PgError); errors.As(err, &pg) {
		fate := fateOfCode(pg.Code)
		if fate == failed && pg.SeverityUnlocalized == "PANIC" {
			return unknown // the server went down, perhaps behind a commit that its recovery repeats
		}
		return fate
	}
	if pgconn.SafeToRetry(err) {
		return unsent
	}
	if isOwn(err) {
		return failed
	}
	return unknown
}

func fateOfCode(code string) fate {
	switch code {
	case cannotConnectNow, tooManyConnections:
		return unsent
	case deadlock, serializationFailure, cachedPlan, undefinedPrepared, lockNotAvailable:
		return undone
	case adminShutdown, crashShutdown, databaseDropped, idleTimeout, idleInTransaction:
		return unknown
	}
	if strings.HasPrefix(code, "08") { // what a pooler says when it lost the server
		return unknown
	}
	return failed
}

// fateOfConnect judges an error of connecting: nothing was sent yet.
func fateOfConnect(err error) fate {
	if pg := new(pgconn.PgError); errors.As(err, &pg) {
		switch fateOfCode(pg.Code) {
		case failed:
			return failed // a wrong password, no such database
		default:
			return unsent
		}
	}
	if dns := new(net.DNSError); errors.As(err, &dns) && dns.IsNotFound {
		return failed
	}
	// What is neither the network nor time is a certificate, or TLS that the server does not speak.
	network := net.Error(nil)
	if errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.DeadlineExceeded) {
		return unsent
	}
	if connect := new(pgconn.ConnectError); errors.As(err, &connect) {
		return failed
	}
	return unsent
}

// explain makes of an error of pgx one of this project. Types of pgx end here, and so do the secrets
// that a server or a library may have put into a text.
func (d *database) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ended := ctx.Err(); ended != nil {
		return fmt.Errorf("%w (%s)", ended, d.scrub(err.Error()))
	}
	if parse := new(pgconn.ParseConfigError); errors.As(err, &parse) {
		return backend.InvalidURL("the parameters of the connection: %s", d.scrub(err.Error()))
	}
	if isOwn(err) || errors.Is(err, backend.ErrUnavailable) {
		return err
	}
	if pg := new(pgconn.PgError); errors.As(err, &pg) {
		return d.explainCode(pg)
	}
	text := d.scrub(err.Error())
	if connect := new(pgconn.ConnectError); errors.As(err, &connect) && fateOfConnect(err) == failed {
		return errors.New(text)
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: the server closed the connection: %s", backend.ErrUnavailable, text)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%w: %s", backend.ErrUnavailable, text) // not the caller's: a timeout of connecting
	}
	return fmt.Errorf("%w: %s", backend.ErrUnavailable, text)
}

// errReadOnly is what writers get of a store that was opened to be read.
var errReadOnly = fmt.Errorf("%w: the store was opened read-only", errors.ErrUnsupported)

// own are errors that are ours already.
var own = []error{
	backend.ErrNotFound, backend.ErrExists, backend.ErrChanged, backend.ErrCorrupt, backend.ErrNewer, backend.ErrInvalidKey,
	backend.ErrInvalidURL, backend.ErrTooLarge, backend.ErrTooLong, backend.ErrLocked, backend.ErrClosed,
	errors.ErrUnsupported,
}

func isOwn(err error) bool {
	if absent := new(noStore); errors.As(err, &absent) {
		return true
	}
	return slices.ContainsFunc(own, func(one error) bool { return errors.Is(err, one) })
}

// noStore says that there is no store in a schema yet. It is a type of its own because a server's socket that is not there
// is fs.ErrNotExist too.
type noStore struct{ schema string }

func (n *noStore) Error() string {
	return fmt.Sprintf("there is no store in schema %q yet; store something there, or run \"larder migrate\"", n.schema)
}

// Is makes it fs.ErrNotExist, as [backend.MustExist] asks for.
func (n *noStore) Is(target error) bool { return target == fs.ErrNotExist }

// explainCode adds to what the server said what to do about it.
func (d *database) explainCode(pg *pgconn.PgError) error {
	text := fmt.Sprintf("%s (SQLSTATE %s)", d.scrub(pg.Message), pg.Code)
	switch pg.Code {
	case undefinedTable, invalidSchema, undefinedColumn:
		return fmt.Errorf("there is no store in schema %q: %s; run \"larder migrate\", or choose another by schema=", d.schema, text)
	case noPrivilege:
		return fmt.Errorf("the role may not do this: %s; grant it what docs/sql.md lists, or run \"larder migrate\" as the owner of the schema", text)
	case noDatabase:
		return fmt.Errorf("%s; make it with createdb, or name another in the URL", text)
	case diskFull:
		return fmt.Errorf("%w: the server's disk is full: %s", backend.ErrUnavailable, text)
	case readOnlyTransaction:
		return fmt.Errorf("%w: the server takes no writes, as a standby does: %s; name the primary, or add target_session_attrs=read-write", errors.ErrUnsupported, text)
	case queryCancelled:
		return fmt.Errorf("%w: the server gave up: %s; raise its statement_timeout", backend.ErrUnavailable, text)
	case deadlock, serializationFailure, cachedPlan, lockNotAvailable, tooManyConnections, cannotConnectNow,
		adminShutdown, crashShutdown, databaseDropped, idleTimeout, idleInTransaction:
		return fmt.Errorf("%w: %s", backend.ErrUnavailable, text)
	}
	if strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "53") {
		return fmt.Errorf("%w: %s", backend.ErrUnavailable, text)
	}
	return errors.New("the server refused: " + text)
}

// scrub takes the secrets of the connection out of a text, and makes one line of it. pgx has a line for each attempt to connect, with TLS and
// without, and they often say the same.
func (d *database) scrub(text string) string {
	for _, secret := range d.secrets {
		text = strings.ReplaceAll(text, secret, "…")
	}
	first, attempts, _ := strings.Cut(text, "\n")
	var said []string
	for line := range strings.Lines(attempts) {
		if line = strings.TrimSpace(line); line != "" && !slices.Contains(said, line) {
			said = append(said, line)
		}
	}
	if len(said) == 0 {
		return first
	}
	return first + " " + strings.Join(said, "; ")
}

// wrap makes the error of a method. An error of the backend of the data is unwrapped: who
// called this backend knows its keys alone.
func wrap(op string, key backend.Key, err error) error {
	if err == nil {
		return nil
	}
	var e *backend.Error
	if errors.As(err, &e) {
		if e.Backend == scheme {
			return err
		}
		err = fmt.Errorf("its data, %s %s: %w", e.Backend, e.Op, e.Err)
	}
	return &backend.Error{Op: op, Backend: scheme, Key: key, Err: err}
}
