"""Clients of all kinds that come and go at one server, for as long as it takes: a load for soaks."""

import collections
import contextlib
import http.client
import random
import signal
import threading
import time
import urllib.error
import urllib.request

from . import encoder
from .api import Stages, client
from .commands import Command, publish, watch
from .ingest import Ingests
from .media import Media
from .recording import recorded
from .wait import eventually

# How long a publisher, its viewers and its replicas stay.
STAY_S = 12
# Of so many publishers one disappears without a goodbye.
LOST_OF = 4
DESTINATIONS = 3
# Stages that stay from the beginning to the end, about which callers ask.
STEADY_STAGES = 20
CALLS_PER_SECOND = 5
CONSOLE_EVERY_S = 2
WAIT_S = 60


class Churn:
    """Everything that comes and goes. `faults` has what went wrong, `calls` has (end, operation, seconds) of API calls.

    The operation `control` is a request that does next to nothing: what it takes is the machine's business.
    """

    def __init__(self, place, seed):
        self.place = place
        self.server = place.server
        self.chance = random.Random(seed)
        self.done = collections.Counter()
        self.calls = []
        self.faults = []
        self._idle = None
        self._over = threading.Event()
        self._threads = []
        self.storage = place.storage()
        self.steady = [place.stages.create(f"steady-{number}") for number in range(STEADY_STAGES)]
        self.media = Media()

    def start(self, cycles=2):
        """Starts all kinds of clients, and so many publishers at a time."""
        parts = [self.cycle] * cycles + [self.ingest, self.call, self.listen, self.look, self.annoy]
        for part in parts:
            self._threads.append(threading.Thread(target=self._repeat, args=(part,), daemon=True))
            self._threads[-1].start()

    def stop(self):
        self._over.set()
        for thread in self._threads:
            thread.join(2 * WAIT_S)
        self.media.close()

    def _repeat(self, part):
        # Each thread has a client of its own, as other programs have.
        stages = Stages(client(self.server, checked=False))
        while not self._over.is_set():
            try:
                part(stages)
                self.done[part.__name__] += 1
            except Exception as error:
                self.faults.append(
                    f"{time.strftime('%H:%M:%S')} {part.__name__}: {type(error).__name__}: {error}"[:500]
                )
                self._over.wait(1)

    def cycle(self, stages):
        """A recorded publisher with viewers, listeners and replicas, whose stages are deleted in the end."""
        source = self.place.stage(self.storage)
        destinations = [stages.create() for _ in range(DESTINATIONS)]
        participant, token = stages.token(source)
        commands = []

        def start(*arguments):
            commands.append(Command(*arguments))
            return commands[-1]

        try:
            publisher = publish(start, token)
            is_published = lambda: stages.participants(source).get(participant, {}).get("published")  # noqa: E731
            eventually(is_published, WAIT_S, "published")
            session = stages.session(source)
            for destination in destinations:
                stages.replicate(source, destination, participant, reconnectWindowSeconds=5)
            viewers = [watch(start, stages.token(arn)[1], participant) for arn in (source, destinations[0])]
            start("events", "tail", "--token", stages.token(source)[1], "--output", "json")
            eventually(lambda: all(viewer.pictures_since(0) for viewer in viewers), WAIT_S, "viewers have pictures")
            stages.stop(source, destinations[1], participant)
            self._over.wait(STAY_S)
            if self.chance.randrange(LOST_OF) == 0:
                publisher.process.kill()
            else:
                publisher.process.send_signal(signal.SIGINT)
            recorded(stages, source, participant, session, "STOPPED", "FAILED", timeout_s=2 * WAIT_S)
        finally:
            for command in commands:
                command.close()
            # Also what failed leaves nothing that would be counted.
            for arn in (source, *destinations):
                stages.ivs.delete_stage(arn=arn)

    def ingest(self, stages):
        """An encoder over RTMP."""
        stage = stages.create()
        made = Ingests(stages).create(stage)
        url = f"{Ingests(stages).endpoint(stage)}{made['streamKey']}"
        try:
            with encoder.encoding(url, picture="testsrc2=size=320x180:rate=15"):
                eventually(lambda: Ingests(stages).state(made) == "ACTIVE", WAIT_S, "the encoder publishes")
                self._over.wait(STAY_S)
        finally:
            Ingests(stages).delete(made)
            stages.ivs.delete_stage(arn=stage)

    def call(self, stages):
        """One call, then a pause. What it asks about does not grow."""
        ivs, arn = stages.ivs, self.chance.choice(self.steady)
        name, call = self.chance.choice(
            [
                ("GetStage", lambda: ivs.get_stage(arn=arn)),
                ("ListStages", lambda: ivs.list_stages(maxResults=20)),
                ("ListStageSessions", lambda: ivs.list_stage_sessions(stageArn=arn)),
                ("UpdateStage", lambda: ivs.update_stage(arn=arn, name=f"steady-{self.chance.randrange(1000)}")),
                ("ListPublicKeys", lambda: ivs.list_public_keys()),
            ]
        )
        for kind, act in ((name, call), ("control", self.control)):
            began = time.monotonic()
            act()
            ended = time.monotonic()
            self.calls.append((ended, kind, ended - began))
        self._over.wait(1 / CALLS_PER_SECOND)

    def control(self):
        if self._idle is None:
            self._idle = http.client.HTTPConnection(self.server.address, timeout=20)
        self._idle.request("GET", "/healthz")
        self._idle.getresponse().read()

    def listen(self, stages):
        """A listener that stays a moment, and one whose token is of no use."""
        arn = stages.create()
        events = self.media.events(stages.token(arn, capabilities=["SUBSCRIBE"])[1])
        eventually(events.states, WAIT_S, "a first state")
        self._over.wait(1)
        events.close()
        with contextlib.suppress(Exception):
            self.media.events("not-a-token", None)
        stages.ivs.delete_stage(arn=arn)

    def look(self, stages):
        """What the console asks for."""
        key = (self.server.data_dir / "console.key").read_text().strip()
        arn = self.chance.choice(self.steady)
        for path in ("health", f"connections?stageArn={arn}", "compositions?region=eu-west-1"):
            request = urllib.request.Request(f"{self.server.url}/console/api/{path}")
            request.add_header("Authorization", f"Bearer {key}")
            with urllib.request.urlopen(request, timeout=20) as answer:
                answer.read()
        self._over.wait(CONSOLE_EVERY_S)

    def annoy(self, stages):
        """Requests that are refused: no token, no offer, a signature of nobody."""
        for path, headers in (
            ("whip", {}),
            ("whip", {"Authorization": "Bearer x.y.z"}),
            ("GetStage", {"Authorization": "AWS4"}),
        ):
            request = urllib.request.Request(
                f"{self.server.url}/{path}", data=b"x" * 100, headers=headers, method="POST"
            )
            with contextlib.suppress(urllib.error.HTTPError):
                urllib.request.urlopen(request, timeout=20).close()
        self._over.wait(1)
