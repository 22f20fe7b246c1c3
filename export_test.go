package larder

import "time"

// SetClock replaces the clock that MaxAge is judged by.
func SetClock(s *Store, now func() time.Time) { s.now = now }
