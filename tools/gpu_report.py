#!/usr/bin/env python3
"""Joins what ./dev gpu left in a folder to one gpu.json, and prints it. usage: gpu_report.py FOLDER SECONDS COMMIT"""
import datetime
import json
import pathlib
import subprocess
import sys


def take(path, parse):
    """The content of a file, which is then removed; None if it is missing or broken."""
    try:
        return parse(path.read_text())
    except (OSError, ValueError):
        return None
    finally:
        path.unlink(missing_ok=True)


def main():
    folder, seconds, commit = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    try:
        driver = subprocess.run(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
                                capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        driver = "none"
    tests = take(folder / "tests.json", json.loads)
    report = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit,
        "driver": driver,
        "build_seconds": seconds,
        "tests": tests and {
            "run": tests["tests"],
            "failed": tests["failures"] + tests["errors"],
            "skipped": sum(case["result"] == "SKIPPED" for suite in tests["testsuites"] for case in suite["testsuite"]),
            "cases": {f"{case['classname']}.{case['name']}": "failed" if case.get("failures") else case["result"].lower()
                      for suite in tests["testsuites"] for case in suite["testsuite"]},
        },
        "files": take(folder / "files.result", str.strip) or "not run",
        "sanitizer": {tool: take(folder / f"{tool}.result", str.strip) or "not run" for tool in ("memcheck", "racecheck")},
        "bench": take(folder / "bench.json", json.loads),
    }
    (folder / "gpu.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))
    on_gpu = tests and any(case.endswith("/gpu0") for case in report["tests"]["cases"])
    return 0 if on_gpu and report["bench"] else 1


if __name__ == "__main__":
    sys.exit(main())
