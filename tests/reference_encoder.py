#!/usr/bin/env python3
"""A small encoder of weft archives in plain Python, written from FORMAT.md, and archives that it makes.

    reference_encoder.py DIR  writes each archive as DIR/NAME.weft beside what it restores to

It is the other side of reference_decoder.py: no C++ code touches these archives, so they cross-check the C++ reader.
Its index is never compressed and its tables are simple; it is no model of a good encoder.
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


def varint(value):
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def signed_varint(value):
    return varint(value << 1 if value >= 0 else -value * 2 - 1)


def string(data):
    return varint(len(data)) + data


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
    first, frequencies = table
    starts = [sum(frequencies[:i]) for i in range(len(frequencies))]
    return rans_words([(i % lanes, frequencies[s - first], starts[s - first]) for i, s in enumerate(symbols)], lanes)


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


def range_coded(factors):
    """FORMAT.md 2.5 and 2.6: the codes of scale factors, or the taps of streams."""
    symbols = [code + 128 for codes in factors for code in codes]
    if not symbols:
        return b""
    model, low, span, shifts = trellis.CodeModel(min(symbols), max(symbols)), 0, 2**32 - 1, 0
    for codes in factors:
        model.begin_factor()
        for code in codes:
            frequencies, s = model.frequencies(), code + 128 - min(symbols)
            part = span // sum(frequencies)
            low, span = low + part * sum(frequencies[:s]), part * frequencies[s]
            while span < 1 << 24:
                low, span, shifts = low << 8, span << 8, shifts + 1
            model.add(code + 128)
    coded = low.to_bytes(4 + shifts, "big")
    return bytes([min(symbols), max(symbols)]) + coded.ljust(-(-len(symbols) // 256), b"\0")


def differences(taps):
    """FORMAT.md 2.6: what is stored of the streams' taps. No two periods have as many."""
    before, stored = {}, []
    for t in taps:
        stored.append([(x - y + 128) % 256 - 128 for x, y in zip(t, before.get(len(t), [0] * len(t)))])
        before[len(t)] = t
    return stored


