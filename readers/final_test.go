package readers_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/larder-store/larder/readers"
)

// A header that ends with the file, in the middle of a line, is no header: the rest of its
// last line might have held more columns, or another count.
func TestAHeaderMustBeFinal(t *testing.T) {
	for name, file := range map[string]string{
		"ATF titles":              "ATF\t1.0\n0\t3\n\"Time (s)\"\t\"Im (pA)\"\t\"V",
		"ATF titles, all there":   "ATF\t1.0\n0\t2\n\"Time (s)\"\t\"Im (pA)\"",
		"ATF header record":       "ATF\t1.0\n1\t2\n\"Comment=a",
		"ATF counts":              "ATF\t1.0\n0\t1",
		"PAF units":               "PAF\t5.0\n0\n2\nTime\tIm\ns\tp",
		"NEURON label":            "label:v",
		"NEURON count":            "label:v\n30",
		"NEURON count of nothing": "label:v\n0",
		"NEURON names":            "1 0\ntime ic",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readers.Read(strings.NewReader(file), nil)
			if !errors.Is(err, readers.ErrTruncated) {
				t.Errorf("error = %v, want %v", err, readers.ErrTruncated)
			}
			if got.Rows() != 0 {
				t.Errorf("%d rows of a header", got.Rows())
			}
		})
	}
}

// No cut inside the header of a real file passes for a header.
func TestCutHeadersOfRealFiles(t *testing.T) {
	for _, name := range []string{"pyabf_18702001-step.atf", "paa_GSM734833.gpr", "nrn_iclamp.dat", "openworm_printf.dat"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		whole, err := readers.Read(bytes.NewReader(data), nil)
		if err != nil {
			t.Fatal(err)
		}
		lines := 2
		if whole.Format == readers.ATF {
			lines = len(whole.Headers) + 3
		}
		head := bytes.Join(bytes.SplitAfterN(data, []byte("\n"), lines+1)[:lines], nil)
		for n := range head {
			got, err := readers.Read(bytes.NewReader(data[:n]), nil)
			if err == nil && got.Format == readers.NeuronPrint && !got.FinalNewline {
				continue // "5" of "5 2" is a file of one number, of which a warning says that it may be cut
			}
			if err == nil {
				t.Errorf("%s: the first %d of %d bytes of its header pass", name, n, len(head))
			}
		}
	}
}

// jAER's header, and one of its events, cut everywhere.
func TestCutAERHeaders(t *testing.T) {
	const header = "#!AER-DAT2.0\r\n# This is a raw AE data file - do not edit\r\n# Data format is int32 address, int32 timestamp\r\n" +
		"# Timestamps tick is 1 us\r\n#preferences\r\n#<entry key=\"DVS128.x\" value=\"12345678\"/>\r\n#</map>\r\n"
	file := header + event(1, 2) + event(3, 4)
	for n := len("#!AER-DAT2.0"); n < len(file); n++ {
		got, err := readers.ReadAER(strings.NewReader(file[:n]), nil)
		inHeader := n <= len(header)
		atLineEnd := file[n-1] == '\n'
		switch {
		case inHeader && len(got.Ticks) > 0 && len(got.Warnings) == 0:
			t.Errorf("%d bytes of the header hold %d events, without a warning", n, len(got.Ticks))
		case inHeader && !atLineEnd && !errors.Is(err, readers.ErrTruncated):
			t.Errorf("%d bytes of the header: error = %v, want %v", n, err, readers.ErrTruncated)
		case inHeader && !atLineEnd && len(got.Ticks) > 0:
			t.Errorf("%d bytes of the header hold %d events", n, len(got.Ticks))
		case inHeader && atLineEnd && (err != nil || len(got.Warnings) != 1 || got.Warnings[0].Code != readers.NoEvents):
			t.Errorf("%d bytes of the header: %v, warnings %v, want that no event follows", n, err, got.Warnings)
		case !inHeader && (n-len(header))%8 != 0 && !errors.Is(err, readers.ErrTruncated):
			t.Errorf("%d bytes: error = %v, want %v", n, err, readers.ErrTruncated)
		}
	}
}

