package catalog

import (
	"context"
	"slices"
	"strings"

	"github.com/larder-store/larder/backend"
)

// valueLists lists the values of components, whose keys come in ascending order. A list is a question to a server. So where many of
// the store's components are asked for it lists windows, each of the values of many; elsewhere the values of each component by themselves.
type valueLists struct {
	b      backend.Backend
	singly int // so many components more are listed by themselves

	window []backend.Info // the names behind from, up to the last one or, if it is whole, to the end
	from   string
	whole  bool
	used   int // how many components were found in the window
}

const (
	// firstSingly: an answer of a few components needs no window.
	firstSingly = 16
	// nextSingly: where a window was of little use, one is tried again after so many components.
	nextSingly = 512
	// valueWindow is how many values a window has, of which one in usefulWindow is to be of use at least: on Postgres a list of one component
	// takes 130 µs, one of 1,024 values 1 ms.
	valueWindow  = 1024
	usefulWindow = 128
)

// of returns the values of a component.
func (l *valueLists) of(ctx context.Context, key string) ([]backend.Info, error) {
	if infos, ok := l.inWindow(key); ok {
		return infos, nil
	}
	if l.window != nil && l.used*usefulWindow < len(l.window) {
		l.singly = nextSingly
	}
	l.window = nil
	if l.singly > 0 {
		l.singly--
		return l.list(ctx, backend.ListOptions{Prefix: key + "/"})
	}
	window, err := l.list(ctx, backend.ListOptions{After: key, Limit: valueWindow})
	if err != nil {
		return nil, err
	}
	l.window, l.from, l.whole, l.used = window, key, len(window) < valueWindow, 0
	if infos, ok := l.inWindow(key); ok {
		return infos, nil
	}
	l.window = nil // the component has more values than a window, which says nothing about others
	return l.list(ctx, backend.ListOptions{Prefix: key + "/"})
}

// inWindow returns the values of a component if the window has all of them.
func (l *valueLists) inWindow(key string) ([]backend.Info, bool) {
	prefix := key + "/"
	if l.window == nil || prefix <= l.from {
		return nil, false
	}
	if !l.whole {
		if last := l.window[len(l.window)-1].Key.Name; last < prefix || strings.HasPrefix(last, prefix) {
			return nil, false
		}
	}
	l.used++
	begin, _ := slices.BinarySearchFunc(l.window, prefix, func(info backend.Info, prefix string) int { return strings.Compare(info.Key.Name, prefix) })
	end := begin
	for end < len(l.window) && strings.HasPrefix(l.window[end].Key.Name, prefix) {
		end++
	}
	return l.window[begin:end], true
}

func (l *valueLists) list(ctx context.Context, opts backend.ListOptions) ([]backend.Info, error) {
	infos := []backend.Info{}
	for info, err := range l.b.List(ctx, backend.ShelfCache, opts) {
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}
