package gcs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"cloud.google.com/go/storage"
	"google.golang.org/api/googleapi"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
	"github.com/larder-store/larder/internal/gocloud"
	"github.com/larder-store/larder/internal/guard"
)

// errPrecondition: 412. What it means depends on the condition.
var errPrecondition = errors.New("precondition failed")

// translate makes of a client's error one that says what to do, and holds no secret.
func (b *bucket) translate(ctx context.Context, err error, need string) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, storage.ErrObjectNotExist):
		return backend.ErrNotFound
	case errors.Is(err, storage.ErrBucketNotExist):
		return b.noBucket()
	}
	var answer *googleapi.Error
	if !errors.As(err, &answer) {
		return fmt.Errorf("%w: bucket %q: %w", backend.ErrUnavailable, b.name, gocloud.Lost(err))
	}
	switch {
	case answer.Code == http.StatusNotFound && strings.Contains(strings.ToLower(answer.Message), "bucket"):
		return b.noBucket()
	case answer.Code == http.StatusNotFound:
		return backend.ErrNotFound
	case answer.Code == http.StatusPreconditionFailed:
		return errPrecondition
	case answer.Code == http.StatusRequestedRangeNotSatisfiable:
		return driver.ErrRange
	case answer.Code == http.StatusUnauthorized:
		return fmt.Errorf("bucket %q: %w: the service wants credentials, or refused those in use; set GOOGLE_APPLICATION_CREDENTIALS or log in with gcloud", b.name, fs.ErrPermission)
	case answer.Code == http.StatusForbidden:
		return fmt.Errorf("bucket %q: %w: the credentials in use lack %s", b.name, fs.ErrPermission, need)
	case answer.Code == http.StatusTooManyRequests || answer.Code == http.StatusServiceUnavailable:
		return fmt.Errorf("%w: bucket %q: HTTP %d", backend.ErrUnavailable, b.name, answer.Code)
	case answer.Code >= 500 || answer.Code == http.StatusRequestTimeout:
		return fmt.Errorf("%w: bucket %q: %w", backend.ErrUnavailable, b.name, gocloud.Lost(fmt.Errorf("HTTP %d", answer.Code)))
	}
	return fmt.Errorf("bucket %q: HTTP %d: %s", b.name, answer.Code, guard.Quote(answer.Message))
}

func (b *bucket) noBucket() error {
	return fmt.Errorf("bucket %q does not exist; create it, or correct the URL", b.name)
}
