// Command typecheck type-checks all packages of this module, with their tests, for the systems named:
//
//	go run ./internal/ci/typecheck darwin/arm64 windows/amd64
//
// It finds what does not compile there in a tenth of the time of `go vet` or `go build`, which compile every
// dependency for each system: of dependencies it reads the declarations alone.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: typecheck OS/ARCH ...")
		os.Exit(2)
	}
	var failed error
	for _, system := range os.Args[1:] {
		failed = errors.Join(failed, check(system))
	}
	if failed != nil {
		fmt.Fprintln(os.Stderr, failed)
		os.Exit(1)
	}
}

// check returns what does not compile for a system.
func check(system string) error {
	goos, arch, ok := strings.Cut(system, "/")
	if !ok {
		return fmt.Errorf("%s: write OS/ARCH, such as windows/amd64", system)
	}
	loaded, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedDeps |
			packages.NeedTypes | packages.NeedTypesInfo | packages.NeedSyntax | packages.NeedTypesSizes,
		Env:   append(os.Environ(), "GOOS="+goos, "GOARCH="+arch, "CGO_ENABLED=0"),
		Tests: true,
	}, "./...")
	if err != nil {
		return fmt.Errorf("%s: %w", system, err)
	}
	if len(loaded) == 0 {
		return fmt.Errorf("%s: no packages here", system)
	}
	var found []error
	packages.Visit(loaded, nil, func(p *packages.Package) {
		for _, e := range p.Errors {
			found = append(found, fmt.Errorf("%s: %s", system, e))
		}
	})
	return errors.Join(found...)
}
