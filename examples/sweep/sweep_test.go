package main

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The workers are this test binary again.
func TestMain(m *testing.M) {
	for _, arg := range os.Args {
		if arg == "-worker" {
			main()
			return
		}
	}
	os.Exit(m.Run())
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	for name, url := range map[string]string{"shelve": "shelve://" + dir + "/shelves", "file": "file://" + dir + "/bucket"} {
		args := []string{"-store", url, "-csv", filepath.Join(dir, name+".csv"), "-svg", filepath.Join(dir, name+".svg")}
		for range 2 { // the second time all is there
			var stdout, stderr bytes.Buffer
			if err := run(args, &stdout, &stderr); err != nil {
				t.Fatalf("%s: %v: %s", name, err, stderr.String())
			}
			if want := "200 of 200 simulations; the neuron fires from 0.76 nA on\n"; stdout.String() != want {
				t.Errorf("%s: it says %q, want %q", name, stdout.String(), want)
			}
		}
		checkTable(t, args[3])
		checkPicture(t, args[5])
	}
}

// The simulation is compared with the formula for a constant current.
func checkTable(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) != simulations+1 {
		t.Fatalf("the table has %d rows, %v", len(rows), err)
	}
	for _, row := range rows[1:] {
		current, err1 := strconv.ParseFloat(row[0], 64)
		rate, err2 := strconv.ParseFloat(row[1], 64)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		want := 0.0
		if drive := resistance * current; drive > fires {
			want = 1 / (refractory + tau*math.Log(drive/(drive-fires)))
		}
		if math.Abs(rate-want) > 0.03*want+0.5 {
			t.Errorf("%.2f nA: %.2f Hz, want %.2f", current, rate, want)
		}
	}
}

func checkPicture(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dec := xml.NewDecoder(bytes.NewReader(text))
	for {
		if _, err := dec.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
	}
	if n := strings.Count(string(text), ","); n != simulations {
		t.Errorf("the picture has %d points, want %d", n, simulations)
	}
}
