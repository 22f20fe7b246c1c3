package sql

import (
	"math/big"
	"strconv"
	"strings"
)

// maxPatterns bounds the ways to read a path: each dot may be part of a name, and each number may be a
// name or the place in a list.
const maxPatterns = 16

// waysOf returns the ways to read a path, each as its steps; nil if they are too many.
func waysOf(path string) [][]string {
	if path == "" {
		return [][]string{{}}
	}
	dots := strings.Count(path, ".")
	if dots > 4 {
		return nil
	}
	var ways [][]string
	words := strings.Split(path, ".")
	for mask := range 1 << dots {
		way := []string{words[0]}
		for i := range dots {
			if mask>>i&1 == 1 {
				way[len(way)-1] += "." + words[i+1]
			} else {
				way = append(way, words[i+1])
			}
		}
		ways = append(ways, way)
	}
	return ways
}

// isPlace reports whether a step may be the place in a list.
func isPlace(step string) bool {
	n, err := strconv.Atoi(step)
	return err == nil && n >= 0 && step == strconv.Itoa(n)
}

// patterns returns what parameters contain that have a value at a path, as JSON; nil if there are too
// many such patterns, or the value cannot be written.
func patterns(path string, v any) []string {
	value, exact := jsonOf(v)
	if !exact {
		return nil
	}
	var all []string
	for _, way := range waysOf(path) {
		ps := []string{string(value)}
		for i := len(way) - 1; i >= 0; i-- {
			if !isText(way[i]) {
				return nil
			}
			var outer []string
			for _, p := range ps {
				outer = append(outer, "{"+jsonText(way[i])+":"+p+"}")
				if isPlace(way[i]) {
					outer = append(outer, "["+p+"]")
				}
			}
			if ps = outer; len(ps) > maxPatterns {
				return nil
			}
		}
		if all = append(all, ps...); len(all) > maxPatterns {
			return nil
		}
	}
	return all
}

// jsonPaths returns the ways to read a path as jsonpath; nil if there are too many.
func jsonPaths(path string) []string {
	var all []string
	for _, way := range waysOf(path) {
		ps := []string{"$"}
		for _, step := range way {
			if !isText(step) {
				return nil
			}
			var longer []string
			for _, p := range ps {
				longer = append(longer, p+"."+jsonText(step))
				if isPlace(step) {
					longer = append(longer, p+"["+step+"]")
				}
			}
			if ps = longer; len(ps) > maxPatterns {
				return nil
			}
		}
		if all = append(all, ps...); len(all) > maxPatterns {
			return nil
		}
	}
	return all
}

func isNumber(v any) bool {
	switch v.(type) {
	case int64, uint64, float64, *big.Int:
		return true
	}
	return false
}

// literal returns a text as SQL: an index is found by its expression, which has no parameters.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
