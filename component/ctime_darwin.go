package component

import (
	"io/fs"
	"syscall"
	"time"
)

// changeTime is when contents or attributes of a file were last changed; zero where
// the system does not say.
func changeTime(info fs.FileInfo) time.Time {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(s.Ctimespec.Unix())
	}
	return time.Time{}
}
