#!/usr/bin/env python3
"""Tests of reference_decoder.py, on archives of reference_encoder.py and on the golden ones. Standard library only.

With the weft program's path in the environment variable WEFT the program reads the same archives, intact and corrupt, and
has to agree.
"""

import math
import os
import pathlib
import random
import struct
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
import reference_decoder as weft  # noqa: E402
from reference_encoder import (  # noqa: E402
    ARCHIVES, Coder, Writer, asset_entry, correction_numbers, folder_archive, make_block, make_trellis_block, many_codes,
    network_entry, random_path, rans_encode, rans_encode_by_class, raw_frame, scales_of, signed, uniform_archive,
)  # fmt: skip
from reference_reader import Index, slots  # noqa: E402
from reference_trellis import read_codes  # noqa: E402

FOLDER = pathlib.Path(__file__).resolve().parent
GOLDENS = FOLDER / "golden"
PROGRAM = os.environ.get("WEFT")
TAPS = [60, -7, 0, 1]


def restored(archive):
    layout, files = weft.decode(archive)
    return files if layout == 1 else {"": next(iter(files.values()))}


def run_program(*arguments):
    return subprocess.run([PROGRAM, *arguments, "-q"], capture_output=True, text=True, timeout=60)


def read_output(path):
    return {p.name: p.read_bytes() for p in path.iterdir()} if path.is_dir() else {"": path.read_bytes()}


def refuse(test, archive, part):
    with test.assertRaises(weft.Corrupt) as caught:
        weft.decode(archive)
    test.assertIn(part, str(caught.exception))
    if PROGRAM:
        with tempfile.NamedTemporaryFile(suffix=".weft") as file, test.subTest(f"program: {caught.exception}"):
            file.write(archive)
            file.flush()
            test.assertEqual(run_program("verify", file.name).returncode, 3)


def network():
    w = Writer()
    w.add_tensor("x", "U8", [100], w.add_raw(bytes(range(100)), 1))
    w.files.append(network_entry("x.safetensors", 1))
    return w


