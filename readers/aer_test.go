package readers_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/larder-store/larder/readers"
)

type aerTruth struct {
	Format        string
	HeaderFirst   []string `json:"header_first"`
	Events        int
	TrailingBytes int   `json:"trailing_bytes"`
	AddrSum       int64 `json:"addr_sum"`
	TsSum         int64 `json:"ts_sum"`
	First, Last   []int64
	Addr          string `json:"sha256_u32le_addr"`
	Ts            string `json:"sha256_i32le_ts"`
}

func TestRealAERFiles(t *testing.T) {
	data, err := os.ReadFile("testdata/truth.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for name, raw := range all {
		var want aerTruth
		if filepath.Ext(name) != ".aedat" {
			continue
		}
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		seen++
		f, err := os.Open(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		got, err := readers.ReadAER(f, nil)
		if want.TrailingBytes > 0 != errors.Is(err, readers.ErrTruncated) {
			t.Errorf("%s: error = %v with %d bytes over", name, err, want.TrailingBytes)
		}
		checkEvents(t, name, got, want)
	}
	if seen != 2 {
		t.Errorf("%d files, want 2", seen)
	}
}

func checkEvents(t *testing.T, name string, got *readers.Events, want aerTruth) {
	t.Helper()
	addr, ts := make([]byte, 0), make([]byte, 0)
	var addrSum, tsSum int64
	for i := range got.Ticks {
		addr = binary.LittleEndian.AppendUint32(addr, got.Addresses[i])
		ts = binary.LittleEndian.AppendUint32(ts, uint32(got.Ticks[i]))
		addrSum += int64(got.Addresses[i])
		tsSum += int64(got.Ticks[i])
	}
	sum := func(b []byte) string { h := sha256.Sum256(b); return hex.EncodeToString(h[:]) }
	if len(got.Ticks) != want.Events || addrSum != want.AddrSum || tsSum != want.TsSum || sum(addr) != want.Addr || sum(ts) != want.Ts {
		t.Errorf("%s: %d events, sums %d and %d, want %d, %d and %d", name, len(got.Ticks), addrSum, tsSum, want.Events, want.AddrSum, want.TsSum)
	}
	if !slices.Equal(got.Header, want.HeaderFirst) || got.Version != "2.0" || math.Abs(got.Tick-1e-4) > 1e-18 {
		t.Errorf("%s: version %s, tick %v, header %q", name, got.Version, got.Tick, got.Header)
	}
}

// event is one of version 2.0.
func event(address uint32, tick int32) string {
	b := binary.BigEndian.AppendUint32(nil, address)
	return string(binary.BigEndian.AppendUint32(b, uint32(tick)))
}

func TestAERCases(t *testing.T) {
	const v2 = "#!AER-DAT2.0\r\n"
	for _, c := range []struct {
		name  string
		file  string
		addr  []uint32
		ticks []int32
		lines int
		tick  float64
		err   error
		says  string
	}{
		{name: "no header is version 1.0", file: "\x80\x01\x00\x00\x00\x07", addr: []uint32{0x8001}, ticks: []int32{7}, tick: 1e-6},
		{name: "version 1.0", file: "#!AER-DAT1.0\n\xff\xff\xff\xff\xff\xff", addr: []uint32{0xffff}, ticks: []int32{-1}, lines: 1, tick: 1e-6},
		{name: "comments alone are version 1.0", file: "# a remark\n\x00\x01\x00\x00\x00\x02", addr: []uint32{1}, ticks: []int32{2}, lines: 1, tick: 1e-6},
		{name: "jAER", file: v2 + "# This is a raw AE data file\r\n# Timestamps tick is 1 us\r\n" + event(5, 6), addr: []uint32{5}, ticks: []int32{6}, lines: 3, tick: 1e-6},
		{name: "a tick with a colon", file: v2 + "# Timestamps tick: 10 us\r\n" + event(5, 6), addr: []uint32{5}, ticks: []int32{6}, lines: 2, tick: 1e-5},
		{name: "Brian", file: "#!AER-DAT2.0\n# Timestamps tick is 0.1 * msecond\n" + event(5, 6), addr: []uint32{5}, ticks: []int32{6}, lines: 2, tick: 1e-4},
		{name: "a tick in seconds", file: v2 + "# Timestamps tick is 1e-06 * second\r\n" + event(5, 6), addr: []uint32{5}, ticks: []int32{6}, lines: 2, tick: 1e-6},
		{name: "a tick in ns", file: v2 + "# Timestamps tick is 50 ns\r\n", lines: 2, tick: 5e-8},
		{name: "a tick that nobody evaluates", file: v2 + "# Timestamps tick is __import__('os')\r\n" + event(5, 6), addr: []uint32{5}, ticks: []int32{6}, lines: 2, err: readers.ErrHeader, says: "line 2"},
		{name: "a tick of nothing", file: v2 + "# Timestamps tick is 0 us\r\n", lines: 2, err: readers.ErrHeader},
		{name: "header only", file: v2, lines: 1, tick: 1e-6},
		{name: "a first event that begins like a header line", file: v2 + event(0x23000001, 10), addr: []uint32{0x23000001}, ticks: []int32{10}, lines: 1, tick: 1e-6},
		// Eight printable bytes that end a line: nothing tells this event from a header line.
		{name: "a first event that reads like a header line", file: v2 + event(0x23414243, 0x4445460a) + event(1, 2), addr: []uint32{1}, ticks: []int32{2}, lines: 2, tick: 1e-6},
		{name: "part of an event that reads like a header line", file: v2 + event(0x2341420a, 7) + event(1, 2), addr: []uint32{0x2341420a, 1}, ticks: []int32{7, 2}, lines: 1, tick: 1e-6},
		{name: "the end mark of jAER", file: v2 + "#End Of ASCII Header\r\n" + event(0x2320410a, 3), addr: []uint32{0x2320410a}, ticks: []int32{3}, lines: 2, tick: 1e-6},
		{name: "odd header lines in the middle", file: v2 + "#odd\r\n# even\r\n" + event(1, 2), addr: []uint32{1}, ticks: []int32{2}, lines: 3, tick: 1e-6},
		{name: "cut", file: v2 + event(1, 2) + "\x00\x00\x00", addr: []uint32{1}, ticks: []int32{2}, lines: 1, tick: 1e-6, err: readers.ErrTruncated, says: "3 bytes are left behind 1 events"},
		{name: "version 3", file: "#!AER-DAT3.1\r\n", err: readers.ErrVersion, says: "AER-DAT 3.1"},
		{name: "version 4", file: "#!AER-DAT4.0\r\nxxxx", err: readers.ErrVersion},
		{name: "empty", file: "", err: readers.ErrFormat},
		{name: "a header without an end", file: strings.Repeat("# x\n", 1<<18), err: readers.ErrLimit},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(c.file), iotest.HalfReader(strings.NewReader(c.file))} {
				got, err := readers.ReadAER(r, nil)
				if !errors.Is(err, c.err) || err != nil && !strings.Contains(err.Error(), c.says) {
					t.Fatalf("error = %v, want %v that says %q", err, c.err, c.says)
				}
				if c.lines == 0 && err != nil {
					continue
				}
				if !slices.Equal(got.Addresses, c.addr) || !slices.Equal(got.Ticks, c.ticks) || len(got.Header) != c.lines {
					t.Errorf("%d lines, addresses %x, ticks %d, want %d, %x, %d", len(got.Header), got.Addresses, got.Ticks, c.lines, c.addr, c.ticks)
				}
				if math.Abs(got.Tick-c.tick) > 1e-15 {
					t.Errorf("tick = %v, want %v", got.Tick, c.tick)
				}
			}
		})
	}
}

