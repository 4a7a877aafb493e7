#!/usr/bin/env python3
"""Installs weft into a folder, builds README's example against it with find_package(weft), and runs that.

usage: install_test.py BUILD_FOLDER"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    build = pathlib.Path(sys.argv[1])
    example = re.search(r"```cpp\n(#include <iostream>.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        prefix, consumer = folder / "prefix", folder / "build"
        (folder / "example.cpp").write_text(example)
        run = lambda *command: subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL)
        run("cmake", "--install", build, "--prefix", prefix)
        run("cmake", "-G", "Ninja", "-S", ROOT / "tests/install", "-B", consumer, f"-DCMAKE_PREFIX_PATH={prefix}",
            f"-DEXAMPLE={folder / 'example.cpp'}")
        run("cmake", "--build", consumer)
        shutil.copy(ROOT / "demo/digits.safetensors", folder / "model.safetensors")
        run(consumer / "example")
        run(prefix / "bin/weft", "verify", "model.weft", "--against", "restored.safetensors", "-q")


main()
