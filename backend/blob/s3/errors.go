package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/smithy-go"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
	"github.com/larder-store/larder/internal/guard"
)

// errPrecondition: 412. What it means depends on the condition.
var errPrecondition = errors.New("precondition failed")

// lockTimeout is what MinIO answers where another request held the object's lock for half a minute.
const lockTimeout = 499

// translate makes of an SDK's error one that says what to do, and holds no secret.
// need is the permission that the call takes.
func (b *bucket) translate(ctx context.Context, err error, need string) error {
	if err == nil {
		return nil
	}
	var body *bodyError
	if errors.As(err, &body) {
		return body.err
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var response *awshttp.ResponseError
	status, header := 0, http.Header{}
	if errors.As(err, &response) && response.Response != nil {
		status, header = response.HTTPStatusCode(), response.Response.Header
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		return b.answered(ctx, api, status, header, need)
	}
	var sent *url.Error
	switch {
	case errors.As(err, &sent):
		return fmt.Errorf("%w: bucket %q: %s cannot be reached: %w; check the network and the endpoint", backend.ErrUnavailable, b.name, b.where(), sent.Err)
	case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests || status >= 500:
		return fmt.Errorf("%w: bucket %q: %s answered HTTP %d", backend.ErrUnavailable, b.name, b.where(), status)
	case status != 0:
		return b.notS3(status, header)
	}
	return fmt.Errorf("bucket %q: no request could be made; are there credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, the machine's role)? For a public bucket add anonymous=true: %s", b.name, guard.Quote(b.clean(ctx, cause(err))))
}

// cause returns the innermost words of a chain that repeats itself.
func cause(err error) string {
	var process *processcreds.ProviderError
	if errors.As(err, &process) { // whose words may repeat the credentials that the process printed
		return "credential_process of the profile failed, or did not print what it should"
	}
	var op *smithy.OperationError
	if errors.As(err, &op) {
		err = op.Err
	}
	return err.Error()
}

// verdicts are the kinds of errors that services say by a code.
var verdicts = map[string]func(b *bucket, code string, header http.Header, need string) error{}

func init() {
	for _, v := range []struct {
		codes string
		say   func(b *bucket, code string, header http.Header, need string) error
	}{
		{"NoSuchBucket", func(b *bucket, _ string, _ http.Header, _ string) error {
			return fmt.Errorf("bucket %q does not exist at %s; create it, or correct the URL", b.name, b.where())
		}},
		{"NoSuchKey", plain(backend.ErrNotFound)},
		{"PreconditionFailed", plain(errPrecondition)},
		{"InvalidRange", plain(driver.ErrRange)},
		{"AccessDenied AllAccessDisabled Forbidden AccountProblem", func(b *bucket, code string, _ http.Header, need string) error {
			return fmt.Errorf("bucket %q: %w: the credentials in use lack %s (%s); %s", b.name, fs.ErrPermission, need, code, grant(need))
		}},
		// the last one is versitygw's
		{"InvalidAccessKeyId SignatureDoesNotMatch InvalidToken TokenRefreshRequired UnauthorizedAccess NotSignedUp XAdminUserNotFound", func(b *bucket, code string, _ http.Header, _ string) error {
			return fmt.Errorf("bucket %q: %w: the service refused the credentials (%s); check them, and that they belong to %s", b.name, fs.ErrPermission, code, b.where())
		}},
		{"ExpiredToken ExpiredTokenException", func(b *bucket, _ string, _ http.Header, _ string) error {
			return fmt.Errorf("bucket %q: %w: the credentials have expired; log in again", b.name, fs.ErrPermission)
		}},
		{"RequestTimeTooSkewed", func(b *bucket, _ string, _ http.Header, _ string) error {
			return fmt.Errorf("bucket %q: %w: this machine's clock and the service's differ by too much; set it right", b.name, fs.ErrPermission)
		}},
		{"PermanentRedirect TemporaryRedirect AuthorizationHeaderMalformed IllegalLocationConstraintException MovedPermanently BadRequest", elsewhere},
		{"NotImplemented", func(b *bucket, _ string, _ http.Header, _ string) error {
			return fmt.Errorf("%w: bucket %q: %s has no such function; for conditional writes add if_absent=none to the URL, for checksums checksum=when_required", errors.ErrUnsupported, b.name, b.where())
		}},
		{"NoSuchUpload", func(b *bucket, _ string, _ http.Header, _ string) error {
			return fmt.Errorf("%w: bucket %q: the upload was aborted by another program or a lifecycle rule, or is finished already", backend.ErrUnavailable, b.name)
		}},
		{"EntityTooLarge KeyTooLongError MetadataTooLarge", func(b *bucket, code string, _ http.Header, _ string) error {
			return fmt.Errorf("%w: bucket %q: %s says %s", backend.ErrTooLarge, b.name, b.where(), code)
		}},
		{"BadDigest InvalidDigest XAmzContentSHA256Mismatch XAmzContentChecksumMismatch", func(b *bucket, code string, _ http.Header, _ string) error {
			return fmt.Errorf("%w: bucket %q: what arrived at %s is not what was summed (%s): it was damaged on the way, or changed while it was sent", backend.ErrUnavailable, b.name, b.where(), code)
		}},
		{"SlowDown InternalError ServiceUnavailable RequestTimeout ConditionalRequestConflict OperationAborted ThrottlingException TooManyRequestsException", func(b *bucket, code string, _ http.Header, _ string) error {
			return fmt.Errorf("%w: bucket %q: %s still says %s after %d attempts", backend.ErrUnavailable, b.name, b.where(), code, driver.Attempts)
		}},
	} {
		for code := range strings.FieldsSeq(v.codes) {
			verdicts[code] = v.say
		}
	}
}

// plain is the verdict that needs no words.
func plain(err error) func(*bucket, string, http.Header, string) error {
	return func(*bucket, string, http.Header, string) error { return err }
}

// elsewhere is the verdict on a bucket that is not where the URL says.
func elsewhere(b *bucket, code string, header http.Header, _ string) error {
	if region := header.Get("X-Amz-Bucket-Region"); region != "" && region != b.client.Options().Region {
		return fmt.Errorf("bucket %q is in the region %s, not in %s; add region=%s to the URL", b.name, region, b.client.Options().Region, region)
	}
	return fmt.Errorf("bucket %q is not in the region %s, or not at %s; correct region or endpoint in the URL (%s)", b.name, b.client.Options().Region, b.where(), code)
}

// answered translates what the service said: by its code, else by the status.
func (b *bucket) answered(ctx context.Context, api smithy.APIError, status int, header http.Header, need string) error {
	code := guard.Quote(api.ErrorCode())
	if say, ok := verdicts[code]; ok {
		return say(b, code, header, need)
	}
	switch {
	case status == http.StatusNotFound && code == "NotFound" && header.Get("Content-Type") != "text/html":
		return backend.ErrNotFound // HEAD has no body to say more
	case status < 400, strings.Contains(header.Get("Content-Type"), "text/html"),
		status == http.StatusNotFound && (code == "NotFound" || code == "UnknownError"): // the SDK's words for no word
		return b.notS3(status, header)
	case status == http.StatusPreconditionFailed:
		return errPrecondition
	case status == http.StatusRequestedRangeNotSatisfiable:
		return driver.ErrRange
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		return fmt.Errorf("bucket %q: %w: the credentials in use lack %s, or were refused (%s, HTTP %d); %s", b.name, fs.ErrPermission, need, code, status, grant(need))
	case status >= 500 || status == http.StatusTooManyRequests || status == lockTimeout:
		return fmt.Errorf("%w: bucket %q: %s says %s (HTTP %d)", backend.ErrUnavailable, b.name, b.where(), code, status)
	}
	return fmt.Errorf("bucket %q: %s says %s (HTTP %d): %s", b.name, b.where(), code, status, guard.Quote(b.clean(ctx, api.ErrorMessage())))
}

// grant is the remedy for a permission that is lacking.
func grant(need string) string {
	if need == "s3:GetObject" {
		return "grant it, and s3:ListBucket, without which even an absent object is forbidden"
	}
	return "grant it, or use others"
}

func (b *bucket) notS3(status int, header http.Header) error {
	return fmt.Errorf("bucket %q: %s does not answer like S3 (HTTP %d, %s); is the endpoint right?", b.name, b.where(), status, orNone(header.Get("Content-Type")))
}

func orNone(s string) string {
	if s == "" {
		return "no content type"
	}
	return s
}

// where names the service.
func (b *bucket) where() string {
	if e := b.client.Options().BaseEndpoint; e != nil {
		if u, err := url.Parse(*e); err == nil {
			return u.Scheme + "://" + u.Host
		}
	}
	return "S3 in " + b.client.Options().Region
}

// clean takes the credentials in use out of a text that others wrote.
func (b *bucket) clean(ctx context.Context, text string) string {
	provider := b.client.Options().Credentials
	if provider == nil || aws.IsCredentialsProvider(provider, aws.AnonymousCredentials{}) {
		return text
	}
	c, err := provider.Retrieve(ctx)
	if err != nil {
		return text
	}
	for _, secret := range []string{c.SecretAccessKey, c.SessionToken, c.AccessKeyID} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "…")
		}
	}
	return text
}
