//go:build unix

package sql_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/larder-store/larder/internal/pgtest"
)

// certificate makes a self-signed one for 127.0.0.1, and returns the names of its file and that of its key.
func certificate(t testing.TB, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "larder test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:        true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("server.crt", "CERTIFICATE", der), write("server.key", "PRIVATE KEY", secret)
}

// Connections are encrypted and the server is known by its certificate, as libpq's parameters say; a role's password comes
// from a file, and a whole connection from a service file.
func TestSecureConnections(t *testing.T) {
	c := pgtest.New(t)
	conn, _ := connect(t, c.URL())
	cert, key := certificate(t, filepath.Join(c.Dir, "data"))
	c.Own(t, cert, key)
	mustExec(t, conn, "CREATE ROLE lab LOGIN PASSWORD '"+secret+"'")
	mustExec(t, conn, "GRANT CREATE ON DATABASE postgres TO lab")
	c.Trust(t, "hostssl all lab 127.0.0.1/32 scram-sha-256\nhost all lab 127.0.0.1/32 reject\n")
	mustExec(t, conn, "ALTER SYSTEM SET ssl = on")
	mustExec(t, conn, "SELECT pg_reload_conf()")

	dir := t.TempDir()
	stranger, _ := certificate(t, dir)
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	passfile := write("pgpass", fmt.Sprintf("127.0.0.1:%d:postgres:lab:%s\n", c.Port, secret))
	services := write("services", fmt.Sprintf("[larder]\nhost=127.0.0.1\nport=%d\ndbname=postgres\nuser=lab\nsslmode=verify-full\nsslrootcert=%s\n", c.Port, cert))
	server := fmt.Sprintf("postgres://lab@127.0.0.1:%d/postgres", c.Port)

	for _, tc := range []struct {
		name   string
		server string
		env    [2]string
		fails  string
	}{
		{name: "verified", server: server + "?sslmode=verify-full&sslrootcert=" + cert + "&passfile=" + passfile},
		{name: "password file of the environment", server: server + "?sslmode=require", env: [2]string{"PGPASSFILE", passfile}},
		{name: "password of the environment", server: server + "?sslmode=require", env: [2]string{"PGPASSWORD", secret}},
		{name: "service", server: "postgres://?service=larder&servicefile=" + services + "&passfile=" + passfile},
		{name: "service of the environment", server: "postgres://?service=larder&passfile=" + passfile, env: [2]string{"PGSERVICEFILE", services}},
		{name: "certificate of a stranger", server: server + "?sslmode=verify-full&sslrootcert=" + stranger + "&passfile=" + passfile, fails: "certificate"},
		{name: "another host than the certificate's", server: strings.Replace(server, "127.0.0.1", "localhost", 1) + "?sslmode=verify-full&sslrootcert=" + cert + "&password=" + secret, fails: "localhost"},
		{name: "without TLS", server: server + "?sslmode=disable&passfile=" + passfile, fails: "reject"},
		{name: "no such service", server: "postgres://?service=nothing&servicefile=" + services, fails: "nothing"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.env[0] != "" {
				t.Setenv(tc.env[0], tc.env[1])
			}
			b, err := openURL(context.Background(), place(t, tc.server))
			if tc.fails != "" {
				if err == nil {
					b.Close()
					t.Fatal("Open succeeds")
				}
				if text := err.Error(); !strings.Contains(text, tc.fails) || strings.Contains(text, secret) {
					t.Errorf("Open = %v, want %q in it, and no password", err, tc.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			mustPut(t, b, theKey, old)
			if got := get(t, b, theKey); got != old {
				t.Errorf("the key holds %.8q, want the old value", got)
			}
		})
	}
}
