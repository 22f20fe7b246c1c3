package catalog

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxDays keeps an age within a time.Duration, weeks too.
const maxDays = 15_000

// ParseAge reads a length of time: Go's units, or days or weeks, such as 90m, 12h, 30d or 2w.
func ParseAge(text string) (time.Duration, error) {
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
