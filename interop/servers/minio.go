package servers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// minioVersion is the last of MinIO.
const minioVersion = "v0.0.0-20260212201848-7aac2a2c5b7c"

// MinIO is MinIO over one directory. Building it takes some minutes, once for a user, and so it is left
// to longer runs: the test is skipped unless LARDER_MINIO is set.
func MinIO(t testing.TB) *Server {
	t.Helper()
	if os.Getenv("LARDER_MINIO") == "" {
		t.Skip("MinIO is for longer runs: set LARDER_MINIO=1")
	}
	return minio(t)
}

var minio = once(func() (*Server, error) {
	exe, err := installMinIO()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "larder-minio-")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	cmd := exec.Command(exe, "server", filepath.Join(dir, "data"), "--address", address)
	cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+AccessKey, "MINIO_ROOT_PASSWORD="+SecretKey,
		"MINIO_BROWSER=off", "MINIO_UPDATE=off", "HOME="+dir)
	return run(cmd, "MinIO", "http://"+address, dir)
})

// installMinIO builds MinIO into the user's cache. It is no requirement of this module: what it pins
// would pin everything here.
func installMinIO() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "larder-interop", "minio-"+minioVersion)
	exe := filepath.Join(dir, "minio")
	if _, err := os.Stat(exe); err == nil {
		return exe, nil
	}
	cmd := exec.Command("go", "install", "github.com/minio/minio@"+minioVersion)
	cmd.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build MinIO: %w: %s", err, out)
	}
	return exe, nil
}
