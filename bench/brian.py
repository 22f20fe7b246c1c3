"""The collation of Brian's DataManager, written from its description: each session is a shelf of Python in a file of
its own; to collate is to open one after the other, to look at all keys, and to make a dictionary of what
matches. Each line on stdin is "<sessions> <items> <bytes>"; the answer is the wall and CPU seconds."""
import os
import shelve
import sys
import time

root = sys.argv[1]
made = set()


def fill(directory, sessions, items, size):
    os.makedirs(directory, exist_ok=True)
    for s in range(sessions):
        with shelve.open(os.path.join(directory, "%04d" % s), protocol=2) as shelf:
            for i in range(items):
                shelf["current=%06d" % i] = os.urandom(size)


def session_filenames(directory):
    names = set()
    for name in os.listdir(directory):
        for end in (".db", ".dat", ".dir", ".bak", ".pag"):
            if name.endswith(end):
                name = name[: -len(end)]
        names.add(name)
    return sorted(names)


def get_matching(directory, match):
    found = {}
    for name in session_filenames(directory):
        shelf = shelve.open(os.path.join(directory, name), protocol=2)
        found[name] = dict((key, shelf[key]) for key in shelf.keys() if match(key))
        shelf.close()
    return found


print("ready", flush=True)
for line in sys.stdin:
    sessions, items, size = map(int, line.split())
    directory = os.path.join(root, "%d-%d-%d" % (sessions, items, size))
    if directory not in made:
        fill(directory, sessions, items, size)
        made.add(directory)
    cpu, wall = time.process_time(), time.perf_counter()
    found = get_matching(directory, lambda key: key.startswith("current="))
    took = time.perf_counter() - wall, time.process_time() - cpu
    assert sum(len(d) for d in found.values()) == sessions * items
    print(*took, flush=True)
