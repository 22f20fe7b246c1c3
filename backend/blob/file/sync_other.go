//go:build !unix

package file

// syncDir does nothing: Windows cannot sync a directory, and NTFS logs its entries.
func syncDir(string) error { return nil }
