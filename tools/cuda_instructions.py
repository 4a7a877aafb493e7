#!/usr/bin/env python3
"""Counts the machine instructions of the coder's inner loops, for one architecture, and prints one JSON object.

A loop is found by its backward branch. The decoder's is the innermost one that votes on who needs a word, once a round of 32
symbols or, in kernels for pairs, of 64, unrolled; whatever it does with the symbols in the same tile counts too, on the
shortest way: most tiles order no words. Loops that finish units from symbols alone are counted apart, also per 32 symbols.
Of encoding the loops over symbols and over pairs are counted per 32 symbols, without what only records need, those of
the survey (its shortest way, and all of it) and of writing a plane of units per 32 units, and folding the checksum per
128 bytes.
Of the search for vectors' nearest entries those for a vector and an entry are counted, and which share of the float32 peak they
allow: that of multiply-adds, where products are fused, or half of that of products and sums.
Of sums of squares the loop over a part of a row is counted, for 32 weights.
Of decoding a trellis the shortest way through the loop over tiles of eight steps is counted, for 32 weights.
Of the trellis search the steps of a warp are counted, and what a device could search if it did nothing else and issued in
every cycle.
usage: cuda_instructions.py FOLDER [sm_90]
"""
import collections
import json
import pathlib
import re
import shutil
import subprocess
import sys

from cuda_resources import readable

LINE = re.compile(r"^\s+/\*([0-9a-f]{4,})\*/\s+(?:@(!?U?P\d+) +)?([A-Z][A-Z0-9_.]*)([^;]*);")
FUNCTION = re.compile(r"^\s*Function : (\S+)")
CLASSES = {
    "alu": ("LOP3", "SHF", "ISETP", "IADD3", "IADD", "PRMT", "VOTE", "LEA", "SEL", "MOV", "PLOP3", "SGXT", "BMSK", "IMNMX",
            "VIADD", "VIADDMNMX", "VIMNMX"),
    "imad": ("IMAD",),
    "popc": ("POPC",),
    "shared": ("LDS", "STS", "ATOMS"),
    "global": ("LDG", "STG", "LD", "ST", "LDL", "STL"),
}


Instruction = collections.namedtuple("Instruction", "at predicate opcode operands")


def target(instruction):
    """Where a branch goes; None for another instruction."""
    found = instruction.opcode.startswith("BRA") and re.search(r"0x([0-9a-f]+)", instruction.operands)
    return int(found[1], 16) if found else None


def kernels(path, arch):
    """Yields the name of every kernel with its instructions."""
    dump = shutil.which("cuobjdump")
    listing = subprocess.run([dump, "-sass", "-arch", arch, str(path)], capture_output=True, text=True, check=True)
    name, code = None, []
    for line in listing.stdout.splitlines():
        if found := FUNCTION.match(line):
            if name:
                yield name, code
            name, code = readable(found[1]), []
        elif found := LINE.match(line):
            code.append(Instruction(int(found[1], 16), found[2], found[3], found[4]))
    if name:
        yield name, code


def innermost_loops(code):
    """The bodies of backward branches that hold no other backward branch."""
    loops = [(to, it.at) for it in code if (to := target(it)) is not None and to < it.at]
    inner = [loop for loop in loops if not any(o != loop and o[0] >= loop[0] and o[1] <= loop[1] for o in loops)]
    for begin, end in inner:
        yield [it for it in code if begin <= it.at <= end]


def opcodes(body):
    return [it.opcode for it in body]


def without_voted(body):
    """What is left of a loop when no lane votes for what a branch then skips."""
    left, skip, voted = [], 0, None
    for it in body:
        if it.at < skip:
            continue
        left.append(it)
        if it.opcode == "VOTE.ANY" and (found := re.match(r" (P\d)", it.operands)):
            voted = found[1]
        elif it.opcode == "BRA" and voted and it.predicate == f"!{voted}":
            skip, voted = target(it), None
    return left


