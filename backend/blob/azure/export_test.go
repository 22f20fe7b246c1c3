package azure

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// Watch is the policy that sees the requests of an upload.
var Watch policy.Policy = policyFunc(watch)

// Watched is the context of an upload.
func Watched(ctx context.Context) context.Context { return new(upload).watched(ctx) }
