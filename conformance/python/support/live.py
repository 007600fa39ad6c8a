"""What is live while something happens to a server: a recorded publisher, its replica, and viewers of both."""

import contextlib
import time

from .api import Stages, client
from .commands import commands, publish, watch
from .recording import recorded
from .wait import eventually

FLOWS_S = 60
WINDOW_S = 60
# A line of `watch` is about the second before it.
FIGURES_S = 1.1


class Live:
    """What goes on at a server; `place` is its Place."""

    def __init__(self, place, start):
        self.place = place
        stages = place.stages
        self.source, self.destination = place.stage(place.storage()), stages.create()
        self.participant, token = stages.token(self.source)
        self.publisher = publish(start, token)
        eventually(lambda: self.row(self.source).get("published"), FLOWS_S, "it publishes")
        self.session = stages.session(self.source)
        stages.replicate(self.source, self.destination, self.participant, reconnectWindowSeconds=WINDOW_S)
        self.viewers = [watch(start, stages.token(arn)[1], self.participant) for arn in (self.source, self.destination)]
        self.flows()
        row = recorded(stages, self.source, self.participant, self.session, "ACTIVE")
        self.prefix = row["recordingS3Prefix"]

    def row(self, arn):
        return self.place.stages.participants(arn).get(self.participant, {})

    def flows(self, within_s=FLOWS_S):
        """Both viewers have pictures that were sent after this call."""
        since = time.monotonic() + FIGURES_S
        for viewer in self.viewers:
            eventually(lambda viewer=viewer: viewer.pictures_since(since), within_s, f"pictures: {viewer.said}")

    def segments(self):
        """How many segments were finished, in the spool or in the bucket."""
        names = {name for _, name in self.place.finished()}
        folder = self.place.bucket.path(self.prefix, "media/hls/high")
        return len(names | {file.name for file in folder.glob("[0-9]*.mp4")})

    def is_recorded(self, within_s=FLOWS_S):
        """Two more segments are finished than now."""
        wanted = self.segments() + 2
        eventually(lambda: self.segments() >= wanted, within_s, f"{wanted} segments")

    def assert_single(self):
        """Nobody is there twice, and the one replica is the one from the beginning."""
        stages = Stages(client(self.place.server))
        for arn in (self.source, self.destination):
            rows = stages.participants(arn, filterByPublished=True)
            assert list(rows) == [self.participant], rows
            assert rows[self.participant]["state"] == "CONNECTED", rows
        assert [row["replicationState"] for row in stages.replicas(self.source, self.participant)] == ["ACTIVE"]
        assert stages.session(self.source) == self.session


@contextlib.contextmanager
def live(place):
    """The clients end with the block."""
    with commands() as start:
        yield Live(place, start)
