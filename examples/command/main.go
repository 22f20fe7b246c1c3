// Command command is larder with a backend of one's own.
package main

import (
	_ "github.com/larder-store/larder/backend/shelve" // plain paths, and the user's own store
	"github.com/larder-store/larder/command"
	_ "github.com/larder-store/larder/examples/custombackend" // folder:
)

func main() { command.Main() }
