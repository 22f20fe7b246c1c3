//go:build cloud

package main

// With the tag "cloud" larder opens buckets, too. It is then five times as large, and takes some
// 10 ms longer to start, which is twice as long as all of a hit on a shelf.
import (
	_ "github.com/larder-store/larder/backend/blob/azure"
	_ "github.com/larder-store/larder/backend/blob/gcs"
	_ "github.com/larder-store/larder/backend/blob/s3"
)
