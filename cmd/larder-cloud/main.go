// Command larder-cloud is larder with every backend linked, and with what draws pictures. There is no need to call
// it: larder becomes it where the store is in a bucket, or a picture is asked for.
package main

import (
	_ "github.com/larder-store/larder/backend/all"
	"github.com/larder-store/larder/internal/cli"
	_ "github.com/larder-store/larder/internal/cli/picture"
)

func main() { cli.Main() }
