package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/larder-store/larder/internal/terminal"
)

// shortID is how much of a key is shown: enough to distinguish millions.
const shortID = 12

func short(id string) string {
	if len(id) > shortID {
		return id[:shortID]
	}
	return id
}

// duration writes a length of time with about three digits.
func duration(d time.Duration) string {
	switch {
	case d == 0:
		return "0 s"
	case d < time.Millisecond:
		return "under 1 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

// age says how long ago something was, in its largest unit.
func age(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 2*day:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d/day))
}

// size writes a number of bytes with about three digits, in powers of 1,024.
func size(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n), 0
	for v >= 1024 && unit < 4 {
		v /= 1024
		unit++
	}
	if v < 10 {
		return fmt.Sprintf("%.1f %ciB", v, " KMGT"[unit])
	}
	return fmt.Sprintf("%.0f %ciB", v, " KMGT"[unit])
}

func shortVersion(v string) string {
	if kind, digest, ok := strings.Cut(v, ":"); ok && len(digest) > shortID {
		return kind + ":" + digest[:7]
	}
	return v
}

// parameterText writes parameters in the form of the flag -p.
func parameterText(v any) string {
	if v == nil {
		return ""
	}
	m, ok := plain(v).(map[string]any)
	if !ok {
		return jsonText(plain(v))
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		text, ok := m[k].(string)
		if !ok || json.Valid([]byte(text)) || text != printable(text) {
			text = jsonText(m[k])
		}
		parts = append(parts, printable(k)+"="+text)
	}
	return strings.Join(parts, " ")
}

// commandText writes a command line as one would type it.
func commandText(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		if quoted[i] = arg; arg == "" || strings.ContainsFunc(arg, notBare) {
			quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return printable(strings.Join(quoted, " "))
}

// notBare reports whether a shell would not take r as it is.
func notBare(r rune) bool {
	return r <= ' ' || strings.ContainsRune("|&;<>()$`\\\"'*?[]#~{}!", r)
}

func jsonText(v any) string {
	var b strings.Builder
	if err := writeJSON(&b, v); err != nil {
		return "?"
	}
	return strings.TrimSpace(b.String())
}

// printable returns a text that leaves a terminal and a table as they are.
func printable(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r == '\n' || r == '\t' || terminal.Disturbs(r) }) {
		return fmt.Sprintf("%q", s)
	}
	return s
}

func orUnknown(typ string) string {
	if typ == "" {
		return "?"
	}
	return typ
}

// shownText is how much of an input's parameters is shown in its line.
const shownText = 100

func cutText(s string) string {
	if r := []rune(s); len(r) > shownText {
		return string(r[:shownText-1]) + "…"
	}
	return s
}

// out is standard output for text.
func (a *app) out() io.Writer { return terminal.NewWriter(a.stdout) }

// terminalOf writes text to w.
func terminalOf(w io.Writer) io.Writer { return terminal.NewWriter(w) }

// words is standard error for text.
func (a *app) words() io.Writer { return terminal.NewWriter(a.stderr) }
