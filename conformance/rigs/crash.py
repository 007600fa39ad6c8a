"""Kills a server (`kill -9`) again and again while everything goes on at it: nothing may be lost, all must come back.

    .venv/bin/python conformance/rigs/crash.py [--rounds 100] [--seed 1] [--output json]

At one server, all the time: `restage publish` into a stage whose participants are recorded, replicated once with a
reconnect window; `restage watch` in both stages; FFmpeg by RTMP, recorded too; callers that create, change, delete,
replicate and make tokens; a webhook that refuses every fifth event at first. Each round kills the server at random and
starts it again, and holds it against what was acknowledged, against the segments that had been finished, and at the end
against the history of events. `ready` is the time from the start of the process to 200 from /readyz; the other times
are from the kill until a client has media again without anybody's help, those of viewers by the figures that they print
each second. The first loss ends the run with an error. Progress is on standard error. `RESTAGE_BINARY` names the
binary.
"""

import argparse
import json
import os
import pathlib
import statistics
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

from support.crashes import Crashes

BOUNDS = {"ready": 2, "publisher": 5, "encoder": 5, "viewer": 5, "viewer of the replica": 5}


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(arguments, directory):
    crashes = Crashes(pathlib.Path(directory), arguments.seed)
    try:
        for number in range(1, arguments.rounds + 1):
            figure = crashes.round()
            times = ", ".join(f"{name} {figure[name]:.2f}" for name in BOUNDS)
            now = f"{figure['calls']} calls, {times} s, load {os.getloadavg()[0]:.1f}"
            say(f"round {number} of {arguments.rounds}: {now}")
        found = crashes.end()
    except BaseException:
        crashes.abandon()
        raise
    for name, bound in BOUNDS.items():
        times = sorted(figure[name] for figure in crashes.figures)
        found[name] = {
            "median s": round(statistics.median(times), 2),
            "most s": round(times[-1], 2),
            f"over {bound} s": sum(time > bound for time in times),
        }
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", choices=["text", "json"], default="text")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        found = run(arguments, directory)
    if arguments.output == "json":
        print(json.dumps(found, indent=2))
    else:
        for name, value in found.items():
            print(f"{name}: {value}")


if __name__ == "__main__":
    main()
