package interop_test

import (
	"crypto/sha256"
	"hash/crc32"
	"io"

	"github.com/larder-store/larder/backend"
)

func sums(b []byte) backend.PutOptions {
	return backend.PutOptions{
		Size:   int64(len(b)),
		Digest: sha256.Sum256(b),
		Sum:    crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)),
	}
}

var eof = io.EOF
