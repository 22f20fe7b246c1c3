"""Larder's keys, from docs/keys.md alone: the specification in another language.

It needs Python 3.8 and its standard library. Run it with golden.json as argument: it makes every key,
segment and refusal in there anew and prints what differs; exit status 1 if anything does.

Values are None, bool, int, float, str, bytes, datetime.datetime with a time zone (or Time,
to the nanosecond), list, tuple, dict, and Pairs for maps that no dict can hold.
"""

import datetime
import hashlib
import json
import math
import re
import struct
import sys
from dataclasses import dataclass, field
from typing import Any, List, Optional

FORMAT = "larder/component/1"
MAX_PREIMAGE = 16 << 20
MAX_DEPTH = 100
MAX_SEGMENT = 200
MAX_WORDS = 135
RESERVED = "larder.Ref"
NO_MOMENT = "0001-01-01T00:00:00Z"


class Refused(Exception):
    """A value has no encoding. The path says where it is."""

    def __init__(self, why, path=""):
        super().__init__(why)
        self.why, self.path = why, path

    def below(self, step):
        return Refused(self.why, step + self.path)


class Malformed(Exception):
    """Bytes or a segment that nothing encodes to."""


@dataclass(frozen=True)
class Time:
    """An instant: whole seconds since 1970 in UTC, and nanoseconds."""

    seconds: int
    nanos: int = 0


@dataclass
class Pairs:
    """A map as a list of (key, value), in any order."""

    items: List[Any]


@dataclass
class Component:
    type: str
    version: str = ""
    parameters: Any = None
    inputs: List[Any] = field(default_factory=list)  # keys
    as_of: Optional[Time] = None


# Section 3: encoding

EPOCH = datetime.datetime(1970, 1, 1)


def head(major, n):
    for low, limit, form in ((24, 1 << 8, ">B"), (25, 1 << 16, ">H"), (26, 1 << 32, ">I"), (27, 1 << 64, ">Q")):
        if n < 24:
            return bytes([major << 5 | n])
        if n < limit:
            return bytes([major << 5 | low]) + struct.pack(form, n)
    raise Refused("too long")


