"""A server under load of every kind that is killed again and again, and what must be there each time."""

import contextlib
import json
import random
import threading
import time
import zlib

from . import encoder
from .api import client
from .commands import Command, publish, watch
from .ingest import Ingests, listening
from .ledger import Caller, Ledger, check, check_tokens, everything
from .place import Place
from .receiver import Receiver
from .recording import Playlist
from .recording import check as check_recording
from .wait import eventually

SECRET = "a secret of these crashes"
CALLERS = 2
# The kill comes so long after the first acknowledged call of a round, at random.
LIFE_S = (0.5, 4.5)
WINDOW_S = 120
FLOWS_S = 60
# A line of `watch` is about the second before it.
FIGURES_S = 1.1
UPLOADED_S = 120
HIGH = "media/hls/high"
# So many recordings are decoded in the end.
PLAYED = 10
TOLD_S = 120
# Names of events in the history, and in events to sinks.
NAMES = {
    "PUBLISH_STARTED": "Participant Published",
    "PUBLISH_STOPPED": "Participant Unpublished",
    "REPLICATION_STARTED": "Participant Replication Start",
    "REPLICATION_STOPPED": "Participant Replication End",
}


class Encoding(threading.Thread):
    """FFmpeg publishes by RTMP, and is started again whenever it ends, as encoders do it by themselves."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.url = url
        self.process = None
        self._over = threading.Event()

    def run(self):
        while not self._over.wait(0.2):
            self.process = encoder.Encoder(encoder.ffmpeg(self.url, picture="testsrc2=size=320x180:rate=15"))
            self.process.process.wait()

    def end(self):
        self._over.set()
        self.process.kill()
        self.join()


class Crashes:
    """Rounds of `kill -9`. `figures` has what each of them took."""

    def __init__(self, directory, seed):
        self.chance = random.Random(seed)
        self.seed = seed
        # Every fifth event is refused when it comes first.
        self.receiver = Receiver(
            SECRET, lambda event, seen: 503 if seen == 0 and int(event["id"][:2], 16) % 5 == 0 else 200
        )
        webhook = ("--webhook-url", self.receiver.url, "--webhook-secret", SECRET, "--webhook-attempts", "100")
        self.place = Place(directory, *listening(), *webhook, name="crashes").start()
        self.server = self.place.server
        self.ledgers = [Ledger() for _ in range(CALLERS)]
        self.commands = []
        self.owed = {}
        self.waited = 0
        self.figures = []
        self.acknowledged = 0
        self._set_up()

    @property
    def stages(self):
        return self.place.stages

    def _start(self, *arguments):
        self.commands.append(Command(*arguments))
        return self.commands[-1]

    def _set_up(self):
        """A recorded publisher that is replicated with a window, its viewers in both stages, and an encoder."""
        storage = self.place.storage()
        self.source, self.destination = self.place.stage(storage), self.stages.create("destination")
        self.stage = self.place.stage(storage)
        made = Ingests(self.stages).create(self.stage)
        self.participant, token = self.stages.token(self.source)
        self.encoded = made["participantId"]
        self.publisher = publish(self._start, token)
        eventually(lambda: self.publishes(self.source, self.participant), FLOWS_S, "published")
        # Once and for all: no round starts it again.
        self.stages.replicate(self.source, self.destination, self.participant, reconnectWindowSeconds=WINDOW_S)
        self.viewer = watch(self._start, self.stages.token(self.source)[1], self.participant)
        self.far_viewer = watch(self._start, self.stages.token(self.destination)[1], self.participant)
        self.encoding = Encoding(f"{Ingests(self.stages).endpoint(self.stage)}{made['streamKey']}")
        self.encoding.start()
        self.flows(0)

    def publishes(self, stage, participant):
        row = self.stages.participants(stage).get(participant, {})
        return row.get("state") == "CONNECTED" and row.get("published") and self.is_publishing(stage, participant)

    def is_publishing(self, stage, participant):
        """Whether the last that its history says is that it publishes."""
        session = self.stages.session(stage)
        names = [
            name
            for name, _ in history(self.stages.ivs, stage, session, participant)
            if name in list(NAMES.values())[:2]
        ]
        return bool(names) and names[-1] == "Participant Published"

    def flows(self, since):
        """Waits until everything flows that did before. Returns when each did."""
        came = {}

        def look():
            checks = {
                "publisher": lambda: self.publishes(self.source, self.participant) and time.monotonic(),
                "encoder": lambda: self.publishes(self.stage, self.encoded) and time.monotonic(),
                "viewer": lambda: self.viewer.moving_at(since + FIGURES_S if since else 0),
                "viewer of the replica": lambda: self.far_viewer.moving_at(since + FIGURES_S if since else 0),
            }
            for name, is_there in checks.items():
                if name not in came and (at := is_there()):
                    came[name] = at
            return len(came) == len(checks)

        try:
            eventually(look, FLOWS_S)
        except AssertionError:
            message = f"only this flows {FLOWS_S} s after: {sorted(came)}; said: {self.said()}\n{self.server.tail()}"
            raise AssertionError(message) from None
        return came

    def said(self):
        return [command.said[-3:] for command in (self.publisher, self.viewer, self.far_viewer)]

    def round(self):
        """Callers call, the server is killed and started, and everything is compared."""
        callers = [
            Caller(self.server, hash((self.seed, len(self.figures), index)), ledger, self.source, self.participant)
            for index, ledger in enumerate(self.ledgers)
        ]
        for caller in callers:
            caller.start()
        eventually(lambda: any(caller.acknowledged for caller in callers), 30, "the first acknowledged call")
        # This waits for nothing: the moment of the crash is random.
        time.sleep(self.chance.uniform(*LIFE_S))
        self.server.process.kill()
        killed_at = time.monotonic()
        for caller in callers:
            caller.join(40)
            assert not caller.is_alive(), "a call still waits for the dead server"
            assert caller.error is None, caller.error
        self.server.kill()
        calls = sum(caller.acknowledged for caller in callers)
        self.acknowledged += calls
        self.owed |= self.finished()
        began = time.monotonic()
        self.place.start()
        figure = {"calls": calls, "ready": time.monotonic() - began}
        figure |= {name: at - killed_at for name, at in self.flows(killed_at).items()}
        # What the rows said while nobody was connected is over by now; what was acknowledged is not.
        ivs = client(self.server, checked=False)
        found = everything(ivs)
        for ledger in self.ledgers:
            check(self.stages, ledger, found)
            check_tokens(self.stages, ledger, self.chance)
        rows = {row["destinationStageArn"]: row for row in self.stages.replicas(self.source, self.participant)}
        assert rows[self.destination]["replicationState"] == "ACTIVE", rows[self.destination]
        self.figures.append(figure)
        return figure

    def finished(self):
        """The segments that count, by the place where they must come to be: in the spool, or there already."""
        found = {}
        for (folder, name), data in self.place.finished().items():
            job = json.loads((self.place.spool / folder / "job.json").read_text())
            found[f"{prefix_of(job)}/{HIGH}/{name}"] = zlib.crc32(data)
        self.waited += len(found)
        root = self.place.bucket.directory
        for file in root.glob(f"*/*/*/*/{HIGH}/[0-9]*.mp4"):
            if (path := str(file.relative_to(root))) not in self.owed:
                found[path] = zlib.crc32(file.read_bytes())
        return found

    def recorded(self):
        """Every segment that counted before a kill is in the bucket, as it was, and in a playlist that has ended."""
        root, listed = self.place.bucket.directory, {}
        for path, crc in self.owed.items():
            folder, _, name = path.rpartition("/")
            if folder not in listed:
                playlist = Playlist((root / folder / "playlist.m3u8").read_text(encoding="utf-8"))
                assert playlist.is_over, f"{folder} goes on"
                listed[folder] = {segment for segment, _ in playlist.segments}
            assert name in listed[folder], f"{path} is in no playlist"
            assert zlib.crc32((root / path).read_bytes()) == crc, f"{path} has other bytes"
        # FFmpeg takes a moment for each.
        for folder in self.chance.sample(sorted(listed), min(PLAYED, len(listed))):
            check_recording(self.place.bucket, folder.removesuffix(f"/{HIGH}"))

    def told(self):
        """Every event of the histories has come, in its order. Returns how many events came."""
        for arn, participant in (
            (self.source, self.participant),
            (self.destination, self.participant),
            (self.stage, self.encoded),
        ):
            wanted = []
            for session in reversed(sessions(self.stages.ivs, arn)):
                wanted += history(self.stages.ivs, arn, session, participant)
            mine = [
                (event["detail"]["event_name"], event["detail"].get("destination_stage_arn"))
                for event in self.receiver.events()
                if event["resources"] == [arn] and event["detail"].get("participant_id") == participant
            ]
            mine = [item for item in mine if item[0] in NAMES.values()]
            assert mine == wanted, f"{arn}: {len(mine)} events came of {len(wanted)}: {first_difference(mine, wanted)}"
        return True

    def end(self):
        """Ends the clients; everything that was acknowledged, finished or recorded has arrived."""
        self.encoding.end()
        for command in self.commands:
            command.close()

        eventually(lambda: not self.place.spooled(), UPLOADED_S, "all recordings are in the bucket")
        self.recorded()
        eventually(self.told, TOLD_S, "all events")
        assert not self.receiver.faults, self.receiver.faults
        self.server.stop()
        self.receiver.close()
        return {
            "rounds": len(self.figures),
            "acknowledged calls": self.acknowledged,
            "segments": len(self.owed),
            "of them in the spool at a kill": self.waited,
            "events": len(self.receiver.events()),
            "lost": 0,
        }

    def abandon(self):
        """After a failure: nothing goes on."""
        with contextlib.suppress(Exception):
            self.encoding.end()
        for command in self.commands:
            with contextlib.suppress(Exception):
                command.process.kill()
        with contextlib.suppress(Exception):
            self.server.kill()


def prefix_of(job):
    """The prefix in a job's file."""
    return job["prefix"] if "prefix" in job else job["destination"]["prefix"]


def sessions(ivs, arn):
    """The ids of all sessions of a stage, newest first."""
    found, token = [], {}
    while True:
        page = ivs.list_stage_sessions(stageArn=arn, maxResults=100, **token)
        found += [row["sessionId"] for row in page["stageSessions"]]
        if not page.get("nextToken"):
            return found
        token = {"nextToken": page["nextToken"]}


def history(ivs, arn, session, participant):
    """(name, destination) of all that a participant did in a session, oldest first."""
    if session is None:
        return []
    found, token = [], {}
    while True:
        try:
            page = ivs.list_participant_events(
                stageArn=arn, sessionId=session, participantId=participant, maxResults=100, **token
            )
        except ivs.exceptions.ResourceNotFoundException:
            return []
        found += [
            (NAMES[item["name"]], item.get("destinationStageArn")) for item in page["events"] if item["name"] in NAMES
        ]
        if not page.get("nextToken"):
            return found
        token = {"nextToken": page["nextToken"]}


def first_difference(ours, theirs):
    """Where two lists differ first."""
    for number, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        if one != other:
            return f"number {number}: {one} is not {other}"
    return f"{(ours + theirs)[min(len(ours), len(theirs))] if len(ours) != len(theirs) else None} is in one alone"
