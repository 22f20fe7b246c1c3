"""Peers of Larder in Python. Each line on stdin is "<what> <n>"; the answer is the
wall and CPU seconds that n hits took, or "! why" if it cannot be done."""
import os
import sys
import time

root = sys.argv[1]


def setup():
    cases = {}
    try:
        import joblib
        import numpy
        memory = joblib.Memory(os.path.join(root, "joblib"), verbose=0)

        @memory.cache
        def scalar(a, b, c):
            return a * b + c

        @memory.cache
        def array(n):
            return numpy.arange(n, dtype="float64")

        mapped = joblib.Memory(os.path.join(root, "joblib-mapped"), verbose=0, mmap_mode="r").cache(array.func)
        cases["joblib-mapped"] = lambda: mapped(1_000_000)
        cases["joblib-mapped-sum"] = lambda: mapped(1_000_000).sum()
        cases["joblib-float"] = lambda: scalar(1, 2.5, 3)
        cases["joblib-array"] = lambda: array(1_000_000)
    except ImportError as e:
        cases["joblib-float"] = cases["joblib-array"] = cases["joblib-mapped"] = cases["joblib-mapped-sum"] = str(e)
    try:
        import diskcache
        cache = diskcache.Cache(os.path.join(root, "diskcache"))

        @cache.memoize()
        def memoized(a, b, c):
            return a * b + c

        cases["diskcache-float"] = lambda: memoized(1, 2.5, 3)
    except ImportError as e:
        cases["diskcache-float"] = str(e)
    return cases


cases = setup()
for f in cases.values():
    if callable(f):
        f()  # the miss
print("ready", flush=True)
for line in sys.stdin:
    what, n = line.split()
    f = cases[what]
    if not callable(f):
        print("!", f, flush=True)
        continue
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(int(n)):
        f()
    print(time.perf_counter() - wall, time.process_time() - cpu, flush=True)
