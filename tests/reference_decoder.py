#!/usr/bin/env python3
"""A second decoder of weft archives, written from FORMAT.md alone: plain and slow on purpose.

`reference_decoder.py ARCHIVE OUTPUT` restores ARCHIVE as the file or folder OUTPUT, which must not exist. Numbers in
comments are sections of FORMAT.md. Needs the standard library and, for zstd frames, the system's libzstd.
Exit codes: 0 restored, 1 input or output fails, 2 usage, 3 the archive is corrupt (a sentence says why).
"""

import ctypes
import io
import json
import math
import pathlib
import struct
import sys
from functools import reduce
from itertools import accumulate
from types import SimpleNamespace as Record

import reference_trellis as trellis
from reference_reader import Corrupt, Index, check, paired_symbols, rans_symbols, read_table

(RAW, LOSSLESS, UNIFORM, ASSET, CODEBOOK, TRELLIS) = range(6)
(MODE_RAW, MODE_CONSTANT, MODE_RANS, MODE_ZSTD) = range(4)
# 2.4: name, bits of an element, bytes of a unit.
TYPES = {"BOOL U8 I8": (8, 1), "U16 I16": (16, 2), "U32 I32": (32, 4), "U64 I64": (64, 8), "F16 BF16": (16, 2)}
TYPES |= {"F32": (32, 4), "F64": (64, 8), "C64": (64, 4), "F8_E4M3 F8_E5M2 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ": (8, 1)}
TYPES |= {"F6_E2M3 F6_E3M2": (6, 1), "F4": (4, 1)}
TYPES = [(name, *sizes) for names, sizes in TYPES.items() for name in names.split()]
U8, F16, BF16, F32, F64, C64 = 1, 9, 10, 11, 12, 13
# 3.3: 2^(i/8) as binary32.
SCALES = struct.unpack("<8f", bytes.fromhex("0000803FC2958B3FF037983FD7FEA53FF304B53F2A67C53FFD44D73FC7C0EA3F"))
CRC_TABLE = [reduce(lambda crc, _: crc >> 1 ^ 0x82F63B78 * (crc & 1), range(8), byte) for byte in range(256)]


def crc32c(data):
    return reduce(lambda crc, byte: crc >> 8 ^ CRC_TABLE[(crc ^ byte) & 255], data, 0xFFFFFFFF) ^ 0xFFFFFFFF


def align(x, units, codec):
    """2.6: rounded up to the alignment of a block."""
    return (x + 15) // 16 * 16 if units >= 16384 and codec != TRELLIS else (x + 1) // 2 * 2


def pieces(total, size_log2):
    """Sizes of the pieces of 2^size_log2 that `total` falls into: all but the last are full."""
    return (min(1 << size_log2, total - begin) for begin in range(0, total, 1 << size_log2))


def unzstd(frame, size, what):
    """The content of exactly one zstd frame, which has `size` bytes."""
    zstd, out = ctypes.CDLL("libzstd.so.1"), ctypes.create_string_buffer(size + 1)
    zstd.ZSTD_findFrameCompressedSize.restype = zstd.ZSTD_decompress.restype = ctypes.c_size_t
    length = zstd.ZSTD_findFrameCompressedSize(frame, ctypes.c_size_t(len(frame)))
    check(frame[:4] == b"\x28\xb5\x2f\xfd" and length == len(frame), f"{what} is not one zstd frame")
    found = zstd.ZSTD_decompress(out, ctypes.c_size_t(size), frame, ctypes.c_size_t(len(frame)))
    check(found == size, f"{what} does not decompress to {size} bytes")
    return out.raw[:size]


