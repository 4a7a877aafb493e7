#!/usr/bin/env python3
"""A small encoder of weft archives in plain Python, written from FORMAT.md, and archives that it makes.

    reference_encoder.py DIR  writes each archive as DIR/NAME.weft beside what it restores to

It is the other side of reference_decoder.py: no C++ code touches these archives, so they cross-check the C++ reader.
Its texts are never compressed and its tables are simple; it is no model of a good encoder.
"""

import json
import math
import pathlib
import random
import struct
import sys

sys.dont_write_bytecode = True
import reference_decoder as weft  # noqa: E402
import reference_trellis as trellis  # noqa: E402

TYPE_NUMBERS = {name: number for number, (name, _, _) in enumerate(weft.TYPES)}
FLOATS = ("F16", "BF16", "F32", "F64", "C64")
CODES = {"F16": "<e", "F32": "<f", "F64": "<d"}


def signed(value):
    """FORMAT.md 2.1: a signed number as an unsigned one."""
    return value << 1 if value >= 0 else -value * 2 - 1


def with_crc(data):
    return data + struct.pack("<I", weft.crc32c(data))


def make_table(symbols):
    """Frequencies (first, list) that sum to 4096 and are not zero for symbols that occur."""
    counts = [symbols.count(s) for s in range(256)]
    frequencies = [max(1, c * 4096 // len(symbols)) if c else 0 for c in counts]
    while sum(frequencies) != 4096:
        largest = frequencies.index(max(frequencies))
        frequencies[largest] += 1 if sum(frequencies) < 4096 else -1
    first = next(i for i, f in enumerate(frequencies) if f)
    last = max(i for i, f in enumerate(frequencies) if f)
    return first, frequencies[first : last + 1]


def rans_encode(symbols, table, lanes):
    return rans_encode_by_class(symbols, [0] * len(symbols), {0: table}, lanes)


def rans_encode_by_class(symbols, classes, tables, lanes):
    """Each symbol with the table of its class."""
    steps = {}  # f and c by symbol, by class
    for c, (first, frequencies) in tables.items():
        steps[c] = {first + i: (f, sum(frequencies[:i])) for i, f in enumerate(frequencies)}
    return rans_words([(i % lanes, *steps[c][y]) for i, (y, c) in enumerate(zip(symbols, classes))], lanes)


def paired(symbols, base):
    """Neighbours as pairs; what is outside of the 16 symbols from the base on counts as the base."""
    places = [s - base if base <= s < base + 16 else 0 for s in symbols]
    return [a | b << 4 for a, b in zip(places[::2], places[1::2])]


def code_symbols(symbols, table, lanes):
    """A plane with a table, which may be one of pairs: their words, and records of the symbols outside."""
    first, frequencies, *base = table
    if not base:
        return rans_encode(symbols, table, lanes)
    words = rans_encode(paired(symbols, base[0]), (first, frequencies), lanes)
    records = [i | s << 24 for i, s in enumerate(symbols) if not base[0] <= s < base[0] + 16][::-1]
    return words + struct.pack(f"<{len(records) + 1}I", *records, len(records))


def rans_words(steps, lanes):
    """FORMAT.md 3.1 backwards, from the last step (lane, f, c) to the first: words in reverse order."""
    states, words = [32768] * lanes, []
    for lane, f, c in reversed(steps):
        x = states[lane]
        if x >= f << 19:
            words.append(x & 65535)
            x >>= 16
        states[lane] = x // f * 4096 + c + x % f
    for lane in reversed(range(lanes)):
        # A state of more than 16 bits takes a stream word; a smaller one is a first word of 32768 or more.
        if states[lane] > 65535:
            words.append(states[lane] & 65535)
    words += [x >> 16 if x > 65535 else x for x in reversed(states)]
    return struct.pack(f"<{len(words)}H", *reversed(words))


def make_block(planes, units):
    """A block of planes (mode, g, s, bytes)."""
    a = 16 if units >= 16384 else 2
    head, body = b"", b""
    for mode, lanes_log2, size, data in planes:
        head += struct.pack("<I", mode | lanes_log2 << 2 | size << 8)
    begin = 4 + len(head)
    for mode, lanes_log2, size, data in planes:
        body += bytes(-(begin + len(body)) % a) + data
    return struct.pack("<I", weft.crc32c(head + body)) + head + body


def make_trellis_block(coded, lanes_log2=0, raw=0, far=b""):
    """A block of codec 5."""
    head = bytes([lanes_log2 | raw << 3 | bool(far) << 4]) + len(far).to_bytes(3 if far else 1, "little")
    body = head + coded + far
    return struct.pack("<I", weft.crc32c(body)) + body


def raw_frame(data):
    """A zstd frame of one raw block, made by hand: magic, a header with a size of four bytes, the block."""
    size = struct.pack("<I", len(data))
    return b"\x28\xb5\x2f\xfd\xa0" + size + struct.pack("<I", len(data) << 3 | 1)[:3] + data


class Coder:
    """FORMAT.md 2.1 and 2.7, the other way round."""

    def __init__(self):
        self.low, self.span, self.shifts, self.count = 0, 2**32 - 1, 0, 0
        self.estimates, self.factors = {}, []

    def decide(self, bit, probability):
        t = (self.span >> 16) * probability
        self.low, self.span = (self.low, t) if bit else (self.low + t, self.span - t)
        while self.span < 1 << 24:
            self.low, self.span, self.shifts = self.low << 8, self.span << 8, self.shifts + 1

    def estimate(self, key):
        return self.estimates.get(key, (32768, 0))

    def learn(self, bit, key):
        p, n = self.estimate(key)
        self.estimates[key] = p + ((65535 * bit - p) * (131072 // (2 * n + 3)) >> 16), min(n + 1, 30)

    def decide_by(self, bit, key):
        self.decide(bit, min(max(self.estimate(key)[0], 128), 65408))
        self.learn(bit, key)

    def number(self, name, value):
        width, bits = value.bit_length(), f"{value:b}"[1:]
        self.count += 1 + width // 8
        for i in range(width):
            self.decide_by(1, (name, "U", i))
        if width < 64:
            self.decide_by(0, (name, "U", width))
        for i, bit in enumerate(map(int, bits)):
            place = ("T", width, int("1" + bits[:i], 2)) if i < 3 else ("L", width - 2 - i)
            self.decide_by(bit, (name, *place))

    def direct(self, bits, value):
        for i in reversed(range(bits)):
            self.decide(value >> i & 1, 32768)

    def factor(self, codes):
        like = next((f for f in reversed(self.factors) if len(f) == len(codes)), None)
        self.factors.append(codes)
        for c, code in enumerate(codes):
            self.count += 1 + abs(code) // 8
            before = min(max(codes[c - 1] if c else 0, -3), 3)
            alike = min(max(like[c], -4), 4) if like else None
            decisions = [(code != 0, 0)]
            if code:
                ones = abs(code) - 1
                first = 130 if code < 0 else 2
                decisions += [(code < 0, 1), *((True, first + t) for t in range(ones))]
                decisions += [(False, first + ones)] if -128 < code < 127 else []
            for bit, node in decisions:
                self.decide_code(bit, node, before, alike)

    def decide_code(self, bit, node, before, alike):
        number = len(self.factors)
        keys = {"G": ("G", node), "F": (number, "F", node), "B": (number, "B", before, node)}
        if alike is not None:
            keys["A"] = number, "A", alike, node
        above, below = 0, 0
        for kind, key in keys.items():
            p, n = self.estimate(key)
            weight = {"G": 4, "F": n, "B": n, "A": 2 * n}[kind]
            above, below = above + weight * p, below + weight
        self.decide(bit, min(max(above // below, 128), 65408))
        for key in keys.values():
            self.learn(bit, key)

    def finish(self):
        """The bytes. What the decoder takes ends with three more, which are zeros and left out."""
        coded = (-(-self.low >> 24)).to_bytes(1 + self.shifts, "big").rstrip(b"\0")
        return coded.ljust(-(-(self.count - 1024) // 32), b"\0")


def axes_of(dimensions, parts, strictly):
    """FORMAT.md 2.6: the number of the first (i, j) with these parts(i, j) of dimensions, or 0."""
    r = len(dimensions)
    places = [(i, j) for i in range(r + 1) for j in range(i + strictly, r + 1)]
    return next((1 + i * (r + 1) + j for i, j in places if parts(i, j)), 0)


def factor_numbers(factors, dimensions):
    """FORMAT.md 2.6: layouts and codes of factors, whose axes are of these dimensions."""
    numbers, product, d = [], math.prod, dimensions
    for f in factors:
        axes = axes_of(d, lambda i, j, f=f: (f.inner, f.count) == (product(d[j:]), product(d[i:j])), True)
        numbers.append((f"axes[{min(len(d), 4)}]", axes))
        numbers += [("factor_inner", f.inner), ("factor_count", f.count)] if axes == 0 else []
        numbers.append((None, f.codes))
    return numbers


def scales_of(base, dimensions, *factors):
    """Scales of a tensor with these dimensions, from pairs of inner and codes: the classes of its units, and those possible."""
    s = weft.Record(base=base, dimensions=dimensions)
    s.factors = [weft.Record(inner=inner, count=len(codes), codes=codes) for inner, codes in factors]
    s.classes = [trellis.expected_class(s, e) for e in range(math.prod(dimensions))]
    ends = (trellis.clamp(base + sum(f(x.codes) for x in s.factors), 0, 31) for f in (min, max))
    s.possible = range(next(ends), next(ends) + 1)
    return s


class Writer:
    """Collects tensors, assets and blocks, and writes an archive. Its numbers are pairs: the context and the number, or how
    many direct bits and these, or None and the codes of a factor."""

    def __init__(self, layout=0):
        self.layout, self.files, self.tensors, self.tables, self.books = layout, [], [], [], []
        self.shapes = []  # first triangle and weights of each
        self.streams, self.numbers = 0, []  # how many there are, and the numbers that follow `streams`
        self.step = None
        self.before, self.taps, self.blocks = {}, {}, {}  # what numbers are relative to: by name, period and codec
        self.payload = bytearray(bytes(16))
        self.pairs = False  # whether planes of an even number of symbols are coded in pairs
        self.store = None  # what makes a zstd frame of the texts
        self.replaced = {}  # for tests: what the first number of a context, as coded, is instead

    def relative(self, name, value, first):
        """A signed number, minus the one before of the same name."""
        number = name, signed(value - self.before.get(name, first))
        self.before[name] = value
        return number

    def add_block(self, block, units, alignment=None):
        self.payload += bytes(-len(self.payload) % (alignment or (16 if units >= 16384 else 2))) + block
        return len(block), units

    def add_stream(self, codec, block_log2, segment_log2, rest, segments, blocks):
        """`blocks` are sizes and units; the others numbers."""
        self.numbers += [("codec", codec), self.relative("block", block_log2, 16), self.relative("segment", segment_log2, 20)]
        self.numbers += [*rest, *segments]
        for size, units in blocks:
            size_before, units_before = self.blocks.get(codec, (0, 1))
            self.numbers.append((f"size[{codec}]", signed(size - size_before * units // units_before)))
            self.blocks[codec] = size, units
        self.streams += 1
        return self.streams - 1

    def step_numbers(self, step):
        (bits,) = struct.unpack("<I", struct.pack("<f", step))
        mantissa = bits & (1 << 23) - 1
        zeros = (mantissa & -mantissa).bit_length() - 1 if mantissa else 23
        if step == self.step:
            return [("same_step", 1)]
        self.step = step
        numbers = [("same_step", 0), self.relative("step_exponent", bits >> 23, 119), ("step_zeros", zeros)]
        return [*numbers, (22 - zeros, mantissa >> zeros + 1)] if mantissa else numbers

    def add_raw(self, data, unit, block_log2=10):
        step = unit << block_log2
        parts = [data[i : i + step] for i in range(0, len(data), step)]
        blocks = [self.add_block(make_block([(0, 0, len(p), p)], len(p) // unit), len(p) // unit) for p in parts]
        return self.add_stream(weft.RAW, block_log2, max(block_log2, 12), [], [], blocks)

    def add_asset(self, data):
        parts = [data[i : i + 1024] for i in range(0, len(data), 1024)]
        blocks = [self.add_block(make_block([(0, 0, len(p), p)], len(p)), len(p)) for p in parts]
        return self.add_stream(weft.ASSET, 10, 12, [("units", len(data))], [], blocks)

    def add_table(self, symbols):
        if self.pairs and len(symbols) % 2 == 0:
            base = max(range(241), key=lambda b: sum(b <= s < b + 16 for s in symbols))
            pairs = paired(symbols, base)
            if len(set(pairs)) > 1:
                self.tables.append((*make_table(pairs), base))
                return len(self.tables)
        self.tables.append(make_table(symbols))
        return len(self.tables)

    def add_class_tables(self, symbols, classes, possible):
        """The number of a table for each possible class: eight in turn, of the symbols whose classes have it."""
        tables = {}
        for c in possible:
            if c - 8 not in tables:
                here = [y for y, d in zip(symbols, classes) if d % 8 == c % 8]
                self.tables.append(make_table(here if len(set(here)) > 1 else symbols))
            tables[c] = tables.get(c - 8, len(self.tables) - 1)
        return tables

    def scale_numbers(self, scales):
        if scales is None:
            return [("class_factors", 0)]
        base = self.relative("base_class", scales.base, 16)
        return [("class_factors", len(scales.factors)), base, *factor_numbers(scales.factors, scales.dimensions)]

    def table_numbers(self, tables, scales):
        """Of a segment: `tables` are numbers, 1 the first one, by plane; the first may be those by class instead."""
        numbers = [(f"table[{p}]", t) for p, t in enumerate(tables)]
        if isinstance(tables[0], dict):
            return [("by_class", 1), *(self.relative("class_table", t, 0) for t in tables[0].values()), *numbers[1:]]
        return numbers if scales is None else [("by_class", 0), *numbers]

    def code_plane(self, symbols, table, lanes_log2, classes=()):
        if len(set(symbols)) == 1:
            return 1, 0, symbols[0], b""
        if table:
            if isinstance(table, dict):
                by_class = {c: self.tables[t] for c, t in table.items()}
                coded = rans_encode_by_class(symbols, classes, by_class, 1 << lanes_log2)
            else:
                coded = code_symbols(symbols, self.tables[table - 1], 1 << lanes_log2)
            if len(coded) < len(symbols):
                return 2, lanes_log2, len(coded), coded
        return 0, 0, len(symbols), bytes(symbols)

    def add_lossless(self, data, dtype, block_log2=10, segment_log2=11, lanes_log2=5, scales=None):
        """With scales, every other segment has tables by class, the first one too."""
        unit = weft.TYPES[TYPE_NUMBERS[dtype]][2]
        code, n = {1: "B", 2: "H", 4: "I", 8: "Q"}[unit], len(data) // unit
        values, top = struct.unpack(f"<{n}{code}", data), 8 * unit - 1
        if dtype in FLOATS:
            values = [(v << 1 & (1 << top + 1) - 1) | v >> top for v in values]
        planes = [[v >> 8 * (unit - 1 - p) & 255 for v in values] for p in range(unit)]
        segments, sizes = [], []
        for begin in range(0, n, 1 << segment_log2):
            parts = [p[begin : begin + (1 << segment_log2)] for p in planes]
            tables = [self.add_table(p) if 1 < len(set(p)) < 100 else 0 for p in parts]
            classes = scales.classes[begin : begin + (1 << segment_log2)] if scales else ()
            if scales and len(set(parts[0])) > 1 and (begin >> segment_log2) % 2 == 0:
                tables[0] = self.add_class_tables(parts[0], classes, scales.possible)
            segments += self.table_numbers(tables, scales)
            for at in range(0, len(parts[0]), 1 << block_log2):
                blocks = [p[at : at + (1 << block_log2)] for p in parts]
                coded = [self.code_plane(p, t, lanes_log2, classes[at:]) for p, t in zip(blocks, tables)]
                sizes.append(self.add_block(make_block(coded, len(blocks[0])), len(blocks[0])))
        return self.add_stream(weft.LOSSLESS, block_log2, segment_log2, self.scale_numbers(scales), segments, sizes)

    def add_uniform(self, levels, low_bits, step, corrections, exceptions=(), scales=None, inner=1, block_log2=10):
        """Levels become symbols and low bits; exceptions are (position, unit bytes). One segment."""
        codes = [k + (128 << low_bits) + (1 << low_bits - 1 if low_bits else 0) for k in levels]
        symbols, low = [c >> low_bits for c in codes], [c & (1 << low_bits) - 1 for c in codes]
        table, sizes, size = self.add_table(symbols), [], 1 << block_log2
        for at in range(0, len(levels), size):
            n = len(levels[at : at + size])
            here = low[at : at + n] if low_bits else []
            if low_bits == 4:
                here = [a | b << 4 for a, b in zip(here[::2], [*here[1::2], 0])]
            found = [(p - at, unit) for p, unit in exceptions if at <= p < at + n]
            tail = b"".join(struct.pack("<I", p) for p, _ in found) + b"".join(unit for _, unit in found)
            planes = [self.code_plane(symbols[at : at + n], table, 5)]
            planes += [(0, 0, len(here), bytes(here)), (0, 0, len(tail), tail)]
            sizes.append(self.add_block(make_block(planes, n), n))
        rest = [*self.step_numbers(step), ("low_bits", low_bits), ("channels", len(scales or ()))]
        if scales is not None:
            rest += [("inner", inner), *(("scale", signed(q - before)) for before, q in zip([128, *scales], scales))]
        segment = [("table[0]", table), *correction_numbers(corrections)]
        return self.add_stream(weft.UNIFORM, block_log2, 24, rest, segment, sizes)

    def add_book(self, dtype, values, dimension=1):
        """`values` are bytes of the type."""
        unit = weft.TYPES[TYPE_NUMBERS[dtype]][2]
        numbers = [("value_type", TYPE_NUMBERS[dtype]), ("dimension_log2", dimension.bit_length() - 1)]
        numbers.append(("entries", len(values) // unit // dimension))
        units = (values[i : i + unit] for i in range(0, len(values), unit))
        self.books.append([*numbers, *((8 * unit, int.from_bytes(u, "little")) for u in units)])
        return len(self.books) - 1

    def add_codebook(self, n, indices, books, exceptions=(), groups=(0,), dimension=1, wide=False, block_log2=10,
                     scales=None):  # fmt: skip
        """`groups` are channels of a group, inner, channels; exceptions are (position, unit bytes). One segment."""
        planes = [[i >> 8 for i in indices], [i & 255 for i in indices]] if wide else [indices]
        tables, sizes = [self.add_table(p) if len(set(p)) > 1 else 0 for p in planes], []
        classes = scales.classes if scales else ()
        if scales:
            tables[0] = self.add_class_tables(planes[0], classes, scales.possible)
        for at in range(0, n, 1 << block_log2):
            end, begin = min(n, at + (1 << block_log2)), at // dimension
            here = slice(begin, -(-end // dimension))
            coded = [self.code_plane(p[here], t, 5, classes[here]) for p, t in zip(planes, tables)]
            found = [(p - at, unit) for p, unit in exceptions if at <= p < end]
            tail = b"".join(struct.pack("<I", p) for p, _ in found) + b"".join(unit for _, unit in found)
            sizes.append(self.add_block(make_block([*coded, (0, 0, len(tail), tail)], end - at), end - at))
        rest = [*zip(("group", "group_inner", "group_channels"), groups)]
        rest += [("book", signed(b - before)) for before, b in zip([0, *books], books)]
        rest += self.scale_numbers(scales)
        segments = self.table_numbers(tables, scales)
        return self.add_stream(weft.CODEBOOK, block_log2, 24, rest, segments, sizes)

    def trellis_numbers(self, dimensions, s):
        """The parameters of a trellis stream of a tensor with these dimensions."""
        numbers = [*self.step_numbers(s.step), self.relative("states", s.states_log2, 3), ("keeps_zero", s.keeps_zero)]
        numbers += [("predicts", s.predicts), ("has_offset", int(s.offset != 0)), ("has_view", int(s.view is not None))]
        numbers += [("offset", signed(s.offset))] if s.offset else []
        numbers += [("shape", s.shape_number), self.relative("base_class", s.base, 16)]
        if s.predicts:
            numbers.append(("has_shifts", int(any(s.shifts))))
            usual = (-2, -1, -1, -1, -1, 0, 0, 1, 1, 2, 2, 2)
            numbers += [(f"shift[{i}]", signed(s.shifts[i] - usual[i])) for i in range(12) if any(s.shifts)]
            numbers.append(("period", s.period))
            before = self.taps.get(s.period, [0] * len(s.taps))
            places = [i for q in range(s.period) for i in range(min(4, q) if s.period > 1 else 4)]
            shift = next((h for h in (3, 2, 1) if not any(x % (1 << h) for x in s.taps)), 0)
            numbers += [("tap_shift", shift)] if s.period else []
            codes = [(x >> shift) - (y >> shift) for x, y in zip(s.taps, before)]
            numbers += [(f"tap[{4 * shift + i}]", signed(x)) for i, x in zip(places, codes)]
            self.taps[s.period] = s.taps
        product, d = math.prod, dimensions
        if s.view:
            sides = axes_of(d, lambda i, j: s.view == (product(d[:i]), product(d[i:j]), product(d[j:])), False)
            numbers += [(f"sides[{min(len(d), 4)}]", sides), *(("side", x) for x in s.view if not sides)]
            d = s.view[::-1]
        return [*numbers, ("factors", len(s.factors)), *factor_numbers(s.factors, d)]

    def add_trellis(self, dimensions, s, blocks, block_log2=10, segment_log2=24):
        """One segment, or none."""
        rest, segments = self.trellis_numbers(dimensions, s), correction_numbers(s.corrections) if blocks else ()
        return self.add_stream(weft.TRELLIS, block_log2, segment_log2, rest, segments, blocks)

    def add_tensor(self, name, dtype, shape, stream):
        self.tensors.append((name.encode(), TYPE_NUMBERS[dtype], shape, stream))

    def tensor_numbers(self):
        """Every third dimension is written in full, which is allowed even for one of the last."""
        numbers, rank_before, type_before, last, count, highest, joined = [], 0, 11, [], 0, -1, None
        for _, dtype, shape, stream in self.tensors:
            rank = len(shape)
            numbers += [("type", signed(dtype - type_before)), (f"rank[{min(rank_before, 4)}]", rank)]
            rank_before, type_before = rank, dtype
            for i, d in enumerate(shape):
                known = last.index(d) + 1 if d in last and count % 3 else 0
                numbers.append((f"known[{5 * min(i, 3) + min(rank, 4)}]", known))
                numbers += [] if known else [("dimension", d)]
                if d in last:
                    last.remove(d)
                last.insert(0, d)
                del last[8:]
                count += 1
            join = 0 if stream == highest + 1 else 1 if stream == joined else 2
            numbers += [(f"join[{min(rank, 2)}]", join), *([("stream", stream)] if join == 2 else [])]
            joined, highest = stream if join else joined, max(highest, stream)
        return numbers

    def finish(self):
        return self.frame(*self.index())

    def index(self):
        """Texts, as stored, and numbers."""
        texts = b"".join(text + b"\xff" for _, texts in self.files for text in texts)
        texts += b"".join(t[0] + b"\xff" for t in self.tensors)
        stored = self.store(texts) if self.store else texts
        numbers = [("text_bytes", len(texts)), ("text_coding", int(self.store is not None))]
        numbers += [("layout", self.layout), ("files", len(self.files)), *(n for numbers, _ in self.files for n in numbers)]
        numbers += [*self.tensor_numbers(), ("tables", len(self.tables))]
        for first, frequencies, *base in self.tables:
            numbers += [("pairs_of", base[0] + 1 if base else 0), ("first_symbol", first), ("symbols", len(frequencies) - 1)]
            numbers += weight_numbers("frequency", frequencies)
        numbers.append(("shapes", len(self.shapes)))
        for first, weights in self.shapes:
            numbers += [("first_triangle", first), ("triangles", len(weights) - 1), *weight_numbers("weight", weights)]
        numbers += [("codebooks", len(self.books)), *(n for book in self.books for n in book)]
        return stored, self.code([*numbers, ("streams", self.streams), *self.numbers])

    def code(self, numbers):
        coder, replaced = Coder(), dict(self.replaced)
        for name, value in numbers:
            if name is None:
                coder.factor(value)
            elif isinstance(name, int):
                coder.direct(name, value)
            else:
                coder.number(name, replaced.pop(name, value))
        assert not replaced, f"there are no numbers {[*replaced]}"
        return coder.finish()

    def frame(self, texts, numbers, **changes):
        """The archive around texts, as stored, and numbers; `changes` are other values for fields of header and footer."""
        v = {"major": 0, "minor": 9, "reserved": 0, "offset": len(self.payload), "text_size": len(texts), **changes}
        header = with_crc(b"\x89WEFT\r\n\x1a" + struct.pack("<BBH", v["major"], v["minor"], v["reserved"]))
        footer = struct.pack("<QII", v["offset"], v["text_size"], weft.crc32c(texts + numbers))
        return header + bytes(self.payload[16:]) + texts + numbers + with_crc(footer) + b"WEFT"


def weight_numbers(name, values):
    return [(f"{name}[{min(before.bit_length(), 13)}]", v) for before, v in zip([0, *values], values)]


def correction_numbers(corrections):
    return [(f"correction[{i}]", signed(c)) for i, c in enumerate(corrections)]


def safetensors(tensors, metadata=None):
    """The canonical file of (name, dtype, shape, bytes)."""
    items, at = {} if metadata is None else {"__metadata__": metadata}, 0
    for name, dtype, shape, data in tensors:
        items[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    header = json.dumps(items, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + b"".join(t[3] for t in tensors)


def network_entry(name, tensors, metadata=None, verbatim=None):
    """A file of the index: its numbers and texts. Metadata are keys and values, which tests repeat."""
    numbers, texts = [("file_kind", 1), ("tensors", tensors)], [name.encode()]
    if verbatim is not None:
        return [*numbers, ("header", 2)], [*texts, verbatim]
    if metadata is not None:
        pairs = [("header", 1), ("pairs", len(metadata))]
        return numbers + pairs, texts + [text.encode() for pair in metadata for text in pair]
    return [*numbers, ("header", 0)], texts


def asset_entry(name, stream):
    return [("file_kind", 0), ("asset_stream", stream)], [name.encode()]


def lossless_archive():
    """Every element type, each its own lossless stream; two F32 tensors share one."""
    rng, w, tensors = random.Random(1), Writer(), []
    for number, (dtype, bits, unit) in enumerate(weft.TYPES):
        elements = [0, 1, 37, 2500][number % 4] if bits >= 8 else 1200
        bytes_ = elements * bits // 8
        if dtype in ("F32", "BF16"):
            floats = struct.pack(f"<{elements}f", *(rng.gauss(0, 0.02) for _ in range(elements)))
            data = floats if dtype == "F32" else b"".join(floats[i + 2 : i + 4] for i in range(0, len(floats), 4))
        else:
            data = bytes(min(int(rng.expovariate(0.2)), 255) for _ in range(bytes_))
        tensors.append((f"t{number}.{dtype}", dtype, [elements], data))
        w.add_tensor(f"t{number}.{dtype}", dtype, [elements], w.add_lossless(data, dtype, lanes_log2=number % 6))
    odd = struct.pack("<6I", 0x7FC00001, 0xFF800001, 0x80000000, 1, 0x7F800000, 0xFF800000)
    stream = w.add_lossless(odd, "F32")
    for name, shape, data in (('a "b"\\\n\x01', [], odd[:4]), ("empty", [0, 3], b""), ("rest é", [5, 1], odd[4:])):
        tensors.append((name, "F32", shape, data))
        w.add_tensor(name, "F32", shape, stream)
    metadata = {"format": "pt", "z": "", "a/b": "\x7f\t"}
    w.files.append(network_entry("model.safetensors", len(tensors), metadata.items()))
    return w.finish(), {"": safetensors(tensors, metadata)}


def pairs_archive():
    """Planes in pairs: of lossless streams all planes, of others the first; records, even and odd blocks, lanes."""
    rng, w, tensors = random.Random(9), Writer(), []
    w.pairs = True

    def add(name, dtype, data, stream):
        shape = [len(data) // weft.TYPES[TYPE_NUMBERS[dtype]][2]]
        tensors.append((name, dtype, shape, data))
        w.add_tensor(name, dtype, shape, stream)

    def levels(n, width):
        return [max(-128, min(127, round(rng.gauss(0, width)))) for _ in range(n)]

    for lanes_log2, (dtype, units) in enumerate([("BF16", 3000), ("U8", 2049), ("F32", 2050), ("F64", 1024), ("I16", 6)]):
        unit = weft.TYPES[TYPE_NUMBERS[dtype]][2]
        data = bytes(k + 128 for k in levels(units * unit, 4))
        add(dtype, dtype, data, w.add_lossless(data, dtype, lanes_log2=lanes_log2))
    nan = struct.pack("<I", 0xFFC12345)
    for name, shape, low_bits, scales in (("table", 2050, 0, None), ("steps", 1500, 0, [128, 131]), ("low", 1200, 4, None)):
        wide = levels(shape, 4) if low_bits == 0 else [8 * k for k in levels(shape, 4)]
        steps = [2.0**-9 * (weft.SCALES[scales[i // 5 % 2] % 8] if scales else 1) for i in range(shape)]
        steps = [struct.unpack("<f", struct.pack("<f", s))[0] for s in steps]
        data = expected_weights(wide, steps, (3, -2, 1), [(1, nan)], "<f")
        add(name, "F32", data, w.add_uniform(wide, low_bits, 2.0**-9, (3, -2, 1), [(1, nan)], scales, 5))
    symbols = [min(int(rng.expovariate(0.3)), 19) for _ in range(1100)]
    values = [struct.pack("<f", i / 8) for i in range(20)]
    book = w.add_book("F32", b"".join(values))
    add("codebook", "F32", b"".join(values[y] for y in symbols), w.add_codebook(len(symbols), symbols, [book]))
    w.files.append(network_entry("p.safetensors", len(tensors)))
    return w.finish(), {"": safetensors(tensors)}


def classes_archive():
    """Streams of codecs 1 and 4 whose units have classes, which say how wide their symbols are in plane 0: one, few and many
    classes, some of which no unit has; all lanes; segments with tables by class and without."""
    rng, w, tensors = random.Random(11), Writer(), []
    codes = lambda n, most: [rng.randint(-most, most) for _ in range(n)]
    width = lambda c: 2 ** (c / 3 - 4)
    level = lambda c, most: min(int(abs(rng.gauss(0, width(c)))), most)

    def put(name, dtype, scales, data, stream):
        tensors.append((name, dtype, scales.dimensions, data))
        w.add_tensor(name, dtype, scales.dimensions, stream)

    def add(name, dtype, scales, lanes_log2=5):
        """Units whose first byte is as wide as the class says."""
        unit = weft.TYPES[TYPE_NUMBERS[dtype]][2]
        low = lambda: bytes(min(int(rng.expovariate(0.3)), 255) for _ in range(unit - 1))
        data = b"".join(low() + bytes([level(c, 255)]) for c in scales.classes)
        put(name, dtype, scales, data, w.add_lossless(data, dtype, lanes_log2=lanes_log2, scales=scales))

    def add_book(name, dtype, scales, entries, exceptions=()):
        values = [i / 64 for i in range(entries)]
        indices = [level(c, entries - 1) for c in scales.classes]
        units = [struct.pack(CODES[dtype], values[i]) for i in indices]
        for position, bytes_ in exceptions:
            units[position] = bytes_
        book, n = w.add_book("F32", struct.pack(f"<{entries}f", *values)), len(indices)
        stream = w.add_codebook(n, indices, [book], exceptions, wide=entries > 256, scales=scales)
        put(name, dtype, scales, b"".join(units), stream)

    rows = codes(50, 6)
    add("rows", "BF16", scales_of(16, [50, 110], (110, rows)))
    add("two", "F32", scales_of(15, [50, 6, 11], (66, rows), (11, codes(6, 5))), 4)
    add("three", "U8", scales_of(17, [7, 5, 50], (250, codes(7, 9)), (50, codes(5, 9)), (1, rows)), 3)
    add("no axes", "I16", scales_of(14, [1200], (3, codes(20, 10))), 2)
    add("own", "F16", scales_of(15, [1100], (1, codes(1100, 6))), 1)
    add("ends", "I32", scales_of(31, [1100], (2, codes(11, 127) + codes(11, 127))), 0)
    add("one class", "F64", scales_of(1024, [1100], (1, [-128, 127])))
    add("number", "U64", scales_of(-1024, [], (1, [3])))
    add("shared classes", "I64", scales_of(9, [6, 50], (1, [0, 1] * 25)))
    nan = struct.pack("<I", 0xFFC12345)
    add_book("book", "F32", scales_of(16, [50, 22], (22, rows)), 20, [(3, nan), (1099, nan)])
    add_book("wide", "F64", scales_of(34, [60, 40], (40, codes(60, 9)), (1, codes(40, 2))), 700)
    w.files.append(network_entry("c.safetensors", len(tensors)))
    return w.finish(), {"": safetensors(tensors)}


def expected_weights(levels, step, corrections, exceptions, code, offset=0):
    """FORMAT.md 3.3 with the steps given per element; `code` packs one element."""
    out = []
    for k, s in zip(levels, step):
        m = offset + 64 * k - (k > 0) * corrections[min(abs(k), 3) - 1] + (k < 0) * corrections[min(abs(k), 3) - 1]
        out.append(struct.pack(code, struct.unpack("<f", struct.pack("<f", m * s))[0]))
    for position, unit in exceptions:
        out[position] = unit
    return b"".join(out)


def uniform_archive():
    """Uniform streams: all low bits, exceptions, per-channel steps, overflow and subnormal results."""
    rng, w, tensors = random.Random(2), Writer(), []

    def add(name, dtype, code, shape, levels, low_bits, step, corrections, exceptions=(), scales=None, inner=1):
        step = struct.unpack("<f", struct.pack("<f", step))[0]
        steps = [step] * len(levels)
        if scales is not None:
            tenths = [struct.unpack("<f", struct.pack("<f", step * weft.SCALES[q % 8]))[0] for q in scales]
            each = [x * 2.0 ** (q // 8 - 16) for x, q in zip(tenths, scales)]
            steps = [each[i // inner % len(each)] for i in range(len(levels))]
        data = expected_weights(levels, steps, corrections, exceptions, code)
        tensors.append((name, dtype, shape, data))
        w.add_tensor(name, dtype, shape, w.add_uniform(levels, low_bits, step, corrections, exceptions, scales, inner))

    def levels(n, width):
        return [max(-128, min(127, round(rng.gauss(0, width)))) for _ in range(n)]

    nan = struct.pack("<I", 0xFFC12345)
    add("plain", "F32", "<f", [50, 25], levels(1250, 1), 0, 0.01 / 64, (3, -2, 1), [(0, nan), (1249, b"\0\0\0\x80")])
    add("channels", "F16", "<e", [6, 35, 5], levels(1050, 2), 0, 1e-3, (0, 5, -128), (), [128, 131, 0, 100, 140, 77], 5)
    wide = [max(-2056, min(2039, round(rng.gauss(0, 300)))) for _ in range(1027)]
    add("four", "F64", "<d", [1027], wide, 4, 1e-30, (127, 64, 64), [(1024, struct.pack("<d", math.pi))])
    wider = [max(-32896, min(32639, round(rng.gauss(0, 5000)))) for _ in range(300)]
    add("eight", "F32", "<f", [300], wider, 8, 2.0**-120, (1, 2, 3))
    add("subnormal", "F32", "<f", [64], levels(64, 2), 0, 2.0**-126, (64, 0, 0))
    w.files.append(network_entry("u.safetensors", len(tensors)))
    return w.finish(), {"": safetensors(tensors)}


def codebook_archive():
    """Codebooks of all three types, in tensors of all four; exceptions, one entry, overflow; vectors, groups, wide indices."""
    rng, w, tensors = random.Random(5), Writer(), []

    def put(name, dtype, data, stream):
        n = len(data) // weft.TYPES[TYPE_NUMBERS[dtype]][2]
        tensors.append((name, dtype, [n], data))
        w.add_tensor(name, dtype, [n], stream)

    def add(name, dtype, code, entry, entries, values, exceptions=(), n=1100):
        symbols = [min(int(rng.expovariate(0.4)), len(values) - 1) for _ in range(n)]
        units = [struct.pack(code, v) if code else v for v in (values[y] for y in symbols)]
        for position, unit in exceptions:
            units[position] = unit
        put(name, dtype, b"".join(units), w.add_codebook(n, symbols, [w.add_book(entry, entries)], exceptions))

    values = [-1.5, -0.0, 2.0**-140, 0.25, 0.5, 3.0]
    nan = struct.pack("<I", 0xFFC12345)
    add("plain", "F32", "<f", "F32", struct.pack("<6f", *values), values, [(0, nan), (1023, nan), (1024, nan)])
    add("double", "F64", "<d", "F16", struct.pack("<3e", -1, 0.5, 2), [-1, 0.5, 2], [(7, struct.pack("<d", math.pi))])
    bf16 = [struct.pack("<H", bits) for bits in (0xBF80, 0x0000, 0x3E99, 0x7F00)]
    add("same", "BF16", None, "BF16", b"".join(bf16), bf16)
    add("overflow", "F16", "<e", "F32", struct.pack("<2f", 1 / 3, 7e4), [1 / 3, math.inf])
    add("one", "F32", "<f", "BF16", bf16[0], [-1.0], n=50)

    def add_vectors(name, d, n, books, groups=(0,), exceptions=()):
        """`books` are numbers and lists of vectors. Channels are those of each vector's first element."""
        group, inner, channels = (*groups, 1, 1)[:3]
        group_of = lambda v: v * d // inner % channels // group if group else 0
        indices = [rng.randrange(len(books[group_of(v)][1])) for v in range(-(-n // d))]
        numbers = [x for v, i in enumerate(indices) for x in books[group_of(v)][1][i]][:n]
        units = [struct.pack("<f", x) for x in numbers]
        for position, unit in exceptions:
            units[position] = unit
        wide = any(len(book) > 256 for _, book in books)
        stream = w.add_codebook(n, indices, [number for number, _ in books], exceptions, groups, d, wide)
        put(name, "F32", b"".join(units), stream)

    def book(d, count):
        vectors = [[rng.randrange(-900, 900) / 8 for _ in range(d)] for _ in range(count)]
        if d == 1:
            vectors = [[i / 16 - 20] for i in range(count)]
        return w.add_book("F32", b"".join(struct.pack(f"<{d}f", *v) for v in vectors), d), vectors

    pairs = book(2, 30)
    add_vectors("pairs", 2, 2100, [pairs], exceptions=[(1, nan), (2099, nan)])
    add_vectors("shared", 2, 51, [pairs])
    add_vectors("octets", 8, 1029, [book(8, 300)])
    add_vectors("wide", 1, 1500, [book(1, 700)])
    add_vectors("groups", 4, 5 * 7 * 30, [book(4, 20), book(4, 270), book(4, 3)], (2, 7, 5))
    w.files.append(network_entry("c.safetensors", len(tensors)))
    return w.finish(), {"": safetensors(tensors)}


def random_path(rng, s, first, n, lanes):
    """FORMAT.md 3.4: levels of a block of trellis stream s, drawn as its tables say, and the plane that codes them."""
    walks, steps, levels, run = [trellis.Lane(s) for _ in range(lanes)], [], [0] * n, -(-n // lanes)

    def draw(table):
        slot = rng.randrange(4096)
        symbol, frequency, place = table[slot]
        steps.append((lane, frequency, slot - place))
        return symbol

    for t in range(run):
        for lane in range(lanes):
            if (i := lane * run + t) < n:
                levels[i] = walks[lane].step(first + i, draw)
    return levels, rans_words(steps, lanes)


def trellis_archive():
    """Trellis streams of all kinds, on random paths."""
    rng, w, tensors = random.Random(6), Writer(), []
    w.shapes = [(18, [300, 500, 0, 1200, 2096]), (0, [4096]), (0, [1] * 31 + [4065])]
    shapes = [(*[0] * a, *x, *[0] * (32 - a - len(x))) for a, x in w.shapes]

    def add(name, dtype, dimensions, shape, base, lanes_log2, *, states=3, zero=0, taps=None, shifts=None, view=None,
            factors=(), far=(), offset=0, step=2.0**-12, block_log2=10, raw=()):  # fmt: skip
        """`taps` are the period and its taps, for a stream that predicts; `raw` the blocks that are."""
        code, size, blocks = CODES[dtype], math.prod(dimensions), []
        s = weft.Record(shape=shapes[shape], base=base, states_log2=states, keeps_zero=zero, predicts=int(taps is not None))
        s.factors = [weft.Record(inner=inner, count=len(codes), codes=codes) for inner, codes in factors]
        s.period, s.taps = taps[0] if taps else 0, taps[1:] if taps else ()
        s.shifts = shifts or [rng.randint(-4, 4) for _ in range(12)]
        s.step, s.offset, s.view, s.shape_number = struct.unpack("<f", struct.pack("<f", step))[0], offset, view, shape
        s.corrections, units = [rng.randint(-63, 63) for _ in range(3)], b""
        weight = lambda k, corrections: expected_weights([k], [s.step], corrections, (), code, offset)
        for number, at in enumerate(range(0, size, 1 << block_log2)):
            n = min(1 << block_log2, size - at)
            if number in raw:
                here = [rng.randbytes(struct.calcsize(code)) for _ in range(n)]
                blocks.append(w.add_block(make_trellis_block(b"".join(here), raw=1), n, 2))
            else:
                levels, plane = random_path(rng, s, at, n, 1 << lanes_log2)
                here = [weight(k, s.corrections) for k in levels]
                records, exact = b"", b""
                for position, level in (f for f in far if f[0] < n):
                    records += struct.pack("<I", position | level << 18 & 0xFFFFFFFF)
                    if level == -8192:
                        exact += struct.pack(code, math.inf)
                    here[position] = struct.pack(code, math.inf) if level == -8192 else weight(level, (0, 0, 0))
                blocks.append(w.add_block(make_trellis_block(plane, lanes_log2, far=records + exact), n, 2))
            units += b"".join(here)
        s.unit = struct.calcsize(code)
        tensors.append((name, dtype, dimensions, trellis.from_view(s, units) if view else units))
        w.add_tensor(name, dtype, dimensions, w.add_trellis(dimensions, s, blocks, block_log2))

    codes = lambda n: [rng.randint(-8, 8) for _ in range(n)]
    random_taps = lambda p, size: (p, *(rng.randint(-size, size) for _ in range(sum(trellis.reaches(p)))))
    rows = codes(30)
    add("plain", "F32", [1500], 0, 18, 0)
    add("scaled", "F16", [30, 10, 5], 0, 12, 5, states=8, factors=[(50, rows), (1, codes(10)), (5, codes(10))], raw=(1,))
    add("zero", "F64", [5, 205], 2, 6, 2, states=2, zero=1, factors=[(205, [-128, 127, 0, 1, 5])], step=0.001)
    add("predicted", "F32", [30, 40], 0, 20, 1, states=6, taps=(1, 127, -128, 90, -5), factors=[(40, rows)], shifts=[0] * 12)
    add("energy", "F32", [700], 2, 31, 3, states=4, zero=1, taps=(2, 3), far=[(0, 8191), (5, -8192), (699, -8191)])
    box, long, places = (6, 7, 11), random_taps(64, 12), random_taps(9, 40)
    sides = [(77, codes(6)), (42, codes(11)), (6, codes(7))]
    add("view", "F32", [*box], 1, 16, 5, states=5, taps=long, view=box, factors=sides)
    add("sides", "F16", [12, 35], 0, 20, 2, taps=(0,), view=(12, 5, 7), factors=[(60, codes(7))], step=0.75)
    add("flat", "F32", [2, 3, 4, 1, 5], 1, 17, 0, view=(6, 1, 20), factors=[(6, codes(20))], raw=(0,))
    add("ranks", "F32", [2, 3, 4, 1, 5], 1, 17, 0, factors=[(20, codes(6)), (5, codes(4)), (1, codes(20))], step=1 + 2.0**-23)
    add("one", "F64", [1], 1, -1024, 5, states=7, taps=(0,), far=[(0, -8192)])
    add("number", "F32", [], 0, 1024, 0, taps=(0,), factors=[(1, [-128])])
    add("places", "F32", [1500], 0, 14, 2, states=3, taps=places, factors=[(50, rows), (1, rows[:3])], step=2.0**-126)
    add("pairs", "F32", [1100], 2, 24, 3, states=8, taps=(2, -31))
    add("again", "F32", [700], 1, 18, 2, taps=random_taps(9, 127))
    add("shifted", "F16", [300], 0, 22, 1, states=2, taps=(0,))
    add("offset", "F32", [700], 0, 18, 1, taps=random_taps(9, 20), offset=-77, far=[(3, 8191), (4, -300), (9, -8192)])
    add("far off", "F64", [300], 2, 9, 0, zero=1, offset=1 << 22, far=[(0, -8191)])
    add("large", "F16", [130, 260], 0, 15, 5, taps=(1, 20, 5, 0, 1), factors=[(260, codes(130))], block_log2=14)
    add("one state", "F32", [1500], 0, 15, 2, states=0, taps=places, factors=[(50, rows)], far=[(7, -8190)])
    add("one state, zero", "F16", [700], 1, 12, 3, states=0, zero=1)
    add("without units", "F32", [0, 7], 1, 16, 0, factors=[(1, codes(7))])
    w.files.append(network_entry("t.safetensors", len(tensors)))
    return w.finish(), {"": safetensors(tensors)}


def many_codes_archive():
    """So many numbers that cost next to nothing that zeros follow them."""
    w = many_codes()
    return w.finish(), {"": safetensors([("x", "F16", [0, 30000], b""), ("y", "U8", [5], b"hello")])}


def many_codes():
    w = Writer()
    w.shapes.append((16, [4096]))
    s = weft.Record(step=1.0, states_log2=8, keeps_zero=1, predicts=0, offset=0, view=None, shape_number=0, base=0)
    factors = [0] * 30000, [3] * 300, [-1, 0, 5, -3]
    s.factors = [weft.Record(inner=1, count=len(codes), codes=codes) for codes in factors]
    w.add_tensor("x", "F16", [0, 30000], w.add_trellis([0, 30000], s, []))
    w.add_tensor("y", "U8", [5], w.add_raw(b"hello", 1))
    w.files.append(network_entry("x.safetensors", 2))
    return w


def tensors_archive():
    """Tensors of many ranks and dimensions, of few and of many streams, which they name in every way."""
    rng, w, tensors = random.Random(10), Writer(), []
    streams = [1, 0, 1, 1, 2, 2, 0, 3, 1, 1, 4, 0, 7, 6, 5, 5, 6, 8]
    places = [3, 5, 7, 2, 1, 4, 6, 9, 8, 10, 11]
    for number, stream in enumerate(streams):
        shape = [places[min(int(rng.expovariate(0.3)), 10)] for _ in range(number % 6)]
        tensors.append((f"t{number}", "U8" if stream % 2 else "I8", shape, rng.randbytes(math.prod(shape))))
        w.add_tensor(*tensors[-1][:3], stream)
    tensors.append(("large", "I8", [2**64 - 1, 0], b""))
    w.add_tensor(*tensors[-1][:3], 8)
    for stream in range(9):
        w.add_raw(b"".join(t[3] for t, s in zip(tensors, streams) if s == stream), 1, 10 + stream % 3)
    w.files.append(network_entry("t.safetensors", len(tensors), ()))
    return w.finish(), {"": safetensors(tensors, {})}


def folder_archive():
    """A folder of two networks with a verbatim header each way round, an asset of some blocks and an empty one. Its texts are
    in a frame."""
    w = Writer(layout=1)
    one, two = bytes(range(200)) * 12, bytes(64)
    first = safetensors([("x", "U8", [2400], one)])
    text = b'{ "y":{"shape":[8],"data_offsets":[0,64],"dtype":"I64"},"__metadata__":{}}   '
    second = struct.pack("<Q", len(text)) + text + two
    w.add_tensor("x", "U8", [2400], w.add_raw(one, 1))
    w.add_tensor("y", "I64", [8], w.add_raw(two, 8))
    asset = b"weights and levels\n" * 150
    streams = w.add_asset(asset), w.add_asset(b"")
    w.files.append(network_entry("a.safetensors", 1))
    w.files.append(asset_entry("tokenizer.json", streams[0]))
    w.files.append(network_entry("b.safetensors", 1, verbatim=text))
    w.files.append(asset_entry("empty.txt", streams[1]))
    w.store = raw_frame
    return w.finish(), {"a.safetensors": first, "b.safetensors": second, "tokenizer.json": asset, "empty.txt": b""}


def large_blocks_archive():
    """Blocks of 16384 units and more, which are aligned to 16 bytes."""
    rng, w = random.Random(3), Writer()
    data = bytes(min(int(rng.expovariate(0.3)), 255) for _ in range(2 * 40000))
    w.add_tensor("w", "BF16", [40000], w.add_lossless(data, "BF16", 14, 15))
    w.files.append(network_entry("w.safetensors", 1))
    return w.finish(), {"": safetensors([("w", "BF16", [40000], data)])}


MAKERS = lossless_archive, uniform_archive, folder_archive, codebook_archive, trellis_archive, large_blocks_archive
MAKERS += pairs_archive, many_codes_archive, tensors_archive, classes_archive
ARCHIVES = {make.__name__.removesuffix("_archive"): make for make in MAKERS}


def make(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, function in ARCHIVES.items():
        archive, files = function()
        (folder / f"{name}.weft").write_bytes(archive)
        for file, content in files.items():
            path = folder / name / file if file else folder / f"{name}.safetensors"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)


if __name__ == "__main__":
    make(pathlib.Path(sys.argv[1]))
