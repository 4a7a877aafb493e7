#!/usr/bin/env python3
"""Accuracy of the demo's network on its test data, with NumPy alone.

    evaluate.py [NETWORK.safetensors] [--data digits_test.npz]

The network (train.py) is a residual CNN on 8x8 images: a convolution, then blocks of two convolutions with a shortcut,
then the mean over the image and a linear layer. Every convolution is followed by a normalisation with fixed statistics.
The forward pass reads the shape of the network from the tensors' names and shapes.
"""

import argparse
import json
import pathlib
import struct
import sys

import numpy as np

FOLDER = pathlib.Path(__file__).resolve().parent
NORM_EPSILON = 1e-5  # PyTorch's default


def load_safetensors(path):
    """The F32 tensors of a safetensors file as a dict of arrays."""
    data = pathlib.Path(path).read_bytes()
    (header_bytes,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + header_bytes])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] != "F32":
            raise ValueError(f"{path}: {name} has type {entry['dtype']}, expected F32")
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data, "<f4", (end - begin) // 4, 8 + header_bytes + begin)
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def load_images(path):
    """Test images as float32 [n, 1, 8, 8] between 0 and 1, and their labels."""
    with np.load(path) as arrays:
        images = arrays["images"].astype(np.float32) / 16
        return images[:, None], arrays["labels"].astype(np.int64)


def convolve(x, weight, stride):
    """A 2-d convolution, padded so that stride 1 keeps the size; as one matrix product per kernel position."""
    size = weight.shape[2]
    pad = size // 2
    n, _, height, width = x.shape
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    out = np.zeros((n, weight.shape[0], -(-height // stride), -(-width // stride)), np.float32)
    for i in range(size):
        for j in range(size):
            window = padded[:, :, i : i + height : stride, j : j + width : stride]
            out += np.einsum("oc,nchw->nohw", weight[:, :, i, j], window, optimize=True)
    return out


def normalise(x, tensors, name):
    scale = tensors[f"{name}.weight"] / np.sqrt(tensors[f"{name}.running_var"] + np.float32(NORM_EPSILON))
    shift = tensors[f"{name}.bias"] - tensors[f"{name}.running_mean"] * scale
    return x * scale[:, None, None] + shift[:, None, None]


def forward(tensors, images):
    """Logits [n, 10] of images [n, 1, 8, 8]."""
    x = np.maximum(normalise(convolve(images, tensors["stem.conv.weight"], 1), tensors, "stem.norm"), 0)
    index = 0
    while f"blocks.{index}.conv1.weight" in tensors:
        block = f"blocks.{index}"
        # A block with a convolution in its shortcut halves the image.
        stride = 2 if f"{block}.shortcut.weight" in tensors else 1
        shortcut = convolve(x, tensors[f"{block}.shortcut.weight"], stride) if stride == 2 else x
        x = convolve(x, tensors[f"{block}.conv1.weight"], stride)
        x = np.maximum(normalise(x, tensors, f"{block}.norm1"), 0)
        x = normalise(convolve(x, tensors[f"{block}.conv2.weight"], 1), tensors, f"{block}.norm2")
        x = np.maximum(x + shortcut, 0)
        index += 1
    return x.mean(axis=(2, 3)) @ tensors["head.weight"].T + tensors["head.bias"]


def accuracy(network, data=FOLDER / "digits_test.npz"):
    """Fraction of the test images that the network in a safetensors file labels right."""
    images, labels = load_images(data)
    return float((forward(load_safetensors(network), images).argmax(axis=1) == labels).mean())


def main():
    parser = argparse.ArgumentParser(description="Accuracy of the demo's network, with NumPy alone.")
    parser.add_argument("network", nargs="?", default=FOLDER / "digits.safetensors")
    parser.add_argument("--data", default=FOLDER / "digits_test.npz")
    options = parser.parse_args()
    print(f"accuracy {100 * accuracy(options.network, options.data):.2f} %")


if __name__ == "__main__":
    sys.exit(main())