class Writer:
    """Collects tensors, assets and blocks, and writes an archive with an uncompressed index."""

    def __init__(self, layout=0):
        self.layout, self.files, self.tensors, self.tables, self.streams = layout, [], [], [], []
        self.books = []  # as bytes
        self.shapes, self.codes = [], []  # each shape as bytes; the codes of each factor, or section 5 as bytes
        self.taps = []  # of each stream, or section 6 as bytes
        self.payload = bytearray(bytes(16))
        self.pairs = False  # whether planes of an even number of symbols are coded in pairs

    def add_block(self, block, units):
        self.payload += bytes(-len(self.payload) % (16 if units >= 16384 else 2)) + block
        return varint(len(block))

    def add_stream(self, codec, block_log2, segment_log2, rest, segments=b"", sizes=b""):
        self.streams.append(bytes([codec, block_log2, segment_log2]) + rest + segments + sizes)
        return len(self.streams) - 1

    def add_raw(self, data, unit, block_log2=10):
        step = unit << block_log2
        parts = [data[i : i + step] for i in range(0, len(data), step)]
        sizes = b"".join(self.add_block(make_block([(0, 0, len(p), p)], len(p) // unit), len(p) // unit) for p in parts)
        return self.add_stream(weft.RAW, block_log2, max(block_log2, 12), b"", b"", sizes)

    def add_asset(self, data):
        parts = [data[i : i + 1024] for i in range(0, len(data), 1024)]
        sizes = b"".join(self.add_block(make_block([(0, 0, len(p), p)], len(p)), len(p)) for p in parts)
        return self.add_stream(weft.ASSET, 10, 12, varint(len(data)), b"", sizes)

    def add_table(self, symbols):
        if self.pairs and len(symbols) % 2 == 0:
            base = max(range(241), key=lambda b: sum(b <= s < b + 16 for s in symbols))
            pairs = paired(symbols, base)
            if len(set(pairs)) > 1:
                self.tables.append((*make_table(pairs), base))
                return len(self.tables)
        self.tables.append(make_table(symbols))
        return len(self.tables)

    def code_plane(self, symbols, table, lanes_log2):
        if len(set(symbols)) == 1:
            return 1, 0, symbols[0], b""
        if table:
            coded = code_symbols(symbols, self.tables[table - 1], 1 << lanes_log2)
            if len(coded) < len(symbols):
                return 2, lanes_log2, len(coded), coded
        return 0, 0, len(symbols), bytes(symbols)

    def add_lossless(self, data, dtype, block_log2=10, segment_log2=11, lanes_log2=5):
        unit = weft.TYPES[TYPE_NUMBERS[dtype]][2]
        code, n = {1: "B", 2: "H", 4: "I", 8: "Q"}[unit], len(data) // unit
        values, top = struct.unpack(f"<{n}{code}", data), 8 * unit - 1
        if dtype in FLOATS:
            values = [(v << 1 & (1 << top + 1) - 1) | v >> top for v in values]
        planes = [[v >> 8 * (unit - 1 - p) & 255 for v in values] for p in range(unit)]
        segments, sizes = b"", b""
        for begin in range(0, n, 1 << segment_log2):
            parts = [p[begin : begin + (1 << segment_log2)] for p in planes]
            tables = [self.add_table(p) if 1 < len(set(p)) < 100 else 0 for p in parts]
            segments += b"".join(map(varint, tables))
            for at in range(0, len(parts[0]), 1 << block_log2):
                blocks = [p[at : at + (1 << block_log2)] for p in parts]
                coded = [self.code_plane(p, t, lanes_log2) for p, t in zip(blocks, tables)]
                sizes += self.add_block(make_block(coded, len(blocks[0])), len(blocks[0]))
        return self.add_stream(weft.LOSSLESS, block_log2, segment_log2, b"", segments, sizes)

    def add_uniform(self, levels, low_bits, step, corrections, exceptions=(), scales=None, inner=1, block_log2=10):
        """Levels become symbols and low bits; exceptions are (position, unit bytes). One segment."""
        codes = [k + (128 << low_bits) + (1 << low_bits - 1 if low_bits else 0) for k in levels]
        symbols, low = [c >> low_bits for c in codes], [c & (1 << low_bits) - 1 for c in codes]
        table, sizes, size = self.add_table(symbols), b"", 1 << block_log2
        for at in range(0, len(levels), size):
            n = len(levels[at : at + size])
            here = low[at : at + n] if low_bits else []
            if low_bits == 4:
                here = [a | b << 4 for a, b in zip(here[::2], [*here[1::2], 0])]
            found = [(p - at, unit) for p, unit in exceptions if at <= p < at + n]
            tail = b"".join(struct.pack("<I", p) for p, _ in found) + b"".join(unit for _, unit in found)
            planes = [self.code_plane(symbols[at : at + n], table, 5)]
            planes += [(0, 0, len(here), bytes(here)), (0, 0, len(tail), tail)]
            sizes += self.add_block(make_block(planes, n), n)
        rest = struct.pack("<fBB", step, low_bits, scales is not None)
        if scales is not None:
            rest += varint(inner) + string(bytes(scales))
        segment = varint(table) + struct.pack("3b", *corrections)
        return self.add_stream(weft.UNIFORM, block_log2, 24, rest, segment, sizes)

    def add_book(self, dtype, values, dimension=1):
        """`values` are bytes of the type."""
        count = len(values) // weft.TYPES[TYPE_NUMBERS[dtype]][2] // dimension
        self.books.append(bytes([TYPE_NUMBERS[dtype], dimension]) + varint(count) + values)
        return len(self.books) - 1

    def add_codebook(self, n, indices, books, exceptions=(), groups=(0,), dimension=1, wide=False, block_log2=10):
        """`groups` are channels of a group, inner, channels; exceptions are (position, unit bytes). One segment."""
        planes = [[i >> 8 for i in indices], [i & 255 for i in indices]] if wide else [indices]
        tables, sizes = [self.add_table(p) if len(set(p)) > 1 else 0 for p in planes], b""
        for at in range(0, n, 1 << block_log2):
            end, begin = min(n, at + (1 << block_log2)), at // dimension
            coded = [self.code_plane(p[begin : -(-end // dimension)], t, 5) for p, t in zip(planes, tables)]
            found = [(p - at, unit) for p, unit in exceptions if at <= p < end]
            tail = b"".join(struct.pack("<I", p) for p, _ in found) + b"".join(unit for _, unit in found)
            sizes += self.add_block(make_block([*coded, (0, 0, len(tail), tail)], end - at), end - at)
        rest, segments = b"".join(map(varint, (*groups, *books))), b"".join(map(varint, tables))
        return self.add_stream(weft.CODEBOOK, block_log2, 24, rest, segments, sizes)

    def add_tensor(self, name, dtype, shape, stream):
        self.tensors.append((name.encode(), TYPE_NUMBERS[dtype], shape, stream))

    def finish(self):
        files = varint(self.layout) + varint(len(self.files)) + b"".join(self.files)
        tensors = varint(len(self.tensors)) + b"".join(varint(len(t[0])) for t in self.tensors)
        tensors += b"".join(t[0] for t in self.tensors) + bytes(t[1] for t in self.tensors)
        tensors += b"".join(varint(len(t[2])) for t in self.tensors)
        tensors += b"".join(varint(d) for t in self.tensors for d in t[2])
        previous = 0
        for t in self.tensors:
            difference, previous = t[3] - previous, t[3]
            tensors += signed_varint(difference)
        tables = varint(len(self.tables))
        for first, frequencies, *base in self.tables:
            tables += bytes([base[0] + 1 if base else 0, first, len(frequencies) - 1])
            tables += b"".join(map(varint, frequencies))
        tables += varint(len(self.shapes)) + b"".join(self.shapes)
        tables += varint(len(self.books)) + b"".join(self.books)
        streams = varint(len(self.streams)) + b"".join(self.streams)
        taps = self.taps if isinstance(self.taps, bytes) else differences(self.taps)
        coded = (x if isinstance(x, bytes) else range_coded(x) for x in (self.codes, taps))
        sections = files, tensors, tables, streams, *coded
        return self.frame(b"".join(bytes([i + 1]) + string(s) for i, s in enumerate(sections)))

    def frame(self, index, **changes):
        """The archive around an index; `changes` are other values for fields of header and footer."""
        v = {"major": 0, "minor": 6, "reserved": 0, "coding": 0, "raw": len(index), "zeros": bytes(3), **changes}
        header = with_crc(b"\x89WEFT\r\n\x1a" + struct.pack("<BBH", v["major"], v["minor"], v["reserved"]))
        footer = struct.pack("<QQQI", len(self.payload), len(index), v["raw"], weft.crc32c(index))
        footer += bytes([v["coding"]]) + v["zeros"]
        return header + bytes(self.payload[16:]) + index + with_crc(footer) + b"WEFT"


def safetensors(tensors, metadata=None):
    """The canonical file of (name, dtype, shape, bytes)."""
    items, at = {} if metadata is None else {"__metadata__": metadata}, 0
    for name, dtype, shape, data in tensors:
        items[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    header = json.dumps(items, separators=(",", ":"), ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + b"".join(t[3] for t in tensors)


def network_entry(name, tensors, header):
    return varint(1) + string(name.encode()) + varint(tensors) + header


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
    header = varint(1) + varint(3) + b"".join(string(k.encode()) + string(v.encode()) for k, v in metadata.items())
    w.files.append(network_entry("model.safetensors", len(tensors), header))
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
    w.files.append(network_entry("p.safetensors", len(tensors), varint(0)))
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
    header = varint(0)
    w.files.append(network_entry("u.safetensors", len(tensors), header))
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
    w.files.append(network_entry("c.safetensors", len(tensors), varint(0)))
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
    shapes = [[300, 500, 0, 1200, 2096], [4096], [1] * 31 + [4065]]
    starts = [18, 0, 0]
    w.shapes = [bytes([a, len(x) - 1]) + b"".join(map(varint, x)) for a, x in zip(starts, shapes)]
    shapes = [(*[0] * a, *x, *[0] * (32 - a - len(x))) for a, x in zip(starts, shapes)]

    def add(name, dtype, code, size, shape, base, lanes_log2, *, states=3, zero=0, taps=None, view=None, factors=(), far=(),
            offset=0):
        """`taps` are the period and its taps, for a stream that predicts."""
        s = weft.Record(shape=shapes[shape], base=base, states_log2=states, keeps_zero=zero, predicts=taps is not None)
        s.factors = [weft.Record(inner=inner, count=len(codes), codes=codes) for inner, codes in factors]
        s.period, s.taps = taps[0] if taps else 0, weft.Record(codes=taps[1:] if taps else ())
        s.shifts, s.unit = [rng.randint(-4, 4) for _ in range(12)], struct.calcsize(code)
        w.codes += [f.codes for f in s.factors]
        w.taps.append(s.taps.codes)
        corrections, step, units, sizes = [rng.randint(-63, 63) for _ in range(3)], 2.0**-12, b"", b""
        for at in range(0, size, 1024):
            n = min(1024, size - at)
            levels, plane = random_path(rng, s, at, n, 1 << lanes_log2)
            here = [expected_weights([k], [step], corrections, (), code, offset) for k in levels]
            records, exact = b"", b""
            for position, level in (f for f in far if f[0] < n):
                records += struct.pack("<I", position | level << 18 & 0xFFFFFFFF)
                if level == -8192:
                    exact += struct.pack(code, math.inf)
                here[position] = struct.pack(code, math.inf if level == -8192 else (64 * level + offset) * step)
            units += b"".join(here)
            planes = [(2, lanes_log2, len(plane), plane), (0, 0, len(records + exact), records + exact)]
            sizes += w.add_block(make_block(planes, n), n)
        flags = states | zero << 4 | s.predicts << 5 | (view is not None) << 6 | (offset != 0) << 7
        rest = struct.pack("<fB", step, flags) + (signed_varint(offset) if offset else b"") + varint(shape) + signed_varint(base)
        rest += varint(s.period) + struct.pack("12b", *s.shifts) if taps else b""
        rest += b"".join(map(varint, view or ())) + bytes([len(factors)])
        rest += b"".join(varint(inner) + varint(len(codes)) for inner, codes in factors)
        s.view = view
        units = trellis.from_view(s, units) if view else units
        tensors.append((name, dtype, [size], units))
        stream = w.add_stream(weft.TRELLIS, 10, 24, rest, struct.pack("3b", *corrections), sizes)
        w.add_tensor(name, dtype, [size], stream)

    rows = [rng.randint(-8, 8) for _ in range(30)]
    add("plain", "F32", "<f", 1500, 0, 18, 0)
    add("scaled", "F16", "<e", 1500, 0, 12, 5, states=8, factors=[(50, rows), (1, rows[:10]), (5, rows[:3])])
    add("zero", "F64", "<d", 1025, 2, 6, 2, states=2, zero=1, factors=[(205, [-128, 127, 0, 1, 5])])
    add("predicted", "F32", "<f", 1200, 0, 20, 1, states=6, taps=(1, 127, -128, 90, -5), factors=[(40, rows)])
    add("energy", "F32", "<f", 700, 2, 31, 3, states=4, zero=1, taps=(2, 3), far=[(0, 8191), (5, -8192), (699, -8191)])
    random_taps = lambda p, size: (p, *(rng.randint(-size, size) for _ in range(sum(trellis.reaches(p)))))
    long, places = random_taps(64, 12), random_taps(9, 40)
    add("view", "F32", "<f", 6 * 7 * 11, 1, 16, 5, states=5, taps=long, view=(6, 7, 11), factors=[(77, rows[:6])])
    add("one", "F64", "<d", 1, 1, -1024, 5, states=7, taps=(0,), far=[(0, -8192)])
    add("places", "F32", "<f", 1500, 0, 14, 2, states=3, taps=places, factors=[(50, rows), (1, rows[:3])])
    add("pairs", "F32", "<f", 1100, 2, 24, 3, states=8, taps=(2, -31))
    add("again", "F32", "<f", 700, 1, 18, 2, taps=random_taps(9, 127))
    add("shifted", "F16", "<e", 300, 0, 22, 1, states=2, taps=(0,))
    add("offset", "F32", "<f", 700, 0, 18, 1, taps=random_taps(9, 20), offset=-77, far=[(3, 8191), (4, -300), (9, -8192)])
    add("far off", "F64", "<d", 300, 2, 9, 0, zero=1, offset=1 << 22, far=[(0, -8191)])
    w.files.append(network_entry("t.safetensors", len(tensors), varint(0)))
    return w.finish(), {"": safetensors(tensors)}


def folder_archive():
    """A folder of two networks with a verbatim header each way round, an asset of some blocks and an empty one."""
    w = Writer(layout=1)
    one, two = bytes(range(200)) * 12, bytes(64)
    first = safetensors([("x", "U8", [2400], one)])
    text = b'{ "y":{"shape":[8],"data_offsets":[0,64],"dtype":"I64"},"__metadata__":{}}   '
    second = struct.pack("<Q", len(text)) + text + two
    w.add_tensor("x", "U8", [2400], w.add_raw(one, 1))
    w.add_tensor("y", "I64", [8], w.add_raw(two, 8))
    asset = b"weights and levels\n" * 150
    streams = w.add_asset(asset), w.add_asset(b"")
    w.files.append(network_entry("a.safetensors", 1, varint(0)))
    w.files.append(varint(0) + string(b"tokenizer.json") + varint(streams[0]))
    w.files.append(network_entry("b.safetensors", 1, varint(2) + string(text)))
    w.files.append(varint(0) + string(b"empty.txt") + varint(streams[1]))
    return w.finish(), {"a.safetensors": first, "b.safetensors": second, "tokenizer.json": asset, "empty.txt": b""}


def large_blocks_archive():
    """Blocks of 16384 units and more, which are aligned to 16 bytes."""
    rng, w = random.Random(3), Writer()
    data = bytes(min(int(rng.expovariate(0.3)), 255) for _ in range(2 * 40000))
    w.add_tensor("w", "BF16", [40000], w.add_lossless(data, "BF16", 14, 15))
    w.files.append(network_entry("w.safetensors", 1, varint(0)))
    return w.finish(), {"": safetensors([("w", "BF16", [40000], data)])}


ARCHIVES = {"lossless": lossless_archive, "uniform": uniform_archive, "folder": folder_archive}
ARCHIVES["codebook"], ARCHIVES["trellis"] = codebook_archive, trellis_archive
ARCHIVES["large_blocks"], ARCHIVES["pairs"] = large_blocks_archive, pairs_archive


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
