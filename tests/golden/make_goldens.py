#!/usr/bin/env python3
"""Makes the golden archives: seeded inputs, written by the weft program, checked with the reference decoder.

    make_goldens.py --weft PROGRAM [--out FOLDER]

Per golden NAME it writes NAME.weft and what that restores to: NAME.safetensors, or the folder NAME. Existing goldens
are not replaced: delete them first, and only when README.md allows it. Standard library only.
"""

import argparse
import json
import pathlib
import random
import struct
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(FOLDER.parent))
import reference_decoder  # noqa: E402
from reference_encoder import safetensors  # noqa: E402

SMALL_BLOCKS = {"version": 1, "block_elements": 1024}
LOSSLESS = {**SMALL_BLOCKS, "rules": [{"match": ["*"], "codec": "lossless"}]}


def uniform(**parameters):
    return {**SMALL_BLOCKS, "rules": [{"match": ["*"], "codec": "uniform", **parameters}]}


def pack(dtype, values):
    """Numbers as bytes of a float type; BF16 by truncation."""
    if dtype == "BF16":
        return b"".join(struct.pack("<f", v)[2:] for v in values)
    return struct.pack(f"<{len(values)}{dict(F16='e', F32='f', F64='d')[dtype]}", *values)


def gaussian(rng, n, scale=0.05):
    return [rng.gauss(0, scale) for _ in range(n)]


def floats(rng, name, dtype, shape, scale=0.05):
    n = 1
    for d in shape:
        n *= d
    return name, dtype, shape, pack(dtype, gaussian(rng, n, scale))


