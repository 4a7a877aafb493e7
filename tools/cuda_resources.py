#!/usr/bin/env python3
"""Prints registers, stack and spills of every kernel, from the reports that ptxas left beside the objects.

Fails when a kernel of the entropy coder or of clustering uses local memory: its state must live in registers.
usage: cuda_resources.py FOLDER
"""
import pathlib
import re
import sys

MUST_NOT_SPILL = ("merge_units_kernel", "decode_classes_kernel", "dequantize_kernel", "code_planes_kernel", "decode_trellis_kernel",
                  "decode_mapped_kernel",
                  "search_groups_kernel",
                  "decode_pairs_kernel", "dequantize_pairs_kernel", "search_trellis_kernel", "code_trellis_kernel",
                  "nearest_kernel", "stride_sums_kernel", "places_kernel", "squares_kernel", "totals_kernel",
                  "row_squares_kernel")

# Bytes of those that may, outside of their loops: where a thread block of 32 warps keeps what it has yet to do.
MAY_SPILL = {("decode_mapped_kernel", "sm_80"): 64}

ENTRY = re.compile(r"Compiling entry function '(\S+)' for '(\S+)'")
# Within a mangled name: a length, the kernel's name, and the codes of its template arguments.
NAME = re.compile(r"(?=(\d\d)([a-z]\w*?_kernel)(?:I(\w+?)EE)?)")
LOCAL = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
REGISTERS = re.compile(r"Used (\d+) registers")


def readable(mangled):
    # The last one that fits: two digits of the hash before it may happen to fit a longer name.
    for length, name, arguments in reversed(NAME.findall(mangled)):
        if len(name) == int(length):
            # An enumerator: its type's name, E, and its number; a bool: Lb0 or Lb1.
            short = re.sub(r"LNS\w*?FloatTypeE(\d)E?", r"\1,", arguments).replace("Lb", "").rstrip("E,")
            return f"{name}<{short}>" if short else name
    return mangled


def kernels(folder):
    for path in sorted(pathlib.Path(folder).rglob("*.ptxas")):
        entry, local = None, None
        for line in path.read_text().splitlines():
            if found := ENTRY.search(line):
                entry, local = (readable(found[1]), found[2]), None
            elif found := LOCAL.search(line):
                local = tuple(map(int, found.groups()))
            elif (found := REGISTERS.search(line)) and entry and local:
                yield (*entry, int(found[1]), *local)
                entry = None


def main():
    seen, bad = set(), []
    print(f"{'kernel':24} {'for':7} {'registers':>9} {'stack':>6} {'spilled':>8}")
    for name, arch, registers, stack, stores, loads in kernels(sys.argv[1]):
        print(f"{name:24} {arch:7} {registers:9} {stack:6} {stores + loads:8}")
        for wanted in MUST_NOT_SPILL:
            if name.split("<")[0] == wanted:
                seen.add(wanted)
                if max(stack, stores, loads) > MAY_SPILL.get((wanted, arch), 0):
                    bad.append(f"{wanted} for {arch} uses local memory: {stack} bytes of stack, "
                               f"{stores} stored and {loads} loaded by spills")
    bad += [f"no report of {wanted} found" for wanted in MUST_NOT_SPILL if wanted not in seen]
    for line in bad:
        print(f"error: {line}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