func TestEventsUnwrapAndSort(t *testing.T) {
	e := &readers.Events{Tick: 1e-6, Addresses: []uint32{1, 2, 3, 4, 5}, Ticks: []int32{5, 3, math.MaxInt32, math.MinInt32, math.MinInt32 + 1}}
	const wrapped = 1 << 31
	if got := e.Unwrap(); !slices.Equal(got, []int64{5, 3, wrapped - 1, wrapped, wrapped + 1}) {
		t.Errorf("Unwrap = %d", got)
	}
	if s := e.Seconds(); math.Abs(s[4]-2147.483649) > 1e-9 {
		t.Errorf("Seconds = %v", s)
	}
	sorted := e.SortByTime()
	if !slices.Equal(sorted.Addresses, []uint32{2, 1, 3, 4, 5}) || !slices.Equal(sorted.Ticks[:2], []int32{3, 5}) {
		t.Errorf("SortByTime = %+v", sorted)
	}
	if e.Addresses[0] != 1 {
		t.Error("SortByTime changed its receiver")
	}
	same := &readers.Events{Addresses: []uint32{3, 1, 2}, Ticks: []int32{7, 7, 7}}
	if got := same.SortByTime().Addresses; !slices.Equal(got, []uint32{3, 1, 2}) {
		t.Errorf("events of one time = %d, want their order kept", got)
	}
	if got := (&readers.Events{}).Unwrap(); len(got) != 0 {
		t.Errorf("Unwrap of nothing = %v", got)
	}
}

func TestAERReaderThatFails(t *testing.T) {
	broken := errors.New("the disk is on fire")
	file := "#!AER-DAT2.0\n" + event(1, 2)
	got, err := readers.ReadAER(io.MultiReader(strings.NewReader(file), failing{broken}), nil)
	if !errors.Is(err, broken) || len(got.Ticks) != 1 {
		t.Errorf("%d events, %v; want 1, then %v", len(got.Ticks), err, broken)
	}
	long := file + strings.Repeat(event(3, 4), 200_000)
	got, err = readers.ReadAER(io.MultiReader(strings.NewReader(long), failing{broken}), nil)
	if !errors.Is(err, broken) || len(got.Ticks) != 200_001 {
		t.Errorf("%d events, %v; want what came before the error", len(got.Ticks), err)
	}
	if got, err := readers.ReadAER(bytes.NewReader([]byte(long)), nil); err != nil || len(got.Ticks) != 200_001 {
		t.Errorf("%d events, %v", len(got.Ticks), err)
	}
}
