"""Has clients of all kinds come and go for hours, and measures whether the server stays as it is.

    .venv/bin/python conformance/rigs/soak.py [--minutes 120] [--cycles 2] [--picture soak.svg] [--output json]

Starts a server of its own on loopback; `RESTAGE_BINARY` names the binary. Publishers join, are recorded, replicated and
watched, and leave or disappear; encoders publish by RTMP; callers list and change; listeners, the console and
strangers come and go. Stages are deleted, so nothing that is counted may grow. Every ten seconds memory, descriptors,
threads and metrics are read, every minute the rows of all tables. After the first tenth, which is the warm-up, the
last tenth must be like the second one; else the run ends with an error. Progress is on standard error.
"""

import argparse
import json
import os
import pathlib
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

from support import curves
from support.churn import Churn
from support.ingest import listening
from support.place import Place

SAMPLE_S = 10
TABLES_EVERY = 6
METRICS = (
    "restage_tasks",
    "restage_stage_sessions",
    "restage_participants",
    "restage_replicas",
    "restage_connections",
    "restage_media_peers",
    "restage_outbox_events",
    "restage_spool_recordings",
    "restage_store_queue",
)
# By how much the last tenth may be above the second: a share, or this much.
BOUNDS = {
    "memory MB": (0.10, 4),
    "anonymous MB": (0.10, 4),
    "threads": (0.10, 3),
    "descriptors": (0.10, 8),
    "restage_tasks": (0.15, 15),
}
OTHERS = (0.25, 8)
# Rows of these remain when their stage is deleted, until `retention-days` is over: one for each recording.
KEPT = ("recordings",)
P99 = (0.5, 0.005)


def say(text):
    print(text, file=sys.stderr, flush=True)


class Samples:
    """What was measured so far."""

    def __init__(self, place, churn):
        self.place, self.churn = place, churn
        self.curves = {}
        self.loads = []
        self.began = time.monotonic()

    def take(self, with_tables):
        now = time.monotonic() - self.began
        server = self.place.server
        found = curves.of_process(server.process.pid) | curves.of_metrics(server.url, METRICS)
        if with_tables:
            tables = curves.of_tables(server.data_dir / "restage.db")
            found |= {f"rows of {name}": count for name, count in tables.items()}
            found["database MB"] = (server.data_dir / "restage.db").stat().st_size / 2**20
        for name, value in found.items():
            self.curves.setdefault(name, []).append((now, value))
        self.loads.append((now, os.getloadavg()[0]))
        return found

    def latencies(self, share, is_control=False):
        """What this share of the API's calls, or of the controls, does not exceed, in each tenth."""
        parts = [[] for _ in range(10)]
        end = self.loads[-1][0]
        for at, name, seconds in list(self.churn.calls):
            if (name == "control") == is_control:
                parts[min(9, int(10 * (at - self.began) / end))].append(seconds)
        return [curves.quantile(part, share) for part in parts]


def judge(samples):
    """What is not flat."""
    rising = []
    for name, curve in samples.curves.items():
        if name.removeprefix("rows of ") in KEPT:
            continue
        if not curves.is_flat(curve, *BOUNDS.get(name, OTHERS)):
            rising.append(name)
    # A machine that others use slows down the control as well: the calls may not become slower than that.
    p99, control = samples.latencies(0.99), samples.latencies(0.99, True)
    if None in (p99[1], p99[9], control[1], control[9]):
        return [*rising, "no calls in a tenth"]
    is_slower = p99[9] - p99[1] > max(p99[1] * P99[0], P99[1])
    if is_slower and p99[9] / control[9] > (1 + P99[0]) * p99[1] / control[1]:
        rising.append("p99 of API calls")
    return rising


def report(samples, arguments):
    churn = samples.churn
    rounded = lambda values, by=1: [None if value is None else round(by * value, 2) for value in values]  # noqa: E731
    return {
        "minutes": arguments.minutes,
        "done": dict(churn.done),
        "calls": len(churn.calls) // 2,
        "faults": churn.faults,
        "tenths": {name: rounded(curves.tenths(curve)) for name, curve in samples.curves.items()},
        "p50 ms": rounded(samples.latencies(0.5), 1000),
        "p99 ms": rounded(samples.latencies(0.99), 1000),
        "p99 ms of the control": rounded(samples.latencies(0.99, True), 1000),
        "load": rounded(curves.tenths(samples.loads)),
        "rising": judge(samples),
    }


def soak(arguments, directory):
    # The cache of answers is to be full soon: answers about deleted stages stay in it until it is.
    settings = ("--session-idle-seconds", "5", "--answers-mb", "1")
    place = Place(pathlib.Path(directory), *listening(), *settings, name="rig_soak").start()
    churn = Churn(place, arguments.seed)
    samples = Samples(place, churn)
    # SIGTERM and Ctrl-C end the run, and the server with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    churn.start(arguments.cycles)
    ends_at, number = time.monotonic() + arguments.minutes * 60, 0
    while time.monotonic() < ends_at:
        found = samples.take(number % TABLES_EVERY == 0)
        if number % TABLES_EVERY == 0:
            say(
                f"{(time.monotonic() - samples.began) / 60:.0f} of {arguments.minutes:g} min: "
                f"{found['memory MB']:.0f} MB, {found['descriptors']} descriptors, {found['threads']} threads, "
                f"{found['restage_tasks']:.0f} tasks, {dict(churn.done)}, {len(churn.faults)} faults, "
                f"load {os.getloadavg()[0]:.1f}"
            )
        number += 1
        time.sleep(SAMPLE_S)
    figures = report(samples, arguments)
    churn.stop()
    place.server.stop()
    return samples, figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--cycles", type=int, default=2, help="publishers at a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--picture", metavar="FILE", help="writes the curves as an SVG")
    parser.add_argument("--output", choices=["text", "json"], default="text")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        samples, figures = soak(arguments, directory)
    if arguments.picture:
        shown = {name: curve for name, curve in samples.curves.items() if max(value for _, value in curve) > 0}
        title = f"A server in {arguments.minutes:g} minutes of clients that come and go"
        pathlib.Path(arguments.picture).write_text(curves.draw(shown, title), encoding="utf-8")
    if arguments.output == "json":
        print(json.dumps(figures, indent=2))
    else:
        for name, value in figures.items():
            print(name, value if not isinstance(value, dict) else "")
            for inner, values in value.items() if isinstance(value, dict) else ():
                print(f"  {inner}: {values}")
    if figures["rising"]:
        raise SystemExit(f"not flat: {', '.join(figures['rising'])}")


if __name__ == "__main__":
    main()