func TestEventsCarryWarnings(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		code readers.Code // 0: no warning
		n    int
	}{
		"no events":                   {"#!AER-DAT2.0\n# a\n", readers.NoEvents, 0},
		"no events behind an end":     {"#!AER-DAT2.0\n# a\n#End Of ASCII Header\n", 0, 0},
		"events":                      {"#!AER-DAT2.0\n# a\n" + event(1, 2), 0, 1},
		"events behind an end":        {"#!AER-DAT2.0\n#End Of ASCII Header\r\n" + event(0x23616161, 2), 0, 1},
		"a line given back":           {"#!AER-DAT2.0\n" + event(0x2341420a, 7) + event(1, 2), readers.OddHeader, 2},
		"a first event like a line":   {"#!AER-DAT2.0\n" + event(0x23610061, 2), readers.OddHeader, 1},
		"a header line torn in two":   {"#!AER-DAT2.0\n# do not ed\nt\n# and ", readers.OddHeader, 1},
		"a header line without its #": {"#!AER-DAT2.0\n\x00 This i", readers.OddHeader, 1},
		"a header line of other text": {"#!AER-DAT2.0\n# by M\xfcller\n    ", readers.OddHeader, 2},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readers.ReadAER(strings.NewReader(c.file), nil)
			if err != nil || len(got.Ticks) != c.n {
				t.Fatalf("%d events, %v, want %d", len(got.Ticks), err, c.n)
			}
			if (len(got.Warnings) == 1) != (c.code != 0) || c.code != 0 && got.Warnings[0].Code != c.code {
				t.Errorf("warnings = %v, want %v", got.Warnings, c.code)
			}
			if w := got.Table().Warnings; len(w) != len(got.Warnings) {
				t.Errorf("the table has %d warnings of %d", len(w), len(got.Warnings))
			}
			if w := got.SortByTime().Warnings; len(w) != len(got.Warnings) {
				t.Errorf("the sorted events have %d warnings of %d", len(w), len(got.Warnings))
			}
			if _, err := readers.ReadAER(strings.NewReader(c.file), &readers.Options{Strict: true}); (err != nil) != (c.code != 0) {
				t.Errorf("strict: error = %v", err)
			}
		})
	}
}

// A carriage return in a line that ends with a line feed is a line of another file that
// was put together with it: what follows it must not become part of a label or a title.
func TestLineEndsThatAreMixed(t *testing.T) {
	for name, file := range map[string]string{
		"label":         "label:v\r3\r0\t1\r1\t2\r2\t3\n3\t4\n",
		"count":         "label:v\n3\r2\n0\t1\n1\t2\n2\t3\n",
		"step":          "4\r0.01\n1\n2\n3\n4\n",
		"names":         "1 2\ntime\rica\n0 1\n1 2\n",
		"graph":         "Graph addvar/addexpr lines\n1\r1\nx\ty\n0\t1\n0 unlabeled lines\n",
		"titles":        "ATF\t1.0\n0\t2\nTime\tIm\r0\t1\n1\t2\n",
		"quoted titles": "ATF\t1.0\n0\t2\n\"Time\"\t\"Im\r0\"\n1\t2\n",
		"text":          "ATF\t1.0\n0\t1\nName\na\rb\nc\n",
		"row":           "ATF\t1.0\n0\t2\nTime\tIm\n0\t1\r1\t2\n",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readers.Read(strings.NewReader(file), nil)
			if err == nil {
				t.Errorf("read as %d rows, label %q, columns %v", got.Rows(), got.Label, got.Columns)
			}
		})
	}
	const header = "ATF\t1.0\n1\t2\n\"Comment=a\rb\"\nTime\tIm\n0\t1\n"
	got, err := readers.Read(strings.NewReader(header), nil)
	if err != nil || len(got.Warnings) != 1 || got.Warnings[0].Code != readers.OddHeader {
		t.Errorf("a header record with a carriage return: %v, %v", got.Warnings, err)
	}
}

// One wrong byte in a header must not turn the header into rows.
func TestOneWrongByteInAHeader(t *testing.T) {
	const head = "ATF\t1.0\n3\t3\n\"YTop=1,2\"\n\"YBottom=0\"\n\"Signals=\"\t\"a\"\t\"b\"\n"
	_, err := readers.Read(strings.NewReader(strings.Replace(head, "1,2", "1\n2", 1)+"\"Time (s)\"\t\"a (mV)\"\t\"b (mV)\"\n0\t1\t2\n"), nil)
	if !errors.Is(err, readers.ErrHeader) {
		t.Errorf("a header record in the place of the titles: %v", err)
	}
	got, err := readers.Read(strings.NewReader("ATF\t1.0\n0\t2\nx=1\ty\n1\t2\n"), nil)
	if err != nil || len(got.Warnings) != 1 || got.Warnings[0].Code != readers.OddHeader || got.Rows() != 1 {
		t.Errorf("a title with an equals sign: %v, %v", got.Warnings, err)
	}
	got, err = readers.Read(strings.NewReader("label:v\n8 1\n0 1\n1 2\n"), nil)
	if err != nil || len(got.Warnings) != 1 || got.Warnings[0].Code != readers.OddHeader {
		t.Errorf("a count with a blank in it: %v, %v", got.Warnings, err)
	}
	events, err := readers.ReadAER(strings.NewReader("#!AER-DAT2.0\n; Timestamps tick is 1 us......\n"+event(1, 2)), nil)
	if err != nil || len(events.Warnings) != 1 || events.Warnings[0].Code != readers.OddHeader {
		t.Errorf("a header line without its sign: %d events, %v, %v", len(events.Ticks), events.Warnings, err)
	}
}