def shortest_way(body):
    """The instructions on the shortest way through a loop, though no run may take it."""
    length, next_on_way = {}, {}
    for it, after in zip(reversed(body), [None, *reversed(body[1:])]):
        ways = [] if it.opcode == "BRA" and not it.predicate else [after]
        ways += [other for other in body if other.at == target(it) > it.at] if target(it) else []
        ways = [way for way in ways if way]
        next_on_way[it.at] = min(ways, key=lambda way: length[way.at], default=None)
        length[it.at] = 1 + (length[next_on_way[it.at].at] if ways else 0)
    way = [body[0]]
    while after := next_on_way[way[-1].at]:
        way.append(after)
    return way


def shortest(body):
    return len(shortest_way(body))


def counts(name, body, rounds):
    rounds *= 2 if "pairs" in name else 1
    by_class = collections.Counter()
    for opcode in body:
        base = opcode.split(".")[0]
        by_class[next((name for name, opcodes in CLASSES.items() if base in opcodes), "other")] += 1
    return {"instructions_per_32_symbols": round(len(body) / rounds, 2),
            **{name: round(by_class[name] / rounds, 2) for name in [*CLASSES, "other"]}, "rounds_in_loop": rounds}


def rounds_of(name, body):
    """How many rounds of 32 symbols a loop of the coder holds; 0 for another loop."""
    popcounts = sum(opcode.startswith("POPC") for opcode in body)
    if "merge_units" in name or "dequantize" in name or "decode_pairs" in name:
        votes = sum(opcode.startswith("VOTE.ANY") for opcode in body)
        return votes if 4 <= votes <= popcounts else 0
    return 0


def encode_report(name, code, loops):
    """Of the kernels that encode units: survey, code and write; None for another kernel."""
    if not (found := re.match(r"(survey_units|code_planes|write_units)_kernel<(\w)>", name)):
        return None
    kind, each = found[1], 16 // {"h": 1, "t": 2, "j": 4, "m": 8}[found[2]]  # units that a lane loads at once
    count = lambda body, pattern: sum(re.match(pattern, it.opcode) is not None for it in body)
    loops = [loop for loop in loops if not count(loop, "ENDCOLLECTIVE")]  # out of line: lanes that have come apart meet
    report = {}
    if kind == "survey_units":
        body = max(loops, key=lambda loop: count(loop, "ATOMS"))
        if loads := count(body, r"LDG?\.E\.128"):
            report["survey"] = {f"instructions_per_32_units_at_{limit}": round(count / (each * loads), 2)
                                for limit, count in (("least", shortest(body)), ("most", len(body)))}
    elif kind == "code_planes":
        # A word that may go out is stored once a round.
        for pairs in (False, True):
            bodies = [hot for loop in loops if (hot := without_voted(loop)) and (len(hot) != len(loop)) == pairs]
            body = max(bodies, key=lambda hot: count(hot, r"STS\.U16"), default=[])
            if rounds := count(body, r"STS\.U16"):
                report["pairs" if pairs else "symbols"] = counts("pairs" if pairs else "", opcodes(body), rounds)
    else:
        bodies = [(stores, loop) for loop in loops
                  if count(loop, r"LDG?\.E\.128") == (stores := count(loop, r"STS\.64")) > 1]
        if bodies and found[2] == "t":  # rotated or not: the longer one
            stores, body = max(bodies, key=lambda it: len(it[1]) / it[0])
            report["plane"] = {"instructions_per_32_units": round(len(body) / (each * stores), 2)}
        runs, run = [], []
        for it in code:
            run.append(it)
            if it.opcode.startswith(("BRA", "BSYNC", "BSSY")):
                runs.append(run)
                run = []
        # The run of instructions that takes the most rows and has no table: a row, of lags eleven.
        folds = [run for run in runs if count(run, "LDS") >= 30 and not count(run, "SHF")]
        if folds:
            fold = max(folds, key=len)
            report["fold"] = {"instructions_per_128_bytes": round(len(fold) / count(fold, "LDS"), 2)}
    return report


