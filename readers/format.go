package readers

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Format is what a file is, as far as this package knows.
type Format uint8

const (
	Unknown Format = iota

	ATF         // Axon Text File
	NeuronDat   // NEURON vector file: label, count, rows of x and y
	Numbers     // rows of numbers without a header
	NeuronPrint // NEURON Vector.printf: one number on a line
	NeuronStep  // NEURON count and step: "4096 0.01", then one number on a line
	NeuronTable // NEURON File.printf table: "5 2", names, rows
	NeuronGraph // NEURON Print > Ascii of a graph: addvar lines, then kept lines
	NeuronLines // NEURON Print > Ascii of a graph: PolyLines
	NeuronWrite // NEURON Vector.vwrite: binary
	AER         // address-event file, AER-DAT 1.0 or 2.0
	BrianSpikes // Brian FileSpikeMonitor: "3, 0.0014", a neuron and a time in seconds

	// What is recognised so that it can be refused by name.
	ABF        // Axon Binary Format
	AdobeATF   // Adobe Texture Format, also named .atf
	Cuneiform  // transliterated cuneiform (C-ATF), also named .atf
	AEDATNewer // AEDAT 3 and 4
	UTF16      // text in UTF-16
	Gzip
)

var formatNames = [...]string{
	Unknown:     "unknown format",
	ATF:         "ATF",
	NeuronDat:   "NEURON vector file",
	Numbers:     "rows of numbers without a header",
	NeuronPrint: "NEURON Vector.printf file",
	NeuronStep:  "NEURON count-and-step file",
	NeuronTable: "NEURON File.printf table",
	NeuronGraph: "NEURON graph printed as text",
	NeuronLines: "NEURON graph printed as text (PolyLines)",
	NeuronWrite: "NEURON Vector.vwrite file",
	AER:         "AER-DAT",
	BrianSpikes: "Brian FileSpikeMonitor file",
	ABF:         "Axon Binary Format",
	AdobeATF:    "Adobe Texture Format",
	Cuneiform:   "cuneiform transliteration",
	AEDATNewer:  "AEDAT 3 or 4",
	UTF16:       "UTF-16 text",
	Gzip:        "gzip",
}

func (f Format) String() string {
	if int(f) < len(formatNames) {
		return formatNames[f]
	}
	return fmt.Sprintf("Format(%d)", uint8(f))
}

// article names a file of this format: "an ATF file".
func (f Format) article() string {
	switch f {
	case Numbers:
		return "a file of " + f.String()
	case Unknown:
		return "a file of " + f.String()
	case NeuronGraph, NeuronLines:
		return "a " + f.String()
	case UTF16:
		return "a file of UTF-16 text" // "you", not "oo"
	}
	s := strings.TrimSuffix(f.String(), " file") + " file"
	if strings.IndexByte("AEIO", s[0]) >= 0 {
		return "an " + s
	}
	return "a " + s
}

// SniffLen is how much of a file [Sniff] wants: enough for the longest first two lines
// that were met.
const SniffLen = 64 << 10

// Sniff finds out what a file is from its first bytes, at most [SniffLen] of them. It never
// takes a file for an ATF file because of its first three letters alone, which two other
// formats share.
func Sniff(prefix []byte) Format {
	prefix = prefix[:min(len(prefix), SniffLen)]
	for _, m := range magics {
		if bytes.HasPrefix(prefix, []byte(m.prefix)) {
			return m.format
		}
	}
	text := bytes.TrimPrefix(prefix, []byte("\xef\xbb\xbf"))
	switch {
	case isATF(text):
		return ATF
	case bytes.HasPrefix(text, []byte("ATF")) && bytes.IndexByte(text[:min(len(text), 16)], 0) >= 0:
		return AdobeATF
	case isCuneiform(text):
		return Cuneiform
	case isVWrite(prefix):
		return NeuronWrite
	}
	return sniffNeuron(text)
}

var magics = []struct {
	prefix string
	format Format
}{
	{"ABF ", ABF}, {"ABF2", ABF},
	{"\xff\xfe", UTF16}, {"\xfe\xff", UTF16},
	{"\x1f\x8b", Gzip},
	{"#!AER-DAT1.", AER}, {"#!AER-DAT2.", AER},
	{"#!AER-DAT", AEDATNewer},
}

