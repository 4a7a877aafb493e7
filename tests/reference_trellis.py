"""Codec 5 of the reference decoder, written from FORMAT.md: plain and slow on purpose. Numbers in comments are its
sections. Names of one letter are those of the text."""

import math
import struct
from collections import defaultdict
from fractions import Fraction
from functools import lru_cache
from types import SimpleNamespace as Record

from reference_reader import Estimate, Rans, check, clamp, slots

# 3.4
D = (4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40, 51, 64, 81, 102, 128)
D += (161, 203, 256, 323, 406, 512, 645, 813, 1024, 1290, 1625, 2048, 2580, 3251, 4096, 5161)
EDGES = (4, 5, 6, 8, 10, 13, 16, 20, 25, 32, 40)
PARITY = {0: (0, 0), 2: (2, 1), 3: (5, 2), 4: (9, 2), 5: (18, 4), 6: (33, 10), 7: (78, 43), 8: (166, 121)}
F = (7053, 7029, 6992, 6934, 6844, 6709, 6510, 6228, 5847, 5363, 4793, 4173, 3547, 2955, 2425, 1968)
F += (1584, 1269, 1013, 807, 642, 511, 406, 322, 256, 203, 161, 128, 102, 81, 64, 51)
# 3.5
CORNERS = (0, 256, 323, 406, 512, 645, 813, 1024, 1290, 1625, 2048, 2580, 3251, 4096, 5161, 6502, 8192, 10321)
CORNERS += (13004, 16384, 20643, 26008, 32768, 41285, 52016, 65536, 82570, 104032, 131072, 165140, 208064, 262144)
CORNERS += (330281, 416128)
V = (524288, 416127, 330280)


# 2.6
SHIFTS = (-2, -1, -1, -1, -1, 0, 0, 1, 1, 2, 2, 2)


def reaches(period):
    """2.6: how many taps each place of a period has."""
    return [4] if period == 1 else [min(4, q) for q in range(period)]


def read_shapes(index):
    """2.5, its second part."""
    shapes = []
    for _ in range(index.check_count(index.number("shapes"))):
        first, last = index.number("first_triangle"), index.number("triangles")
        check(first + last <= 31, "a shape has triangles over 31")
        weights = index.weights("weight", last + 1)
        check(sum(weights) == 4096, "a shape's weights have not the sum 4096")
        check(weights[0] and weights[-1], "a shape's first or last weight is 0")
        shapes.append((*[0] * first, *weights, *[0] * (31 - first - last)))
    return shapes


def read_stream(index, s, shapes, segment_log2, what):
    """2.6: the parameters of stream s, without its step."""
    s.states_log2 = index.relative("states", 3)
    s.keeps_zero, s.predicts, has_offset, has_view = map(index.flag, ("keeps_zero", "predicts", "has_offset", "has_view"))
    s.offset = index.signed("offset") if has_offset else 0
    check(has_offset == (s.offset != 0) and abs(s.offset) <= 1 << 22, f"{what} has an impossible offset")
    shape, s.base = index.number("shape"), index.relative("base_class", 16)
    check(s.states_log2 in PARITY and abs(s.base) <= 1024, f"{what} has invalid parameters")
    check(shape < len(shapes), f"{what} names a shape that is not there")
    s.shape, s.period, s.shifts, s.view = shapes[shape], 0, [0] * 12, None
    if s.predicts:
        if index.flag("has_shifts"):
            s.shifts = [x + index.signed(f"shift[{i}]") for i, x in enumerate(SHIFTS)]
        check(max(map(abs, s.shifts)) <= 4, f"{what} has a shift that is too large")
        s.period = index.number("period")
        check(s.period <= 64, f"{what} has a period that is too long")
    s.taps = read_taps(index, s.period, what)
    dimensions = s.members[0].shape
    if has_view:
        s.view = read_view(index, dimensions, what)
        check(math.prod(s.view) == s.units <= 1 << segment_log2 and s.view != [1] * 3, f"{what} has an impossible view")
        dimensions = s.view[::-1]
    s.factors = [read_factor(index, dimensions, s.units, what) for _ in range(read_factor_count(index, "factors", what))]