def trellis_report(name, code):
    """Of the decoders of codec trellis, the shortest way through the loop over tiles of eight steps; None for another kernel."""
    if not re.match(r"decode_(trellis|mapped)_kernel<t", name):
        return None
    loops = [[it for it in code if to <= it.at <= end.at]
             for end in code if (to := target(end)) is not None and to < end.at]
    # Words are taken once a step. Branches back from out of line, where lanes that have come apart meet, make no loop.
    takes = lambda loop: sum(it.opcode == "VOTE.ANY" and it.operands.startswith(" R") for it in loop)
    body = min((loop for loop in loops if takes(loop) in (8, 16) and not any(it.opcode == "ENDCOLLECTIVE" for it in loop)),
               key=len)
    return {"instructions_per_32_weights": round(shortest(body) / takes(body), 1), "steps_in_loop": takes(body),
            "g_weights_per_s_at_most": round(ISSUED_PER_S / shortest(body) * takes(body) * 32 / 1e9)}


# Of the kernels that finish units: how many a lane stores at once.
PER_STORE = {"merge_units_kernel<h>": 16, "merge_units_kernel<t>": 8, "merge_units_kernel<j>": 4, "merge_units_kernel<m>": 2}
PER_STORE |= {f"dequantize_kernel<{t},{table}>": n for t, n in enumerate((8, 8, 4, 2)) for table in (0, 1)}

# What others need, counted in the same way with the same compiler (sm_90), and what is aimed at.
REFERENCE = {"dietgpu": {"decode bytes": 28.5, "decode and join bf16": 37.3, "encode bytes": 24.5},
             "aim": {"decode bytes": 17.3, "decode and join bf16": 20.3, "encode bytes": 24.5}}


def finishing(name, loops):
    """Instructions per 32 symbols of the shortest loop that finishes units out of shared memory; None without one."""
    best = None
    for body in loops:
        stores = sum(re.match(r"STG?\.E\.128", opcode) is not None for opcode in body)
        if stores and any(opcode.startswith("LDS") for opcode in body):
            each = len(body) / (stores * PER_STORE[name])
            best = each if best is None else min(best, each)
    return best


# Multiprocessors x schedulers x cycles/s of an H200 under load.
ISSUED_PER_S = 132 * 4 * 1.7e9


def search_parts(name, loops):
    """Instructions of a warp in a search: (branches of 32 weights, a step, a step of the way back); None for another
    kernel."""
    if not (found := re.match(r"search_trellis_kernel<Lj(\d)E(\d)E\dE(\d)>", name)):
        return None
    spread, predicts = found[2] == "1", found[3] == "1"
    count = lambda body, *opcodes: sum(op.split(".")[0] in opcodes for op in body)
    minima = lambda body: count(body, "VIMNMX", "VIMNMX3", "IMNMX")
    if found[1] == "1":  # one state: four steps in a loop, and no way back
        return 0, min((len(body) / 4 for body in loops if minima(body) >= 16), default=0), 0
    back = [len(body) / 4 for body in loops if count(body, "SHFL") == (4 if spread else 0) and len(body) > 60 and
            not count(body, "VIMNMX", "LDS" if not spread else "STS")]
    if spread and not predicts:
        steps = [len(body) / 4 for body in loops if count(body, "STS") == 8]
        branches = [len(body) for body in loops if count(body, "STS") == 1 and minima(body) >= 16]
    else:
        steps = [len(body) for body in loops if minima(body) >= 16 and len(body) > 200]
        branches = [0]
    return min(branches, default=0), min(steps, default=0), min(back, default=0)