// isATF wants "ATF" or its predecessor "PAF", a separator and a number.
func isATF(text []byte) bool {
	if !bytes.HasPrefix(text, []byte("ATF")) && !bytes.HasPrefix(text, []byte("PAF")) {
		return false
	}
	rest := bytes.TrimLeft(text[3:], " \t,")
	return len(rest) < len(text)-3 && len(rest) > 0 && rest[0]-'0' <= 9
}

// isCuneiform recognises the &-line that opens a text of the other ATF, as in "&P123456 = AS 10, 001".
func isCuneiform(text []byte) bool {
	return len(text) > 2 && text[0] == '&' && (text[1] == 'P' || text[1] == 'Q' || text[1] == 'X') && text[2]-'0' <= 9
}

// isVWrite wants the two integers that vwrite puts first, in either byte order: a count
// and a type from 1 to 5. Three of the type's four bytes are zero, which no text has.
func isVWrite(b []byte) bool {
	if len(b) < 8 {
		return false
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		if t := order.Uint32(b[4:]); t >= 1 && t <= 5 && order.Uint32(b) < 1<<31 {
			return true
		}
	}
	return false
}

// sniffNeuron distinguishes NEURON's text forms by their first two lines.
func sniffNeuron(text []byte) Format {
	lines := firstLines(text, 2, lineEnd(text))
	if len(lines) == 0 {
		return Unknown
	}
	first := lines[0]
	switch {
	case bytes.HasPrefix(first, []byte(labelMark)):
		return NeuronDat
	case string(bytes.TrimRight(first, " ")) == graphMark:
		return NeuronGraph
	case string(bytes.TrimRight(first, " ")) == linesMark:
		return NeuronLines
	}
	if isSpike(first) {
		return BrianSpikes
	}
	n := countNumbers(first)
	switch {
	case n < 1:
		return Unknown
	case len(lines) == 1 && n == 1:
		return NeuronPrint
	case len(lines) == 1:
		return Numbers
	}
	second, ints := countNumbers(lines[1]), integers(first)
	switch {
	case len(ints) == 1 && second >= 2:
		return NeuronDat
	case n == 1 && (second == 1 || second == 0):
		return NeuronPrint
	case len(ints) == 2 && second < 0 && len(bytes.Fields(lines[1])) == ints[0]+1:
		return NeuronTable
	case n == 2 && second == 1 && isCountAndStep(first):
		return NeuronStep
	case second == n || second == 0:
		return Numbers
	}
	return Unknown
}

// lineEnd decides what ends a line of text: '\n', or '\r' where there is none.
func lineEnd(text []byte) byte {
	if bytes.IndexByte(text, '\n') < 0 && bytes.IndexByte(text, '\r') >= 0 {
		return '\r'
	}
	return '\n'
}

// firstLines returns up to n lines of text, without their ends. A last line that has no
// end counts, for a file may be that short.
func firstLines(text []byte, n int, end byte) [][]byte {
	var lines [][]byte
	for len(lines) < n && len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte{end})
		lines = append(lines, trimCR(line))
		text = rest
	}
	return lines
}

// countNumbers returns how many numbers a line of nothing else holds, or -1.
func countNumbers(line []byte) int {
	fields := bytes.Fields(line)
	for _, f := range fields {
		if !isNumber(f, '.') {
			return -1
		}
	}
	return len(fields)
}

// integers returns the unsigned decimal integers of a line that holds nothing else, or nil.
func integers(line []byte) []int {
	var ints []int
	for _, f := range bytes.Fields(line) {
		n, err := strconv.ParseUint(string(f), 10, 63)
		if err != nil || n > math.MaxInt {
			return nil
		}
		ints = append(ints, int(n))
	}
	return ints
}

// isSpike recognises "3, 0.0014", which FileSpikeMonitor writes with a blank behind the comma:
// without it, it might be a number with a decimal comma.
func isSpike(line []byte) bool {
	neuron, time, ok := bytes.Cut(line, []byte(", "))
	return ok && len(integers(neuron)) == 1 && countNumbers(time) == 1
}

// isCountAndStep recognises "4096 0.01": a count and a sampling interval.
func isCountAndStep(line []byte) bool {
	f := bytes.Fields(line)
	if len(f) != 2 || len(integers(f[0])) != 1 {
		return false
	}
	step, err := parseNumber(f[1], '.')
	return err == nil && step > 0 && !math.IsInf(step, 0)
}
