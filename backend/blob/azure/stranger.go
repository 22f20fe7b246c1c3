package azure

import (
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// known is the policy that refuses the success of another kind of service: azureblob takes
// headers for granted that only this one sends, and panics without them.
func known(req *policy.Request) (*http.Response, error) {
	resp, err := req.Next()
	if err != nil || resp.StatusCode >= 300 {
		return resp, err
	}
	h := resp.Header
	reads := req.Raw().Method == http.MethodGet || req.Raw().Method == http.MethodHead
	lists := req.Raw().URL.Query().Get("comp") == "list"
	if h.Get("x-ms-version") == "" || reads && !lists && h.Get("Last-Modified") == "" {
		resp.Body.Close()
		return nil, errStranger
	}
	if h.Get("x-ms-creation-time") == "" { // emulators
		h.Set("x-ms-creation-time", h.Get("Last-Modified"))
	}
	return resp, nil
}
