package main

import (
	"io"
	"os"
	"os/exec"
)

// startBusy starts n processes that keep a core busy each, and returns what ends them.
func startBusy(n int) (stop func(), err error) {
	var ends []io.Closer
	var cmds []*exec.Cmd
	stop = func() {
		for _, end := range ends {
			end.Close()
		}
		for _, cmd := range cmds {
			cmd.Wait()
		}
	}
	self, err := os.Executable()
	if err != nil {
		return stop, err
	}
	for range n {
		cmd := exec.Command(self, "-worker-busy")
		in, err := cmd.StdinPipe() // ends with this process, however that ends
		if err != nil {
			return stop, err
		}
		if err := cmd.Start(); err != nil {
			return stop, err
		}
		ends, cmds = append(ends, in), append(cmds, cmd)
	}
	return stop, nil
}

// busyWorker loops until its standard input ends.
func busyWorker([]string) error {
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(ended)
	}()
	for i := 0; ; i++ {
		if i%1_000_000 != 0 {
			continue
		}
		select {
		case <-ended:
			return nil
		default:
		}
	}
}