def read_taps(index, period, what):
    """2.6"""
    shift = index.number("tap_shift") if period else 0
    check(shift <= 3, f"{what} has taps that are multiples of too much")
    places = [i for n in reaches(period) for i in range(n)]
    before = index.before.get(("taps", period), [0] * len(places))
    taps = [(b >> shift) + index.signed(f"tap[{4 * shift + i}]") << shift for i, b in zip(places, before)]
    check(all(-128 <= x <= 127 for x in taps), f"{what} has an impossible tap")
    index.before["taps", period] = taps
    return taps


def read_view(index, dimensions, what):
    """2.6"""
    rank = len(dimensions)
    sides = index.number(f"sides[{min(rank, 4)}]")
    if sides == 0:
        return [index.number("side") for _ in range(3)]
    i, j = divmod(sides - 1, rank + 1)
    check(i <= j, f"{what} has a view of sides that are not in order")
    return [math.prod(dimensions[:i]), math.prod(dimensions[i:j]), math.prod(dimensions[j:])]


def read_classes(index, s, what):
    """2.6: the scales of stream s of codec 1 or 4; returns the classes that its units may have, if they have any."""
    count = read_factor_count(index, "class_factors", what)
    if count == 0:
        return None
    check(len(s.members) == 1 and s.units, f"{what} has classes, but several members or no units")
    check(s.is_of_units and s.dimension == 1, f"{what} has classes, but elements or indices that are not units")
    s.base = index.relative("base_class", 16)
    check(abs(s.base) <= 1024, f"{what} has invalid parameters")
    s.factors = [read_factor(index, s.members[0].shape, s.units, what) for _ in range(count)]
    lowest, highest = (clamp(s.base + sum(f(x.codes) for x in s.factors), 0, 31) for f in (min, max))
    return range(lowest, highest + 1)


def expected_class(s, e):
    """3.4, step 1: of element e of stream s."""
    return clamp(s.base + sum(f.codes[e // f.inner % f.count] for f in s.factors), 0, 31)


def read_factor_count(index, name, what):
    count = index.number(name)
    check(count <= 3, f"{what} has too many factors")
    return count


def read_factor(index, dimensions, units, what):
    """2.6"""
    r = len(dimensions)
    axes = index.number(f"axes[{min(r, 4)}]")
    if axes == 0:
        inner, count = index.number("factor_inner"), index.number("factor_count")
    else:
        i, j = divmod(axes - 1, r + 1)
        check(i < j, f"{what} has a factor of dimensions that are not in order")
        inner, count = math.prod(dimensions[j:]), math.prod(dimensions[i:j])
    fits = 1 <= inner * count < 1 << 64 and units % (inner * count) == 0
    check(fits, f"{what} has a factor that does not divide it")
    return Record(inner=inner, count=count, codes=read_codes(index, count))


def read_codes(index, count):
    """2.7"""
    own, codes, like = defaultdict(Estimate), [], index.before.get(("codes", count))
    for c in range(index.check_count(count)):
        kinds = [("F",), ("B", clamp(codes[-1] if codes else 0, -3, 3))]
        kinds += [("A", clamp(like[c], -4, 4))] if like else []
        decide = lambda node: decide_code(index, node, [own[(*kind, node)] for kind in kinds])
        if not decide(0):
            index.count_number(0)
            codes.append(0)
            continue
        is_negative, m = decide(1), 0
        first, limit = (130, 127) if is_negative else (2, 126)
        while m < limit and decide(first + m):
            m += 1
        index.count_number(m + 1)
        codes.append(-m - 1 if is_negative else m + 1)
    index.before["codes", count] = codes
    return codes


def decide_code(index, node, own):
    """2.7: a decision by G and the factor's own estimates F, B and perhaps A."""
    g = index.estimates["G", node]
    weights = [e.n * (1 + (i == 2)) for i, e in enumerate(own)]
    likely = (4 * g.p + sum(w * e.p for w, e in zip(weights, own))) // (4 + sum(weights))
    bit = index.decide(clamp(likely, 128, 65408))
    for e in (g, *own):
        e.add(bit)
    return bit


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
        taps = iter(s.taps)
        self.taps = [[next(taps) for _ in range(n)] for n in reaches(s.period)]

    def step(self, e, decode):
        """The level of element e; decode(table) gives a symbol."""
        s = self.s
        expected = expected_class(s, e)
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
    """2.6: the stream's units in the order of the tensor's data."""
    a, b, c = s.view
    units = [data[i : i + s.unit] for i in range(0, len(data), s.unit)]
    return b"".join(units[(k * b + j) * a + i] for i in range(a) for j in range(b) for k in range(c))
