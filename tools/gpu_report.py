#!/usr/bin/env python3
"""Joins what the parts of ./dev gpu have left so far to FOLDER/gpu.json. usage: gpu_report.py FOLDER PARTS NAME=FACT...

Every folder in PARTS is a process that ran: `about` has its stage, its name, how it ended and its seconds, each in a line,
`log` is what it printed, and `result.json`, if it came to that, what it found. Fails unless tests ran on a GPU and one was timed.
"""
import datetime
import json
import pathlib
import sys

LINES = 60  # of a part that did not pass; the rest is in gpu.log


def read_part(folder):
    """A part, or None if it has not ended yet."""
    try:
        stage, name, result, seconds = (folder / "about").read_text().splitlines()
    except (OSError, ValueError):
        return None
    try:
        found = json.loads((folder / "result.json").read_text())
    except (OSError, ValueError):
        found = None
    part = {"stage": stage, "name": name, "result": result, "seconds": int(seconds), "found": found}
    if result != "passed":
        part["output"] = (folder / "log").read_text(errors="replace").splitlines()[-LINES:]
    return part


def cases_of(part):
    """How the tests of a part ended; one that ended its process did as the process did."""
    if part["found"] is None:
        return {part["name"] + ("*" if part["name"].endswith(".") else ""): part["result"]}
    return {f"{case['classname']}.{case['name']}": "failed" if case.get("failures") else case["result"].lower()
            for suite in part["found"]["testsuites"] for case in suite["testsuite"]}


def join_tests(parts):
    cases = {}
    for part in parts:
        for name, result in cases_of(part).items():
            before = cases.get(name)
            cases[name] = f"{before} in company, {result} alone" if before and before != result else result
    good = ("completed", "passed", "skipped", "suppressed")
    return {
        "run": sum(not name.endswith("*") for name in cases),
        "failed": [name for name, result in cases.items() if result not in good],
        "skipped": sum(result == "skipped" for result in cases.values()),
        "parts": summaries(parts),
        "cases": cases,
    }


def summaries(parts):
    return {part["name"]: {key: part[key] for key in ("result", "seconds", "output") if key in part} for part in parts}


def merge(into, more):
    """Lists become longer, objects deeper, and of anything else the last one stays."""
    for key, value in more.items():
        if isinstance(value, list):
            into.setdefault(key, []).extend(value)
        elif isinstance(value, dict):
            merge(into.setdefault(key, {}), value)
        else:
            into[key] = value


def main():
    folder, facts = pathlib.Path(sys.argv[1]), dict(fact.split("=", 1) for fact in sys.argv[3:])
    parts = [part for part in map(read_part, sorted(pathlib.Path(sys.argv[2]).iterdir())) if part]
    by_stage = {stage: [part for part in parts if part["stage"] == stage]
                for stage in ("tests", "tests_few_blocks", "files", "sanitizer", "bench")}
    bench = {"parts": summaries(by_stage["bench"])}
    for part in by_stage["bench"]:
        merge(bench, part["found"] or {})
    report = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        **facts,
        "build_seconds": int(facts["build_seconds"]),
        "tests": join_tests(by_stage["tests"]),
        "tests_few_blocks": join_tests(by_stage["tests_few_blocks"]),
        "files": summaries(by_stage["files"]) or "not run",
        "sanitizer": summaries(by_stage["sanitizer"]) or "not run",
        "bench": bench,
    }
    unfinished = folder / "gpu.json.part"
    unfinished.write_text(json.dumps(report, indent=2) + "\n")
    unfinished.replace(folder / "gpu.json")
    on_gpu = any("/gpu0" in case for case in report["tests"]["cases"])
    return 0 if on_gpu and "decode" in bench else 1


if __name__ == "__main__":
    sys.exit(main())
