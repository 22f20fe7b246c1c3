package readers_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/larder-store/larder/readers"
)

// numbers are spellings that a parser of numbers gets wrong, with some that it should not
// take for numbers at all.
var numbers = []string{
	"0", "-0", "+0", "1", "-1", "+1", "00012", "-007.50", "5.", ".5", "-.5", ".", "-", "+", "", "-.", "1-", "--1",
	"1e-4", "5e-5", "1.98e+006", "5.26789e-17", "1E5", "1e", "1e+", "e5", ".e5", "1e0005", "1e00005", "1e22", "1e23", "1e-22", "1e-23",
	"123456789e22", "9007199254740991", "9007199254740992", "9007199254740993", "9007199254740993e1", "9007199254740991e22",
	"9007199254740993.0", "900719925474099.3", "0.9007199254740993", "90071992547409.93e-10",
	"12345678", "123456789", "1234567.1234567", "1234567.12345678", "12345678.12345678", "1.123456789012", "1.1234567890123456",
	"0.30000000000000004", "0.1234567890123456789", "1.7976931348623157e308", "1.7976931348623159e308", "1e308", "1e309", "-1e999",
	"2.2250738585072011e-308", "4.9406564584124654e-324", "2e-324", "1e-400", "179769313486231570000000000000000000000",
	"0.00000000000000000000000000000000000000001", "99999999999999999999", "18446744073709551616", "10000000000000000000", "9999999999999999999",
	"100000000000000016777215", "100000000000000016777216", "6.02214076e23", "3.14159265358979323846264338327950288",
	// Mantissas that wrap at 2^64 to something small, and an exponent that does.
	"1844.6744073709551621", "1844674.4073709551621", "18446744073709551621", "18.446744073709551621", "1e18446744073709551617", "1e-18446744073709551617",
	"nan", "NaN", "NAN", "inf", "-inf", "+Inf", "INF", "infinity", "-Infinity", "infinit", "nanx",
	"0x1p-2", "0x1F", "0x_1p4", "1_000", "1,5", "1.5.2", "1.5e3.2", "21o26015.abf", "Error", "1 2", "１", "1e5x",
}

func TestScanDecimalGivesWhatParseFloatGives(t *testing.T) {
	for _, s := range numbers {
		checkNumber(t, s)
	}
}

func FuzzNumberAgainstParseFloat(f *testing.F) {
	for _, s := range numbers {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { checkNumber(t, s) })
}

// checkNumber is the law: bit for bit what strconv.ParseFloat gives, or not taken.
func checkNumber(t *testing.T, s string) {
	t.Helper()
	want, wantErr := strconv.ParseFloat(s, 64)
	scanners := map[string]func([]byte, int, byte) (float64, int, bool){"words": readers.ScanDecimal, "digits": readers.ScanLast}
	for name, scan := range scanners {
		for _, behind := range []string{"\n", "\t", " ", "\r\n"} {
			for _, point := range []string{".", ","} {
				text := strings.ReplaceAll(s, ".", point) + behind
				if name == "words" {
					text += strings.Repeat("7", readers.LongestPlain)
				}
				got, end, ok := scan([]byte(text), 0, point[0])
				if !ok || end != len(s) || strings.Contains(s, ",") {
					continue // not taken: parseNumber decides
				}
				if wantErr != nil || math.Float64bits(got) != math.Float64bits(want) {
					t.Errorf("%s: %q = %v, want %v, %v", name, text, got, want, wantErr)
				}
			}
		}
	}
	got, err := readers.ParseNumber([]byte(s), '.')
	switch {
	case wantErr == nil && (err != nil || math.Float64bits(got) != math.Float64bits(want)):
		t.Errorf("parseNumber(%q) = %v, %v, want %v", s, got, err, want)
	case errors.Is(wantErr, strconv.ErrRange) && (!errors.Is(err, strconv.ErrRange) || got != want):
		t.Errorf("parseNumber(%q) = %v, %v, want %v out of range", s, got, err, want)
	case errors.Is(wantErr, strconv.ErrSyntax) && err == nil && !math.IsNaN(got) && !math.IsInf(got, 0):
		t.Errorf("parseNumber(%q) = %v, want no number", s, got)
	}
}

// The fast path is what makes the reader fast: it must take what recordings hold.
func TestScanDecimalTakesTheNumbersOfRecordings(t *testing.T) {
	for _, s := range []string{"0", "-70", "0.025", "1e-4", "5e-5", "1.98e+006", "5.26789e-17", "-1.03546", "19.96976", "0.99995",
		"-611.206", "12345678", "0.123456789012", "-123.456789012", "199.99995", "18625516"} {
		b := []byte(s + "\t" + strings.Repeat("7", readers.LongestPlain))
		if _, end, ok := readers.ScanDecimal(b, 0, '.'); !ok || end != len(s) {
			t.Errorf("scanDecimal leaves %q to the slow path", s)
		}
	}
}

func TestSpellingsOfWhatIsNotFinite(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		s    string
		want float64
	}{
		{"nan", nan}, {"-nan", nan}, {"+nan", nan}, {"-NaN", nan}, {"nan(ind)", nan}, {"-nan(ind)", nan}, {"nan(snan)", nan}, {"nan(0x7ff8)", nan},
		{"1.#QNAN", nan}, {"-1.#IND", nan}, {"1.#SNAN", nan}, {"1.#QNAN0", nan}, {"-1.#IND00", nan},
		{"1.#INF", inf}, {"-1.#INF", -inf}, {"+1.#INF", inf}, {"1.#INF00", inf},
		{"inf", inf}, {"-inf", -inf}, {"+infinity", inf},
	} {
		got, err := readers.ParseNumber([]byte(c.s), '.')
		if err != nil || got != c.want && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("parseNumber(%q) = %v, %v, want %v", c.s, got, err, c.want)
		}
	}
	for _, s := range []string{"1.#", "1.#NAN", "2.#INF", "1.#INFx", "nan(", "nan()x", "nano", "-", "1.#0"} {
		if got, err := readers.ParseNumber([]byte(s), '.'); err == nil {
			t.Errorf("parseNumber(%q) = %v, want no number", s, got)
		}
	}
}

func TestDecimalComma(t *testing.T) {
	for _, c := range []struct {
		s    string
		want float64
		ok   bool
	}{
		{"1,5", 1.5, true}, {"-0,00005", -0.00005, true}, {"1", 1, true}, {"1,5e-3", 1.5e-3, true}, {"nan", math.NaN(), true},
		{"1.5", 0, false}, {"1.500,25", 0, false}, {"1,500,250", 0, false}, {",", 0, false},
	} {
		got, err := readers.ParseNumber([]byte(c.s), ',')
		if (err == nil) != c.ok || c.ok && got != c.want && !math.IsNaN(c.want) {
			t.Errorf("parseNumber(%q) with commas = %v, %v, want %v, %v", c.s, got, err, c.want, c.ok)
		}
	}
}

// Fuzzing mutates spellings; this draws numbers as programs print them.
func TestRandomDecimals(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	digits := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte('0' + r.IntN(10))
		}
		return string(b)
	}
	for range 20_000 {
		s := []string{"", "-"}[r.IntN(2)] + digits(r.IntN(12))
		if r.IntN(4) > 0 {
			s += "." + digits(r.IntN(18))
		}
		if r.IntN(4) == 0 {
			s += "e" + strconv.Itoa(r.IntN(80)-40)
		}
		checkNumber(t, s)
		v := math.Float64frombits(r.Uint64())
		checkNumber(t, strconv.FormatFloat(v, 'g', 1+r.IntN(17), 64))
	}
}
