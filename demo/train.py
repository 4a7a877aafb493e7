#!/usr/bin/env python3
"""Trains the network of the demo and writes digits.safetensors and digits_test.npz beside this script.

    /usr/bin/python3 demo/train.py        (Debian 12: apt-get install python3-torch python3-sklearn)

Made with Python 3.11.2, PyTorch 1.13.1, scikit-learn 1.2.1 and NumPy 1.24.2 in about a minute on one core. The seed is
fixed and one thread is used, so the same versions on the same kind of processor give the same bytes.

The data are scikit-learn's digits: 1797 images of 8x8 pixels between 0 and 16. 500 of them are held out as test data.
"""

import json
import pathlib
import struct

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional

import evaluate

FOLDER = pathlib.Path(__file__).resolve().parent
SEED = 20
EPOCHS = 60
BATCH = 64
TEST_IMAGES = 500
WIDTHS = (32, 64, 64)  # a change of width halves the image


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False) if stride == 2 else None

    def forward(self, x):
        y = functional.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return functional.relu(y + (self.shortcut(x) if self.shortcut else x))


class Stem(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.conv = nn.Conv2d(1, outputs, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return functional.relu(self.norm(self.conv(x)))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = Stem(WIDTHS[0])
        self.blocks = nn.Sequential(*(Block(a, b) for a, b in zip((WIDTHS[0], *WIDTHS), WIDTHS)))
        self.head = nn.Linear(WIDTHS[-1], 10)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean(dim=(2, 3)))


def shifted(images, generator):
    """Every image moved by up to one pixel each way, with a little noise."""
    padded = functional.pad(images, (1, 1, 1, 1))
    moves = torch.randint(0, 3, (len(images), 2), generator=generator).tolist()
    moved = torch.stack([p[:, i : i + 8, j : j + 8] for p, (i, j) in zip(padded, moves)])
    return moved + 0.05 * torch.randn(moved.shape, generator=generator)


def train(images, labels):
    network = Network()
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.05)
    steps = EPOCHS * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=steps)
    generator = torch.Generator().manual_seed(SEED)
    for epoch in range(EPOCHS):
        network.train()
        total = 0.0
        for batch in torch.randperm(len(images), generator=generator).split(BATCH):
            logits = network(shifted(images[batch], generator))
            loss = functional.cross_entropy(logits, labels[batch], label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(batch)
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1}: loss {total / len(images):.4f}", flush=True)
    return network.eval()


def save_safetensors(path, tensors, metadata):
    header, at = {"__metadata__": metadata}, 0
    for name, values in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": [at, at + values.nbytes]}
        at += values.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    data = b"".join(values.astype("<f4").tobytes() for values in tensors.values())
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    digits = load_digits()
    pixels = digits.images.astype(np.uint8)
    train_pixels, test_pixels, train_labels, test_labels = train_test_split(
        pixels, digits.target.astype(np.uint8), test_size=TEST_IMAGES, random_state=SEED, stratify=digits.target
    )
    np.savez_compressed(FOLDER / "digits_test.npz", images=test_pixels, labels=test_labels)

    network = train(torch.tensor(train_pixels, dtype=torch.float32)[:, None] / 16, torch.tensor(train_labels).long())
    # The counter of batches is of no use to a trained network.
    tensors = {k: v.numpy() for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
    metadata = {"format": "pt", "title": "weft demo: residual CNN on scikit-learn's digits", "license": "Apache-2.0"}
    save_safetensors(FOLDER / "digits.safetensors", tensors, metadata)

    images, labels = evaluate.load_images(FOLDER / "digits_test.npz")
    with torch.no_grad():
        expected = network(torch.tensor(images)).numpy()
    found = evaluate.forward(evaluate.load_safetensors(FOLDER / "digits.safetensors"), images)
    print(f"{sum(v.size for v in tensors.values())} parameters")
    print(f"test accuracy {100 * (expected.argmax(axis=1) == labels).mean():.2f} %")
    print(f"largest difference between PyTorch and evaluate.py: {np.abs(found - expected).max():.2e}")
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


if __name__ == "__main__":
    main()