def all_types(rng):
    """Every element type, with no dimension, without elements, and of an odd size."""
    tensors = []
    for dtype, bits, _ in reference_decoder.TYPES:
        for shape in ([], [3, 0], [4]) if bits < 8 else ([], [0, 7], [3, 11]):
            n = 1
            for d in shape:
                n *= d
            if n * bits % 8 != 0:
                continue
            name = f"{dtype}.{'x'.join(map(str, shape)) or 'scalar'}"
            tensors.append((name, dtype, shape, rng.randbytes(n * bits // 8)))
    return safetensors(tensors, {"format": "pt", "note": 'quote " and \u00e9'}), LOSSLESS


def special_values(rng):
    """Lossless floats: NaN with payloads, infinities, -0, subnormal numbers, constants."""
    tensors = []
    patterns = {
        "F16": ("H", [0x7E01, 0xFC01, 0x7C00, 0xFC00, 0x8000, 0x0001, 0x83FF]),
        "BF16": ("H", [0x7FC1, 0xFF81, 0x7F80, 0xFF80, 0x8000, 0x0001, 0x807F]),
        "F32": ("I", [0x7FC00001, 0xFF800001, 0x7F800000, 0xFF800000, 0x80000000, 1, 0x807FFFFF]),
        "F64": ("Q", [0x7FF8 << 48 | 1, 0xFFF0 << 48 | 1, 0x7FF0 << 48, 0xFFF0 << 48, 1 << 63, 1, 0x800F << 48]),
    }
    for dtype, (code, bits) in patterns.items():
        tensors.append((f"{dtype}.special", dtype, [7], struct.pack(f"<7{code}", *bits)))
        tensors.append((f"{dtype}.zero", dtype, [100], pack(dtype, [0.0] * 100)))
        tensors.append((f"{dtype}.constant", dtype, [10, 10], pack(dtype, [-1.5] * 100)))
        tensors.append(floats(rng, f"{dtype}.tiny", dtype, [50], 1e-7))
    return safetensors(tensors), LOSSLESS


def small(rng):
    """Small, but with every kind of plane, several blocks and both codecs: for tests that flip every bit."""
    weight = gaussian(rng, 2200)
    weight[1050] = float("nan")
    tensors = [
        ("layer.weight", "F32", [11, 200], pack("F32", weight)),
        ("layer.bias", "F32", [11], pack("F32", gaussian(rng, 11))),
        floats(rng, "head.weight", "BF16", [5, 450]),
        ("steps", "I64", [], struct.pack("<q", 12345)),
    ]
    rules = [
        {"match": ["layer.weight"], "codec": "uniform", "relative_step": 0.5},
        {"match": ["*"], "codec": "lossless"},
    ]
    return safetensors(tensors, {"format": "pt"}), {**SMALL_BLOCKS, "rules": rules}


def verbatim_header(rng):
    """A header that is not the canonical one: other order, white space, escapes."""
    first, second = pack("F32", gaussian(rng, 6)), pack("F16", gaussian(rng, 4))
    header = b"""{ "b\\u0041":{"shape": [2,2],"dtype":"F16","data_offsets":[24,32]},
  "a":{"dtype":"F32","data_offsets":[0,24],"shape":[2,3]}, "__metadata__":{"k":"\\u00e9"} }   """
    return struct.pack("<Q", len(header)) + header + first + second, LOSSLESS


def raw(rng):
    """Codec raw, several blocks."""
    tensors = [floats(rng, "a", "F32", [30, 41]), ("b", "F4", [10, 220], rng.randbytes(1100))]
    return safetensors(tensors), {**SMALL_BLOCKS, "rules": [{"match": ["*"], "codec": "raw"}]}


def repeats(rng):
    """Values that repeat, which lossless blocks may give to zstd."""
    row = gaussian(rng, 64)
    return safetensors([("basis", "F32", [48, 64], pack("F32", row * 48))]), LOSSLESS


def large_blocks(rng):
    """More than 16384 units in a block, which are aligned to 16 bytes."""
    data = bytes(min(int(rng.expovariate(0.4)), 255) for _ in range(16500))
    return safetensors([("w", "F8_E4M3", [16500], data)]), {"version": 1, "rules": []}


def uniform_types(rng):
    """Uniform in all four types and at scales where results are subnormal or overflow; NaN and infinity among them."""
    odd = gaussian(rng, 300)
    odd[0], odd[150], odd[299] = float("nan"), float("inf"), float("-inf")
    tensors = [floats(rng, f"{dtype}.plain", dtype, [25, 41]) for dtype in ("F16", "BF16", "F32")]
    tensors += [floats(rng, "F64.plain", "F64", [20, 20]), ("F32.odd", "F32", [300], pack("F32", odd))]
    for name, scale in (("small", 1e-30), ("large", 1e30), ("subnormal", 1e-39)):
        tensors.append(floats(rng, f"F32.{name}", "F32", [10, 20], scale))
    tensors.append(("F16.large", "F16", [200], pack("F16", [min(65504, 3e4 * abs(v)) for v in gaussian(rng, 200, 1)])))
    tensors += [("F32.zero", "F32", [99], bytes(396)), ("F32.constant", "F32", [99], pack("F32", [0.25] * 99))]
    return safetensors(tensors), uniform(relative_step=0.4)


def uniform_channels(rng):
    """A step per channel, along the first, a middle and the last axis."""
    tensors = []
    for name, shape, axis in (("first", [12, 100], 0), ("middle", [5, 8, 30], 1), ("last", [100, 11], -1)):
        n, inner = shape[0], 1
        for d in shape[1:]:
            n *= d
        for d in shape[axis % len(shape) + 1 :]:
            inner *= d
        scales = [0.01 * 1.7**i for i in range(shape[axis])]
        values = [rng.gauss(0, scales[i // inner % len(scales)]) for i in range(n)]
        tensors.append((name, "F32", shape, pack("F32", values)))
    rules = [
        {"match": [name], "codec": "uniform", "relative_step": 0.5, "per_channel": True, "channel_axis": axis}
        for name, axis in (("first", 0), ("middle", 1), ("last", -1))
    ]
    return safetensors(tensors), {**SMALL_BLOCKS, "rules": rules}


def uniform_low_bits(rng):
    """Steps so small that levels need 4 and 8 low bits, and some weights are exceptions."""
    heavy = [v**5 for v in gaussian(rng, 400, 1)]
    tensors = [floats(rng, "four", "F32", [25, 45], 1.0), floats(rng, "eight", "F32", [21, 13], 1.0)]
    tensors.append(("heavy", "F32", [400], pack("F32", heavy)))
    rules = [
        {"match": [name], "codec": "uniform", "relative_step": step}
        for name, step in (("four", 0.01), ("eight", 0.0003), ("heavy", 0.0001))
    ]
    return safetensors(tensors), {**SMALL_BLOCKS, "rules": rules}


def codebook(rng):
    """Codebooks for all four types, with entries of all three; exceptions, constants, few values, a pinned zero."""
    odd = gaussian(rng, 1300)
    odd[0], odd[150], odd[1299] = float("nan"), float("inf"), float("-inf")
    pruned = [v if abs(v) > 0.05 else 0.0 for v in gaussian(rng, 1200)]
    tensors = [floats(rng, f"{dtype}.plain", dtype, [30, 41]) for dtype in ("F16", "BF16", "F32", "F64")]
    tensors += [("F32.odd", "F32", [1300], pack("F32", odd)), ("F32.pruned", "F32", [1200], pack("F32", pruned))]
    tensors += [("F32.few", "F32", [300], pack("F32", [rng.choice([-1, 0.5, 3]) for _ in range(300)]))]
    tensors += [("F64.constant", "F64", [99], pack("F64", [0.3] * 99)), floats(rng, "F32.wide", "F32", [40, 41])]
    rules = [
        {"match": ["F32.pruned"], "codec": "codebook", "clusters": 8, "pin_zero": True, "lambda": 0.02},
        {"match": ["F32.wide"], "codec": "codebook", "clusters": 200, "centroid_dtype": "F16"},
        {"match": ["F64.*"], "codec": "codebook", "centroid_dtype": "BF16"},
        {"match": ["*"], "codec": "codebook"},
    ]
    return safetensors(tensors), {**SMALL_BLOCKS, "rules": rules}


def codebook_vectors(rng):
    """Codebooks of vectors, for groups of channels, shared, with indices of two bytes; exceptions, sizes that do not divide."""
    odd = gaussian(rng, 1301)
    odd[0], odd[150], odd[1300] = float("nan"), float("inf"), float("-inf")
    tensors = [floats(rng, "F32.pairs", "F32", [30, 41]), floats(rng, "BF16.fours", "BF16", [10, 12, 3, 3])]
    tensors += [floats(rng, "F16.octets", "F16", [50, 60]), ("F32.odd", "F32", [1301], pack("F32", odd))]
    tensors += [floats(rng, "F64.groups", "F64", [7, 300]), floats(rng, "F32.last", "F32", [90, 11])]
    tensors += [floats(rng, "F32.wide", "F32", [4000]), floats(rng, "F16.wide", "F16", [4100])]
    rules = [
        {"match": ["F32.pairs"], "codec": "codebook", "dimension": 2, "clusters": 40, "lambda": 0.01},
        {"match": ["BF16.fours", "F32.odd"], "codec": "codebook", "dimension": 4, "clusters": 30, "shared": "a"},
        {"match": ["F16.octets"], "codec": "codebook", "dimension": 8, "clusters": 300, "centroid_dtype": "F16"},
        {"match": ["F64.groups"], "codec": "codebook", "channel_group": 3, "clusters": 8, "centroid_dtype": "BF16"},
        {"match": ["F32.last"], "codec": "codebook", "dimension": 2, "channel_group": 4, "channel_axis": -1},
        {"match": ["*"], "codec": "codebook", "clusters": 700, "centroid_dtype": "F16", "shared": "b"},
    ]
    return safetensors(tensors), {**SMALL_BLOCKS, "rules": rules}


def trellis(default, *others):
    """Codec trellis: parameters of all tensors, and (pattern, parameters) of others."""
    rules = [{"match": [pattern], "codec": "trellis", **parameters} for pattern, parameters in others]
    return {**SMALL_BLOCKS, "rules": [*rules, {"match": ["*"], "codec": "trellis", **default}]}


def trellis_types(rng):
    """All four types without a model, 4 to 256 states, scales near the ends of the types; one element and only zeros, which come out lossless."""
    tensors = [floats(rng, f"{dtype}.plain", dtype, [30, 41]) for dtype in ("F16", "BF16", "F32", "F64")]
    tensors += [floats(rng, f"F32.{2**n}", "F32", [300], 0.1) for n in range(2, 9)]
    tensors += [floats(rng, f"F32.{scale}", "F32", [200], scale) for scale in (1e-30, 1e29)]
    tensors.append(("F16.large", "F16", [300], pack("F16", [min(65504, 3e4 * abs(v)) for v in gaussian(rng, 300, 1)])))
    tensors += [("F32.one", "F32", [1], pack("F32", [0.3])), ("F32.zero", "F32", [99], bytes(396))]
    states = ((f"F32.{2**n}", {"states": 2**n, "relative_step": 0.3 * (n - 1)}) for n in range(2, 9))
    return safetensors(tensors), trellis({"relative_step": 0.7, "model": "order0", "labelling": "natural"}, *states)


def trellis_models(rng):
    """Scales of rows and columns, prediction along the data, along a view and in kernels, several lanes and blocks; an offset; one state."""
    scales = [[0.02 * 2 ** rng.uniform(-2, 2) for _ in range(d)] for d in (60, 90)]
    scaled = [rng.gauss(0, a * b) for a in scales[0] for b in scales[1]]
    smooth, across = [0.0], [[0.0] * 200]
    for _ in range(5999):
        smooth.append(0.9 * smooth[-1] + rng.gauss(0, 0.02))
    for _ in range(29):
        across.append([0.9 * v + rng.gauss(0, 0.02) for v in across[-1]])
    tensors = [("scaled", "F32", [60, 90], pack("F32", scaled)), ("smooth", "BF16", [60, 100], pack("BF16", smooth))]
    tensors.append(("across", "F32", [30, 200], pack("F32", sum(across, []))))
    kernels = [v + rng.gauss(0, 0.02) for v in gaussian(rng, 800) for _ in range(9)]
    tensors.append(("kernels", "F32", [40, 20, 3, 3], pack("F32", kernels)))
    tensors.append(("turned", "F16", [3, 3, 20, 40], pack("F16", [kernels[9 * i + k] for k in range(9) for i in range(800)])))
    tensors += [("uniform", "F32", [60, 100], pack("F32", smooth)), ("uniform rows", "F16", [60, 90], pack("F16", scaled))]
    tensors.append(("off centre", "BF16", [40, 90], pack("BF16", [v - 0.03 for v in gaussian(rng, 3600)])))
    uniform = ("uniform*", {"codec": "uniform", "relative_step": 0.5, "model": "auto"})
    config = trellis({"relative_step": 0.4}, uniform, ("scaled", {"relative_step": 0.6, "model": "scaled", "labelling": "natural"}))
    return safetensors(tensors), {**config, "block_elements": 4096}


def trellis_zero(rng):
    """Zero in both quantizers: pruned weights, in clusters that the local energy tells."""
    bursts = [rng.gauss(0, 0.5 if i // 40 % 5 == 0 else 0.02) for i in range(5000)]
    pruned = [v if abs(v) > 0.08 else 0.0 for v in gaussian(rng, 3000)]
    tensors = [("bursts", "F32", [50, 100], pack("F32", bursts)), ("pruned", "F16", [30, 100], pack("F16", pruned))]
    return safetensors(tensors), trellis({"relative_step": 0.8, "labelling": "zero", "states": 32})


def trellis_far(rng):
    """Weights that no level reaches, NaN with payload and infinities; a block that stays as it is."""
    odd = gaussian(rng, 3000)
    odd[0], odd[1023], odd[1024], odd[2999] = 30.0, float("inf"), float("-inf"), -2.5
    data = bytearray(pack("F32", odd))
    data[4 * 7 : 4 * 8] = struct.pack("<I", 0xFFC12345)
    half = gaussian(rng, 1100, 300)
    half[500], half[501] = 60000, -65504
    heavy = [v**3 for v in gaussian(rng, 1100, 1)]
    noise = struct.pack("<1024H", *(rng.randrange(0x7F81, 0x8000) for _ in range(1024)))
    tensors = [("odd", "F32", [3000], bytes(data)), ("half", "F16", [1100], pack("F16", half))]
    tensors.append(("heavy", "F64", [1100], pack("F64", heavy)))
    tensors.append(("noise", "BF16", [2048], noise + pack("BF16", gaussian(rng, 1024))))
    return safetensors(tensors), trellis({"step": 0.05}, ("half", {"step": 120}), ("heavy", {"step": 0.2}))


def pairs(rng):
    """Enough weights that their symbols are coded in pairs, with records of those that are none."""
    tensors = [floats(rng, "exponents", "BF16", [256, 256]), floats(rng, "levels", "F16", [256, 256])]
    rules = [{"match": ["levels"], "codec": "uniform", "relative_step": 0.6}, {"match": ["*"], "codec": "lossless"}]
    return safetensors(tensors), {"version": 1, "rules": rules}


def classes(rng):
    """Tables by class: rows, columns and kernels of different widths, in several blocks, with exceptions; codebooks and exponents."""

    def scaled(*shape):
        scales = [[0.02 * 2 ** rng.uniform(-3, 3) for _ in range(d)] for d in shape]
        values = [1.0]
        for factor in scales:
            values = [v * s for v in values for s in factor]
        return [rng.gauss(0, v) for v in values]

    odd = scaled(30, 50, 2)
    odd[0], odd[1500], odd[2999] = float("nan"), float("inf"), float("-inf")
    tensors = [("book", "F32", [60, 90], pack("F32", scaled(60, 90))), ("odd", "BF16", [30, 50, 2], pack("BF16", odd))]
    tensors.append(("wide", "F32", [90, 100], pack("F32", scaled(90, 100))))
    tensors.append(("double", "F64", [40, 30, 3, 1], pack("F64", scaled(40, 30, 3, 1))))
    tensors.append(("half", "F16", [130, 127], pack("F16", scaled(130, 127))))
    tensors.append(("single", "F32", [65, 254], pack("F32", scaled(65, 254))))
    rules = [
        {"match": ["wide"], "codec": "codebook", "clusters": 600, "centroid_dtype": "F16", "model": "auto"},
        {"match": ["half", "single"], "codec": "lossless", "model": "auto"},
        {"match": ["*"], "codec": "codebook", "clusters": 24, "lambda": 0.01, "model": "auto"},
    ]
    return safetensors(tensors), {**SMALL_BLOCKS, "rules": rules}


def sharded(rng):
    """A folder: two shards with their index, and small files that are carried along."""
    first = [floats(rng, "a.weight", "BF16", [20, 30]), floats(rng, "a.bias", "F32", [20])]
    second = [floats(rng, "b.weight", "BF16", [10, 20])]
    shards = {"model-00001-of-00002.safetensors": first, "model-00002-of-00002.safetensors": second}
    names = {t[0]: file for file, tensors in shards.items() for t in tensors}
    total = sum(len(t[3]) for tensors in shards.values() for t in tensors)
    index = json.dumps({"metadata": {"total_size": total}, "weight_map": names}, indent=2).encode()
    files = {file: safetensors(tensors, {"format": "pt"}) for file, tensors in shards.items()}
    files["model.safetensors.index.json"] = index
    files["config.json"] = b'{"model_type": "golden"}\n'
    files["vocab.txt"] = "\n".join(f"token{i}" for i in range(300)).encode()
    files["empty"] = b""
    return files, LOSSLESS


GOLDENS = [all_types, special_values, small, verbatim_header, raw, repeats, large_blocks]
GOLDENS += [uniform_types, uniform_channels, uniform_low_bits, sharded, codebook]
GOLDENS += [trellis_types, trellis_models, trellis_zero, trellis_far, codebook_vectors, pairs, classes]


def write(path, content):
    """Writes a file, or a folder of files."""
    if isinstance(content, bytes):
        path.write_bytes(content)
        return
    path.mkdir()
    for name, data in content.items():
        (path / name).write_bytes(data)


def read(path):
    return path.read_bytes() if path.is_file() else {p.name: p.read_bytes() for p in path.iterdir()}


def make(program, number, function, work, out):
    name = function.__name__
    content, config = function(random.Random(1000 + number))
    suffix = ".safetensors" if isinstance(content, bytes) else ""
    source, archive, expected = work / f"{name}{suffix}", out / f"{name}.weft", out / f"{name}{suffix}"
    if archive.exists() or expected.exists():
        print(f"{name}: is there already, left alone")
        return
    write(source, content)
    (work / "config.json").write_text(json.dumps(config))
    subprocess.run([program, "compress", source, "-c", work / "config.json", "-o", archive, "-q"], check=True)
    subprocess.run([program, "decompress", archive, "-o", expected, "-q"], check=True)
    layout, files = reference_decoder.decode(archive.read_bytes())
    restored = files if layout == 1 else next(iter(files.values()))
    same = restored == read(expected)
    lossless = all(rule["codec"] not in ("uniform", "codebook", "trellis") for rule in config["rules"])
    if not same or (lossless and restored != content):
        archive.unlink()
        sys.exit(f"{name}: the archive does not restore to what it should, so it was not kept")
    print(f"{name}: {archive.stat().st_size} bytes")


def main():
    parser = argparse.ArgumentParser(description="Make the golden archives that are missing.")
    parser.add_argument("--weft", required=True, type=pathlib.Path, help="the program")
    parser.add_argument("--out", default=FOLDER, type=pathlib.Path, help="where to write; default: beside this script")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        for number, function in enumerate(GOLDENS):
            make(options.weft.resolve(), number, function, pathlib.Path(work), options.out.resolve())


if __name__ == "__main__":
    main()
