"""Counts the instructions a forwarded packet costs, and fails when they have become more.

`crates/restage-media/examples/forward_path.rs` runs under valgrind's callgrind, which counts what is executed inside
its function `forward` and what that calls. Sealing (aws-lc) and copying (libc) are left out: which variant of those is
executed depends on the machine. What remains is this project's own work on the way of a packet, compiled as the tests
are. It is the same on every run but for hash seeds and the order of a heap.

With `--tapped` it also runs with a tap on the publication, as when it is recorded, which may add little to a packet.

The output of callgrind is read here because gungraun, which measures in the same way, counts a function with all that
it calls and cannot leave out the ciphers, and needs a runner of its own version installed.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]

# Instructions per forwarded packet, as measured when the path was changed last.
BUDGET = 1_340
# Above the budget by more than this fails; below by more than this asks for a new budget.
TOLERANCE = 0.10
# What a tap may add to a forwarded packet, of its cost without.
TAP_MAX = 0.05

# Not ours: ciphers and everything outside the program's own file.
FOREIGN = re.compile(r"aws_lc|aead_|gcm_|aes|ghash|EVP_|OPENSSL|CRYPTO_")

NAME = re.compile(r"\((\d+)\)(?: (.*))?")


def self_costs(text):
    """{(object, function): instructions} of a callgrind file, without what was called."""
    names = {"ob": {}, "fn": {}}
    current = {"ob": "", "fn": ""}
    costs = {}
    follows_call = False
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if key in current:
            number, name = NAME.fullmatch(value).groups()
            current[key] = names[key].setdefault(number, name or "")
        elif key in ("cob", "cfn"):
            number, name = NAME.fullmatch(value).groups()
            if name:
                names[key[1:]].setdefault(number, name)
        elif key == "calls":
            follows_call = True
        elif line[:1].isdigit() or line[:1] in "+-*":
            # The line after a call is the cost of what was called.
            numbers = line.split()
            if not follows_call and len(numbers) > 1:
                place = (current["ob"], current["fn"])
                costs[place] = costs.get(place, 0) + int(numbers[1])
            follows_call = False
    return costs


def count(program, *words):
    """(packets forwarded, {function: instructions of ours}, all instructions)."""
    with tempfile.TemporaryDirectory() as directory:
        out = pathlib.Path(directory) / "callgrind.out"
        command = [
            "valgrind",
            "--tool=callgrind",
            "--collect-atstart=no",
            "--toggle-collect=*forward_path::forward*",
        ]
        command += [f"--callgrind-out-file={out}", "--error-exitcode=3", str(program), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"callgrind failed:\n{done.stderr}")
        costs = self_costs(out.read_text())
    ours = {}
    for (file, function), cost in costs.items():
        if program.name in file and not FOREIGN.search(function):
            ours[function] = ours.get(function, 0) + cost
    return int(done.stdout.split()[-1]), ours, sum(costs.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=pathlib.Path, help="the built example")
    parser.add_argument(
        "--functions",
        type=int,
        default=0,
        metavar="N",
        help="list the N most expensive",
    )
    parser.add_argument("--tapped", action="store_true", help="also with a tap on the publication")
    arguments = parser.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("valgrind is not installed; scripts/setup.sh test installs it")
    packets, ours, everything = count(arguments.program)
    cost = sum(ours.values()) / packets
    print(f"{cost:.0f} instructions per forwarded packet ({everything / packets:.0f} with ciphers and copies)")
    for function, instructions in sorted(ours.items(), key=lambda item: -item[1])[: arguments.functions]:
        print(f"{instructions / packets:8.1f}  {function}")
    if cost > BUDGET * (1 + TOLERANCE):
        sys.exit(f"a forwarded packet has become dearer: {cost:.0f} instructions, {BUDGET} are budgeted")
    if cost < BUDGET * (1 - TOLERANCE):
        sys.exit(f"a forwarded packet has become cheaper: set BUDGET in {pathlib.Path(__file__).name} to {cost:.0f}")
    if arguments.tapped:
        check_tap(arguments.program, cost)


def check_tap(program, without):
    """Fails when a tap adds more than it may."""
    packets, ours, _ = count(program, "--tapped")
    cost = sum(ours.values()) / packets
    more = cost / without - 1
    print(f"{cost:.0f} with a tap, {100 * more:.1f} % more")
    if more > TAP_MAX:
        sys.exit(f"a tap adds {100 * more:.1f} % to a forwarded packet, {100 * TAP_MAX:.0f} % may be added")


if __name__ == "__main__":
    main()
