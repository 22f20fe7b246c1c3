package main

import (
	"bufio"
	"math/rand/v2"
	"os"
	"strconv"
)

// generate writes an ATF file of about size bytes as Clampfit would: CRLF, the time and
// ten sweeps of a current in pA with six significant digits. The seed is fixed.
func generate(name string, size int64) (numbers int, err error) {
	f, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	const sweeps = 10
	w.WriteString("ATF\t1.0\r\n1\t11     \r\n\"AcquisitionMode=Episodic Stimulation\"\r\n\"Time (s)\"")
	for i := range sweeps {
		w.WriteString("\t\"Trace #" + strconv.Itoa(i+1) + " (pA)\"")
	}
	w.WriteString("\r\n")
	random := rand.New(rand.NewPCG(1, 2))
	var line []byte
	for row, written := 0, int64(0); written < size; row++ {
		line = strconv.AppendFloat(line[:0], float64(row)*5e-5, 'g', 12, 64)
		for range sweeps {
			line = append(line, '\t')
			line = strconv.AppendFloat(line, random.NormFloat64()*200, 'g', 6, 64)
		}
		line = append(line, '\r', '\n')
		if _, err := w.Write(line); err != nil {
			return 0, err
		}
		written += int64(len(line))
		numbers += sweeps + 1
	}
	return numbers, w.Flush()
}
