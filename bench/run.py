#!/usr/bin/python3
"""Measures weft beside its peers in one run: speed in memory, size on networks, and a large checkpoint end to end.

Builds nothing; ./dev bench does. Peers that are not installed are left out with one line. Standard library and NumPy.
"""

import argparse
import datetime
import json
import os
import platform
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
DTYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}

# Runs in a Python that has ZipNN. Sizes: the better of the whole file and its tensor data; speed: the data, one thread.
ZIPNN = """
import json, struct, sys, time, warnings
warnings.filterwarnings("ignore")
from zipnn import ZipNN
results = {}
for path, dtype in json.loads(sys.argv[1]):
    file = open(path, "rb").read()
    head = 8 + struct.unpack("<Q", file[:8])[0]
    coder = ZipNN(bytearray_dtype=dtype, input_format="byte", threads=1)
    whole = len(coder.compress(bytearray(file)))
    start = time.process_time()
    data = bytes(coder.compress(bytearray(file[head:])))
    encode = time.process_time() - start
    decode = 1e9
    for _ in range(5):
        start = time.process_time()
        restored = coder.decompress(data)
        decode = min(decode, time.process_time() - start)
    assert bytes(restored) == file[head:]
    size = len(file) - head
    results[path] = {"bytes": min(whole, head + len(data)), "encode": size / encode / 1e9, "decode": size / decode / 1e9}
print(json.dumps(results))
"""


def run(command, **options):
    return subprocess.run([str(part) for part in command], check=True, stdout=subprocess.PIPE, **options).stdout


def note(text):
    print(text, file=sys.stderr, flush=True)


def cpu_model():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def machine():
    """Where and when a result was measured."""
    return {"cpu": cpu_model(), "processors": os.cpu_count(), "system": platform.system() + " " + platform.release(),
            "date": datetime.date.today().isoformat()}


def bf16_rows(generator, rows, columns):
    """Weights of N(0, 0.02) with log-normal row scales, rounded to BF16."""
    scales = 0.02 * np.exp(0.5 * generator.standard_normal((rows, 1), dtype=np.float32))
    bits = (scales * generator.standard_normal((rows, columns), dtype=np.float32)).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2")


