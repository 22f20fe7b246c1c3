package gcs

import "net/http"

// Unbroken is the transport that never ends a broken body well.
func Unbroken(next http.RoundTripper) http.RoundTripper { return &unbroken{next} }
