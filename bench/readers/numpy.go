package main

import (
	"fmt"
	"os"
	"os/exec"
	"time"
)

// numpyScript takes a file and a number of header lines. It prints seconds, user and
// system time of loadtxt alone, and what was read, without the start of Python.
const numpyScript = `
import resource, sys, time
import numpy
name, skip = sys.argv[1], int(sys.argv[2])
def cpu():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime, u.ru_stime
u0, s0 = cpu()
t0 = time.perf_counter()
a = numpy.loadtxt(name, skiprows=skip)
t1 = time.perf_counter()
u1, s1 = cpu()
print(t1 - t0, u1 - u0, s1 - s0, a.size, repr(float(a[-1].sum())), numpy.__version__)
`

// loadtxt runs numpy.loadtxt in a Python of its own.
func loadtxt(python, name string, skip int) (m measure, r result, version string, err error) {
	cmd := exec.Command(python, "-c", numpyScript, name, fmt.Sprint(skip))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return m, r, "", fmt.Errorf("%s with numpy is needed (Debian: python3-numpy): %w", python, err)
	}
	var wall, user, sys float64
	if _, err := fmt.Sscan(string(out), &wall, &user, &sys, &r.numbers, &r.sum, &version); err != nil {
		return m, r, "", err
	}
	m.wall = time.Duration(wall * float64(time.Second))
	m.cpu = time.Duration((user + sys) * float64(time.Second))
	return m, r, version, nil
}
