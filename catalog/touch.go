package catalog

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/spool"
)

// Touch makes now the time at which a value was stored, and leaves its bytes as they are: for values that are as good as
// new, when their age counts.
//
// No backend can change that time alone, so the value is read, verified and stored again: it costs what a Get and a Put cost, and
// a long value a temporary file. It is stored only if nobody changed it meanwhile; a value that somebody did change is new
// already. A corrupt value stays as it is, and is an error that matches [larder.ErrCorrupt].
func Touch(ctx context.Context, store *larder.Store, e Entry) error {
	b := store.Backend()
	if !backend.LimitsOf(b).AtomicIfMatch {
		return fmt.Errorf("touch %q: %w: this backend cannot store a value on the condition that nobody else did", e.Info.Key, errors.ErrUnsupported)
	}
	body, info, err := b.Get(ctx, e.Info.Key)
	if err != nil {
		return err
	}
	defer body.Close()
	verified, err := backend.Verify(body, info)
	if err != nil {
		return fmt.Errorf("touch %q: %w", e.Info.Key, err)
	}
	held, err := spool.Read(verified, "")
	if err != nil {
		return fmt.Errorf("touch %q: %w", e.Info.Key, err)
	}
	defer held.Close()
	if err := body.Close(); err != nil { // some backends hold a lock meanwhile
		return err
	}
	if _, err := held.Body.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err = b.Put(ctx, e.Info.Key, held.Body, backend.PutOptions{
		Size: held.Size, Digest: held.Digest, Sum: held.Sum, Meta: info.Meta, IfMatch: info.Version,
	})
	if errors.Is(err, backend.ErrChanged) {
		return nil
	}
	return err
}
