package readers_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/larder-store/larder/readers"
)

func TestSniff(t *testing.T) {
	for _, c := range []struct {
		prefix string
		want   readers.Format
	}{
		{"ATF\t1.0\r\n", readers.ATF}, {"ATF 1.0\n", readers.ATF}, {"ATF,1.0\n", readers.ATF}, {"ATF\t1\t\t\t\n", readers.ATF}, {"PAF\t5.0\n", readers.ATF},
		{"\xef\xbb\xbfATF\t1.0\n", readers.ATF}, {"ATF\t1.0\r8\t7\r", readers.ATF}, {"ATF\t2.0\n", readers.ATF},
		{"ATF", readers.Unknown}, {"ATF1.0\n", readers.Unknown}, {"ATF notes of Monday\n", readers.Unknown}, {"ATF\t\n", readers.Unknown},
		{"ATF\x00\x00\x10\x00\x02", readers.AdobeATF}, {"&P123456 = AS 10, 001\n", readers.Cuneiform}, {"& then\n", readers.Unknown},
		{"ABF \x00", readers.ABF}, {"ABF2", readers.ABF}, {"\x1f\x8b\x08", readers.Gzip}, {"\xff\xfeA\x00", readers.UTF16},
		{"#!AER-DAT2.0\r\n", readers.AER}, {"#!AER-DAT1.0\n", readers.AER}, {"#!AER-DAT3.1\r\n", readers.AEDATNewer}, {"#!AER-DAT4.0\r\n", readers.AEDATNewer},
		{"label:v(.5)\n8001\n0\t-70\n", readers.NeuronDat}, {"label:", readers.NeuronDat}, {"801\n0.1\t1\n", readers.NeuronDat}, {" label:v\n", readers.Unknown},
		{"0\t1\n1\t2\n", readers.Numbers}, {"0 1", readers.Numbers}, {"6454 2\n0 1\n", readers.Numbers}, {"0 1\n\n", readers.Numbers},
		{"-65\n-65.01\n", readers.NeuronPrint}, {"-65", readers.NeuronPrint}, {"5\n6\n", readers.NeuronPrint}, {"nan\n1\n", readers.NeuronPrint},
		{"4096 0.01\n1\n", readers.NeuronStep}, {"4096 -0.01\n1\n", readers.Unknown}, {"4096 inf\n1\n", readers.Unknown},
		{"5 2\ntime a b c d e\n0 1 2 3 4 5\n", readers.NeuronTable}, {"5 2\ntime a\n", readers.Unknown},
		{"Graph addvar/addexpr lines\n1 2\n", readers.NeuronGraph}, {"PolyLines\n", readers.NeuronLines}, {"PolyLines of mine\n", readers.Unknown},
		{"\x02\x00\x00\x00\x04\x00\x00\x00", readers.NeuronWrite}, {"\x00\x00\x00\x02\x00\x00\x00\x03", readers.NeuronWrite}, {"\x02\x00\x00\x00\x06\x00\x00\x00", readers.Unknown},
		{"", readers.Unknown}, {"\n", readers.Unknown}, {"Dear diary,\n", readers.Unknown}, {"\x00\x00\x00", readers.Unknown},
		{strings.Repeat("1 ", 100_000), readers.Numbers},
	} {
		if got := readers.Sniff([]byte(c.prefix)); got != c.want {
			t.Errorf("Sniff(%.40q) = %v, want %v", c.prefix, got, c.want)
		}
	}
}

func TestSniffRealFiles(t *testing.T) {
	for name, want := range map[string]readers.Format{
		"pyabf_18702001-step.atf": readers.ATF, "paa_GSM734833.gpr": readers.ATF,
		"nrn_gsyn.dat": readers.NeuronDat, "nrn_iclamp.dat": readers.NeuronDat, "openworm_graph_gui.dat": readers.NeuronDat,
		"openworm_printf.dat": readers.NeuronTable, "openworm_vector_printf_voltage.dat": readers.NeuronPrint, "openworm_vwrite_voltage.dat": readers.NeuronWrite,
		"openworm_aerspikemonitor.aedat": readers.AER, "openworm_aerspikemonitor_corrupted.aedat": readers.AER,
	} {
		got, err := readers.ReadFile(filepath.Join("testdata", name), nil)
		if got.Format != want {
			t.Errorf("%s is %v, want %v (%v)", name, got.Format, want, err)
		}
	}
}

// An empty file is said to be that, and what is no recording meets the list of all that could be read.
func TestUnknownFormatSaysWhatIsKnown(t *testing.T) {
	read := func(text string) error { _, err := readers.Read(strings.NewReader(text), nil); return err }
	scan := func(text string) error { _, err := readers.Scan(strings.NewReader(text), nil); return err }
	for name, f := range map[string]func(string) error{
		"Read": read,
		"Scan": scan,
		"ReadATF": func(text string) error {
			_, err := readers.ReadATF(strings.NewReader(text), nil)
			return err
		},
		"ReadNeuronDat": func(text string) error {
			_, err := readers.ReadNeuronDat(strings.NewReader(text), nil)
			return err
		},
	} {
		if err := f(""); !errors.Is(err, readers.ErrFormat) || !strings.HasSuffix(err.Error(), "(the file is empty)") {
			t.Errorf("%s of an empty file = %v, want ErrFormat that says so", name, err)
		}
	}
	for name, f := range map[string]func(string) error{"Read": read, "Scan": scan} {
		err := f("Dear diary,\n")
		for _, known := range []string{"Axon Text File", "NEURON", "AER-DAT", "FileSpikeMonitor"} {
			if err == nil || !strings.Contains(err.Error(), known) {
				t.Errorf("%s of prose = %v, want it to name %s", name, err, known)
			}
		}
	}
}
