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
    ARCHIVES, Writer, folder_archive, make_block, network_entry, random_path, range_coded, rans_encode, signed_varint, string,
    uniform_archive, varint,
)  # fmt: skip

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
                reader = weft.Reader(bytes([0, 7, 2]) + varint(rare) + varint(0) + varint(4096 - rare), "table")
                for lanes_log2 in range(6):
                    data = rans_encode(symbols, table, 1 << lanes_log2)
                    plane = weft.Record(mode=2, lanes=1 << lanes_log2, size=len(data), data=data)
                    reader.at = 0
                    self.assertEqual(list(weft.plane_symbols(plane, n, weft.read_table(reader))), symbols)

    def test_compressed_index(self):
        archive, expected = folder_archive()
        size = struct.unpack_from("<Q", archive, len(archive) - 32)[0]
        index = archive[-40 - size : -40]
        # A zstd frame of one raw block, made by hand: magic, a header with a size of four bytes, the block.
        frame = b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", len(index))
        frame += struct.pack("<I", len(index) << 3 | 1)[:3] + index
        w = Writer()
        w.payload = bytearray(archive[: -40 - size])
        self.assertEqual(restored(w.frame(frame, coding=1, raw=len(index))), expected)
        skippable = b"\x50\x2a\x4d\x18\0\0\0\0"
        for other in (frame[:-1], frame + b"\0", frame + skippable, skippable + frame):
            refuse(self, w.frame(other, coding=1, raw=len(index)), "the index is not one zstd frame")
        for raw in (0, len(index) - 1):
            refuse(self, w.frame(frame, coding=1, raw=raw), "the index does not decompress")
        refuse(self, w.frame(frame, coding=1, raw=64 * len(frame) + 1025), "the index's size")


