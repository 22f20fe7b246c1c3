package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// The account that Azurite always has; its key is public.
const (
	AzureAccount = "devstoreaccount1"
	AzureKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// azuriteVersion is the last that asks for no newer Node than 20.
const azuriteVersion = "3.35.0"

// Azurite is Microsoft's emulator, installed by npm into the user's cache at its first use.
var Azurite = once(func() (*Server, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, &missingError{"Azurite needs node, which is not on this machine"}
	}
	const script = "dist/src/blob/main.js"
	installed, err := npm("azurite", azuriteVersion, script)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "larder-azurite-")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(node, filepath.Join(installed, filepath.FromSlash(script)), "--blobHost", "127.0.0.1", "--blobPort", fmt.Sprint(port),
		"--silent", "--disableTelemetry", "--inMemoryPersistence", "--skipApiVersionCheck")
	cmd.Dir = dir
	return run(cmd, "azurite", fmt.Sprintf("http://127.0.0.1:%d", port), dir)
})

// AzureContainer makes a fresh container on Azurite and returns its name. It is deleted at the end
// of t: whatever Azurite does takes the longer the more it holds.
func AzureContainer(t testing.TB) string {
	t.Helper()
	s := Azurite(t)
	name := fmt.Sprintf("larder-%d-%d", os.Getpid(), buckets.Add(1))
	credential, err := container.NewSharedKeyCredential(AzureAccount, AzureKey)
	if err != nil {
		t.Fatal(err)
	}
	// Azurite sometimes leaves a request without an answer.
	impatient := &container.ClientOptions{ClientOptions: azcore.ClientOptions{Retry: policy.RetryOptions{TryTimeout: 30 * time.Second}}}
	c, err := container.NewClientWithSharedKeyCredential(s.URL+"/"+AzureAccount+"/"+name, credential, impatient)
	if err == nil {
		_, err = c.Create(context.Background(), nil)
	}
	if err != nil && !bloberror.HasCode(err, bloberror.ContainerAlreadyExists) { // by the try before
		t.Fatalf("create container %s: %v", name, err)
	}
	t.Cleanup(func() {
		if _, err := c.Delete(context.Background(), nil); err != nil && !bloberror.HasCode(err, bloberror.ContainerNotFound, bloberror.ContainerBeingDeleted) {
			t.Errorf("delete container %s: %v", name, err)
		}
	})
	return name
}
