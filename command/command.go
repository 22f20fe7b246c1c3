// Package command is the command larder as a function, for programs with a backend of their own:
// a program that imports that backend and calls [Main] is larder with one scheme more.
//
// docs/your-backend.md shows such a program.
package command

import "github.com/larder-store/larder/internal/cli"

// Main runs the command with the arguments, streams and environment of the process, on whatever
// backends the program links, and ends the process. Call it first of all in main: "larder
// conformance" starts the program again as a helper process.
func Main() { cli.Main() }
