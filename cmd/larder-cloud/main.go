// Command larder-cloud is larder with every backend linked. Nobody needs to call it: larder
// becomes it where the store is in a bucket.
package main

import (
	_ "github.com/larder-store/larder/backend/all"
	"github.com/larder-store/larder/internal/cli"
)

func main() { cli.Main() }
