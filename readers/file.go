package readers

import (
	"bytes"
	"io"
	"os"
)

const (
	// knownHint names what Sniff knows and Read reads.
	knownHint = "none of those that are known: Axon Text Files, the files of NEURON, address events (AER-DAT 1 and 2), the spikes of Brian's FileSpikeMonitor"
	emptyHint = "the file is empty"
)

// Read finds out by [Sniff] what r holds, and reads it whole: an ATF file, one that NEURON
// wrote, or address events, as [Events.Table] shows them. Anything else is an error that
// matches [ErrFormat] and names what it looks like.
func Read(r io.Reader, opts *Options) (*Table, error) {
	o := opts.with(r)
	prefix := make([]byte, SniffLen)
	n, err := io.ReadFull(r, prefix)
	prefix = prefix[:n]
	rest := r
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		rest = errorReader{err}
	}
	whole := io.Reader(io.MultiReader(bytes.NewReader(prefix), rest))
	if s, ok := r.(io.Seeker); ok && err == nil {
		if _, err := s.Seek(-int64(n), io.SeekCurrent); err == nil {
			whole = r // which can be read twice, without a copy
		}
	}
	switch f := Sniff(prefix); f {
	case ATF:
		return ReadATF(whole, &o)
	case NeuronDat, Numbers, NeuronPrint, NeuronStep, NeuronTable, NeuronGraph, NeuronLines, NeuronWrite, BrianSpikes:
		return ReadNeuronDat(whole, &o)
	case Unknown:
		if o.Headerless {
			return ReadNeuronDat(whole, &o)
		}
		hint := knownHint
		switch {
		case n == 0 && err == io.EOF:
			hint = emptyHint
		case looksLikeCommas(prefix) && !o.DecimalComma:
			hint = commaHint
		}
		return &Table{}, &ParseError{Format: Unknown, Name: o.Name, Err: ErrFormat, Text: shown(bytes.Join(firstLines(prefix, 1, lineEnd(prefix)), nil)),
			Hint: hint}
	case AER:
		events, err := ReadAER(whole, &o)
		return events.Table(), err
	default:
		return &Table{}, &ParseError{Format: f, Name: o.Name, Err: ErrFormat, Hint: "it is recognised, but not read"}
	}
}

// ReadFile is [Read] of a file.
func ReadFile(name string, opts *Options) (*Table, error) {
	f, err := os.Open(name)
	if err != nil {
		return &Table{}, err
	}
	defer f.Close()
	return Read(f, opts)
}