def write_checkpoint(path, tensors, rows, columns, seed=7):
    """A BF16 safetensors file, written tensor by tensor."""
    generator = np.random.default_rng(seed)
    size = 2 * rows * columns
    header = {
        f"layers.{i}.weight": {"dtype": "BF16", "shape": [rows, columns], "data_offsets": [i * size, (i + 1) * size]}
        for i in range(tensors)
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _ in range(tensors):
            bf16_rows(generator, rows, columns).tofile(file)


def main_dtype(path):
    """The element type that most of a file's bytes have, or None where it is no type of ZipNN's."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
    sizes = {}
    for name, tensor in header.items():
        if name != "__metadata__":
            begin, end = tensor["data_offsets"]
            sizes[tensor["dtype"]] = sizes.get(tensor["dtype"], 0) + end - begin
    return DTYPES.get(max(sizes, key=sizes.get)) if sizes else None


def zipnn_results(python, paths):
    if python is None:
        note("ZipNN is not installed: left out (pip install zipnn torch into build/zipnn-venv, or --zipnn PYTHON)")
        return {}
    jobs = [(str(path), main_dtype(path)) for path in paths]
    try:
        output = run([python, "-c", ZIPNN, json.dumps([job for job in jobs if job[1]])], stderr=subprocess.PIPE)
    except subprocess.CalledProcessError as error:
        note(f"ZipNN fails and is left out: {error.stderr.decode().strip().splitlines()[-1]}")
        return {}
    return json.loads(output)


def find_zipnn(asked):
    for python in [asked] if asked else [ROOT / "build/zipnn-venv/bin/python", sys.executable]:
        found = subprocess.run([str(python), "-c", "import zipnn"], capture_output=True) if Path(python).exists() else None
        if found is not None and found.returncode == 0:
            return python
    return None


def print_table(title, columns, rows):
    widths = [max(len(str(row[i])) for row in [columns, *rows]) for i in range(len(columns))]
    print(f"\n{title}")
    for row in [columns, *rows]:
        cells = [str(row[0]).ljust(widths[0])] + [str(cell).rjust(width) for cell, width in zip(row[1:], widths[1:])]
        print("  ".join(cells))
    sys.stdout.flush()


def measure_ratios(weft, paths, folder, zipnn):
    """Archive sizes, everything counted, beside zstd -19 and ZipNN."""
    peers = zipnn_results(zipnn, paths)
    zstd = shutil.which("zstd")
    if zstd is None:
        note("zstd is not installed: left out (apt-get install zstd)")
    results, rows = {}, []
    for path in paths:
        archive = folder / "ratio.weft"
        run([weft, "compress", path, "-o", archive, "-f", "-q", "-c", "lossless", "--no-progress"])
        result = {"original": path.stat().st_size, "weft": archive.stat().st_size}
        if zstd:
            result["zstd -19"] = len(run([zstd, "-19", "-c", "-q", path]))
        if str(path) in peers:
            result["ZipNN"] = peers[str(path)]["bytes"]
        archive.unlink()
        others = [result[peer] for peer in ("zstd -19", "ZipNN") if peer in result]
        smallest = "" if not others else "yes" if result["weft"] <= min(others) else "NO"
        shares = [f"{100 * result[c] / result['original']:.2f} %" if c in result else "-" for c in ("weft", "zstd -19", "ZipNN")]
        rows.append([path.stem, result["original"], result["weft"], *shares, smallest])
        results[path.stem] = result
    columns = ["network", "bytes", "weft bytes", "weft", "zstd -19", "ZipNN", "weft smallest"]
    print_table("Lossless size, everything counted", columns, rows)
    return results


def measure_zipnn_speed(zipnn, path, tables):
    """ZipNN's speed on generated BF16, beside weft's and zstd's of weft_bench on the same kind of data."""
    peer = zipnn_results(zipnn, [path]).get(str(path))
    lossless = next(table for table in tables if table["title"].startswith("Lossless BF16"))["rows"]
    rows = [[name, f"{row['encode']:.3f}", f"{row['decode']:.3f}"] for name, row in lossless.items()]
    if peer:
        rows.append(["ZipNN", f"{peer['encode']:.3f}", f"{peer['decode']:.3f}"])
    print_table("Lossless BF16 in memory, one thread, GB/s of weights", ["", "encode", "decode"], rows)
    return peer


def measure_end_to_end(weft, folder, gigabytes, threads):
    """Compress and decompress a BF16 checkpoint; which share of the threads' time goes where."""
    checkpoint, archive, restored = folder / "checkpoint.safetensors", folder / "checkpoint.weft", folder / "restored.safetensors"
    tensors = max(1, round(gigabytes * 1e9 / (2 << 24)))
    note(f"generating {tensors} tensors of 16.8 M BF16 weights")
    write_checkpoint(checkpoint, tensors, 4096, 4096)
    results, rows = {}, []
    for command in (["compress", checkpoint, "-o", archive, "-c", "lossless"], ["decompress", archive, "-o", restored]):
        report_path = folder / "report.json"
        run([weft, *command, "-T", threads, "-f", "-q", "--no-progress", "--report", report_path])
        report = json.loads(report_path.read_text())
        wall, size = report["wall_seconds"], report["totals"]["bytes_in"]
        stages = {stage["name"]: stage["seconds"] for stage in report["stages"]}
        results[command[0]] = {
            "seconds": wall,
            "gb_per_s": size / wall / 1e9,
            "threads": report["threads"],
            "stage_share": {name: seconds / (wall * report["threads"]) for name, seconds in stages.items()},
            "peak_host_bytes": report["peak_host_bytes"],
        }
        share = sum(results[command[0]]["stage_share"].values())
        detail = ", ".join(f"{name} {100 * part:.0f} %" for name, part in results[command[0]]["stage_share"].items())
        rows.append([command[0], f"{wall:.2f}", f"{size / wall / 1e9:.2f}", f"{100 * share:.0f} %", detail,
                     f"{report['peak_host_bytes'] / 1e6:.0f}"])
    same = subprocess.run(["cmp", "-s", str(checkpoint), str(restored)]).returncode == 0
    results["restored"] = same
    print_table(f"End to end, {checkpoint.stat().st_size / 1e9:.2f} GB of BF16, {threads} threads",
                ["", "seconds", "GB/s", "in stages", "share of the threads' time", "peak MB"], rows)
    if not same:
        sys.exit("error: the restored checkpoint differs from the original")
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", help="build folder (build/release)")
    parser.add_argument("--name", default="latest", help="results go to bench/results/NAME.json")
    parser.add_argument("--zipnn", type=Path, help="a Python that has ZipNN (build/zipnn-venv/bin/python)")
    parser.add_argument("--networks", type=Path, default=ROOT / "../shared/models/networks", help="*.safetensors to compress")
    parser.add_argument("--gigabytes", type=float, default=1.07, help="size of the end-to-end checkpoint; 0: skip")
    parser.add_argument("--threads", type=int, default=2, help="threads of the end-to-end runs")
    options = parser.parse_args()
    weft, bench = options.build / "weft", options.build / "bench/weft_bench"
    for program in (weft, bench):
        if not program.exists():
            sys.exit(f"error: {program} is not there; ./dev bench builds it")

    zipnn = find_zipnn(options.zipnn)
    results = machine()
    with tempfile.TemporaryDirectory(dir=options.build) as name:
        folder = Path(name)
        subprocess.run([str(bench), "--json", str(folder / "bench.json")], check=True)
        results["memory"] = json.loads((folder / "bench.json").read_text())
        generated = folder / "generated_bf16.safetensors"
        write_checkpoint(generated, 1, 4096, 2048)
        results["zipnn_speed"] = measure_zipnn_speed(zipnn, generated, results["memory"])
        networks = sorted(options.networks.glob("*.safetensors"))
        if not networks:
            note(f"no networks in {os.path.relpath(options.networks)}: only generated data")
        results["ratios"] = measure_ratios(weft, [*networks, generated], folder, zipnn)
        if options.gigabytes > 0:
            results["end_to_end"] = measure_end_to_end(weft, folder, options.gigabytes, options.threads)
    output = ROOT / "bench/results" / f"{options.name}.json"
    output.parent.mkdir(exist_ok=True)
    output.write_text(json.dumps(results, indent=2) + "\n")
    note(f"\nwritten: {os.path.relpath(output)}")


if __name__ == "__main__":
    main()
