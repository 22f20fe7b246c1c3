// Package readers reads the recordings of electrophysiology and of its simulations:
// Axon Text Files (ATF), the files that NEURON writes under the name .dat, and address
// events (AER-DAT). It needs nothing but the standard library.
//
// [ReadATF] and [ReadNeuronDat] read a file whole, into a [Table] of columns;
// [NewATFReader] and [NewNeuronReader] let rows or blocks of columns pass by in a memory
// that does not grow with the file; [Read] and [ReadFile] find out what a file is.
// [WriteATF] and [WriteNeuronDat] give results back to the tools that people have.
//
// What is promised of every file:
//
//   - Numbers are bit for bit what [strconv.ParseFloat] makes of their text.
//   - Nothing is lost in silence. No cell becomes zero, no row and no column is
//     dropped: what cannot be read is an error with its place, and what could be read
//     otherwise is a [Warning]. Options.Strict makes errors of the warnings.
//   - What was read before an error is returned with it.
//   - Columns are distinguished by their place, for titles repeat.
//   - A count in a file allocates nothing: memory grows with what is there.
//   - No input makes the package panic.
//
// A [Table] is also looked at as a recording: [Table.Signals], [Table.Sweeps] and
// [Table.Trace] know how Axon's programs lay out several signals and sweeps,
// [Table.Time] and [Table.SampleInterval] return the time.
//
// What is read, what is refused and why stands in docs/readers.md, with the sources.
package readers
