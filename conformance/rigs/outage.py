"""Lets the S3 and the webhook of a server be dead for an hour, in which it records and has events to tell.

    .venv/bin/python conformance/rigs/outage.py [--minutes 60] [--output json]

`restage publish` is recorded into an S3 (moto) behind a proxy, and replicated and stopped again in several stages every
few seconds. For the first half both take requests and do not answer, for the second they refuse with 503. Then both
are well again. Nothing may be lost: every segment must come to the bucket with the bytes that it had in the spool, and
the recording must be complete, and each event must come. Those that were given up (`webhook-attempts`) are dead
letters, and are sent again by `restage events replay --all`, as an operator would do it. Progress is on standard error.
`RESTAGE_BINARY` names the binary.
"""

import argparse
import collections
import json
import logging
import os
import pathlib
import signal
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))

from support import curves
from support.commands import commands, publish
from support.crashes import HIGH, NAMES, history, sessions
from support.place import Place
from support.receiver import Receiver
from support.recording import PLAYLIST, Playlist, recorded
from support.s3 import S3, Fault, FaultyProxy
from support.wait import eventually

SECRET = "a secret of this outage"
DESTINATIONS = 5
EVERY_S = 15
PROGRESS_S = 60
# From the moment when both are well again.
WELL_S = 900
START_S = 60


def say(text):
    print(text, file=sys.stderr, flush=True)


class Outage:
    """The server, and what it cannot reach."""

    def __init__(self, directory):
        self.is_dead = threading.Event()
        self.is_well = threading.Event()
        self.receiver = Receiver(SECRET, self.answer, self.delay)
        self.s3 = S3(FaultyProxy)
        webhook = ("--webhook-url", self.receiver.url, "--webhook-secret", SECRET)
        self.place = Place(pathlib.Path(directory), *webhook, name="rig_outage", s3=self.s3).start()
        self.stages = self.place.stages
        self.source = self.place.stage(self.place.storage())
        self.destinations = [self.stages.create(f"destination-{number}") for number in range(DESTINATIONS)]
        self.made = {}

    def delay(self, _):
        if self.is_dead.is_set() and not self.is_refusing:
            self.is_well.wait()

    def answer(self, *_):
        return 503 if self.is_dead.is_set() else 200

    def begin(self):
        self.is_refusing = False
        self.is_dead.set()
        self.s3.proxy.fail(lambda: Fault.REFUSED if self.is_refusing else Fault.STALLED)

    def end(self):
        self.is_dead.clear()
        self.is_well.set()
        self.s3.proxy.calm()

    def live(self, participant, minutes):
        """The time of the outage. Returns the memory of the server at its beginning, its end and its most."""
        began = time.monotonic()
        memory, number, told_at = [], 0, began
        while (passed := time.monotonic() - began) < minutes * 60:
            self.is_refusing = passed > minutes * 30
            destination = self.destinations[number % DESTINATIONS]
            self.stages.replicate(self.source, destination, participant)
            self.stages.stop(self.source, destination, participant)
            self.made |= {name: data for (_, name), data in self.place.finished(self.made).items()}
            memory.append(curves.of_process(self.place.server.process.pid)["memory MB"])
            if time.monotonic() - told_at > PROGRESS_S:
                told_at = time.monotonic()
                waits = curves.of_metrics(self.place.server.url, ["restage_outbox_events", "restage_spool_used_bytes"])
                say(
                    f"{passed / 60:.0f} of {minutes:g} min: {waits}, {memory[-1]:.0f} MB, load {os.getloadavg()[0]:.1f}"
                )
            assert self.place.server.is_ready(), "it is ready all the time"
            number += 1
            time.sleep(EVERY_S)
        return memory[0], memory[-1], max(memory)

    def missing_events(self, participant):
        """The events of the histories that did not come, and how many came."""
        came, wanted = collections.Counter(), collections.Counter()
        for event in self.receiver.events():
            if event["detail"].get("participant_id") == participant and event["detail"]["event_name"] in NAMES.values():
                key = (
                    event["resources"][0],
                    event["detail"]["event_name"],
                    event["detail"].get("destination_stage_arn"),
                )
                came[key] += 1
        for arn in (self.source, *self.destinations):
            for session in sessions(self.stages.ivs, arn):
                for name, destination in history(self.stages.ivs, arn, session, participant):
                    wanted[arn, name, destination] += 1
        return wanted - came, sum(wanted.values())

    def letters(self):
        text = self.place.server.command(
            "events", "dead-letters", "--data-dir", str(self.place.server.data_dir), "--output", "json"
        ).stdout
        return len(text.splitlines())


def run(minutes, directory):
    outage = Outage(directory)
    place, stages = outage.place, outage.stages
    with commands() as start:
        participant, token = stages.token(outage.source)
        publisher = publish(start, token)
        session = eventually(lambda: stages.session(outage.source), START_S, "a session")
        row = recorded(stages, outage.source, participant, session, "ACTIVE")
        prefix = row["recordingS3Prefix"]
        outage.begin()
        first, last, most = outage.live(participant, minutes)
        publisher.process.send_signal(signal.SIGINT)
        recorded(stages, outage.source, participant, session, "STOPPING")
        outage.made |= {name: data for (_, name), data in place.finished(outage.made).items()}
        letters = outage.letters()
        outage.end()
        well_at = time.monotonic()
        recorded(stages, outage.source, participant, session, "STOPPED", timeout_s=WELL_S)
        uploaded_s = time.monotonic() - well_at
        waits = lambda: curves.of_metrics(place.server.url, ["restage_outbox_events"])["restage_outbox_events"]  # noqa: E731
        eventually(lambda: waits() == 0, WELL_S, "all events are sent")
        sent_s = time.monotonic() - well_at
    place.server.command("events", "replay", "--all", "--data-dir", str(place.server.data_dir))
    eventually(lambda: not outage.missing_events(participant)[0], WELL_S, "all events came")
    assert not outage.receiver.faults, outage.receiver.faults
    bucket = outage.s3.copy(prefix, pathlib.Path(directory) / "copy")
    # An hour takes FFmpeg long, so the bytes are compared; `recording.py` has such recordings played.
    playlist = Playlist(bucket.path(prefix, PLAYLIST).read_text(encoding="utf-8"))
    assert playlist.is_over and outage.made.keys() <= {name for name, _ in playlist.segments}
    for name, data in outage.made.items():
        assert bucket.path(prefix, f"{HIGH}/{name}").read_bytes() == data, name
    figures = {
        "minutes": minutes,
        "segments that waited": len(outage.made),
        "segments in the playlist": len(playlist.segments),
        "requests that failed": sum(count for fault, count in outage.s3.proxy.met.items() if fault is not Fault.NONE),
        "uploaded s after": round(uploaded_s, 1),
        "events": outage.missing_events(participant)[1],
        "dead letters before it was well": letters,
        "events sent s after": round(sent_s, 1),
        "memory MB first, last, most": [round(value) for value in (first, last, most)],
        "lost": 0,
    }
    place.server.stop()
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--output", choices=["text", "json"], default="text")
    arguments = parser.parse_args()
    # The S3 logs each request.
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as directory:
        figures = run(arguments.minutes, directory)
    if arguments.output == "json":
        print(json.dumps(figures, indent=2))
    else:
        for name, value in figures.items():
            print(f"{name}: {value}")
    # The S3's threads do not end by themselves.
    os._exit(0)


if __name__ == "__main__":
    main()