class Refuses(unittest.TestCase):
    def network(self):
        w = Writer()
        w.add_tensor("x", "U8", [100], w.add_raw(bytes(range(100)), 1))
        w.files.append(network_entry("x.safetensors", 1, varint(0)))
        return w

    def test_every_flip_and_truncation(self):
        archive = self.network().finish()
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

    def test_versions_and_reserved_bits(self):
        w = self.network()
        size = struct.unpack_from("<Q", w.finish(), len(w.finish()) - 32)[0]
        index = w.finish()[-40 - size : -40]
        weft.decode(w.frame(index))
        for change in ({"major": 1}, {"minor": 1}, {"minor": 5}, {"minor": 7}, {"reserved": 256}):
            refuse(self, w.frame(index, **change), "this decoder reads 0.6")
        for change in ({"zeros": b"\0\0\1"}, {"coding": 2}):
            refuse(self, w.frame(index, **change), "reserved bit of the footer")
        refuse(self, w.frame(index, raw=len(index) + 1), "the index's size")
        refuse(self, w.frame(index + b"\0"), "longer")

    def test_index(self):
        for change, part in (
            (lambda w: w.files.append(w.files[0]), "single file"),
            (lambda w: w.files.__setitem__(0, network_entry("../x", 1, varint(0))), "name"),
            (lambda w: w.files.__setitem__(0, network_entry("x", 1, varint(3))), "kind of header"),
            (lambda w: w.files.__setitem__(0, network_entry("x", 2, varint(0))), "number of tensors"),
            (lambda w: w.files.__setitem__(0, network_entry("x", 1, varint(2) + string(b"{}"))), "does not name"),
            (lambda w: w.files.__setitem__(0, network_entry("x", 1, b"\1\2" + 4 * string(b"k"))), "twice"),
            (lambda w: w.add_tensor("x", "U8", [0], 0), "twice"),
            (lambda w: w.add_tensor("__metadata__", "U8", [0], 0), "not allowed"),
            (lambda w: w.tensors.__setitem__(0, (b"\xff", 1, [100], 0)), "UTF-8"),
            (lambda w: w.tensors.__setitem__(0, (b"x", 22, [100], 0)), "type"),
            (lambda w: w.tensors.__setitem__(0, (b"x", 19, [101], 0)), "end at a byte"),
            (lambda w: w.tensors.__setitem__(0, (b"x", 1, [1 << 63, 4], 0)), "too large"),
            (lambda w: w.tensors.__setitem__(0, (b"x", 1, [1 << 60], 0)), "more blocks"),
            (lambda w: w.tensors.__setitem__(0, (b"x", 1, [1] * 33, 0)), "rank"),
            (lambda w: w.tensors.__setitem__(0, (b"x", 1, [100], 1)), "streams"),
            (lambda w: w.add_raw(b"", 1), "streams"),
            (lambda w: w.tables.append((0, [4096])), "table"),
            (lambda w: w.tables.append((255, [2048, 2048])), "table"),
            (lambda w: w.tables.append((0, [2048, 2047])), "table"),
            (lambda w: w.tables.append((0, [2048, 2048, 0])), "table"),
            (lambda w: w.tables.append((0, [2048, 2048], 241)), "table of pairs"),
            (lambda w: w.payload.append(0), "payload"),
            (lambda w: w.streams.__setitem__(0, b"\x03" + w.streams[0][1:]), "codec"),
            (lambda w: w.streams.__setitem__(0, b"\x00\x09" + w.streams[0][2:]), "size of blocks"),
            (lambda w: w.streams.__setitem__(0, w.streams[0] + b"\0"), "longer"),
            (lambda w: w.streams.__setitem__(0, w.streams[0][:3] + b"\xec\x80\0"), "longer than it needs"),
        ):  # fmt: skip
            w = self.network()
            change(w)
            with self.subTest(part):
                refuse(self, w.finish(), part)

    def block(self, planes, dtype="U8", units=4, tables=(0,)):
        w = Writer()
        sizes = w.add_block(make_block(planes, units), units)
        w.tables += (0, [2048, 2048]), (0, [2048, 2048], 7)
        stream = w.add_stream(weft.LOSSLESS, 10, 10, b"", b"".join(map(varint, tables)), sizes)
        w.add_tensor("x", dtype, [units], stream)
        w.files.append(network_entry("x.safetensors", 1, varint(0)))
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

    def uniform(self, low=b"", exceptions=b"", low_bits=0, step=0.5, channels=b"\0", dtype="F32"):
        w = Writer()
        planes = [(1, 0, 129, b""), (0, 0, len(low), low), (0, 0, len(exceptions), exceptions)]
        sizes = w.add_block(make_block(planes, 3), 3)
        rest = struct.pack("<fB", step, low_bits) + channels
        w.add_tensor("x", dtype, [3], w.add_stream(weft.UNIFORM, 10, 10, rest, varint(0) + bytes(3), sizes))
        w.files.append(network_entry("x.safetensors", 1, varint(0)))
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
        refuse(self, self.uniform(channels=b"\2"), "parameters")
        refuse(self, self.uniform(channels=b"\1" + varint(2) + string(b"\x80")), "do not fit")
        refuse(self, self.uniform(channels=b"\1" + varint(0) + string(b"\x80")), "do not fit")
        refuse(self, self.uniform(channels=b"\1" + varint(1) + string(b"")), "do not fit")
        refuse(self, self.uniform(step=2.0**-120, channels=b"\1" + varint(1) + string(b"\0")), "not normal")


    def trellis(self, plane=None, far=b"", far_mode=0, codes=None, taps=None, shapes=None, **fields):
        w, rng = Writer(), random.Random(1)
        s = weft.Record(shape=(*[0] * 16, 4096, *[0] * 15), base=16, states_log2=3, keeps_zero=0, predicts=1)
        s.factors, s.shifts = [weft.Record(inner=1, codes=[0, 1, 2, 3], count=4)], (4,) * 12
        s.period, s.taps = 1, weft.Record(codes=TAPS)
        levels, coded = random_path(rng, s, 0, 8, 2)
        plane = (2, 1, len(coded), coded) if plane is None else plane
        w.shapes, w.codes = [shapes or bytes([16, 0]) + varint(4096)], [[0, 1, 2, 3]] if codes is None else codes
        w.taps = [TAPS] if taps is None else taps
        sizes = w.add_block(make_block([plane, (far_mode, 0, len(far), far)], 8), 8)
        v = {"step": 1 / 64, "flags": 3 | 32, "shape": 0, "base": 16, "period": s.period, "shifts": s.shifts}
        v |= {"view": (), "offset": (), "factors": [(1, 4)], "dtype": "F32", **fields}
        flags = v["flags"] | bool(v["offset"]) << 7
        rest = struct.pack("<fB", v["step"], flags) + b"".join(map(signed_varint, v["offset"]))
        rest += varint(v["shape"]) + signed_varint(v["base"])
        rest += varint(v["period"]) + struct.pack("12b", *v["shifts"]) + b"".join(map(varint, v["view"]))
        rest += bytes([len(v["factors"])]) + b"".join(varint(a) + varint(b) for a, b in v["factors"])
        w.add_tensor("x", v["dtype"], [8], w.add_stream(weft.TRELLIS, 10, 10, rest, bytes(3), sizes))
        w.files.append(network_entry("x.safetensors", 1, varint(0)))
        return w.finish(), struct.pack("<8f", *levels), coded

    def test_trellis(self):
        archive, expected, coded = self.trellis()
        self.assertEqual(restored(archive)[""][-32:], expected)
        seen = lambda **fields: restored(self.trellis(**fields)[0])[""][-32:]
        self.assertEqual(seen(codes=range_coded([[0, 1, 2, 3]]), taps=range_coded([TAPS])), expected)
        units = bytes(range(32))
        self.assertEqual(seen(plane=(0, 0, 32, units)), units)
        value, exact, nan = lambda x: struct.pack("<f", x), struct.pack("<I", 1 | 0x80000000), b"abcd"
        self.assertEqual(seen(far=exact + nan), expected[:4] + nan + expected[8:])
        far = struct.pack("<2I", 2 | 0x7FFC0000, 7 | 0x80040000)
        self.assertEqual(seen(far=far), expected[:8] + value(8191) + expected[12:28] + value(-8191))
        for far in (far + b"\0", exact, exact + nan[:3], exact + nan + nan[:1]):
            refuse(self, self.trellis(far=far)[0], "impossible size")
        for positions in ((8, 9), (2, 2), (3, 2)):
            refuse(self, self.trellis(far=struct.pack("<2I", *positions))[0], "ascend")
        refuse(self, self.trellis(far_mode=1)[0], "mode")
        refuse(self, self.trellis(plane=(1, 0, 0, b""))[0], "mode")
        refuse(self, self.trellis(plane=(0, 0, 31, units[1:]))[0], "wrong size")
        refuse(self, self.trellis(plane=(0, 0, 32, units), far=exact + nan)[0], "wrong size")
        refuse(self, self.trellis(plane=(2, 1, len(coded) + 2, coded + b"\0\0"))[0], "does not end")
        refuse(self, self.trellis(plane=(2, 2, len(coded), coded))[0], "")
        refuse(self, self.trellis(plane=(2, 1, 2, coded[:2]))[0], "impossible size")
        refuse(self, self.trellis(plane=(2, 1, len(coded) - 2, coded[:-2]))[0], "")

    def test_trellis_index(self):
        for fields, part in (
            ({"step": 0.0}, "parameters"), ({"step": math.inf}, "parameters"), ({"step": 2.0**-127}, "parameters"),
            ({"flags": 1 | 32}, "parameters"), ({"flags": 9 | 32}, "parameters"), ({"offset": (0,)}, "offset"),
            ({"offset": (1 + (1 << 22),)}, "offset"), ({"offset": (-1 - (1 << 22),)}, "offset"),
            ({"base": 1025}, "parameters"), ({"base": -1025}, "parameters"), ({"shape": 1}, "shape"),
            ({"shifts": (5,) * 12}, "shift"), ({"shifts": (-5,) * 12}, "shift"), ({"dtype": "I32"}, "members"),
            ({"flags": 3 | 32 | 64, "view": (1, 1, 1)}, "view"), ({"flags": 3 | 32 | 64, "view": (2, 2, 1)}, "view"),
            ({"flags": 3 | 32 | 64, "view": (0, 2, 1)}, "view"), ({"flags": 3 | 32 | 64, "view": (8 << 61, 8, 1)}, ""),
            ({"factors": [(1, 3)]}, "factors"), ({"factors": [(0, 4)]}, "factors"), ({"factors": [(4, 0)]}, "factors"),
            ({"factors": [(1, 1)] * 4}, "factors"), ({"factors": [(1 << 63, 2)]}, "factors"),
            ({"codes": b""}, "past the end"), ({"codes": b"\x84\x80\0\0\0\0"}, "range"),
            ({"codes": range_coded([[0, 1, 2, 3]]) + b"\0"}, "do not end"),
            ({"codes": range_coded([[0, 1, 2, 3]])[:-1]}, "do not end"),
            ({"period": 65}, "period"), ({"period": 1 << 63}, "period"), ({"period": 0}, "longer"),
            ({"period": 64}, "do not end"), ({"taps": b"\x84\x80\0\0\0\0"}, "range"),
            ({"taps": b""}, "past the end"), ({"period": 0, "taps": b"\x80\x80\0\0\0\0"}, "longer"),
            ({"taps": range_coded([TAPS]) + b"\0"}, "do not end"), ({"taps": range_coded([TAPS])[:-1]}, "do not end"),
            ({"taps": range_coded([TAPS * 2])}, "do not end"), ({"taps": range_coded([TAPS[:2]])}, "do not end"),
            ({"shapes": bytes([31, 1]) + varint(2048) * 2}, "shape"),
            ({"shapes": bytes([0, 1]) + varint(2048) + varint(2047)}, "shape"),
            ({"shapes": bytes([0, 1]) + varint(4096) + varint(0)}, "shape"),
            ({"shapes": bytes([0, 1]) + varint(0) + varint(4096)}, "shape"),
            ({"shapes": bytes([0, 1]) + varint(2**64 - 4096) + varint(8192)}, "shape"),
        ):  # fmt: skip
            with self.subTest(fields):
                refuse(self, self.trellis(**fields)[0], part)


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
