package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// parseSince reads an age, such as 90m, 12h or 30d, or a date.
func parseSince(text string, now time.Time) (time.Time, error) {
	if d, err := parseAge(text); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is neither an age, such as 90m, 12h or 30d, nor a date, such as 2026-03-01", text)
}

// parseAge reads a length of time: Go's units, or days or weeks.
func parseAge(text string) (time.Duration, error) {
	bad := fmt.Errorf("%q is no age, such as 90m, 12h or 30d", text)
	for unit, d := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		digits, ok := strings.CutSuffix(text, unit)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(digits, 64)
		if err != nil || strings.Trim(digits, "0123456789.") != "" || v > maxDays {
			return 0, bad
		}
		return time.Duration(v * float64(d)), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, bad
	}
	return d, nil
}

// maxDays keeps an age within a time.Duration, weeks too.
const maxDays = 15_000
