"""Codec 5 of the reference decoder, written from FORMAT.md: plain and slow on purpose. Numbers in comments are its
sections. Names of one letter are those of the text."""

import struct
from fractions import Fraction
from functools import lru_cache
from types import SimpleNamespace as Record

from reference_reader import Rans, check, slots

# 3.4
D = (4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 51, 64, 81, 102, 128)
D += (161, 203, 256, 323, 406, 512, 645, 813, 1024, 1290, 1625, 2048, 2580, 3251, 4096, 5161)
EDGES = (4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40)
PARITY = {2: (2, 1), 3: (5, 2), 4: (9, 2), 5: (18, 4), 6: (33, 10), 7: (78, 43), 8: (166, 121)}
F = (7053, 7029, 6992, 6934, 6844, 6709, 6510, 6228, 5847, 5363, 4793, 4173, 3547, 2955, 2425, 1968)
F += (1584, 1269, 1013, 807, 642, 511, 406, 322, 256, 203, 161, 128, 102, 81, 64, 51)
# 3.5
CORNERS = (0, 256, 323, 406, 512, 645, 813, 1024, 1290, 1625, 2048, 2580, 3251, 4096, 5161, 6502, 8192, 10321)
CORNERS += (13004, 16384, 20643, 26008, 32768, 41285, 52016, 65536, 82570, 104032, 131072, 165140, 208064, 262144)
CORNERS += (330281, 416128)
V = (524288, 416127, 330280)


def clamp(x, low, high):
    return min(max(x, low), high)


def reaches(period):
    """2.6: how many taps each place of a period has."""
    return [4] if period == 1 else [min(4, q) for q in range(period)]


def read_shapes(reader):
    """2.3, its second part."""
    shapes = []
    for _ in range(reader.count()):
        first, last = reader.u8(), reader.u8()
        weights = [reader.varint() for _ in range(last + 1)]
        check(first + last <= 31 and sum(weights) == 4096, "a shape has triangles over 31 or not the sum 4096")
        check(weights[0] and weights[-1], "a shape's first or last weight is 0")
        shapes.append((*[0] * first, *weights, *[0] * (31 - first - last)))
    return shapes


def read_stream(reader, s, shapes, segment_log2, what):
    """2.4: the parameters of stream s."""
    s.steps, flags = [reader.float32()], reader.u8()
    s.offset = reader.signed_varint() if flags >> 7 else 0
    check(flags >> 7 == (s.offset != 0) and abs(s.offset) <= 1 << 22, f"{what} has an impossible offset")
    shape, s.base = reader.varint(), reader.signed_varint()
    s.states_log2, s.keeps_zero, s.predicts = flags & 15, flags >> 4 & 1, flags >> 5 & 1
    is_possible = s.states_log2 in PARITY and abs(s.base) <= 1024
    check(is_possible and 2.0**-126 <= s.steps[0] < 2.0**128, f"{what} has invalid parameters")
    check(shape < len(shapes), f"{what} names a shape that is not there")
    s.shape, s.period, s.shifts = shapes[shape], 0, (0,) * 12
    if s.predicts:
        s.period, s.shifts = reader.varint(), reader.signed(12)
        check(s.period <= 64, f"{what} has a period that is too long")
        check(max(map(abs, s.shifts)) <= 4, f"{what} has a shift that is too large")
    s.taps = Record(count=sum(reaches(s.period)), codes=[])
    s.view = [reader.varint() for _ in range(3)] if flags >> 6 & 1 else None
    if s.view:
        a, b, c = s.view
        check(a * b * c == s.units <= 1 << segment_log2 and s.view != [1] * 3, f"{what} has an impossible view")
    count = reader.u8()
    s.factors = [Record(inner=reader.varint(), count=reader.varint(), codes=[]) for _ in range(count)]
    is_possible = all(f.inner and f.count and s.units % (f.inner * f.count) == 0 for f in s.factors)
    check(count <= 3 and is_possible, f"{what} has too many factors or one that does not divide it")