class MadeHere(unittest.TestCase):
    def test_crc(self):
        self.assertEqual(weft.crc32c(b"123456789"), 0xE3069283)

    def test_restores(self):
        for name, make in ARCHIVES.items():
            with self.subTest(name):
                archive, expected = make()
                self.assertEqual(restored(archive), expected)

    @unittest.skipUnless(PROGRAM, "WEFT does not name the program")
    def test_program_restores(self):
        for name, make in ARCHIVES.items():
            with self.subTest(name), tempfile.TemporaryDirectory() as folder:
                source, output = pathlib.Path(folder) / "a.weft", pathlib.Path(folder) / "out"
                archive, expected = make()
                source.write_bytes(archive)
                result = run_program("decompress", source, "-o", output)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(read_output(output), expected)

    def test_skewed_tables(self):
        rng = random.Random(4)
        for rare in (1, 2, 2048, 4095):
            for n in (1, 31, 32, 33, 1000):
                symbols = [7 if rng.random() < rare / 4096 else 9 for _ in range(n)]
                table = (7, [rare, 0, 4096 - rare])
                for lanes_log2 in range(6):
                    data = rans_encode(symbols, table, 1 << lanes_log2)
                    plane = weft.Record(mode=2, lanes=1 << lanes_log2, size=len(data), data=data)
                    self.assertEqual(list(weft.plane_symbols(plane, n, (None, slots(*table)))), symbols)

    def test_numbers(self):
        rng, coder = random.Random(7), Coder()
        numbers = [(f"name[{i % 3}]", rng.getrandbits(rng.choice((0, 1, 3, 9, 33, 64)))) for i in range(3000)]
        numbers += [("name[0]", 0), ("name[1]", 2**64 - 1), ("name[2]", 2**63), ("name[3]", 1), ("name[4]", 2**64 - 1)]
        factors = [[max(-128, min(127, round(rng.gauss(0, w)))) for _ in range(n)] for w, n in ((3, 50), (90, 50), (3, 7))]
        factors += [[-128, 127, -127, 126, 0, 1, -1], [0], [-128], [127]]
        for name, value in numbers:
            coder.number(name, value)
            coder.direct(9, value & 511)
        for codes in factors:
            coder.factor(codes)
        index = Index(coder.finish())
        for name, value in numbers:
            self.assertEqual((index.number(name), index.direct(9)), (value, value & 511))
        self.assertEqual([read_codes(index, len(codes)) for codes in factors], factors)
        index.finish()
        index = Index(b"")
        self.assertEqual({index.number("name") for _ in range(1024 // 9)}, {2**64 - 1})  # of 64 bits, it counts as nine
        self.assertRaisesRegex(weft.Corrupt, "more numbers", index.number, "name")
        self.assertEqual([signed(z) for z in (0, -1, 1, -(2**63), 2**63 - 1)], [0, 1, 2, 2**64 - 1, 2**64 - 2])

    def test_bytes_behind_the_numbers(self):
        w = network()
        texts, numbers = w.index()
        weft.decode(w.frame(texts, numbers + bytes(3)))
        for more in (bytes(4), bytes(1000)):
            refuse(self, w.frame(texts, numbers + more), "longer than its numbers")
        w = many_codes()
        texts, numbers = w.index()
        self.assertEqual(numbers[-40:], bytes(40))
        for more in (b"\0", b"\1"):
            refuse(self, w.frame(texts, numbers + more), "longer than its numbers")
        refuse(self, w.frame(texts, numbers[:-1] + b"\1"), "longer than its numbers")
        refuse(self, w.frame(texts, numbers[:-1]), "left")

    def test_texts(self):
        skippable = b"\x50\x2a\x4d\x18\0\0\0\0"
        size = len(network().index()[0])
        runs = 130  # of 2^17 bytes
        run = lambda last: (last | 2 | 1 << 20).to_bytes(3, "little") + b"\xff"
        bomb = raw_frame(b"")[:5] + struct.pack("<I", runs << 17) + run(0) * (runs - 1) + run(1)
        for store, replaced, part in (
            (raw_frame, {}, None),
            (lambda texts: raw_frame(texts)[:-1], {}, "not one zstd frame"),
            (lambda texts: raw_frame(texts) + b"\0", {}, "not one zstd frame"),
            (lambda texts: raw_frame(texts) + skippable, {}, "not one zstd frame"),
            (lambda texts: skippable + raw_frame(texts), {}, "not one zstd frame"),
            (raw_frame, {"text_bytes": size - 1}, "does not decompress"),
            (raw_frame, {"text_bytes": size + 1}, "does not decompress"),
            (raw_frame, {"text_bytes": 64 * (size + 12) + (1 << 24) + 1}, "size"),
            (lambda texts: bomb, {"text_bytes": runs << 17}, "size"),
            (raw_frame, {"text_bytes": 2**64 - 1}, "size"),
            (raw_frame, {"text_coding": 2}, "flag"),
            (None, {"text_bytes": size - 1}, "size"),
            (None, {"text_bytes": size + 1}, "size"),
            (lambda texts: raw_frame(texts[:-1]), {"text_bytes": size - 1}, "no end"),
            (lambda texts: raw_frame(texts[:-2]), {"text_bytes": size - 2}, "fewer texts"),
            (lambda texts: raw_frame(texts + b"y\xff"), {"text_bytes": size + 2}, "nothing uses"),
        ):  # fmt: skip
            w = network()
            w.store, w.replaced = store, replaced
            with self.subTest(part=part, replaced=replaced):
                if part:
                    refuse(self, w.finish(), part)
                else:
                    self.assertEqual(restored(w.finish()), restored(network().finish()))


class Refuses(unittest.TestCase):
    def test_every_flip_and_truncation(self):
        archive = network().finish()
        weft.decode(archive)
        for bit in range(8 * len(archive)):
            broken = bytearray(archive)
            broken[bit >> 3] ^= 1 << (bit & 7)
            with self.assertRaises(weft.Corrupt, msg=f"bit {bit}"):
                weft.decode(bytes(broken))
        for length in range(len(archive)):
            with self.assertRaises(weft.Corrupt, msg=f"length {length}"):
                weft.decode(archive[:length])
        refuse(self, archive + b"\0", "footer")

    def test_versions_and_footer(self):
        w = network()
        index = w.index()
        size = len(w.payload) + sum(map(len, index))
        weft.decode(w.frame(*index))
        for change in ({"major": 1}, {"minor": 1}, {"minor": 7}, {"minor": 8}, {"minor": 10}, {"reserved": 256}):
            refuse(self, w.frame(*index, **change), "this decoder reads 0.9")
        for offset in (0, 15, size + 1, 2**64 - 1):
            refuse(self, w.frame(*index, offset=offset), "not where the footer says")
        for offset in (16, size):
            refuse(self, w.frame(*index, offset=offset), "checksum")
        refuse(self, w.frame(*index, text_size=sum(map(len, index)) + 1), "longer than the index")
        refuse(self, w.frame(*index, text_size=len(index[0]) - 1), "")

    def test_index(self):
        def two(w, name, dtype="U8"):
            w.files[0] = network_entry("x", 2)
            w.add_tensor(name, dtype, [0], 0)

        def tensor(*fields):
            return lambda w: w.tensors.__setitem__(0, fields)

        def file(*fields, **more):
            return lambda w: w.files.__setitem__(0, network_entry(*fields, **more))

        for change, part in (
            (lambda w: w.files.append(w.files[0]), "single file"),
            ({"files": 1 << 60}, "left"), ({"tensors": 1 << 60}, "left"), ({"tables": 1 << 60}, "left"),
            ({"shapes": 1 << 60}, "left"), ({"codebooks": 1 << 60}, "left"),
            ({"files": 0}, "single file"), ({"layout": 2}, "flag"), ({"file_kind": 2}, "flag"),
            (file("../x", 1), "name"), (file("", 1), "name"), (file("x" * 256, 1), "name"), (file("a\0", 1), "name"),
            (file("..", 1), "name"), ({"header": 3}, "kind of header"), (file("x", 2), "fewer texts"),
            (file("x", 1, verbatim=b"{}"), "does not name"), (file("x", 1, verbatim=b"{\xc0}"), "UTF-8"),
            (file("x", 1, [("k", "k")] * 2), "twice"),
            (lambda w: file("x", 1, [("k", "k")])(w) or w.replaced.update(pairs=1 << 60), "fewer texts"),
            (lambda w: w.files.append(asset_entry("y", w.add_asset(b""))) or setattr(w, "layout", 1), None),
            (lambda w: w.files.append(asset_entry("x.safetensors", w.add_asset(b""))) or setattr(w, "layout", 1), "twice"),
            (lambda w: w.files.append(asset_entry("y", 0)) or setattr(w, "layout", 1), "streams"),
            (lambda w: w.files.append(asset_entry("y", w.add_raw(b"", 1))) or setattr(w, "layout", 1), "codec"),
            (lambda w: two(w, "y"), None), (lambda w: two(w, "x"), "twice"), (lambda w: two(w, "__metadata__"), "not allowed"),
            (lambda w: two(w, "y", "I8"), "several types"),
            (tensor(b"\xc0", 1, [100], 0), "UTF-8"), (tensor(b"x", 22, [100], 0), "type"), (tensor(b"x", -1, [100], 0), "type"),
            (tensor(b"x", 19, [101], 0), "end at a byte"), (tensor(b"x", 1, [1 << 63, 4], 0), "too large"),
            (tensor(b"x", 1, [1 << 63, 4, 0], 0), "too large"), (tensor(b"x", 1, [1 << 60], 0), "left"),
            (tensor(b"x", 1, [1] * 33, 0), "rank"), (tensor(b"x", 1, [100], 1), "streams"),
            (lambda w: tensor(b"x", 1, [*range(9)], 0)(w) or two(w, "y") or w.replaced.update({"known[1]": 9}), "not there"),
            ({"known[1]": 1}, "not there"), ({"known[1]": 9}, "not there"), ({"join[1]": 1}, "not there"),
            ({"join[1]": 3}, "not there"), (lambda w: w.add_raw(b"", 1), "streams"), ({"streams": 1 << 60}, "streams"),
            (lambda w: w.tables.append((0, [4096])), "table"), (lambda w: w.tables.append((255, [2048, 2048])), "table"),
            (lambda w: w.tables.append((0, [2048, 2047])), "table"), (lambda w: w.tables.append((0, [2048, 2048, 0])), "table"),
            (lambda w: w.tables.append((0, [0, 2048, 2048])), "table"),
            (lambda w: w.tables.append((0, [2**64 - 4096, 8192])), "table"),
            (lambda w: w.tables.append((0, [2048, 2048], 241)), "table of pairs"),
            (lambda w: w.payload.append(0), "payload"), ({"size[0]": signed(200)}, "payload"),
            ({"size[0]": signed(-1)}, "size"), ({"size[0]": signed(1 << 32)}, "size"),
            ({"codec": 3}, "codec"), ({"codec": 6}, "codec"),
            ({"block": signed(9 - 16)}, "size of blocks"), ({"block": signed(19 - 16)}, "size of blocks"),
            ({"segment": signed(9 - 20)}, "size of blocks"), ({"segment": signed(25 - 20)}, "size of blocks"),
        ):  # fmt: skip
            w = network()
            if isinstance(change, dict):
                w.replaced = change
            else:
                change(w)
            with self.subTest(part=part, replaced=w.replaced):
                if part:
                    refuse(self, w.finish(), part)
                else:
                    weft.decode(w.finish())

    def block(self, planes, dtype="U8", units=4, tables=(0,)):
        w = Writer()
        block = w.add_block(make_block(planes, units), units)
        w.tables += (0, [2048, 2048]), (0, [2048, 2048], 7)
        tables = [(f"table[{p}]", t) for p, t in enumerate(tables)]
        w.add_tensor("x", dtype, [units], w.add_stream(weft.LOSSLESS, 10, 10, [("class_factors", 0)], tables, [block]))
        w.files.append(network_entry("x.safetensors", 1))
        return w.finish()

    def test_pairs(self):
        words = rans_encode(b"\0\1\0", (0, [2048, 2048]), 2)  # 77 87 77 in pairs

        def block(*records, count=None, cut=0, units=6):
            tail = struct.pack(f"<{len(records) + 1}I", *records, len(records) if count is None else count)
            plane = (words + tail)[cut:]
            return self.block([(2, 1, len(plane), plane)], units=units, tables=(2,))

        seven, last = bytes([7, 7, 8, 7, 7, 7]), 5 | 200 << 24
        self.assertEqual(restored(block())[""][-6:], seven)
        self.assertEqual(restored(block(last, 1 << 24))[""][-6:], b"\1" + seven[1:5] + bytes([200]))
        for archive in (block(1 << 24, last), block(last, last), block(6), block(1 << 18)):
            refuse(self, archive, "descend")
        refuse(self, block(units=5), "impossible size")
        refuse(self, block(count=1 << 31), "impossible size")
        refuse(self, block(cut=len(words) + 2), "impossible size")
        refuse(self, block(last, count=0), "does not end")
        refuse(self, block(units=4), "does not end")

    def test_blocks(self):
        words = struct.pack("<2H", 32768, 32768)
        refuse(self, self.block([(0, 0, 3, b"abc")]), "raw plane has the wrong size")
        refuse(self, self.block([(3, 0, 4, b"abcd")]), "zstd frame")
        frame = b"\x28\xb5\x2f\xfd\x20\x06\x31\0\0abcdef"  # one raw block of six bytes
        zstd, zero = (3, 0, len(frame), frame), (1, 0, 0, b"")
        self.assertEqual(restored(self.block([zstd, zero], "F16", 3, (0, 0)))[""][-6:], b"abcdef")
        for others in ((1, 0, 1, b""), (0, 0, 3, b"abc"), zstd):
            refuse(self, self.block([zstd, others], "F16", 3, (0, 0)), "mode")
        refuse(self, self.block([zero, zstd], "F16", 3, (0, 0)), "mode")
        refuse(self, self.block([(0, 1, 4, b"abcd")]), "descriptor")
        refuse(self, self.block([(0, 8, 4, b"abcd")]), "descriptor")
        refuse(self, self.block([(1, 0, 256, b"")]), "descriptor")
        refuse(self, self.block([(2, 1, 4, words)]), "no table")
        refuse(self, self.block([(2, 1, 4, words)], tables=(3,)), "table that is not there")
        refuse(self, self.block([(2, 1, 3, words[:3])], tables=(1,)), "impossible size")
        refuse(self, self.block([(2, 2, 4, words)], tables=(1,)), "impossible size")
        refuse(self, self.block([(2, 0, 2, b"\0\0")], tables=(1,)), "too few words")
        refuse(self, self.block([(2, 1, 4, words)], tables=(1,)), "too few words")
        coded = rans_encode(b"\0\1\1\0", (0, [2048, 2048]), 2)
        self.assertEqual(restored(self.block([(2, 1, len(coded), coded)], tables=(1,)))[""][-4:], b"\0\1\1\0")
        more = coded + b"\0\0"
        refuse(self, self.block([(2, 1, len(more), more)], tables=(1,)), "does not end")
        other = bytes([coded[0], coded[1] ^ 64]) + coded[2:]
        refuse(self, self.block([(2, 1, len(other), other)], tables=(1,)), "does not end")
        refuse(self, self.block([(0, 0, 5, b"abcd")]), "past its end")
        refuse(self, self.block([(0, 0, 4, b"abcde")]), "longer than its planes")
        # A byte of padding that is not zero, under a right checksum.
        plane = 0, 0, 3, b"abc"
        self.assertEqual(restored(self.block([plane, plane], "U16", 3, (0, 0)))[""][-6:], b"aabbcc")
        with self.assertRaisesRegex(weft.Corrupt, "not 0"):  # which other readers need not see
            weft.decode(self.block([(0, 0, 3, b"abc\1"), plane], "U16", 3, (0, 0)))

    def uniform(self, low=b"", exceptions=b"", low_bits=0, step=0.5, inner=1, scales=(), dtype="F32", replaced=(), units=3):
        w = Writer()
        planes = [(1, 0, 129, b""), (0, 0, len(low), low), (0, 0, len(exceptions), exceptions)]
        blocks = [w.add_block(make_block(planes, units), units)] if units else []
        rest = [*w.step_numbers(step), ("low_bits", low_bits), ("channels", len(scales))]
        rest += [("inner", inner)] if scales else []
        rest += [("scale", signed(q - before)) for before, q in zip([128, *scales], scales)]
        segments = [("table[0]", 0), *correction_numbers((0, 0, 0))] if units else []
        w.add_tensor("x", dtype, [units], w.add_stream(weft.UNIFORM, 10, 10, rest, segments, blocks))
        w.files.append(network_entry("x.safetensors", 1))
        w.replaced = dict(replaced)
        return w.finish()

    def test_uniform(self):
        self.assertEqual(restored(self.uniform())[""][-12:], struct.pack("<3f", 32, 32, 32))
        self.assertEqual(restored(self.uniform(b"\x98\x07", low_bits=4))[""][-12:], struct.pack("<3f", 512, 544, 480))
        value = struct.pack("<f", 7)
        self.assertEqual(restored(self.uniform(exceptions=b"\2\0\0\0" + value))[""][-4:], value)
        refuse(self, self.uniform(exceptions=b"\3\0\0\0" + value), "ascend")
        refuse(self, self.uniform(exceptions=b"\1\0\0\0" * 2 + value * 2), "ascend")
        refuse(self, self.uniform(exceptions=b"\1\0\0\0" + value + b"\0"), "impossible mode or size")
        refuse(self, self.uniform(b"\x98\x17", low_bits=4), "unused half")
        refuse(self, self.uniform(b"\x98", low_bits=4), "mode or size")
        refuse(self, self.uniform(low_bits=3), "parameters")
        refuse(self, self.uniform(dtype="I32"), "members")
        for step in (0.0, -1.0, math.inf, math.nan, 2.0**-127):
            refuse(self, self.uniform(step=step), "not normal")
        refuse(self, self.uniform(replaced={"step_zeros": 24}), "not normal")
        for value in (-129, 128):
            refuse(self, self.uniform(replaced={"correction[1]": signed(value)}), "correction")
        refuse(self, self.uniform(inner=2, scales=[128]), "do not fit")
        refuse(self, self.uniform(inner=0, scales=[128]), "do not fit")
        self.uniform(inner=1 << 63, scales=[128], units=0)
        refuse(self, self.uniform(inner=1 << 63, scales=[128] * 2, units=0), "do not fit")
        refuse(self, self.uniform(replaced={"channels": 1 << 60}, units=0), "left")
        refuse(self, self.uniform(step=2.0**-120, scales=[0]), "not normal")
        for code in (-1, 256):
            refuse(self, self.uniform(scales=[code]), "scale code")

    def codebook(self, books=(b"\0\0", b"\1\0\2\0"), chosen=(1,), groups=(0,), symbol=1, replaced=(), dimension=1, units=3):
        """Weights of F16; codebooks of the same type, the first one of scalars."""
        w = Writer()
        for book, d in zip(books, (1, dimension)):
            w.add_book("F16", book, d)
        blocks = [w.add_block(make_block([(1, 0, symbol, b""), (0, 0, 0, b"")], units), units)] if units else []
        rest = [*zip(("group", "group_inner", "group_channels"), groups)]
        rest += [("book", signed(b - before)) for before, b in zip([0, *chosen], chosen)]
        rest.append(("class_factors", 0))
        w.add_tensor("x", "F16", [units], w.add_stream(weft.CODEBOOK, 10, 10, rest, [("table[0]", 0)][:units], blocks))
        w.files.append(network_entry("x.safetensors", 1))
        w.replaced = dict(replaced)
        return w.finish()

    def test_codebook(self):
        self.assertEqual(restored(self.codebook())[""][-6:], b"\2\0" * 3)
        self.assertEqual(restored(self.codebook(groups=(2, 1, 3), chosen=(1, 1)))[""][-6:], b"\2\0" * 3)
        refuse(self, self.codebook(symbol=2), "end of its codebook")
        refuse(self, self.codebook(groups=(2, 1, 3), chosen=(1, 0)), "end of its codebook")
        refuse(self, self.codebook(groups=(2, 1, 3), chosen=(0, 1), dimension=2), "several dimensions")
        for number in (-1, 2):
            refuse(self, self.codebook(chosen=(number,)), "not there")
        refuse(self, self.codebook(groups=(2, 1, 1 << 60), units=0), "left")
        for groups in ((2, 1, 2), (1, 0, 3), (1, 2, 3), (1, 1 << 63, 4)):
            refuse(self, self.codebook(groups=groups, chosen=(1, 1, 1)), "do not fit")
        for book in (b"\2\0\1\0", b"\1\0\1\0", b"\0\x80\0\0", b"\0\0\0\x7c", b"\0\0\1\x7e"):
            refuse(self, self.codebook(books=(b"\0\0", book)), "finite or do not ascend")
        for name, value in (("value_type", 12), ("dimension_log2", 4)):
            refuse(self, self.codebook(replaced={name: value}), "type or dimension")
        for entries in (0, 4097, 2**64 - 1):
            refuse(self, self.codebook(replaced={"entries": entries}), "number of entries")
        refuse(self, self.codebook(replaced={"entries": 65537, "dimension_log2": 1}), "number of entries")
        refuse(self, self.codebook(replaced={"table[0]": 1}), "table that is not there")

    def by_class(self, numbers=(0, 3, 1, 7, 2, 2, 2, 2, 8), dtype="U8", dimensions=((8,),), base=16, inner=2, factors=1,
                 codec=weft.LOSSLESS, dimension=1, cut=0, replaced=()):  # fmt: skip
        """Eight symbols in plane 0; `numbers` are those of the tables of the classes 16 to 24."""
        w, symbols = Writer(), [0, 1, 0, 0, 1, 1, 0, 1]
        w.tables = [*((0, [4000 - 100 * t, 96 + 100 * t]) for t in range(9)), (0, [2048, 2048], 7)]
        w.add_book("F16", b"\1\0\2\0" * dimension, dimension)
        scales = scales_of(16, [8], (2, [0, 8, 3, 1]))
        tables = dict(zip(scales.possible, numbers))
        used = {c: w.tables[max(t, 0) % 9] for c, t in tables.items()}
        words = rans_encode_by_class(symbols, scales.classes, used, 2)[cut:]
        planes = [(2, 1, len(words), words), *[(0, 0, 0, b"")] * (codec == weft.CODEBOOK)]
        scales.base, scales.dimensions, scales.factors[0].inner = base, dimensions[0], inner
        scales.factors *= factors
        rest = [("group", 0), ("book", 0)] if codec == weft.CODEBOOK else []
        rest += w.scale_numbers(scales)
        is_empty = dimensions == ((0,),)
        segments = [] if is_empty else w.table_numbers([tables], scales)
        blocks = [] if is_empty else [w.add_block(make_block(planes, 8), 8)]
        stream = w.add_stream(codec, 10, 10, rest, segments, blocks)
        for number, shape in enumerate(dimensions):
            w.add_tensor(str(number), dtype, shape, stream)
        w.files.append(network_entry("x.safetensors", len(dimensions)))
        w.replaced = dict(replaced)
        return w.finish()

    def test_classes(self):
        self.assertEqual(restored(self.by_class())[""][-8:], bytes([0, 1, 0, 0, 1, 1, 0, 1]))
        codebook = {"codec": weft.CODEBOOK, "dtype": "F16"}
        self.assertEqual(restored(self.by_class(**codebook))[""][-16:], bytes([1, 0, 2, 0, 1, 0, 1, 0, 2, 0, 2, 0, 1, 0, 2, 0]))
        for fields, part in (
            ({"numbers": (0, 1, 2, 3, 4, 5, 6, 7, 7)}, None), ({"numbers": range(9)}, "too many tables"),
            ({"numbers": (*[0] * 8, 9)}, "pairs"), ({"numbers": (*[0] * 8, 10)}, "not there"),
            ({"numbers": (0, -1, *[0] * 7)}, "not there"), ({"replaced": {"class_table": signed(-1)}}, "not there"),
            ({"replaced": {"class_table": 2**64 - 1}}, "not there"), ({"replaced": {"by_class": 2}}, "flag"),
            ({"factors": 4}, "factors"), ({"replaced": {"class_factors": 2**64 - 1}}, "factors"), ({"inner": 3}, "factor"),
            ({"inner": 0}, "factor"), ({"inner": 1 << 62}, "factor"), ({"base": 1025}, "parameters"),
            ({"base": -1025}, "parameters"), ({"dimensions": ((4,), (4,))}, "several members"), ({"dimensions": ((0,),)}, "no units"),
            ({"dtype": "C64", "dimensions": ((4,),)}, "not units"), ({"dtype": "F4", "dimensions": ((16,),)}, "not units"),
            ({"dimension": 2, **codebook}, "not units"), ({"cut": 2}, ""),
        ):  # fmt: skip
            with self.subTest(fields):
                if part is None:
                    weft.decode(self.by_class(**fields))
                else:
                    refuse(self, self.by_class(**fields), part)

    def trellis(self, coded=None, raw=0, far=b"", body=None, dtype="F32", replaced=(), dimensions=(8,), **fields):
        """The archive, its weights and their plane. `body` is a block without its checksum."""
        w, rng = Writer(), random.Random(1)
        s = weft.Record(shape=(*[0] * 16, 4096, *[0] * 15), base=16, states_log2=3, keeps_zero=0, predicts=1)
        s.factors, s.shifts = [weft.Record(inner=1, codes=[0, 1, 2, 3], count=4)], (4,) * 12
        s.period, s.taps = 1, [60, -7, 0, 1]
        levels, plane = random_path(rng, s, 0, 8, 2)
        s.step, s.offset, s.view, s.shape_number, s.corrections = 1 / 64, 0, None, 0, (0, 0, 0)
        w.shapes = [fields.pop("weights", (16, [4096]))]
        s.__dict__.update(fields)
        block = make_trellis_block(plane if coded is None else coded, 0 if raw else 1, raw, far)
        block = block if body is None else struct.pack("<I", weft.crc32c(body)) + body
        blocks = [w.add_block(block, 8, 2)] if dimensions != (0,) else []
        w.add_tensor("x", dtype, dimensions, w.add_trellis(dimensions, s, blocks, segment_log2=10))
        w.files.append(network_entry("x.safetensors", 1))
        w.replaced = dict(replaced)
        return w.finish(), struct.pack("<8f", *levels), plane

    def test_trellis(self):
        archive, expected, coded = self.trellis()
        self.assertEqual(restored(archive)[""][-32:], expected)
        seen = lambda **fields: restored(self.trellis(**fields)[0])[""][-32:]
        units = bytes(range(32))
        self.assertEqual(seen(coded=units, raw=1), units)
        value, exact, nan = lambda x: struct.pack("<f", x), struct.pack("<I", 1 | 0x80000000), b"abcd"
        self.assertEqual(seen(far=exact + nan), expected[:4] + nan + expected[8:])
        far = struct.pack("<2I", 2 | 0x7FFC0000, 7 | 0x80040000)
        self.assertEqual(seen(far=far), expected[:8] + value(8191) + expected[12:28] + value(-8191))
        for far in (far + b"\0\0", exact, exact + nan[:2], exact + nan + nan[:2]):
            refuse(self, self.trellis(far=far)[0], "impossible size")
        for positions in ((8, 9), (2, 2), (3, 2)):
            refuse(self, self.trellis(far=struct.pack("<2I", *positions))[0], "ascend")
        refuse(self, self.trellis(coded=units[1:], raw=1)[0], "wrong size")
        refuse(self, self.trellis(coded=units + b"\0", raw=1)[0], "wrong size")
        refuse(self, self.trellis(coded=coded + b"\0\0")[0], "does not end")
        refuse(self, self.trellis(coded=coded[:2])[0], "impossible size")
        refuse(self, self.trellis(coded=coded + b"\0")[0], "impossible size")
        refuse(self, self.trellis(coded=coded[:-2])[0], "")
        self.assertEqual(seen(body=b"\1\0" + coded), expected)
        self.assertEqual(seen(body=b"\x11\x08\0\0" + coded + exact + nan), expected[:4] + nan + expected[8:])
        for head in (b"\x21\0", b"\x41\0", b"\x81\0", b"\6\0", b"\7\0", b"\1\1", b"\x11\0\0\0"):
            refuse(self, self.trellis(body=head + coded)[0], "impossible value")
        for head in (b"\x09\0", b"\x18\x08\0\0"):
            refuse(self, self.trellis(body=head + units)[0], "impossible value")
        refuse(self, self.trellis(body=b"\2\0" + coded)[0], "")
        refuse(self, self.trellis(body=b"\1")[0], "shorter than its head")
        refuse(self, self.trellis(body=b"\x11\1")[0], "longer than itself")
        refuse(self, self.trellis(body=b"\x11" + (len(coded) + 1).to_bytes(3, "little") + coded)[0], "longer than itself")
        refuse(self, self.trellis(body=b"\x11" + len(coded).to_bytes(3, "little") + coded)[0], "impossible size")

    def test_trellis_index(self):
        factor = lambda inner, count: [weft.Record(inner=inner, count=count, codes=[0])]
        of_view, empty = {"view": (2, 2, 2)}, {"dimensions": (0,)}
        for fields, part in (
            ({"step": 0.0}, "not normal"), ({"step": math.inf}, "not normal"), ({"step": 2.0**-127}, "not normal"),
            ({"states_log2": 1}, "parameters"), ({"states_log2": 9}, "parameters"),
            ({"offset": 1 + (1 << 22)}, "offset"), ({"offset": -1 - (1 << 22)}, "offset"),
            ({"base": 1025}, "parameters"), ({"base": -1025}, "parameters"), ({"shape_number": 1}, "shape"),
            ({"shifts": (5,) * 12}, "shift"), ({"shifts": (-5,) * 12}, "shift"), ({"dtype": "I32"}, "members"),
            ({"view": (1, 1, 1)}, "view"), ({"view": (2, 2, 1)}, "view"), ({"view": (0, 2, 1)}, "view"),
            ({"view": (8 << 61, 8, 1)}, "view"), ({"view": (2, 4, 256), "dimensions": (2048,)}, "view"),
            ({"factors": factor(1, 3)}, "factor"), ({"factors": factor(0, 4)}, "factor"), ({"factors": factor(4, 0)}, "factor"),
            ({"factors": factor(1, 1) * 4}, "factors"), ({"factors": factor(1 << 63, 2)}, "factor"),
            ({"factors": factor(1 << 63, 2), **empty}, "factor"), ({"factors": factor(1, 1 << 40), **empty}, "left"),
            ({"weights": (31, [2048, 2048])}, "shape"), ({"weights": (0, [2048, 2047])}, "shape"),
            ({"weights": (0, [4096, 0])}, "shape"), ({"weights": (0, [0, 4096])}, "shape"),
            ({"weights": (0, [2**64 - 4096, 8192])}, "shape"),
        ):  # fmt: skip
            with self.subTest(fields):
                refuse(self, self.trellis(**fields)[0], part)
        for name, number, part, fields in (
            ("keeps_zero", 2, "flag", {}), ("predicts", 2, "flag", {}), ("has_offset", 2, "flag", {}),
            ("has_view", 2, "flag", {}), ("has_shifts", 2, "flag", {}), ("offset", 0, "offset", {"offset": 5}),
            ("sides[1]", 3, "order", of_view), ("sides[1]", 5, "order", of_view), ("sides[1]", 2**64 - 1, "order", of_view),
            ("axes[1]", 1, "order", {}), ("axes[1]", 3, "order", {}), ("axes[1]", 5, "order", {}),
            ("axes[3]", 14, "order", of_view), ("axes[1]", 2**64 - 1, "order", {}),
            ("period", 65, "period", {}), ("period", 1 << 63, "period", {}), ("triangles", 2**64 - 1, "shape", {}),
            ("tap[0]", signed(-129), "tap", {}), ("tap[3]", signed(128), "tap", {}), ("tap_shift", 4, "multiples", {}),
            ("same_step", 1, "shares the step", {}), ("same_step", 2, "flag", {}), ("size[5]", signed(-1), "size", {}),
            ("correction[0]", signed(-129), "correction", {}),
        ):  # fmt: skip
            with self.subTest(name, number=number):
                refuse(self, self.trellis(replaced={name: number}, **fields)[0], part)


class Program(unittest.TestCase):
    def run_on(self, archive, output):
        source = pathlib.Path(self.folder.name) / "archive.weft"
        source.write_bytes(archive)
        command = [sys.executable, FOLDER / "reference_decoder.py", source, output]
        return subprocess.run(command, capture_output=True, text=True)

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.output = pathlib.Path(self.folder.name) / "out"

    def test_file(self):
        archive, expected = uniform_archive()
        self.assertEqual(self.run_on(archive, self.output).returncode, 0)
        self.assertEqual(self.output.read_bytes(), expected[""])
        self.assertEqual(self.run_on(archive, self.output).returncode, 1)

    def test_folder(self):
        archive, expected = folder_archive()
        self.assertEqual(self.run_on(archive, self.output).returncode, 0)
        self.assertEqual(read_output(self.output), expected)

    def test_corrupt(self):
        archive = bytearray(uniform_archive()[0])
        archive[20] ^= 1
        result = self.run_on(bytes(archive), self.output)
        self.assertEqual(result.returncode, 3)
        self.assertIn("['plain']: block 0: its checksum is wrong", result.stderr)
        self.assertFalse(self.output.exists())


class Goldens(unittest.TestCase):
    def test_all(self):
        archives = sorted(GOLDENS.glob("*.weft"))
        if not archives:
            self.skipTest("no golden archives")
        for path in archives:
            with self.subTest(path.name):
                check_golden(self, path)


def check_golden(test, path):
    """NAME.weft restores to NAME.safetensors or to the folder NAME."""
    folder = path.with_suffix("")
    test.assertEqual(
        restored(path.read_bytes()), read_output(folder if folder.is_dir() else path.with_suffix(".safetensors"))
    )


if __name__ == "__main__":
    unittest.main()
