package cli

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/larder-store/larder/catalog"
	"github.com/larder-store/larder/component"
)

// changeText is a change as JSON.
type changeText struct {
	Path   string       `json:"path"`
	Kind   string       `json:"kind"`
	Before any          `json:"before,omitempty"`
	After  any          `json:"after,omitempty"`
	Label  string       `json:"label,omitempty"`
	Type   string       `json:"type,omitempty"`
	Stored *time.Time   `json:"stored,omitempty"`
	Within []changeText `json:"within,omitempty"`
}

func changesJSON(changes []catalog.Change) []changeText {
	all := make([]changeText, len(changes))
	for i, c := range changes {
		all[i] = changeText{Path: c.Path, Kind: string(c.Kind), Before: plain(c.Before), After: plain(c.After),
			Label: c.Label, Type: c.Type, Within: changesJSON(c.Within)}
		if !c.Stored.IsZero() {
			stored := c.Stored.UTC()
			all[i].Stored = &stored
		}
	}
	return all
}

// nameOf is what a person calls the place of a change.
func nameOf(c catalog.Change) string {
	switch {
	case c.Label != "" && c.Type == component.CommandType:
		return c.Label
	case c.Label != "":
		return "input " + printable(c.Label)
	case strings.HasPrefix(c.Path, "inputs[") && c.Type != "":
		return fmt.Sprintf("%s (%s)", c.Path, printable(c.Type))
	}
	return printable(c.Path)
}

// changeWords says what a change was, in a few words.
func changeWords(c catalog.Change, now time.Time) string {
	isInput := strings.HasPrefix(c.Path, "inputs[")
	stored := ""
	if isInput && !c.Stored.IsZero() {
		stored = fmt.Sprintf(" (stored %s ago)", age(now.Sub(c.Stored)))
	}
	switch c.Kind {
	case catalog.Relabeled:
		return fmt.Sprintf("was called %s%s", shownValueText(c.Before), stored)
	case catalog.Moved:
		return "is at another place" + stored
	case catalog.Added:
		if isInput {
			return "added"
		}
		return "added: " + shownValueText(c.After)
	case catalog.Removed:
		if isInput {
			return "removed" + stored
		}
		return "removed: " + shownValueText(c.Before)
	}
	if before, after, ok := fileSizes(c); ok {
		if before == after {
			return "other contents, " + after + stored
		}
		return fmt.Sprintf("other contents, %s -> %s%s", before, after, stored)
	}
	if isInput {
		return fmt.Sprintf("%s -> %s%s", short(fmt.Sprint(c.Before)), short(fmt.Sprint(c.After)), stored)
	}
	words := fmt.Sprintf("%s -> %s", shownValueText(c.Before), shownValueText(c.After))
	if c.Path == "version" {
		words = fmt.Sprintf("%s -> %s", printable(shortVersion(fmt.Sprint(c.Before))), printable(shortVersion(fmt.Sprint(c.After))))
	}
	return words
}

// fileSizes returns the sizes of a file whose contents changed.
func fileSizes(c catalog.Change) (before, after string, ok bool) {
	if c.Type != component.FileType || c.Kind != catalog.Changed || len(c.Within) == 0 {
		return "", "", false
	}
	before, after = "the same size", "the same size"
	for _, w := range c.Within {
		if w.Path != "parameters.size" {
			continue
		}
		x, isSize := w.Before.(int64)
		y, areSizes := w.After.(int64)
		if isSize && areSizes {
			before, after = size(x), size(y)
			if before == after { // too near to tell apart
				before, after = fmt.Sprintf("%d B", x), fmt.Sprintf("%d B", y)
			}
		}
	}
	return before, after, true
}

// valueText bounds what is shown of a value.
const valueText = 60

func shownValueText(v any) string {
	text, ok := "", false
	if b, isBytes := v.([]byte); isBytes {
		text, ok = "0x"+hex.EncodeToString(b[:min(len(b), valueText)]), true
	}
	if !ok {
		text = jsonText(plain(v))
	}
	if r := []rune(text); len(r) > valueText {
		text = string(r[:valueText-1]) + "…"
	}
	return printable(text)
}

// hintChanges is how many changes a hint tells.
const hintChanges = 3

// hint says in one line how a run differs from the nearest earlier one.
func hint(n catalog.Near, now time.Time) string {
	flat := flatten("", n.Changes)
	words := make([]string, 0, hintChanges+1)
	for i, c := range flat {
		if i == hintChanges {
			words = append(words, fmt.Sprintf("%d more", len(flat)-i))
			break
		}
		words = append(words, nameOf(c)+" "+changeWords(c, now))
	}
	return strings.Join(words, ", ")
}

// flatten returns the changes within command lines and directories in the place of these.
func flatten(inside string, changes []catalog.Change) []catalog.Change {
	var all []catalog.Change
	for _, c := range changes {
		if inside != "" {
			c.Path = inside + " " + strings.TrimPrefix(strings.TrimPrefix(c.Path, "parameters."), "parameters")
		}
		if c.Type == component.CommandType && len(c.Within) > 0 {
			all = append(all, flatten(nameOf(c), c.Within)...)
			continue
		}
		all = append(all, c)
	}
	return all
}

// tellChanges writes changes as lines of a table, what changed within an input below it.
func tellChanges(line func(name, words string), indent string, changes []catalog.Change, now time.Time) {
	for _, c := range flatten("", changes) {
		line(indent+nameOf(c), changeWords(c, now))
		if _, _, file := fileSizes(c); !file {
			tellChanges(line, indent+"  ", c.Within, now)
		}
	}
}
