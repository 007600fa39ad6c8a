"""Measures how many events per second are delivered to a webhook that needs 100 ms for each.

    .venv/bin/python conformance/rigs/webhook.py [--latency 0.1] [--stages 200] [-- --webhook-lanes 64]

Starts the server and makes a publisher appear in many stages and go again, while the receiver refuses everything; then
restarts the server with a receiver that takes everything after `--latency` seconds, and counts. What follows `--` goes
to `restage serve`. `RESTAGE_BINARY` names the binary.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

from support import api
from support.api import Stages
from support.receiver import Receiver
from support.server import Server, binary, clean_environment
from support.wait import eventually

SECRET = "a secret for figures only"
DEADLINE_S = 300


class Times:
    """Accepts each event after a delay, and records when the first and the last one of all stages but one came."""

    def __init__(self, latency_s):
        self.latency_s = latency_s
        self.source = None
        self.is_open = False
        self.came = []

    def delay(self, _):
        if self.is_open:
            time.sleep(self.latency_s)

    def answer(self, event, _):
        if not self.is_open:
            return 503
        if event["resources"] != [self.source]:
            self.came.append(time.monotonic())
        return 200


def fill(server, times, count):
    """Makes events of `count` stages wait; returns their number."""
    stages = Stages(api.client(server))
    times.source = stages.create("source")
    participant, token = stages.token(times.source)
    publishing = subprocess.Popen(
        [str(binary()), "publish", "--token", token],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=clean_environment(),
    )
    eventually(lambda: stages.participants(times.source).get(participant, {}).get("published"), what="published")
    for _ in range(count):
        stages.replicate(times.source, stages.create(), participant)
    publishing.terminate()
    publishing.wait()
    # Published and unpublished, for each stage.
    return 2 * count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--latency", type=float, default=0.1, metavar="SECONDS")
    parser.add_argument("--stages", type=int, default=200, metavar="COUNT")
    parser.add_argument("serve", nargs="*", help="arguments of restage serve, after --")
    given = parser.parse_args()
    times = Times(given.latency)
    receiver = Receiver(SECRET, times.answer, times.delay)
    with tempfile.TemporaryDirectory() as folder:
        webhook = ("--webhook-url", receiver.url, "--webhook-secret", SECRET, "--webhook-attempts", "1000")
        data = os.path.join(folder, "data")
        server = Server(data, *webhook, *given.serve, "--limits", "open", name="rig_webhook").start()
        count = fill(server, times, given.stages)
        server.stop()
        times.is_open = True
        server.start()
        eventually(lambda: len(times.came) >= count, DEADLINE_S, f"{count} events")
        seconds = times.came[count - 1] - times.came[0] + given.latency
        print(f"{count} events of {given.stages} stages in {seconds:.1f} s: {count / seconds:.0f} a second")
        server.stop()
    receiver.close()


if __name__ == "__main__":
    main()