def search_report(name, loops):
    if (parts := search_parts(name, loops)) is None:
        return None
    branches, steps, back = parts
    report = {"branches": branches, "step": steps, "way_back": back}
    of_a_lane = {"1": (0,), "4": (2,), "8": (3,)}[name[name.index("Lj") + 2]]
    for states_log2 in (4, 5, 6, 7, 8) if "E1E" in name[:name.index("E") + 4] else of_a_lane:
        warps = 2 ** max(0, states_log2 - 3)  # that search 32 weights of a step together
        each = (branches + warps * (steps + back)) / 32
        report[f"{2 ** states_log2}_states"] = {"instructions_per_weight": round(each, 1),
                                               "g_weights_per_s_at_most": round(ISSUED_PER_S / each / 1e9, 1)}
    return report


def nearest_report(name, loops):
    """Of the loop over whole chunks of entries, for a vector and an entry; None for another kernel."""
    count = lambda body, opcode: sum(op.split(".")[0] == opcode for op in body)

    def of_loop(dimension, products, body):
        each = len(body) * dimension / products
        return {"instructions_per_vector_and_entry": round(each, 2),
                "multiply_add_peak_allowed": round(dimension / each, 3)}

    if name == "search_groups_kernel":  # all dimensions, each with a loop over chunks of 16 entries
        return {f"dimension_{d}": of_loop(d, 16 * d, body)
                for d in (2, 4, 8) for body in loops if count(body, "FMUL") == 16 * d and count(body, "FMNMX")}
    if not (found := re.match(r"nearest_kernel<Li(\d)E(\d)>", name)):
        return None
    dimension, exact = int(found[1]), found[2] == "1"
    product = "FMUL" if exact else "FFMA"
    products, body = max(((count(body, product), body) for body in loops), key=lambda it: it[0], default=(0, []))
    return of_loop(dimension, products, body) if products else None


def rows_report(name, loops):
    """Of a warp's 32 weights, each with a column's weight; None for another kernel, or a loop that holds another (F16)."""
    if not name.startswith("row_squares_kernel"):
        return None
    count = lambda body, opcode: sum(op.split(".")[0] == opcode for op in body)
    body = next((body for body in loops if count(body, "DMUL") and count(body, "LDG")), None)
    if body is None:
        return None
    each = len(body) / (count(body, "DMUL") / 2)
    return {"instructions_per_32_weights": round(each, 1), "g_weights_per_s_at_most": round(ISSUED_PER_S / each * 32 / 1e9)}


def main():
    folder, arch = pathlib.Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "sm_90"
    report = {"architecture": arch, "reference": REFERENCE, "kernels": {}}
    for path in sorted(folder.rglob("*.o")):
        for name, code in kernels(path, arch):
            whole = list(innermost_loops(code))
            if encode := encode_report(name, code, whole):
                report["kernels"][name] = encode
                continue
            loops, ways = [opcodes(loop) for loop in whole], [opcodes(shortest_way(loop)) for loop in whole]
            if trellis := trellis_report(name, code):
                report["kernels"][name] = trellis
                continue
            if search := search_report(name, loops):
                report["kernels"][name] = search
                continue
            if other := nearest_report(name, loops) or rows_report(name, loops):
                report["kernels"][name] = other
                continue
            # A loop whose lanes go apart and meet again is one for the end of a block.
            found = [(rounds, way) for way in ways if (rounds := rounds_of(name, way))]
            if not found:
                continue
            rounds, body = min(found, key=lambda it: (sum(op.startswith(("WARPSYNC", "BSYNC")) for op in it[1]), -it[0]))
            entry = report["kernels"][name] = counts(name, body, rounds)
            if name in PER_STORE and (finish := finishing(name, ways)):
                entry["finishing_per_32_symbols"] = round(finish, 2)
    json.dump(report, sys.stdout, indent=2)
    print()
    return 0 if report["kernels"] else 1


if __name__ == "__main__":
    sys.exit(main())
