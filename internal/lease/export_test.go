package lease

import "time"

// SetClock replaces the watch by which c judges others.
func (c *Client) SetClock(now func() time.Time) { c.now = now }