def encode_int(n):
    if abs(n) >= 1 << 4096:
        raise Refused("an integer beyond 4096 bits")
    major, m = (0, n) if n >= 0 else (1, -1 - n)
    if m < 1 << 64:
        return head(major, m)
    return head(6, 2 + major) + encode_bytes(m.to_bytes((m.bit_length() + 7) // 8, "big"))


def encode_float(f):
    if math.isnan(f):
        return b"\xf9\x7e\x00"
    if math.isfinite(f) and f == int(f):
        return encode_int(int(f))
    for first, form in ((0xF9, ">e"), (0xFA, ">f"), (0xFB, ">d")):
        try:
            b = struct.pack(form, f)
        except OverflowError:
            continue
        if struct.unpack(form, b)[0] == f:
            return bytes([first]) + b


def encode_text(s):
    try:
        b = s.encode("utf-8")
    except UnicodeEncodeError:
        raise Refused("not valid Unicode") from None
    return head(3, len(b)) + b


def encode_bytes(b):
    return head(2, len(b)) + b


def time_text(t):
    try:
        day = EPOCH + datetime.timedelta(seconds=t.seconds)
    except OverflowError:
        raise Refused("outside the years 1 to 9999") from None
    fraction = (".%09d" % t.nanos).rstrip("0").rstrip(".")
    return day.isoformat(timespec="seconds") + fraction + "Z"


def encode_key(k):
    if isinstance(k, str):
        return encode_text(k)
    if isinstance(k, (int, float)):  # bool is an int here
        n = whole(k)
        if n is None or -(1 << 63) <= n < 1 << 64:
            return encode(k)
    raise Refused("no key of a map")


def whole(x):
    """The integer that x is, or None."""
    if isinstance(x, float) and (not math.isfinite(x) or x != int(x)):
        return None
    return int(x)


def encode(v, depth=0):
    if v is None:
        return b"\xf6"
    if isinstance(v, bool):
        return b"\xf5" if v else b"\xf4"
    if isinstance(v, int):
        return encode_int(v)
    if isinstance(v, float):
        return encode_float(v)
    if isinstance(v, str):
        return encode_text(v)
    if isinstance(v, (bytes, bytearray)):
        return encode_bytes(bytes(v))
    if isinstance(v, datetime.datetime):
        since = v.astimezone(datetime.timezone.utc).replace(tzinfo=None) - EPOCH
        v = Time(since.days * 86400 + since.seconds, since.microseconds * 1000)
    if isinstance(v, Time):
        return b"\xc0" + encode_text(time_text(v))
    if depth >= MAX_DEPTH:
        raise Refused("nested too deep")
    if isinstance(v, (list, tuple)):
        out = [head(4, len(v))]
        for i, x in enumerate(v):
            try:
                out.append(encode(x, depth + 1))
            except Refused as e:
                raise e.below("[%d]" % i) from None
        return b"".join(out)
    if isinstance(v, dict):
        v = Pairs(list(v.items()))
    if isinstance(v, Pairs):
        return encode_map(v, depth)
    raise Refused("%s is not data" % type(v).__name__)


def encode_map(m, depth):
    entries = {}
    for k, x in m.items:
        try:
            key = encode_key(k)
            if key in entries:
                raise Refused("two keys of the map are equal")
            entries[key] = encode(x, depth + 1)
        except Refused as e:
            raise e.below(step(k)) from None
    return head(5, len(entries)) + b"".join(k + entries[k] for k in sorted(entries))


def step(k):
    """The step of a path to the entry of a map."""
    if isinstance(k, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,99}", k):
        return "." + k
    if isinstance(k, str):
        return "[" + json.dumps(k) + "]"
    if isinstance(k, float) and whole(k) is not None:
        k = whole(k)
    return "[NaN]" if k != k else "[%s]" % json.dumps(k)


# Sections 1 and 6: keys


def preimage(c, is_key):
    if c.type in ("", RESERVED):
        raise Refused("the type is empty or reserved", "type")
    items = [head(4, 6), encode_text(FORMAT)]
    for path, item in (("type", c.type), ("version", c.version), ("parameters", c.parameters)):
        try:
            items.append(encode(item))
        except Refused as e:
            raise e.below(path) from None
    items.append(head(4, len(c.inputs)))
    for i, key in enumerate(c.inputs):
        if not is_key(key):
            raise Refused("not a key", "inputs[%d]" % i)
        items.append(encode_text(key))
    try:
        items.append(encode(moment(c)))
    except Refused as e:
        raise e.below("asOf") from None
    b = b"".join(items)
    if len(b) > MAX_PREIMAGE:
        raise Refused("the pre-image is too large")
    return b


def moment(c):
    """The as-of, or None: the first instant of the year 1 names none, in whatever zone it was given."""
    return None if c.as_of is not None and time_text(c.as_of) == NO_MOMENT else c.as_of


def is_hash_key(key):
    return re.fullmatch(r"[0-9a-f]{64}", key) is not None


def is_readable_key(key):
    return re.search(r"-[0-9a-f]{64}\Z", key) is not None and is_segment(key)


def hash_key(c):
    return hashlib.sha256(preimage(c, is_hash_key)).hexdigest()


def readable_key(c):
    digest = hashlib.sha256(preimage(c, is_readable_key)).hexdigest()
    return words(c) + "-" + digest


def words(c):
    text = c.type.rpartition("/")[2]
    if c.version:
        text += "_" + c.version
    if moment(c) is not None:
        text += "_" + time_text(c.as_of)
    text += entries("", c.parameters)
    b = text.encode("utf-8").lower()  # of bytes, only ASCII changes
    b = re.sub(rb"[^a-z0-9._=-]+\Z", b"", b)
    b = re.sub(rb"[^a-z0-9._=-]+", b"-", b)
    b = re.sub(rb"_+", b"_", b).lstrip(b".")
    return b[:MAX_WORDS].decode("ascii")


def sorted_items(m):
    items = m.items if isinstance(m, Pairs) else list(m.items())
    return sorted(items, key=lambda kv: encode_key(kv[0]))


def entries(path, v):
    if isinstance(v, (dict, Pairs)):
        return "".join(entries((path and path + ".") + item(k), x) for k, x in sorted_items(v))
    if path:
        return "_" + path + "=" + item(v)
    return "" if v is None else "_" + item(v)


def item(v):
    if v is None:
        return "null"
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, int):
        return str(v)
    if isinstance(v, float):
        return repr(v) if whole(v) is None else str(whole(v))
    if isinstance(v, bytes):
        return v.hex()
    if isinstance(v, Time):
        return time_text(v)
    if isinstance(v, (list, tuple)):
        return "-".join(map(item, v))
    if isinstance(v, (dict, Pairs)):
        return "-".join(item(k) + "=" + item(x) for k, x in sorted_items(v))
    return v


# Section 5: segments


def is_segment(s):
    return (
        re.fullmatch(r"[a-z0-9._=-]{1,200}", s) is not None
        and not s.startswith(".")
        and not s.endswith(".")
        and "__" not in s
    )


def escape(name):
    out, run = [], 0
    for i, c in enumerate(name):
        plain = chr(c) in "abcdefghijklmnopqrstuvwxyz0123456789-"
        plain = plain or c == ord(".") and 0 < i < len(name) - 1
        plain = plain or c == ord("_") and run % 2 == 0
        run = run + 1 if c == ord("_") else 0
        out.append(chr(c) if plain else "=%02x" % c)
    segment = "".join(out) or "="
    if len(segment) > MAX_SEGMENT:
        raise Refused("the name is too long")
    return segment


def unescape(segment):
    name = b""
    if segment != "=":
        for digits, plain in re.findall(r"=([0-9a-f]{2})|(.)", segment, re.DOTALL):
            name += bytes.fromhex(digits) if digits else plain.encode("utf-8")
    try:
        if escape(name) == segment:
            return name
    except Refused:
        pass
    raise Malformed("not an escaped name")


# Section 4: decoding


class Decoder:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if n > len(self.data) - self.at:
            raise Malformed("it ends too soon")
        self.at += n
        return self.data[self.at - n : self.at]

    def head(self):
        first = self.take(1)[0]
        major, low = first >> 5, first & 31
        if low < 24:
            return major, low, low
        if low > 27:
            raise Malformed("indefinite length, or reserved")
        n = int.from_bytes(self.take(1 << (low - 24)), "big")
        if major != 7 and len(head(major, n)) != 1 + (1 << (low - 24)):
            raise Malformed("a head that has a shorter form")
        return major, low, n

    def value(self, depth=0):
        start = self.at
        major, low, n = self.head()
        if major == 0:
            return n
        if major == 1:
            return -1 - n
        if major == 2:
            return self.take(n)
        if major == 3:
            try:
                return self.take(n).decode("utf-8")
            except UnicodeDecodeError:
                raise Malformed("not UTF-8") from None
        if major == 4:
            return [self.value(self.deeper(depth)) for _ in range(n)]
        if major == 5:
            return self.map(n, self.deeper(depth))
        if major == 6:
            return self.tagged(n)
        simple = {20: False, 21: True, 22: None}
        if low in simple:
            return simple[low]
        if low not in (25, 26, 27):
            raise Malformed("a simple value that is not used")
        bits = self.data[start + 1 : self.at]
        f = struct.unpack({2: ">e", 4: ">f", 8: ">d"}[len(bits)], bits)[0]
        if encode_float(f) != self.data[start : self.at]:
            raise Malformed("a float that has another form")
        return f

    def deeper(self, depth):
        if depth >= MAX_DEPTH:
            raise Malformed("nested too deep")
        return depth + 1

    def map(self, n, depth):
        pairs, last = [], b""
        for _ in range(n):
            start = self.at
            k = self.value(depth)
            try:
                encode_key(k)
            except Refused:
                raise Malformed("no key of a map") from None
            key = self.data[start : self.at]
            if key <= last:
                raise Malformed("keys out of order, or one twice")
            last = key
            pairs.append((k, self.value(depth)))
        return Pairs(pairs)

    def tagged(self, tag):
        v = self.value()
        if tag == 0 and isinstance(v, str):
            try:
                t = parse_time(v)
                if time_text(t) == v:
                    return t
            except (ValueError, Refused):
                pass
        if tag in (2, 3) and isinstance(v, bytes):
            n = int.from_bytes(v, "big")
            n = n if tag == 2 else -1 - n
            if abs(n) < 1 << 4096 and encode_int(n) == head(6, tag) + encode_bytes(v):
                return n
        raise Malformed("a tag that is not used, or what it holds is not canonical")


def decode(data):
    if len(data) > MAX_PREIMAGE:
        raise Malformed("too large")
    d = Decoder(data)
    if d.head()[::2] != (4, 6):
        raise Malformed("not a list of 6")
    fmt, typ, version, parameters = d.value(), d.value(), d.value(), d.value()
    major, _, n = d.head()
    if major != 4:
        raise Malformed("the inputs are no list")
    inputs = [d.value() for _ in range(n)]
    as_of = d.value()
    if fmt != FORMAT or not isinstance(typ, str) or typ in ("", RESERVED) or not isinstance(version, str):
        raise Malformed("format, type or version")
    if not all(isinstance(k, str) and is_segment(k) for k in inputs):
        raise Malformed("key of an input")
    if as_of is not None and (not isinstance(as_of, Time) or time_text(as_of) == NO_MOMENT):
        raise Malformed("as-of")
    if d.at != len(data):
        raise Malformed("bytes after the end")
    return Component(typ, version, parameters, inputs, as_of)


# The vectors' notation, which golden.json explains


def parse_time(s):
    m = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|([+-])(\d\d):(\d\d))", s)
    if not m:
        raise ValueError("not a time: " + s)
    since = datetime.datetime.strptime(m[1], "%Y-%m-%dT%H:%M:%S") - EPOCH
    offset = 0 if m[3] == "Z" else int(m[4] + "1") * (int(m[5]) * 3600 + int(m[6]) * 60)
    return Time(since.days * 86400 + since.seconds - offset, int((m[2] or "").ljust(9, "0")))


