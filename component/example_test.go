package component_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/larder-store/larder/component"
)

func ExampleNew() {
	recording := component.New("recording", "1", map[string]any{"cell": 7})
	filtered := component.New("filter", "3", map[string]any{"order": 4, "low": 300.0}, recording)
	fmt.Println(filtered.Type(), filtered.Version(), filtered.Parameters(), filtered.Inputs()[0].Type())
	// Output: filter 3 map[low:300 order:4] recording
}

// Detect finds spikes below a threshold, in mV.
type Detect struct{ Threshold float64 }

func ExampleOf() {
	c := component.Of(Detect{Threshold: -20}, "1.2")
	fmt.Println(c.Type())
	fmt.Println(c.Version(), c.Parameters())
	// Output:
	// github.com/larder-store/larder/component_test.Detect
	// 1.2 {-20}
}

// A file is known by its contents, under whatever path.
func ExampleFile() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var files []component.Component
	for _, name := range []string{"cell7.dat", "copy of cell7.dat"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("0.5 0.7\n"), 0o600); err != nil {
			log.Fatal(err)
		}
		c, err := component.File(path)
		if err != nil {
			log.Fatal(err)
		}
		files = append(files, c)
	}
	fmt.Println(files[0].Type(), files[0].Parameters() == files[1].Parameters())
	// Output: larder.File true
}

// The state of a database is another one tomorrow.
func ExampleWithAsOf() {
	patients := component.New("patients", "1", nil)
	noon := component.WithAsOf(patients, time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	fmt.Println(noon.(component.Timed).AsOf())
	// Output: 2026-11-21 12:00:00 +0000 UTC
}

// Inputs come before what is made from them, each once.
func ExampleWalk() {
	recording := component.New("recording", "1", nil)
	filtered := component.New("filter", "1", nil, recording)
	spikes := component.New("detect", "1", nil, filtered, recording)
	err := component.Walk(context.Background(), spikes, func(c component.Component, inputs []int) error {
		fmt.Println(c.Type(), inputs)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// recording []
	// filter [0]
	// detect [1 0]
}
