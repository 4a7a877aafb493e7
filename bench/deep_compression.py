#!/usr/bin/python3
"""Pruning, clustering and rANS on the two LeNets, beside Deep Compression (Han, Mao and Dally, ICLR 2016).

Needs networks and MNIST images that are not in this repository: --models names a folder with networks/lenet_300_100.safetensors,
networks/lenet5.safetensors and data/mnist_test.npz (x: uint8 [n, 784], y: labels). The networks never saw these images, which are
divided: half of them retrain what pruning leaves (by distillation: the original network's outputs are the goal, labels are not
used), a sixth chooses among settings, and a third is what accuracies are reported on.

Per network: the weights kept are those published for Deep Compression, layer by layer, reached in steps: first twice as many,
in the end as many. At each step smaller weights go while the others are trained, and weft prunes and clusters what comes
out. Of the settings of clustering the smallest archive that loses at most ALLOWED on the choosing images is taken; the last
step is what is reported. `--name NAME` writes bench/results/NAME.json. NumPy only.
"""

import argparse
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from run import ROOT, machine, note, print_table

ALLOWED = 0.4  # points of accuracy
FACTORS = (2, 1.5, 1.25, 1)
PUBLISHED = {  # fraction of the weights that Deep Compression keeps, and its ratio
    "lenet_300_100": ({"ip1.weight": 0.08, "ip2.weight": 0.09, "ip3.weight": 0.26}, 40),
    "lenet5": ({"conv1.weight": 0.66, "conv2.weight": 0.12, "ip1.weight": 0.08, "ip2.weight": 0.19}, 39),
}
SETTINGS = [(8, 0.03), (16, 0.03), (16, 0.01)]  # clusters, lambda


def load(path):
    data = Path(path).read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        tensors[name] = np.frombuffer(data[begin:end], np.float32).reshape(entry["shape"]).copy()
    return tensors


def save(path, tensors):
    header, offset = {}, 0
    for name, values in tensors.items():
        header[name] = {"dtype": "F32", "shape": values.shape, "data_offsets": [offset, offset + values.nbytes]}
        offset += values.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    data = b"".join(np.ascontiguousarray(values, np.float32).tobytes() for values in tensors.values())
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


# Layers. Each returns its output and a function from the output's gradient to the input's, which notes those of the weights.


def linear(x, weights, name, gradients):
    weight, bias = weights[name + ".weight"], weights[name + ".bias"]

    def back(d):
        gradients[name + ".weight"], gradients[name + ".bias"] = d.T @ x, d.sum(0)
        return d @ weight

    return x @ weight.T + bias, back


def relu(x):
    return np.maximum(x, 0), lambda d: d * (x > 0)


def convolution(x, weights, name, gradients):
    weight, bias = weights[name + ".weight"], weights[name + ".bias"]
    n, (out, _, height, width) = len(x), weight.shape
    windows = np.lib.stride_tricks.sliding_window_view(x, (height, width), axis=(2, 3))  # n, in, y, x, kernel
    rows, columns = windows.shape[2:4]
    patches = windows.transpose(0, 2, 3, 1, 4, 5).reshape(n * rows * columns, -1)
    y = (patches @ weight.reshape(out, -1).T + bias).reshape(n, rows, columns, out).transpose(0, 3, 1, 2)

    def back(d):
        flat = np.ascontiguousarray(d.transpose(0, 2, 3, 1)).reshape(-1, out)
        gradients[name + ".weight"], gradients[name + ".bias"] = (flat.T @ patches).reshape(weight.shape), flat.sum(0)
        if x.shape[1] == 1:
            return None  # the image
        parts = (flat @ weight.reshape(out, -1)).reshape(n, rows, columns, x.shape[1], height, width)
        result = np.zeros_like(x)
        for i in range(height):
            for j in range(width):
                result[:, :, i : i + rows, j : j + columns] += parts[..., i, j].transpose(0, 3, 1, 2)
        return result

    return y, back