def parse(v):
    if v is None or isinstance(v, (bool, str)):
        return v
    ((kind, x),) = v.items()
    if kind == "int":
        return int(x)
    if kind == "float64":
        return struct.unpack(">d", bytes.fromhex(x))[0]
    if kind == "float32":
        return struct.unpack(">f", bytes.fromhex(x))[0]
    if kind == "utf8":
        return bytes.fromhex(x).decode("utf-8", "surrogateescape")
    if kind == "bytes":
        return bytes.fromhex(x)
    if kind == "time":
        return parse_time(x)
    if kind == "list":
        return [parse(y) for y in x]
    if kind == "map":
        return Pairs([(parse(k), parse(y)) for k, y in x])
    if kind == "deep":
        nested = None
        for _ in range(x):
            nested = [nested]
        return nested
    raise ValueError("unknown notation: " + kind)


def component(node, keys):
    inputs = [i["key"] if isinstance(i, dict) else keys[i] for i in node.get("inputs", [])]
    as_of = node.get("asOf")
    return Component(
        parse(node["type"]), parse(node.get("version", "")), parse(node.get("parameters")),
        inputs, as_of if as_of is None else parse_time(as_of),
    )


def run(graph, make):
    """Makes the keys of a graph, whose nodes come after their inputs; the last is its result."""
    keys = []
    for node in graph:
        keys.append(make(component(node, keys)))
    return keys[-1], component(graph[-1], keys)


