//go:build unix

package s3_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/backend/blob/s3"
)

// What a credential_process prints never appears, whatever is wrong with it.
func TestCredentialProcess(t *testing.T) {
	const secret = "SECRETwJalrXUtnFEMI"
	config := filepath.Join(t.TempDir(), "config")
	t.Setenv("AWS_CONFIG_FILE", config)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", config+"-none")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, process := range []string{
		"/bin/echo not JSON " + secret,
		`/bin/echo {"Version":1,"AccessKeyId":"` + secret + strings.Repeat("x", 5000) + ``,
		"/bin/sh -c \"echo " + secret + " >&2; exit 1\"",
	} {
		if err := os.WriteFile(config, []byte("[profile lab]\nregion = r\ncredential_process = "+process+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := s3.Open(context.Background(), "bucket", &s3.Options{Profile: "lab", Endpoint: "http://127.0.0.1:1"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Stat(context.Background(), backend.Key{Shelf: "s", Name: "n"})
		if err == nil || strings.Contains(err.Error(), secret) || len(err.Error()) > 1000 || !strings.Contains(err.Error(), "credential_process") {
			t.Errorf("%.40s: %v; want an error that names credential_process, and not what it printed", process, err)
		}
		b.Close()
	}
}
