package gocloud_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/internal/driver"
	"github.com/larder-store/larder/internal/gocloud"
)

// A URL may be signed: its signature is a credential.
func TestLostShowsNoURL(t *testing.T) {
	refused := errors.New("connection refused")
	err := gocloud.Lost(fmt.Errorf("blob: %w", &url.Error{Op: "Put", URL: "https://somewhere/a?sig=SECRET", Err: refused}))
	if strings.Contains(err.Error(), "SECRET") || !errors.Is(err, refused) {
		t.Errorf("Lost = %q, want the cause without the URL", err)
	}
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		err  error
		want driver.Verdict
	}{
		{fmt.Errorf("%w: %w", backend.ErrUnavailable, gocloud.Lost(errors.New("EOF"))), driver.Lost},
		{fmt.Errorf("%w: HTTP 503", backend.ErrUnavailable), driver.Busy},
		{backend.ErrExists, driver.Refused},
		{errors.New("HTTP 400"), driver.Refused},
	} {
		if got := gocloud.Judge(c.err); got != c.want {
			t.Errorf("Judge(%v) = %v, want %v", c.err, got, c.want)
		}
	}
}

// A hatch that does not fit is an error, never a condition that is not set.
func TestHatch(t *testing.T) {
	shut := func(any) bool { return false }
	if _, err := gocloud.Hatch[*int](shut); err == nil || !strings.Contains(err.Error(), "*int") {
		t.Errorf("Hatch = %v, want an error that names the type", err)
	}
	open := func(i any) bool { *i.(*string) = "inside"; return true }
	if got, err := gocloud.Hatch[string](open); got != "inside" || err != nil {
		t.Errorf("Hatch = %q, %v", got, err)
	}
}