def check(golden):
    for v in golden["keys"]:
        got, last = run(v["graph"], hash_key)
        b = preimage(last, is_hash_key)
        yield v["name"], "pre-image", b.hex(), v["preimage"]
        yield v["name"], "hash", got, v["hash"]
        again = decode(b)
        yield v["name"], "decoded and encoded", preimage(again, is_hash_key).hex(), v["preimage"]
        if "readable" in v:
            got, _ = run(v["graph"], readable_key)
            yield v["name"], "readable", got, v["readable"]
    for v in golden["refused"]:
        if "graph" not in v:
            continue
        try:
            got = "a key: " + run(v["graph"], hash_key)[0]
        except Refused as e:
            got = e.path
        yield v["name"], "path", got, v["path"]
    for v in golden["malformed"]:
        try:
            got = "accepted: %r" % decode(bytes.fromhex(v["bytes"]))
        except Malformed:
            got = "refused"
        yield v["name"], "decoding", got, "refused"
    for v in golden.get("preimages", []):
        try:
            again = decode(bytes.fromhex(v["bytes"]))
            got = preimage(again, is_segment).hex()
        except Malformed:
            got = "refused"
        yield v["name"], "decoded and encoded", got, v["bytes"]
    for v in golden["segments"]:
        name = bytes.fromhex(v["name"])
        yield v["name"], "segment", escape(name), v["segment"]
        yield v["name"], "name", unescape(v["segment"]).hex(), v["name"]
    for s in golden["no segments"]:
        try:
            got = "accepted: %r" % unescape(s)
        except Malformed:
            got = "refused"
        yield s, "unescaping", got, "refused"


def main(path):
    with open(path, encoding="utf-8") as f:
        golden = json.load(f)
    count = wrong = 0
    for name, what, got, want in check(golden):
        count += 1
        if got != want:
            wrong += 1
            print("%s: %s is %s, want %s" % (name, what, got, want))
    print("%d checks, %d wrong" % (count, wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
