"""A server that takes RTMP, with a stage and an ingest configuration: what the rigs of encoders measure."""

import os
import pathlib
import socket
import urllib.request

from . import api
from .ingest import PUBLISHED_S, Ingests
from .ports import free_port
from .server import Server
from .wait import eventually

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class RtmpServer:
    """`urls` are where encoders publish: one, or two if the ingest is redundant. `participant` is who is watched."""

    def __init__(self, directory, *arguments, is_redundant=False, name="rtmp"):
        self.port = free_port(socket.SOCK_STREAM)
        self.server = Server(
            pathlib.Path(directory) / "data", "--rtmp", f"127.0.0.1:{self.port}", *arguments, name=name
        ).start()
        self.ivs = api.client(self.server)
        self.stages = api.Stages(self.ivs)
        self.stage = self.stages.create(name)
        self.made = Ingests(self.stages).create(self.stage, redundantIngest=is_redundant)
        self.participant = self.made["participantId"]
        self.keys = [one["streamKey"] for one in self.made["redundantIngestCredentials"]] if is_redundant else []
        self.keys = self.keys or [self.made["streamKey"]]
        self.urls = [f"rtmp://127.0.0.1:{self.port}/app/{key}" for key in self.keys]

    def wait_for_publisher(self, failed=lambda: None):
        """Waits until viewers can watch. `failed` says why the encoder has ended, if it has."""

        def is_published():
            reason = failed()
            if reason:
                raise RuntimeError(f"the encoder ended: {reason}\n{self.server.tail(10)}")
            return self.stages.participants(self.stage).get(self.participant, {}).get("published")

        eventually(is_published, PUBLISHED_S, "the encoder publishes")

    def whep(self):
        """(URL, token) for a viewer."""
        return f"{self.server.url}/whep/{self.participant}", self.stages.token(self.stage)[1]

    def metric(self, name):
        """The sum of a metric over its labels."""
        with urllib.request.urlopen(f"{self.server.url}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))

    def release_delay(self):
        """(sum in seconds, count): by how much the release buffer held the stream back, looked at once a second."""
        return tuple(self.metric(f"restage_rtmp_release_delay_seconds_{part}") for part in ("sum", "count"))

    def stop(self):
        self.server.stop()


def processor_seconds(pid):
    """{name: seconds of processor time} of the threads of a process; threads of one name are added up."""
    found = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            text = (task / "stat").read_text()
        except OSError:
            # It has ended meanwhile.
            continue
        name = text[text.index("(") + 1 : text.rindex(")")]
        fields = text[text.rindex(")") + 2 :].split()
        found[name] = found.get(name, 0.0) + (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    return found


def processor_total(pid):
    """Seconds of processor time of a process, its threads that have ended included."""
    text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    fields = text[text.rindex(")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S
