package durable

// SyncDir has nothing to do: NTFS keeps names in its journal, and directories cannot be flushed.
func SyncDir(string) error { return nil }
