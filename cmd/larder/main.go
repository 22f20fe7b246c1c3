// Command larder keeps what commands have made, so that nobody computes it twice, and
// looks after the store where it is kept. It links the stores of this machine; for one in a bucket
// larder-cloud takes its place.
package main

import "github.com/larder-store/larder/internal/cli"

func main() { cli.Main() }
