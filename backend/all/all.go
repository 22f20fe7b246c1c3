// Package all links every backend of Larder, so that any of their URLs opens. It brings in
// the SDKs of all clouds; a program that needs one backend imports that one.
package all

import (
	_ "github.com/larder-store/larder/backend/blob/azure"
	_ "github.com/larder-store/larder/backend/blob/file"
	_ "github.com/larder-store/larder/backend/blob/gcs"
	_ "github.com/larder-store/larder/backend/blob/s3"
	_ "github.com/larder-store/larder/backend/mem"
	_ "github.com/larder-store/larder/backend/shelve"
	_ "github.com/larder-store/larder/backend/sql"
	_ "github.com/larder-store/larder/backend/tar"
	_ "github.com/larder-store/larder/backend/tier"
)
