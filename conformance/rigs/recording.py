"""Kills servers that record, and has the S3 fail that they record into; everything must arrive all the same.

    .venv/bin/python conformance/rigs/recording.py [kills] [faults] [--rounds 50] [--seconds 60] [--seed 1]

`kills`: so many rounds with a folder as the bucket, then as many with an S3 (moto). In each a publisher is recorded,
the server is killed (`kill -9`) at random (while it records, while it ends the recording, or again while it recovers),
and started again. `faults`: a proxy in front of the S3 refuses, stalls, cuts connections after some bytes or before
the answer, or is slow: each for `--seconds`, then all mixed. The first loss ends the run with an error. Progress is on
standard error; `--output json` is for programs. `RESTAGE_BINARY` names the binary.
"""

import argparse
import collections
import json
import logging
import pathlib
import random
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

from support.s3 import S3, Fault, FaultyProxy
from support.trials import Failing, Killed


def say(text):
    print(text, file=sys.stderr, flush=True)


def kill(arguments, where):
    """Rounds of kills with a folder or an S3."""
    s3 = S3() if where == "s3" else None
    hows, counted = collections.Counter(), 0
    with tempfile.TemporaryDirectory() as directory:
        trial = Killed(pathlib.Path(directory), random.Random(arguments.seed), s3)
        for number in range(1, arguments.rounds + 1):
            how, segments = trial.round()
            hows[how] += 1
            counted += segments
            say(f"kills, {where}: round {number} of {arguments.rounds}: {how}, {segments} segments, all there")
        trial.end()
    if s3:
        s3.stop()
    return {"bucket": where, "rounds": arguments.rounds, "lost": 0, "segments": counted, **hows}


def fail(arguments):
    """A recording with each fault, and one with all of them."""
    s3 = S3(FaultyProxy)
    found = []
    with tempfile.TemporaryDirectory() as directory:
        trial = Failing(pathlib.Path(directory), s3)
        for fault in [fault for fault in Fault if fault is not Fault.NONE]:
            before, ends_at = s3.proxy.met[fault], time.monotonic() + arguments.seconds
            segments = trial.trial(lambda fault=fault: fault, lambda ends_at=ends_at: time.monotonic() > ends_at)
            met = s3.proxy.met[fault] - before
            found.append({"fault": fault.value, "requests": met, "segments": segments, "lost": 0})
            say(f"faults: {fault.value}: {met} requests, {segments} segments, all there")
        before = sum(s3.proxy.met.values()) - s3.proxy.met[Fault.NONE]
        segments = trial.mixed(random.Random(arguments.seed), arguments.seconds)
        met = sum(s3.proxy.met.values()) - s3.proxy.met[Fault.NONE] - before
        found.append({"fault": "mixed", "requests": met, "segments": segments, "lost": 0})
        say(f"faults: mixed: {met} requests, {segments} segments, all there")
        trial.end()
    s3.proxy.close()
    s3.stop()
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", metavar="kills|faults", help="what to do; both if nothing is said")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", choices=["text", "json"], default="text")
    arguments = parser.parse_args()
    # The S3 logs each request.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    what = arguments.what or ["kills", "faults"]
    if set(what) - {"kills", "faults"}:
        parser.error(f"neither kills nor faults: {' '.join(what)}")
    figures = []
    if "kills" in what:
        figures += [kill(arguments, "folder"), kill(arguments, "s3")]
    if "faults" in what:
        figures += fail(arguments)
    if arguments.output == "json":
        print(json.dumps(figures, indent=2))
        return
    for figure in figures:
        print("  ".join(f"{name} {value}" for name, value in figure.items()))


if __name__ == "__main__":
    main()
