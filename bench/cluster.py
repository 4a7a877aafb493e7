#!/usr/bin/python3
"""scikit-learn's KMeans on the values of `weft_bench cluster`, beside weft's figures from the same run.

scikit-learn gets one initialisation (k-means++) and as many iterations as weft took; on fewer samples its time is scaled
up in proportion. Processor time of all threads is shown beside wall time, so that other work on the machine counts for
neither. `--name NAME` writes bench/results/NAME.json.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

from run import ROOT, machine, print_table

try:
    import numpy as np
    import sklearn
    from sklearn.cluster import KMeans
except ImportError:
    sys.exit("scikit-learn is not installed (Debian: python3-sklearn): nothing to compare with")


def inertia_of(values, centroids):
    """Squared distances of all values to the nearest centroids, added up in binary64."""
    if centroids.shape[1] > 1:
        halves, sums = (centroids**2).sum(axis=1) / 2, 0.0
        for part in np.array_split(values.reshape(-1, centroids.shape[1]).astype(np.float64), 256):
            nearest = (halves - part @ centroids.T).argmin(axis=1)
            sums += float(((part - centroids[nearest]) ** 2).sum())
        return sums
    centroids = np.sort(centroids[:, 0])
    edges = (centroids[1:] + centroids[:-1]) / 2
    parts = (part.astype(np.float64) for part in np.array_split(values, 64))
    return sum(float(((part - centroids[np.searchsorted(edges, part)]) ** 2).sum()) for part in parts)


def peer(values, samples, d, k, iterations):
    sample = values[:samples].reshape(-1, d)
    wall, cpu = time.perf_counter(), time.process_time()
    model = KMeans(k, n_init=1, max_iter=iterations, tol=0, algorithm="lloyd", random_state=0).fit(sample)
    scale = len(values) / sample.size
    seconds = {"wall seconds": (time.perf_counter() - wall) * scale, "CPU seconds": (time.process_time() - cpu) * scale}
    return {**seconds, "iterations": model.n_iter_, "samples": sample.size,
            "inertia": inertia_of(values, model.cluster_centers_.astype(np.float64))}  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weft_bench", type=Path)
    parser.add_argument("--samples", type=int, default=1 << 24, help="values that scikit-learn gets (of 2^24: all)")
    parser.add_argument("--name", help="results go to bench/results/NAME.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report, data = Path(folder) / "report.json", Path(folder) / "values.f32"
        subprocess.run([arguments.weft_bench, "cluster", "--values", data, "--json", report], check=True)
        scalars, vectors = (table["rows"] for table in json.loads(report.read_text()))
        values = np.fromfile(data, dtype=np.float32)
    warnings.filterwarnings("ignore")
    results, rows = {**machine(), "values": len(values), "scikit-learn": sklearn.__version__, "clustering": {}}, []
    for name, ours in {**scalars, **vectors}.items():
        *_, d, k = [1, *map(int, re.findall(r"\d+", name))]
        part = values if name in scalars else values[: 1 << 21]
        theirs = peer(part, arguments.samples, d, k, int(ours["iterations"]))
        faster = {unit: theirs[unit] / ours[unit] for unit in ("wall seconds", "CPU seconds")}
        results["clustering"][name] = {"weft": ours, "scikit-learn": theirs, "times faster": faster}
        for program, row in (("weft", ours), ("scikit-learn", theirs)):
            rows.append([f"{name}, {program}", *(f"{row[unit]:.3f}" for unit in faster), int(row["iterations"]),
                         f"{row['inertia']:.8g}"])  # fmt: skip
        rows.append(["  times faster", *(f"{ratio:.0f}" for ratio in faster.values()), "", ""])
    columns = ["", "wall seconds", "CPU seconds", "iterations", "inertia"]
    print_table(f"Clustering of {len(values)} values, of 2^21 as vectors; scikit-learn on {arguments.samples} of them", columns, rows)
    if arguments.name:
        (ROOT / f"bench/results/{arguments.name}.json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
