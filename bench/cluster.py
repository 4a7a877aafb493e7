#!/usr/bin/python3
"""scikit-learn's KMeans on the values of `weft_bench cluster`'s kind, beside weft's figures from the same run.

Processor time of all threads decides, so that other work on the machine counts for neither. scikit-learn gets one
initialisation (k-means++) and as many iterations as weft took; on fewer samples its time is scaled up in proportion.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

try:
    import numpy as np
    from sklearn.cluster import KMeans
except ImportError:
    sys.exit("scikit-learn is not installed (Debian: python3-sklearn): nothing to compare with")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weft_bench", type=Path)
    parser.add_argument("--samples", type=int, default=1 << 20, help="values that scikit-learn gets (of 2^24)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report, data = Path(folder) / "report.json", Path(folder) / "values.f32"
        subprocess.run([arguments.weft_bench, "cluster", "--values", data, "--json", report], check=True)
        rows = json.loads(report.read_text())[0]["rows"]
        values = np.fromfile(data, dtype=np.float32)
    sample = values[: arguments.samples, None]
    scale = len(values) / len(sample)
    if scale > 1:
        print(f"\nscikit-learn on {len(sample)} of {len(values)} values, time times {scale:g}")
    warnings.filterwarnings("ignore")
    for name, row in rows.items():
        k, iterations = int(name.split()[-1]), int(row["iterations"])
        start = time.process_time()
        model = KMeans(k, n_init=1, max_iter=iterations, tol=0, algorithm="lloyd", random_state=0).fit(sample)
        seconds = (time.process_time() - start) * scale
        inertia = 0.0
        centroids = np.sort(model.cluster_centers_[:, 0].astype(np.float64))
        for part in np.array_split(values.astype(np.float64), 64):
            nearest = centroids[np.searchsorted((centroids[1:] + centroids[:-1]) / 2, part)]
            inertia += float(((part - nearest) ** 2).sum())
        print(
            f"k = {k}, {iterations} iterations: scikit-learn {seconds:.1f} s of processor time, weft "
            f"{row['CPU seconds']:.3f} s, {seconds / row['CPU seconds']:.0f} times faster; inertia of all values: "
            f"{inertia:.6g} and {row['inertia']:.6g}"
        )


if __name__ == "__main__":
    main()
