package catalog

import (
	"context"
	"errors"
	"io"
	"math/big"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/larder-store/larder"
	"github.com/larder-store/larder/codec"
	"github.com/larder-store/larder/component"
	"github.com/larder-store/larder/keying"
)

// maxScalar is how many bytes a value of a table takes at most; longer ones are not read.
const maxScalar = 1024

// Scalar returns a stored value that fits a cell of a table, in the form of descriptions: a number, a truth value, or a line of text. It reads
// values of up to 1 KiB, one request for each; others, and corrupt ones, have no scalar.
func Scalar(ctx context.Context, store *larder.Store, e Entry) (any, bool, error) {
	if e.Info.Size > maxScalar {
		return nil, false, nil
	}
	body, info, err := store.Reader(ctx, component.Ref(e.ID), e.Attribute)
	if errors.Is(err, larder.ErrNotFound) || errors.Is(err, larder.ErrCorrupt) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer body.Close()
	switch info.Meta[codec.MetaKey] {
	case codec.CBOR:
		var v any
		if codec.Decode(codec.CBOR, body, info.Size, &v) == nil {
			return scalar(v)
		}
	case codec.Raw, "":
		text, err := io.ReadAll(body)
		line := strings.TrimRight(string(text), "\r\n")
		if err == nil && utf8.ValidString(line) && !strings.ContainsFunc(line, unicode.IsControl) {
			return line, true, nil
		}
	}
	return nil, false, nil
}

// scalar returns a decoded value in the form of descriptions, if it is no list, map or the like.
func scalar(v any) (any, bool, error) {
	v, err := keying.Reduce(v)
	if err != nil {
		return nil, false, nil
	}
	switch v.(type) {
	case bool, int64, uint64, float64, *big.Int, string:
		return v, true, nil
	}
	return nil, false, nil
}
