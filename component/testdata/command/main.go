// Command command prints the types that component.Of gives to values of its own types.
package main

import (
	"fmt"

	"github.com/larder-store/larder/component"
)

type options struct{ N int }

type list[T any] struct{ Items []T }

func main() {
	fmt.Printf("%q\n", component.Of(options{}, "1").Type())
	fmt.Printf("%q\n", component.Of(&list[options]{}, "1").Type())
}