def read_frame(data):
    """1: checks header and footer; returns the index's texts, as stored, its numbers and its offset."""
    check(data[:8] == b"\x89WEFT\r\n\x1a", "this is not a weft archive")
    check(len(data) >= 40, "the archive is truncated")
    major, minor, reserved, crc = struct.unpack_from("<BBHI", data, 8)
    check(crc == crc32c(data[:12]), "the header's checksum is wrong")
    check((major, minor, reserved) == (0, 9, 0), f"this decoder reads 0.9, not {major}.{minor} or a reserved bit")
    offset, texts, index_crc, crc, magic = struct.unpack("<QIII4s", data[-24:])
    check(magic == b"WEFT", "the archive is truncated: it has no footer")
    check(crc == crc32c(data[-24:-8]), "the footer's checksum is wrong")
    check(16 <= offset <= len(data) - 24, "the index is not where the footer says")
    index = data[offset:-24]
    check(index_crc == crc32c(index), "the index's checksum is wrong")
    check(texts <= len(index), "the texts are longer than the index")
    return index[:texts], index[texts:], offset


def read_index(texts, numbers, payload_end):
    """2: returns layout, files and streams; the blocks know their places."""
    index = Index(numbers)
    index.texts = read_texts(index, texts)
    layout, files = read_files(index)
    tensors = read_tensors(index, index.check_count(sum(f.count for f in files)))
    tables = [None, *(read_table(index) for _ in range(index.check_count(index.number("tables"))))]
    shapes = trellis.read_shapes(index)
    books = [read_codebook(index, n) for n in range(index.check_count(index.number("codebooks")))]
    assets = [f.stream for f in files if f.kind == 0]
    users, count = sorted([*assets, *{t.stream for t in tensors}]), index.number("streams")
    is_complete = users == [*range(len(users))] and count == len(users)
    check(is_complete, "the streams are not those that tensors and assets name")
    streams = [read_stream(index, n, n in assets, tensors, tables, shapes, books) for n in range(count)]
    index.finish()
    at = 16
    for s, block in ((s, b) for s in streams for segment in s.segments for b in segment.blocks):
        block.gap, block.offset = at, align(at, block.units, s.codec)
        at = block.offset + block.size
    check(at == payload_end, "the blocks do not fill the payload")
    for file in (f for f in files if f.kind):
        file.tensors, tensors = tensors[: file.count], tensors[file.count :]
        file.header = make_header(file)
    return layout, files, streams


def read_texts(index, stored):
    """2.2"""
    size, is_frame = index.number("text_bytes"), index.flag("text_coding")
    is_possible = size <= 64 * len(stored) + (1 << 24) if is_frame else size == len(stored)
    check(is_possible, "the texts' size is not one that it can be")
    texts = (unzstd(stored, size, "what holds the texts") if is_frame else stored).split(b"\xff")
    check(texts.pop() == b"", "the last text has no end")
    return iter(texts)


def read_files(index):
    """2.3"""
    layout, count, files = index.flag("layout"), index.check_count(index.number("files")), []
    check(layout == 1 or count == 1, "a single file has not one file")
    for _ in range(count):
        file = Record(kind=index.flag("file_kind"), name=index.text(), count=0, tensors=[], metadata=None, verbatim=None)
        is_allowed = not set(file.name) & set("/\\\0") and file.name not in (".", "..")
        check(is_allowed and 1 <= len(file.name.encode()) <= 255, "a file's name is not allowed")
        if file.kind == 0:
            file.stream = index.number("asset_stream")
        else:
            file.count, header = index.number("tensors"), index.number("header")
            check(header <= 2, f"file {file.name} has an unknown kind of header")
            if header == 1:
                pairs = [(index.text(), index.text()) for _ in range(index.number("pairs"))]
                file.metadata = dict(pairs)
                check(len(file.metadata) == len(pairs), f"file {file.name} has a key of its metadata twice")
            elif header == 2:
                file.verbatim = index.text()
        files.append(file)
    check(len({f.name for f in files}) == len(files), "a file's name is there twice")
    return layout, files


