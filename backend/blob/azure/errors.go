package azure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
	"github.com/larder-store/larder/internal/gocloud"
	"github.com/larder-store/larder/internal/guard"
)

var (
	// errPrecondition: the condition does not hold. What that means depends on it.
	errPrecondition = errors.New("precondition failed")
	// errStranger: the answer is none that this service gives.
	errStranger = errors.New("what answers is not Azure Blob Storage")
)

// translate makes of a client's error one that says what to do, and holds no secret.
func (b *bucket) translate(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errStranger):
		return fmt.Errorf("container %q: %w; correct account or endpoint", b.name, errStranger)
	}
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) {
		return fmt.Errorf("%w: container %q: %w", backend.ErrUnavailable, b.name, gocloud.Lost(err))
	}
	switch bloberror.Code(answer.ErrorCode) {
	case bloberror.BlobNotFound:
		return backend.ErrNotFound
	case bloberror.ContainerNotFound, bloberror.ResourceNotFound, bloberror.ContainerBeingDeleted:
		return fmt.Errorf("container %q does not exist in this account; create it, or correct the URL", b.name)
	case bloberror.ConditionNotMet, bloberror.BlobAlreadyExists, bloberror.TargetConditionNotMet:
		return errPrecondition
	case bloberror.InvalidRange:
		return driver.ErrRange
	}
	switch status := answer.StatusCode; {
	case status == http.StatusNotFound:
		return backend.ErrNotFound
	case status == http.StatusPreconditionFailed:
		return errPrecondition
	case status == http.StatusRequestedRangeNotSatisfiable:
		return driver.ErrRange
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		return fmt.Errorf("container %q: %w: the credentials were refused, or lack a role like Storage Blob Data Contributor (%s)", b.name, fs.ErrPermission, guard.Quote(answer.ErrorCode))
	case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
		return fmt.Errorf("%w: container %q: HTTP %d %s", backend.ErrUnavailable, b.name, status, guard.Quote(answer.ErrorCode))
	case status >= 500 || status == http.StatusRequestTimeout:
		return fmt.Errorf("%w: container %q: %w", backend.ErrUnavailable, b.name, gocloud.Lost(fmt.Errorf("HTTP %d %s", status, guard.Quote(answer.ErrorCode))))
	}
	return fmt.Errorf("container %q: HTTP %d %s", b.name, answer.StatusCode, guard.Quote(answer.ErrorCode))
}
