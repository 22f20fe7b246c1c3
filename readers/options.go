package readers

import (
	"io"
	"os"
	"runtime"
)

// Options change how a file is read. nil and the zero value are the defaults. A copy is
// taken, so one Options may serve many readers at once.
type Options struct {
	// Name appears in errors. An *os.File brings its own.
	Name string

	// Strict turns every [Warning] into an error at its place.
	Strict bool

	// DecimalComma reads 1,5 as one and a half, in files that are not separated by
	// commas. A full stop is then no part of a number, so that 1.500 is never misread.
	DecimalComma bool

	// Delimiter separates the fields: '\t', ',', ';' or ' ' (any run of blanks and
	// TABs). 0 decides on the title record of an ATF file; NEURON's files always use blanks.
	Delimiter byte

	// Columns, unless empty, are the only columns to read, counted from 0. The others
	// keep their place and title, without data. Their cells are counted, not checked.
	Columns []int

	// Text lists columns, counted from 0, to keep as text whatever they hold, such as
	// identifiers with leading zeros.
	Text []int

	// Headerless accepts a NEURON .dat file that begins with its first row of numbers.
	Headerless bool

	// MaxLine bounds the bytes of a line (default 4 MiB: 8000 columns with titles of
	// 500 bytes), MaxColumns the columns (default 8000, the limit of Axon's own
	// library), MaxRows the rows (default: no limit).
	MaxLine    int
	MaxColumns int
	MaxRows    int

	// SizeHint is the expected size of the input in bytes; it saves copying while
	// columns grow. Files and in-memory readers say it themselves. A wrong hint
	// changes no result.
	SizeHint int64

	// Workers bounds the goroutines that parse one block (default: one for each
	// processor, at most 8). The result does not depend on it.
	Workers int

	block int // bytes parsed at a time; tests make it small
	share int // of them, the least that a goroutine of its own is started for
}

const (
	defaultMaxLine    = 4 << 20
	defaultMaxColumns = 8000
	maxWorkers        = 8
)

// with returns a copy of o in which every default is filled in, using what r says of itself.
func (o *Options) with(r io.Reader) Options {
	var c Options
	if o != nil {
		c = *o
	}
	if c.MaxLine <= 0 {
		c.MaxLine = defaultMaxLine
	}
	if c.MaxColumns <= 0 {
		c.MaxColumns = defaultMaxColumns
	}
	if c.block == 0 {
		c.block, c.share = blockSize, minShare
	}
	if c.Workers <= 0 {
		c.Workers = min(runtime.GOMAXPROCS(0), maxWorkers)
	}
	if c.Name == "" {
		if f, ok := r.(interface{ Name() string }); ok {
			c.Name = f.Name()
		}
	}
	if c.SizeHint <= 0 {
		c.SizeHint = sizeOf(r)
	}
	return c
}

// sizeOf returns how many bytes r holds, or 0 if it does not say.
func sizeOf(r io.Reader) int64 {
	switch r := r.(type) {
	case *os.File:
		if info, err := r.Stat(); err == nil && info.Mode().IsRegular() {
			return info.Size()
		}
	case interface{ Len() int }: // bytes.Reader, bytes.Buffer, strings.Reader
		return int64(r.Len())
	}
	return 0
}