def read_tensors(index, count):
    """2.4"""
    tensors, last, rank, highest, joined = [], [], 0, -1, None
    for _ in range(count):
        name, dtype, rank, shape = index.text(), index.relative("type", 11), index.number(f"rank[{min(rank, 4)}]"), []
        check(0 <= dtype < len(TYPES) and rank <= 32, "a tensor's type or rank is unknown")
        for i in range(rank):
            known = index.number(f"known[{5 * min(i, 3) + min(rank, 4)}]")
            check(known <= len(last), f"tensor {name} has a dimension like one that is not there")
            shape.append(last[known - 1] if known else index.number("dimension"))
            last = [shape[-1], *(d for d in last if d != shape[-1])][:8]
        join = index.number(f"join[{min(rank, 2)}]")
        check(join <= 2 and (join != 1 or joined is not None), f"tensor {name} joins a stream that is not there")
        if join == 2:
            joined = index.number("stream")
        stream = joined if join else highest + 1
        highest = max(highest, stream)
        sizes = list(accumulate((*shape, TYPES[dtype][1]), lambda a, b: a * b))
        check(sizes[-1] % 8 == 0 and max(sizes) < 1 << 64, f"tensor {name} does not end at a byte or is too large")
        tensors.append(Record(name=name, dtype=dtype, shape=shape, stream=stream, bytes=sizes[-1] // 8))
    check(len({*(t.name for t in tensors), "__metadata__"}) == count + 1, "a tensor's name is there twice or not allowed")
    return tensors


def read_codebook(index, number):
    """2.5: a codebook's dimension and its values as numbers."""
    entry, dimension_log2, count = index.number("value_type"), index.number("dimension_log2"), index.number("entries")
    check(entry in (F16, BF16, F32) and dimension_log2 <= 3, f"codebook {number} has an impossible type or dimension")
    check(1 <= count <= (65536 if dimension_log2 else 4096), f"codebook {number} has an impossible number of entries")
    room = len(index.data) + 4 - index.at
    check((count << dimension_log2) * (TYPES[entry][1] // 8) <= room, f"codebook {number} has more values than bytes for them")
    code, shift, values = "<e" if entry == F16 else "<f", 16 if entry == BF16 else 0, []
    for _ in range(count << dimension_log2):
        bits = index.direct(TYPES[entry][1]) << shift
        values += struct.unpack(code, bits.to_bytes(struct.calcsize(code), "little"))
        is_allowed = math.isfinite(values[-1]) and (dimension_log2 or values[-1] > max(values[-2:-1], default=-math.inf))
        check(is_allowed, f"codebook {number} has values that are not finite or do not ascend")
    return Record(dimension=1 << dimension_log2, count=count, values=values)


def read_step(index, what):
    """2.6: a step, which is a binary32 number."""
    if index.flag("same_step"):
        check("step" in index.before, f"{what} shares the step of none before it")
        return index.before["step"]
    exponent, zeros = index.relative("step_exponent", 119), index.number("step_zeros")
    check(1 <= exponent <= 254 and zeros <= 23, f"{what} has a step that is not normal")
    mantissa = (2 * index.direct(22 - zeros) + 1 << zeros) if zeros < 23 else 0
    index.before["step"] = math.ldexp((1 << 23) + mantissa, exponent - 150)
    return index.before["step"]


def read_stream(index, number, is_asset, tensors, tables, shapes, books):
    """2.6"""
    s = Record(number=number, codec=index.number("codec"), members=[t for t in tensors if t.stream == number])
    block_log2, segment_log2, what = index.relative("block", 16), index.relative("segment", 20), f"stream {number}"
    check(s.codec <= 5 and (s.codec == ASSET) == is_asset == (not s.members), f"{what} has the wrong codec or members")
    is_possible = 10 <= block_log2 <= (20 if is_asset else 18) and block_log2 <= segment_log2 <= 24
    check(is_possible, f"{what} has an invalid size of blocks or segments")
    check(len({t.dtype for t in s.members}) <= 1, f"{what} has members of several types")
    s.dtype = U8 if is_asset else s.members[0].dtype
    s.unit, s.segments, s.view, s.classes, s.dimension = TYPES[s.dtype][2], [], None, None, 1
    s.units = index.number("units") if is_asset else sum(t.bytes for t in s.members) // s.unit
    planes = {LOSSLESS: (s.unit, s.unit), UNIFORM: (3, 1), CODEBOOK: (2, 1), TRELLIS: (2, 0)}
    s.planes, coded_planes = planes.get(s.codec, (1, 0))
    if s.codec in (UNIFORM, CODEBOOK, TRELLIS):
        check(len(s.members) == 1 and s.dtype in (F16, BF16, F32, F64), f"{what} has members that it cannot have")
    if s.codec == CODEBOOK:
        s.group, s.inner, s.channels = index.number("group"), 1, 1
        if s.group:
            s.inner, s.channels = index.number("group_inner"), index.number("group_channels")
            fit = s.channels > s.group and divides(s.inner * s.channels, s.units)
            check(fit, f"{what} has groups of channels that do not fit")
        count = index.check_count(-(-s.channels // s.group) if s.group else 1)
        numbers = [*accumulate(index.signed("book") for _ in range(count))]
        check(all(0 <= n < len(books) for n in numbers), f"{what} names a codebook that is not there")
        chosen = [books[n] for n in numbers]
        s.dimension, coded_planes = chosen[0].dimension, 2 if any(b.count > 256 for b in chosen) else 1
        check(all(b.dimension == s.dimension for b in chosen), f"{what} has codebooks of several dimensions")
        s.books, s.planes = [[unit_of(v, s.dtype) for v in b.values] for b in chosen], coded_planes + 1
    elif s.codec == UNIFORM:
        fine, s.low_bits = read_step(index, what), index.number("low_bits")
        channels = index.check_count(index.number("channels"))
        check(s.low_bits in (0, 4, 8), f"{what} has invalid parameters")
        s.inner, s.steps = 1, [fine]
        if channels:
            s.inner = index.number("inner")
            check(divides(s.inner * channels, s.units), f"{what} has channels that do not fit")
            codes = [*accumulate((index.signed("scale") for _ in range(channels)), initial=128)][1:]
            check(all(0 <= q <= 255 for q in codes), f"{what} has an impossible scale code")
            s.steps = [rounded(fine * SCALES[q % 8]) * 2.0 ** (q // 8 - 16) for q in codes]
        check(all(2.0**-126 <= x < 2.0**128 for x in s.steps), f"{what} has a step that is not normal")
    elif s.codec == TRELLIS:
        s.steps = [read_step(index, what)]
        trellis.read_stream(index, s, shapes, segment_log2, what)
    if s.codec in (LOSSLESS, CODEBOOK):
        s.is_of_units = TYPES[s.dtype][1] == 8 * s.unit
        s.classes = trellis.read_classes(index, s, what)
    index.check_count(-(-s.units >> block_log2))  # blocks
    for units in pieces(s.units, segment_log2):
        by_class = read_class_tables(index, s.classes, tables, what) if s.classes and index.flag("by_class") else None
        numbers = [index.number(f"table[{p}]") for p in range(1 if by_class else 0, coded_planes)]
        check(all(t < len(tables) for t in numbers), f"{what} names a table that is not there")
        corrections = [index.signed(f"correction[{i}]") for i in range(3 if s.codec in (UNIFORM, TRELLIS) else 0)]
        check(all(-128 <= c <= 127 for c in corrections), f"{what} has an impossible correction")
        chosen = [*([by_class] if by_class else []), *(tables[t] for t in numbers)]
        s.segments.append(Record(units=units, tables=chosen, corrections=corrections))
    for segment in s.segments:
        segment.blocks = [Record(units=n, size=read_size(index, n, s.codec)) for n in pieces(segment.units, block_log2)]
    return s


def read_class_tables(index, classes, tables, what):
    """2.6: the slots of the tables by class."""
    numbers = [index.relative("class_table", 0) for _ in classes]
    check(all(0 <= n < len(tables) - 1 for n in numbers), f"{what} names a table that is not there")
    chosen = [tables[1 + n] for n in numbers]
    check(all(base is None for base, _ in chosen), f"{what} has a table of pairs for a class")
    check(len({*numbers}) <= 8, f"{what} has too many tables for classes")
    return {c: table for c, (_, table) in zip(classes, chosen)}


def read_size(index, units, codec):
    """2.6: the size of a block."""
    size_before, units_before = index.before.get(("block", codec), (0, 1))
    size = size_before * units // units_before + index.signed(f"size[{codec}]")
    check(0 <= size < 1 << 32, "a block has an impossible size")
    index.before["block", codec] = size, units
    return size


def divides(product, total):
    """Whether a product is not 0, fits 64 bits and divides the total, which may be 0."""
    return 1 <= product < 1 << 64 and total % product == 0


def rounded(x, code="<f"):
    """The number of a struct format nearest to a binary64 number, ties to even; by default a binary32 one."""
    try:
        return struct.unpack(code, struct.pack(code, x))[0]
    except OverflowError:
        return math.copysign(math.inf, x)


def make_header(file):
    """2.8: the JSON header of a safetensors file."""
    at, items = 0, {}
    for t in file.tensors:
        items[t.name] = {"dtype": TYPES[t.dtype][0], "shape": t.shape, "data_offsets": [at, at + t.bytes]}
        at += t.bytes
    if file.verbatim is None:
        metadata = {} if file.metadata is None else {"__metadata__": file.metadata}  # json escapes as 2.8 says
        header = json.dumps({**metadata, **items}, ensure_ascii=False, separators=(",", ":")).encode()
        return header + b" " * (-len(header) % 8)
    try:  # an object with a key that is there twice becomes None, which nothing below takes
        unique = lambda pairs: dict(pairs) if len(dict(pairs)) == len(pairs) else None
        found = json.loads(file.verbatim, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise Corrupt(f"the stored header of {file.name} cannot be read: {error}") from None
    is_object = type(found) is dict and file.verbatim[:1] == "{" and file.verbatim.rstrip(" ")[-1:] == "}"
    check(is_object, f"the stored header of {file.name} is not an object with unique keys and spaces after it")
    metadata = found.pop("__metadata__", {})
    check(type(metadata) is dict and all(type(v) is str for v in metadata.values()), "metadata is not texts by name")
    found, items = (json.dumps(x, sort_keys=True) for x in (found, items))  # as texts, 1 is not true
    check(found == items, f"the stored header of {file.name} does not name its tensors")
    return file.verbatim.encode()


def plane_symbols(plane, n, table, class_of=None):
    """3 and 3.1: the n symbols of a plane of mode 0, 1 or 2. `table` may be those by class, and class_of(i) is of symbol i."""
    check(plane.mode != MODE_ZSTD, "a plane has a mode that it cannot have")
    if plane.mode in (MODE_CONSTANT, MODE_RAW):
        check(plane.mode == MODE_CONSTANT or plane.size == n, "a raw plane has the wrong size")
        return plane.data if plane.mode == MODE_RAW else bytes([plane.size]) * n
    check(table is not None, "an entropy-coded plane has no table")
    if isinstance(table, dict):
        return rans_symbols(plane.data, n, plane.lanes, lambda i: table[class_of(i)])
    base, table = table
    if base is not None:
        return paired_symbols(plane.data, n, plane.lanes, base, table)
    return rans_symbols(plane.data, n, plane.lanes, lambda _: table)


def decode_lossless(planes, n, s, segment, first):
    """3.2: units from byte planes, the most significant one first."""
    out, class_of = bytearray(n * s.unit), lambda i: trellis.expected_class(s, first + i)
    for i in range(s.unit):
        out[s.unit - 1 - i :: s.unit] = plane_symbols(planes[i], n, segment.tables[i], class_of)
    if s.dtype not in (F16, BF16, F32, F64, C64):
        return out
    layout, top = f"<{n}{' BH I   Q'[s.unit]}", 8 * s.unit - 1
    return struct.pack(layout, *(x >> 1 | (x & 1) << top for x in struct.unpack(layout, out)))


def unit_of(weight, dtype):
    """A binary32 number as bytes of the element type."""
    if dtype == BF16:
        bits = int.from_bytes(struct.pack("<f", weight), "little")
        return struct.pack("<H", bits + 0x7FFF + (bits >> 16 & 1) >> 16)
    return struct.pack(code := {F16: "<e", F32: "<f", F64: "<d"}[dtype], rounded(weight, code))


def codebook_units(planes, n, s, segment, first):
    """3.3, codec 4: the units that a block's indices stand for."""
    d, units = s.dimension, []
    indices, class_of = [0] * -(-n // d), lambda i: trellis.expected_class(s, first + i)
    for plane, table in zip(planes[:-1], segment.tables):
        indices = [i << 8 | y for i, y in zip(indices, plane_symbols(plane, len(indices), table, class_of))]
    for v, index in enumerate(indices):
        group = (first + v * d) // s.inner % s.channels // s.group if s.group else 0
        entry = s.books[group][index * d : index * d + d]
        check(entry, "an index is beyond the end of its codebook")
        units += entry
    return units[:n]


def decode_lossy(planes, n, s, segment, first):
    """3.3, codecs 2 and 4. `first` is the number of the block's first element in the tensor."""
    decode = codebook_units if s.codec == CODEBOOK else uniform_units
    out, exceptions = bytearray().join(decode(planes, n, s, segment, first)), planes[-1]
    count, rest = divmod(len(exceptions.data), 4 + s.unit)
    positions = [*struct.unpack_from(f"<{count}I", exceptions.data)]
    is_possible = exceptions.mode == MODE_RAW and rest == 0 and positions == sorted({*positions} & {*range(n)})
    check(is_possible, "the exceptions have an impossible mode or size or their positions do not ascend")
    for i, position in enumerate(positions):
        out[position * s.unit : (position + 1) * s.unit] = exceptions.data[4 * count + i * s.unit :][: s.unit]
    return out


def uniform_units(planes, n, s, segment, first):
    """3.3, codec 2: the units that symbols and low bits stand for."""
    symbols, plane, b = plane_symbols(planes[0], n, segment.tables[0]), planes[1], s.low_bits
    low = plane.data
    check(plane.mode == MODE_RAW and len(low) == (len(symbols) * b + 7) // 8, "the low bits have a wrong mode or size")
    if b == 4:
        check(len(symbols) % 2 == 0 or low[-1] < 16, "the unused half of a byte of low bits is not zero")
        low = [byte >> shift & 15 for byte in low for shift in (0, 4)]
    for i, symbol in enumerate(symbols):
        level = (symbol - 128 << b) + (low[i] - (1 << b - 1) if b else 0)
        yield weight_of(level, s.steps[(first + i) // s.inner % len(s.steps)], segment.corrections, 0, s.dtype)


def weight_of(level, step, corrections, offset, dtype):
    """3.3: the unit that a level stands for."""
    correction = corrections[min(abs(level), 3) - 1]
    m = offset + 64 * level - (correction if level > 0 else -correction if level < 0 else 0)
    return unit_of(rounded(m * step), dtype)  # the product of two binary32 numbers is exact in binary64, so rounded once


def decode_trellis(planes, n, s, segment, first):
    """3.3, codec 5."""
    coded, far = planes
    if coded.mode == MODE_RAW:
        check(coded.size == n * s.unit, "raw units have the wrong size")
        return coded.data
    weight = lambda level, corrections: weight_of(level, s.steps[0], corrections, s.offset, s.dtype)
    units = [weight(k, segment.corrections) for k in trellis.decode_levels(coded, n, s, first)]
    for position, level, exact in trellis.far_weights(far.data, n, s.unit):
        units[position] = exact or weight(level, (0, 0, 0))
    return b"".join(units)


def read_planes(data, n, s):
    """3: the planes of a block with plane descriptors."""
    at, planes, length = 4 + 4 * s.planes, [], len(data)
    check(length >= at, "it is shorter than its plane descriptors")
    for d in struct.unpack_from(f"<{s.planes}I", data, 4):
        mode, lanes_log2, size = d & 3, d >> 2 & 7, d >> 8
        is_possible = lanes_log2 <= (5 if mode == MODE_RANS else 0) and (mode != MODE_CONSTANT or size <= 255)
        check(is_possible and d >> 5 & 7 == 0, "a plane descriptor has an impossible value or a reserved bit set")
        end = (begin := align(at, n, s.codec)) + (0 if mode == MODE_CONSTANT else size)
        check(end <= length and not any(data[at:begin]), "a plane runs past its end or a byte between planes is not 0")
        planes.append(Record(mode=mode, lanes=1 << lanes_log2, size=size, data=data[begin:end]))
        at = end
    check(at == length, "it is longer than its planes")
    return planes


def read_trellis_planes(data):
    """3: the two planes of a block of codec 5."""
    check(len(data) >= 6, "it is shorter than its head")
    lanes_log2, is_raw, has_far = data[4] & 7, data[4] >> 3 & 1, data[4] >> 4 & 1
    is_possible = lanes_log2 <= (0 if is_raw else 5) and not (is_raw and has_far) and data[4] >> 5 == 0
    begin = 8 if has_far else 6
    far_size = int.from_bytes(data[5:begin], "little")
    check(is_possible and has_far == (far_size != 0), "its head has an impossible value or a reserved bit set")
    far_begin = len(data) - far_size
    check(begin <= far_begin, "its far weights are longer than itself")
    coded, far = data[begin:far_begin], data[far_begin:]
    mode = MODE_RAW if is_raw else MODE_RANS
    return [Record(mode=mode, lanes=1 << lanes_log2, size=len(coded), data=coded), Record(size=far_size, data=far)]


def decode_block(data, n, s, segment, first):
    """3: a block's n units as bytes."""
    check(len(data) >= 4 and data[:4] == struct.pack("<I", crc32c(data[4:])), "its checksum is wrong")
    if s.codec == TRELLIS:
        return decode_trellis(read_trellis_planes(data), n, s, segment, first)
    planes = read_planes(data, n, s)
    others_empty = all(p.mode == MODE_CONSTANT and p.size == 0 for p in planes[1:])
    if planes[0].mode == MODE_ZSTD and s.codec in (LOSSLESS, ASSET) and others_empty:
        return unzstd(planes[0].data, n * s.unit, "its plane")
    coders = {LOSSLESS: decode_lossless, UNIFORM: decode_lossy, CODEBOOK: decode_lossy}
    if s.codec in coders:
        return coders[s.codec](planes, n, s, segment, first)
    check(planes[0].mode == MODE_RAW and planes[0].size == n * s.unit, "its plane has the wrong mode or size")
    return planes[0].data


def decode(archive):
    """The files of an archive: (layout, {name: bytes})."""
    (layout, files, streams), data, result = read_index(*read_frame(archive)), [], {}
    for s in streams:
        out = bytearray()
        for number, (segment, b) in enumerate((segment, b) for segment in s.segments for b in segment.blocks):
            try:
                check(not any(archive[b.gap : b.offset]), "a byte before it is not zero")
                out += decode_block(archive[b.offset : b.offset + b.size], b.units, s, segment, len(out) // s.unit)
            except Corrupt as error:
                raise Corrupt(f"{[t.name for t in s.members] or 'an asset'}: block {number}: {error}") from None
        data.append(io.BytesIO(trellis.from_view(s, out) if s.view else out))
    for f in files:
        begin = data[f.stream].read() if f.kind == 0 else struct.pack("<Q", len(f.header)) + f.header
        result[f.name] = b"".join([begin, *(data[t.stream].read(t.bytes) for t in f.tensors)])
    return layout, result


def main(arguments):
    if len(arguments) != 2:
        return print("usage: reference_decoder.py ARCHIVE OUTPUT", file=sys.stderr) or 2
    source, output = map(pathlib.Path, arguments)
    try:
        layout, files = decode(source.read_bytes())
        if layout == 1:
            output.mkdir()
        for name, content in files.items():
            with (output / name if layout == 1 else output).open("xb") as file:
                file.write(content)
    except (Corrupt, OSError) as error:
        return print(f"{source}: {error}", file=sys.stderr) or (3 if isinstance(error, Corrupt) else 1)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
