package cli

import (
	"fmt"
	"time"

	"github.com/larder-store/larder/catalog"
)

// parseSince reads an age, such as 90m, 12h or 30d, or a date.
func parseSince(text string, now time.Time) (time.Time, error) {
	if d, err := catalog.ParseAge(text); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02 15:04", time.DateOnly} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is neither an age, such as 90m, 12h or 30d, nor a date, such as 2026-03-01", text)
}
