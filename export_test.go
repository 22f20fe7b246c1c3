package larder

import "time"

// SetClock replaces the clock that MaxAge is judged by.
func SetClock(s *Store, now func() time.Time) { s.now = now }

// Waiting returns how many callers wait for a flight, or have just joined one.
func Waiting(s *Store) (n int) {
	s.flights.mu.Lock()
	defer s.flights.mu.Unlock()
	for _, f := range s.flights.m {
		n += f.waiters
	}
	return n
}

// EndUses does what Close does about the uses of values, and leaves the backend open.
func EndUses(s *Store) { s.uses.Close() }
