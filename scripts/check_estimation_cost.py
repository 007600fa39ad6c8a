"""Counts the instructions that estimating a subscriber's network costs for each packet that is forwarded to it.

`crates/restage-media/examples/estimation.rs` runs under valgrind's callgrind, which counts what is executed inside its
functions `estimate` (records of what is sent, feedback, probes) and `allot` (what the subscriber is shown). A viewer
gets 262 packets a second and sends feedback every 100 ms, as Chromium does, or every 50; each message is followed by an
allotment, as where the network does not carry much more than is wished for. Both together are kept to a budget, as in
`check_forward_cost.py`, and are the same on a busy machine.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile

from check_forward_cost import TOLERANCE, self_costs

# Packets a second of a subscriber: 7 of each picture, every 33 ms, and 50 of sound.
PACKETS_PER_S = 7 * 1_000 / 33 + 50
# Instructions per forwarded packet by the milliseconds between two messages, as measured when this was changed last.
BUDGETS = {100: 935, 50: 1_295}


def count(program, interval_ms, function):
    """How often it happened, and {function: instructions} of what is executed within this function."""
    with tempfile.TemporaryDirectory() as directory:
        out = pathlib.Path(directory) / "callgrind.out"
        command = [
            "valgrind",
            "--tool=callgrind",
            "--collect-atstart=no",
            f"--toggle-collect=*estimation::{function}*",
            f"--callgrind-out-file={out}",
            "--error-exitcode=3",
            str(program),
            str(interval_ms),
            "--count",
            function,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"callgrind failed:\n{done.stderr}")
        costs = self_costs(out.read_text())
    by_name = {}
    for (_, name), cost in costs.items():
        by_name[name] = by_name.get(name, 0) + cost
    return int(done.stdout), by_name


def list_dearest(costs, share, functions):
    for function, instructions in sorted(costs.items(), key=lambda item: -item[1])[:functions]:
        print(f"{instructions * share:8.1f}  {function}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=pathlib.Path, help="the built example")
    parser.add_argument("--functions", type=int, default=0, metavar="N", help="list the N most expensive of each")
    arguments = parser.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("valgrind is not installed; scripts/setup.sh test installs it")
    allotments, allotted = count(arguments.program, 0, "allot")
    for interval_ms, budget in BUDGETS.items():
        packets, estimated = count(arguments.program, interval_ms, "estimate")
        per_allotment = 1_000 / interval_ms / PACKETS_PER_S / allotments
        list_dearest(estimated, 1 / packets, arguments.functions)
        list_dearest(allotted, per_allotment, arguments.functions)
        estimator = sum(estimated.values()) / packets
        allotting = sum(allotted.values()) * per_allotment
        cost = estimator + allotting
        print(
            f"feedback every {interval_ms} ms: {cost:.0f} instructions per forwarded packet, "
            f"{estimator:.0f} of the estimator and {allotting:.0f} of allotments"
        )
        if cost > budget * (1 + TOLERANCE):
            sys.exit(f"estimation has become dearer: {cost:.0f} instructions, {budget} are budgeted")
        if cost < budget * (1 - TOLERANCE):
            sys.exit(f"estimation has become cheaper: set its budget in {pathlib.Path(__file__).name} to {cost:.0f}")


if __name__ == "__main__":
    main()
