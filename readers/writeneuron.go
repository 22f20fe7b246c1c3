package readers

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// WriteNeuronDat writes a NEURON vector file: label, count, and the points, in as many
// digits as it takes to read the same numbers back (NEURON itself prints six).
//
// NEURON skips a word that begins with i or n when it reads such a file, and then pairs
// every later number wrongly. So what is not finite is written with a sign, which it reads. NEURON cuts
// a label at its first blank.
func WriteNeuronDat(w io.Writer, label string, x, y []float64) error {
	switch {
	case len(x) != len(y):
		return fmt.Errorf("readers: write NEURON vector file: %d values of x, %d of y", len(x), len(y))
	case strings.ContainsAny(label, "\r\n") || !utf8.ValidString(label):
		return fmt.Errorf("readers: write NEURON vector file: label %q: one line of UTF-8 is wanted", shown([]byte(label)))
	}
	b := bufio.NewWriterSize(w, 64<<10)
	b.WriteString(labelMark + label + "\n" + strconv.Itoa(len(x)) + "\n")
	var line []byte
	for i := range x {
		line = appendNumber(line[:0], x[i], "+nan")
		line = append(line, '\t')
		line = appendNumber(line, y[i], "+nan")
		line = append(line, '\n')
		b.Write(line)
	}
	if err := b.Flush(); err != nil {
		return fmt.Errorf("readers: write NEURON vector file: %w", err)
	}
	return nil
}