class CodeModel:
    """2.5: how likely the next code's symbol is."""

    def __init__(self, first, last):
        self.symbols, self.seen = range(first, last + 1), 0
        self.gathered, weight = [0] * 256, 48
        for distance in range(128):
            self.gathered[128 + distance] = self.gathered[128 - distance] = weight
            weight = weight * 3 // 5
        self.begin_factor()

    def begin_factor(self):
        total = sum(self.gathered[s] for s in self.symbols)
        self.prior = {s: 1 + (self.gathered[s] * 1024 // total if total else 0) for s in self.symbols}
        self.counts = dict.fromkeys(self.symbols, 0)

    def frequencies(self):
        return [self.prior[s] + 64 * self.counts[s] for s in self.symbols]

    def add(self, s):
        self.gathered[s] += 8
        self.seen += 8
        if self.seen >= 1 << 15:
            self.gathered = [g // 2 for g in self.gathered]
            self.seen = sum(self.gathered)
        self.counts[s] += 1
        if sum(self.counts.values()) >= 2048:
            self.counts = {s: c // 2 for s, c in self.counts.items()}


def read_codes(reader, factors, what):
    """2.5, and 2.6 with the taps of a stream as a factor."""
    total = sum(f.count for f in factors)
    if total == 0:
        return
    check(total // 256 <= reader.left(), f"there are more {what} than can be")
    first, last = reader.u8(), reader.u8()
    check(first <= last, f"the {what} have no range")
    data = reader.take(reader.left())
    model, span, code, at = CodeModel(first, last), 2**32 - 1, int.from_bytes(data[:4].ljust(4, b"\0"), "big"), 4
    for f in factors:
        model.begin_factor()
        for _ in range(f.count):
            frequencies = model.frequencies()
            part = span // sum(frequencies)
            target, s, below = min(code // part, sum(frequencies) - 1), 0, 0
            while target - below >= frequencies[s]:
                below, s = below + frequencies[s], s + 1
            code, span = code - part * below, part * frequencies[s]
            while span < 1 << 24:
                code = (code << 8 | (data[at] if at < len(data) else 0)) & 2**32 - 1
                span, at = span << 8, at + 1
            model.add(first + s)
            f.codes.append(first + s - 128)
    check(len(data) == max(at, -(-total // 256)) and not any(data[at:]), f"the {what} do not end with their section")


def add_taps(streams):
    """2.6: from what is stored of the streams' taps to themselves."""
    before = {}
    for s in streams:
        b = before.get(s.period, [0] * len(s.taps.codes))
        s.taps.codes = before[s.period] = [(x + y + 128) % 256 - 128 for x, y in zip(s.taps.codes, b)]


def mass_below(t, x):
    a, b, d = CORNERS[t - 1] if t else 0, CORNERS[t], CORNERS[t + 1]
    if x <= a or x >= d:
        return 0 if x <= a else 1 << 24
    if x < b:
        return ((x - a) ** 2 << 24) // ((b - a) * (d - a))
    return (1 << 24) - ((d - x) ** 2 << 24) // ((d - b) * (d - a))


@lru_cache(None)
def within(shape, c, q):
    if q < 0:
        return -within(shape, c, -q)
    x = q * V[c % 3] >> 4 + c // 3
    return sum(weight * mass_below(t, x) for t, weight in enumerate(shape) if weight)


def cell(t, j):
    if t < 5:
        return 8 * j - t - 4, 8 * j - t + 4
    if j < 0:
        low, high = cell(t, -j)
        return -high, -low
    return (-2, 2) if j == 0 else (2, 8) if j == 1 else (8 * j - 8, 8 * j)


def frequencies_of(counts):
    """3.5: counts to frequencies with the sum 4096."""
    total = sum(counts)
    found = [clamp((4096 * n + total // 2) // total, 1, 4095) for n in counts]
    while (missing := 4096 - sum(found)) != 0:
        gain = [Fraction(n, 2 * f + (1 if missing > 0 else -1)) for n, f in zip(counts, found)]
        if missing > 0:
            found[gain.index(max(gain))] += 1
        else:
            found[gain.index(min(g for g, f in zip(gain, found) if f > 1))] -= 1
    return found


@lru_cache(None)
def table_of(shape, c, t):
    """3.5: table (C, T) as slots."""
    reach = next((r for r in range(2, 96) if (1 << 36) - within(shape, c, 8 * r + 4) < 1 << 21), 96)
    cells = [cell(t, j) for j in range(-reach, reach + 1)]
    counts = [(within(shape, c, high) - within(shape, c, low)) // 2 + 1 for low, high in cells]
    return slots(128 - reach, frequencies_of(counts))


class Lane:
    """3.4: what a lane knows between two units."""

    def __init__(self, s):
        self.s, self.state, self.energy, self.past = s, 0, 384, [0] * 4
        taps = iter(s.taps.codes)
        self.taps = [[next(taps) for _ in range(n)] for n in reaches(s.period)]

    def step(self, e, decode):
        """The level of element e; decode(table) gives a symbol."""
        s = self.s
        expected = clamp(s.base + sum(f.codes[e // f.inner % f.count] for f in s.factors), 0, 31)
        c, m, q = expected, 0, self.state % 2
        if s.predicts:
            c = clamp(expected + s.shifts[sum(self.energy // 32 >= edge for edge in EDGES)], 0, 31)
        if s.period and not s.keeps_zero:
            p = sum(tap * u for tap, u in zip(self.taps[e % s.period], self.past))
            m = clamp((p * D[expected] + 4096) // 8192, -224, 224)
        if s.keeps_zero and q:
            i = decode(table_of(s.shape, c, 5)) - 128
            k = 2 * i - (i > 0) + (i < 0)
        else:
            z = (m - 4 * q + 4) // 8
            phase = m - 4 * q - 8 * z
            y = decode(table_of(s.shape, c, abs(phase))) - 128
            i = z - y if phase < 0 else z + y
            k = 2 * i + q
        h0, h1 = PARITY[s.states_log2]
        self.state = self.state // 2 ^ h0 * q ^ h1 * (i % 2)
        self.energy += min(abs(4 * k - m) * F[expected] // 256, 1023) - self.energy // 8
        self.past = [clamp((k * F[expected] + 128) // 256, -127, 127), *self.past[:3]]
        return k


def decode_levels(plane, n, s, first):
    """3.4: the n levels of a plane of mode 2; `first` is the number of the block's first element."""
    run, rans, levels = -(-n // plane.lanes), Rans(plane.data, plane.lanes), [0] * n
    lanes = [Lane(s) for _ in range(plane.lanes)]
    for t in range(run):
        for number, lane in enumerate(lanes):
            if (i := number * run + t) < n:
                levels[i] = lane.step(first + i, lambda table: rans.symbol(number, table))
    rans.finish()
    return levels


def far_weights(data, n, unit):
    """3.3: (position, level, bytes of the unit or None) of each record."""
    records, exact = [], 0
    while 4 * len(records) + unit * exact < len(data):
        check(len(data) >= 4 * len(records) + 4, "the far weights have an impossible size")
        (record,) = struct.unpack_from("<i", data, 4 * len(records))
        records.append((record & (1 << 18) - 1, record >> 18))
        exact += record >> 18 == -8192
    check(len(data) == 4 * len(records) + unit * exact, "the far weights have an impossible size")
    positions, at = [p for p, _ in records], 4 * len(records)
    check(positions == sorted({*positions} & {*range(n)}), "the positions of the far weights do not ascend")
    for position, level in records:
        at += unit * (level == -8192)
        yield position, level, data[at - unit : at] if level == -8192 else None


def from_view(s, data):
    """2.4: the stream's units in the order of the tensor's data."""
    a, b, c = s.view
    units = [data[i : i + s.unit] for i in range(0, len(data), s.unit)]
    return b"".join(units[(k * b + j) * a + i] for i in range(a) for j in range(b) for k in range(c))
