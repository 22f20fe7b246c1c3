package main

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"os"
	"strconv"

	"github.com/larder-store/larder/readers"
)

// Every way of reading returns the number of values and the sum of the last row, so that
// all can be seen to have read to the end.
type result struct {
	numbers int
	sum     float64
}

// whole reads the file into columns.
func whole(opts readers.Options) func(string) (result, error) {
	return func(name string) (r result, err error) {
		f, err := os.Open(name)
		if err != nil {
			return r, err
		}
		defer f.Close()
		t, err := readers.ReadATF(f, &opts)
		for _, c := range t.Float {
			r.numbers += len(c)
			if len(c) > 0 {
				r.sum += c[len(c)-1]
			}
		}
		return r, err
	}
}

// blocks streams the file by blocks of columns.
func blocks(opts readers.Options) func(string) (result, error) {
	return func(name string) (r result, err error) {
		f, err := os.Open(name)
		if err != nil {
			return r, err
		}
		defer f.Close()
		s, err := readers.NewATFReader(f, &opts)
		if err != nil {
			return r, err
		}
		last := make([]float64, len(s.Table().Columns))
		for b, err := range s.Blocks() {
			if err != nil {
				return r, err
			}
			for c, col := range b.Float {
				r.numbers += len(col)
				last[c] = col[len(col)-1]
			}
		}
		for _, v := range last {
			r.sum += v
		}
		return r, nil
	}
}

// rows streams it row by row.
func rows(opts readers.Options) func(string) (result, error) {
	return func(name string) (r result, err error) {
		f, err := os.Open(name)
		if err != nil {
			return r, err
		}
		defer f.Close()
		s, err := readers.NewATFReader(f, &opts)
		if err != nil {
			return r, err
		}
		last := 0.0
		for row, err := range s.Rows() {
			if err != nil {
				return r, err
			}
			r.numbers += len(row)
			last = 0
			for _, v := range row {
				last += v
			}
		}
		r.sum = last
		return r, nil
	}
}

// scanner is what one writes without a library: bufio.Scanner, a cut at each TAB,
// strconv.ParseFloat, columns grown by append.
func scanner(name string) (r result, err error) {
	f, err := os.Open(name)
	if err != nil {
		return r, err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	for range 4 {
		s.Scan()
	}
	columns := make([][]float64, 11)
	for s.Scan() {
		rest := s.Bytes()
		for c := range columns {
			cell, after, _ := bytes.Cut(rest, []byte{'\t'})
			v, err := strconv.ParseFloat(string(cell), 64)
			if err != nil {
				return r, err
			}
			columns[c] = append(columns[c], v)
			rest = after
		}
	}
	for _, c := range columns {
		r.numbers += len(c)
		r.sum += c[len(c)-1]
	}
	return r, s.Err()
}

// same reports whether two ways read the same file to its end.
func same(a, b result) error {
	if a.numbers != b.numbers || math.Abs(a.sum-b.sum) > 1e-9*math.Abs(b.sum) {
		return fmt.Errorf("%d numbers, last row %v; want %d, %v", a.numbers, a.sum, b.numbers, b.sum)
	}
	return nil
}
