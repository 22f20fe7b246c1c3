package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/larder-store/larder/backend"
	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/internal/terminal"
)

const (
	// maxCompletions is how many words are offered: more would not be read.
	maxCompletions = 100
	// completionTime bounds the look into the store: a person waits for it at the keyboard.
	completionTime = 2 * time.Second
)

// completeAddress offers the keys and types of what is stored.
func (a *app) completeAddress(cmd *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.complete(cmd.Context(), begun, func(e catalog.Entry, offer func(word, what string)) {
		what := e.Description.Type + "  " + parameterText(plain(e.Description.Parameters))
		offer(short(e.ID), what)
		if begun != "" { // else each component would be there twice
			offer(e.Description.Type, what)
		}
	})
}

// completeType offers the types of what is stored.
func (a *app) completeType(cmd *cobra.Command, _ []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return a.complete(cmd.Context(), begun, func(e catalog.Entry, offer func(word, what string)) {
		offer(e.Description.Type, "")
	})
}

// complete offers words about each entry of the store that begin as the user has begun. Where requests are
// costly, and where anything fails, nothing is offered.
func (a *app) complete(ctx context.Context, begun string, words func(e catalog.Entry, offer func(word, what string))) ([]cobra.Completion, cobra.ShellCompDirective) {
	var found []cobra.Completion
	seen := map[string]bool{}
	offer := func(word, what string) {
		if word == "" || seen[word] || !strings.HasPrefix(word, begun) {
			return
		}
		seen[word] = true
		found = append(found, cobra.CompletionWithDesc(terminal.Clean(word), terminal.Clean(cutText(what))))
	}
	a.quiet = true
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	store, err := a.openToRead(ctx) // a bucket's is unknown here: the shell does not wait for it
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	defer store.Close()
	if backend.LimitsOf(store.Backend()).CostlyRequests {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for e, err := range catalog.Find(ctx, store, component.Query{}) {
		if err != nil || len(found) >= maxCompletions {
			break
		}
		words(e, offer)
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}
