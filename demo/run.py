#!/usr/bin/env python3
"""The demo: compresses the network that the repository ships, restores it, and compares.

    run.py --weft PROGRAM [--keep FOLDER]

Once losslessly and twice with quantized weights, digits.safetensors goes through `weft compress`, `weft verify` and
`weft decompress`. Everything printed is measured here on the files that come back, not taken from weft's word. Exits
with 0 only when the lossless copy is the same byte for byte, everything else that was not quantized too, and the
accuracy has held. Needs NumPy.
"""

import argparse
import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

sys.dont_write_bytecode = True
import evaluate  # noqa: E402

FOLDER = pathlib.Path(__file__).resolve().parent
NETWORK = FOLDER / "digits.safetensors"
# Name, config, and the most accuracy that it may cost.
RUNS = [
    ("lossless", "lossless", 0.0),
    ("4 bits", FOLDER / "four_bits.json", 0.01),
    ("3 bits", FOLDER / "three_bits.json", 0.02),
]


class Failed(Exception):
    pass


def check(condition, sentence):
    if not condition:
        raise Failed(sentence)


def weft(program, *arguments):
    command = [str(a) for a in (program, *arguments)]
    result = subprocess.run(command, capture_output=True, text=True)
    check(result.returncode == 0, f"{' '.join(command)}\nended with {result.returncode}:\n{result.stderr}")


def compare(original, restored):
    """Checks names and shapes; returns the tensors that differ and their signal-to-noise ratio in dB."""
    check(list(original) == list(restored), "the restored network has other tensors")
    changed, signal, noise = [], 0.0, 0.0
    for name, values in original.items():
        check(values.shape == restored[name].shape, f"the restored {name} has another shape")
        if values.tobytes() == restored[name].tobytes():
            continue
        changed.append(name)
        signal += float(np.square(values, dtype=np.float64).sum())
        noise += float(np.square(values.astype(np.float64) - restored[name]).sum())
    return changed, 10 * np.log10(signal / noise) if changed else np.inf


def run(program, name, config, most_lost, folder):
    """One way through the program; returns a row of the table and remarks."""
    stem = name.replace(" ", "_")
    archive, restored, report = (folder / f"{stem}{end}" for end in (".weft", ".safetensors", ".json"))
    weft(program, "compress", NETWORK, "-c", config, "-o", archive, "-f", "-q", "--report", report)
    weft(program, "verify", archive, "--against", NETWORK, "-q")
    weft(program, "decompress", archive, "-o", restored, "-f", "-q")

    original = evaluate.load_safetensors(NETWORK)
    changed, sqnr = compare(original, evaluate.load_safetensors(restored))
    before, after = evaluate.accuracy(NETWORK), evaluate.accuracy(restored)
    check(before - after <= most_lost, f"{name}: the accuracy fell from {before:.4f} to {after:.4f}")
    totals = json.loads(report.read_text())["totals"]
    check(totals["bytes_out"] == archive.stat().st_size, f"{name}: the report and the archive differ in size")
    if most_lost == 0:
        check(restored.read_bytes() == NETWORK.read_bytes(), f"{name}: the restored file is not the original")
        remark = "the restored file is the original, byte for byte"
    else:
        convolutions = [n for n in changed if original[n].ndim >= 2]
        check(changed == convolutions, f"{name}: more has changed than convolutions and the linear layer")
        weights = sum(original[n].size for n in changed)
        remark = f"{len(changed)} of {len(original)} tensors ({weights:,} weights) are quantized, the others are exact"
    return row(name, archive, sqnr, after), f"{name}: {remark}"


def row(name, path, sqnr, accuracy):
    size, whole = path.stat().st_size, NETWORK.stat().st_size
    parameters = sum(v.size for v in evaluate.load_safetensors(NETWORK).values())
    decibels = "exact" if sqnr == np.inf else f"{sqnr:.2f} dB"
    return name, f"{size:,}", f"{whole / size:.2f}", f"{8 * size / parameters:.2f}", decibels, f"{100 * accuracy:.2f} %"


def put_table(rows):
    rows = [("", "bytes", "ratio", "bits/weight", "SQNR", "accuracy"), *rows]
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    for r in rows:
        print("  ".join([r[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(r[1:], widths[1:]))]))


def main():
    parser = argparse.ArgumentParser(description="Compress, restore and compare the network that the repository ships.")
    parser.add_argument("--weft", required=True, type=pathlib.Path, help="the program")
    parser.add_argument("--keep", type=pathlib.Path, help="leave the files in this folder")
    options = parser.parse_args()
    rows, remarks = [row("original", NETWORK, np.inf, evaluate.accuracy(NETWORK))], []
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    try:
        with contextlib.ExitStack() as stack:
            folder = options.keep or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
            for name, config, most_lost in RUNS:
                result, remark = run(options.weft.resolve(), name, config, most_lost, folder)
                rows.append(result)
                remarks.append(remark)
    except (Failed, OSError) as error:
        print(f"the demo failed: {error}", file=sys.stderr)
        return 1
    images = len(evaluate.load_images(FOLDER / "digits_test.npz")[1])
    print(f"A residual CNN on scikit-learn's digits; accuracy on {images} images held out of its training\n")
    put_table(rows)
    print("\nbits/weight: the whole archive, over all parameters. SQNR: of the quantized weights.\n")
    for remark in remarks:
        print(remark)
    return 0


if __name__ == "__main__":
    sys.exit(main())