def pool(x):
    n, channels, height, width = x.shape
    cells = x.reshape(n, channels, height // 2, 2, width // 2, 2)
    y = cells.max((3, 5))
    return y, lambda d: ((cells == y[:, :, :, None, :, None]) * d[:, :, :, None, :, None]).reshape(x.shape)


def flatten(x):
    return x.reshape(len(x), -1), lambda d: d.reshape(x.shape)


def outputs(weights, x, gradients=None):
    """The network's outputs, and the function that fills `gradients` from theirs."""
    gradients = {} if gradients is None else gradients
    if "conv1.weight" in weights:
        x = x.reshape(-1, 1, 28, 28)
        steps = [lambda x: convolution(x, weights, "conv1", gradients), pool,
                 lambda x: convolution(x, weights, "conv2", gradients), pool, flatten,
                 lambda x: linear(x, weights, "ip1", gradients), relu, lambda x: linear(x, weights, "ip2", gradients)]  # fmt: skip
    else:
        steps = [lambda x: linear(x, weights, "ip1", gradients), relu, lambda x: linear(x, weights, "ip2", gradients),
                 relu, lambda x: linear(x, weights, "ip3", gradients)]  # fmt: skip
    backs = []
    for step in steps:
        x, back = step(x)
        backs.append(back)

    def back_all(d):
        for back in reversed(backs):
            d = back(d)

    return x, back_all


def accuracy(weights, images, labels):
    found = np.concatenate([outputs(weights, part)[0].argmax(1) for part in np.array_split(images, 10)])
    return 100 * float((found == labels).mean())


def vary(images, random):
    """The images turned, stretched and moved a little, each in its own way."""
    n = len(images)
    angle, scale = random.uniform(-0.15, 0.15, n), random.uniform(0.92, 1.08, n)
    shift = random.uniform(-1.5, 1.5, (2, n, 1))
    y, x = (axis.ravel() - 13.5 for axis in np.mgrid[0:28, 0:28])
    cos, sin = (np.cos(angle) * scale)[:, None], (np.sin(angle) * scale)[:, None]
    row = np.clip(cos * y - sin * x + shift[0] + 13.5, 0, 26.999)
    column = np.clip(sin * y + cos * x + shift[1] + 13.5, 0, 26.999)
    at = (row.astype(int) * 28) + column.astype(int)
    down, right = (row % 1).astype(np.float32), (column % 1).astype(np.float32)
    top = np.take_along_axis(images, at, 1) * (1 - right) + np.take_along_axis(images, at + 1, 1) * right
    bottom = np.take_along_axis(images, at + 28, 1) * (1 - right) + np.take_along_axis(images, at + 29, 1) * right
    return top * (1 - down) + bottom * down


def kept(values, density):
    """Which weights stay: as many of the largest as weft leaves."""
    mask = np.ones(values.size, np.float32)
    mask[np.argsort(np.abs(values.ravel()), kind="stable")[: round((1 - density) * values.size)]] = 0
    return mask.reshape(values.shape)


def retrain(weights, teacher, images, densities, epochs, random):
    """Weights go during the first half; Adam on the difference of outputs to the teacher's."""
    weights = {name: values.copy() for name, values in weights.items()}
    first = {name: float((weights[name] != 0).mean()) for name in densities}
    moments = {name: (np.zeros_like(values), np.zeros_like(values)) for name, values in weights.items()}
    masks, steps = {}, 0
    for epoch in range(epochs):
        progress = min(1, 2 * (epoch + 1) / epochs)
        for name, density in densities.items():
            masks[name] = kept(weights[name], first[name] + (density - first[name]) * (1 - (1 - progress) ** 3))
            weights[name] *= masks[name]
        varied = vary(images, random)
        share = random.uniform(0, 1, (len(images), 1)).astype(np.float32)
        mixed = share * images + (1 - share) * random.permutation(varied)
        varied = random.permutation(np.concatenate([images, varied, mixed]))
        rate = 0.001 if epoch < 0.6 * epochs else 0.0003 if epoch < 0.85 * epochs else 0.0001
        for batch in np.array_split(varied, len(varied) // 50):
            gradients = {}
            goal, _ = outputs(teacher, batch)
            found, back = outputs(weights, batch, gradients)
            back(2 * (found - goal) / len(batch))
            steps += 1
            for name, gradient in gradients.items():
                mean, square = moments[name]
                mean += 0.1 * (gradient - mean)
                square += 0.001 * (gradient**2 - square)
                step = mean / (1 - 0.9**steps) / (np.sqrt(square / (1 - 0.999**steps)) + 1e-8)
                weights[name] -= (rate * step * masks.get(name, 1)).astype(np.float32)
    return weights


def config_of(densities, clusters, price):
    rules = [
        {"match": name, "codec": "codebook", "clusters": clusters, "centroid_dtype": "F16", "lambda": price, "model": "auto",
         "prune": {"sparsity": 1 - density}}
        for name, density in densities.items()
    ]  # fmt: skip
    return {"version": 1, "rules": [*rules, {"match": "*.bias", "codec": "uniform", "relative_step": 0.1}]}


def compress(weft, weights, config, folder):
    """Size of the archive, and the weights that come back."""
    network, archive, restored, settings = (folder / name for name in ("n.safetensors", "a.weft", "r.safetensors", "c.json"))
    save(network, weights)
    settings.write_text(json.dumps(config))
    subprocess.run([weft, "compress", network, "-c", settings, "-o", archive, "-f", "-q"], check=True)
    subprocess.run([weft, "decompress", archive, "-o", restored, "-f", "-q"], check=True)
    return archive.stat().st_size, load(restored)


def measure(weft, name, models, epochs, folder):
    densities, published = PUBLISHED[name]
    path = models / "networks" / (name + ".safetensors")
    data = np.load(models / "data" / "mnist_test.npz")
    images, labels = data["x"].astype(np.float32) / 255, data["y"]
    parts = [len(images) // 2, len(images) * 2 // 3]
    train, choose, report = zip(np.split(images, parts), np.split(labels, parts))
    original = load(path)
    random = np.random.default_rng(1)
    before = accuracy(original, *choose)
    result = {"network": name, "original_bytes": path.stat().st_size, "published_ratio": published,
              "accuracy_before": accuracy(original, *report), "images": len(report[1]), "steps": []}  # fmt: skip
    weights = original
    for factor in FACTORS:
        wanted = {layer: min(1, density * factor) for layer, density in densities.items()}
        weights = retrain(weights, original, train[0], wanted, epochs, random)
        found = None
        for clusters, price in SETTINGS:
            size, restored = compress(weft, weights, config_of(wanted, clusters, price), folder)
            loss = before - accuracy(restored, *choose)
            if loss <= ALLOWED and (found is None or size < found["bytes"]):
                found = {"factor": factor, "densities": wanted, "clusters": clusters, "lambda": price, "bytes": size,
                         "loss_choosing": loss, "accuracy": accuracy(restored, *report)}  # fmt: skip
        note(f"{name}, factor {factor}: {json.dumps(found)}")
        result["steps"].append(found)
    if found is None:
        sys.exit(f"{name}: no setting keeps the accuracy in the last step")
    return {**result, **found, "ratio": result["original_bytes"] / found["bytes"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("weft", type=Path)
    parser.add_argument("--models", type=Path, required=True, help="folder with networks/ and data/")
    parser.add_argument("--epochs", type=int, default=40, help="of retraining at each step")
    parser.add_argument("--network", choices=PUBLISHED, action="append", help="only this one")
    parser.add_argument("--name", help="results go to bench/results/NAME.json")
    arguments = parser.parse_args()
    networks = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.network or PUBLISHED:
            networks.append(measure(arguments.weft, name, arguments.models, arguments.epochs, Path(folder)))
    results = {**machine(), "networks": networks}
    rows = [[row["network"], f"{row['bytes']:,}", f"{row['ratio']:.1f}", row["published_ratio"],
             f"{row['accuracy_before']:.2f} %", f"{row['accuracy']:.2f} %"] for row in networks]  # fmt: skip
    print_table("Deep Compression", ["network", "bytes", "ratio", "published", "accuracy before", "after"], rows)
    if arguments.name:
        path = ROOT / "bench" / "results" / f"{arguments.name}.json"
        path.write_text(json.dumps(results, indent=2) + "\n")
        note(f"written: {path}")


if __name__ == "__main__":
    main()
