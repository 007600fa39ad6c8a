"""A server that records, where it records to, and what waits there."""

import json
import re
import zlib

from support import api
from support.api import Stages
from support.recording import Bucket, FfmpegPublisher, events_of, recorded
from support.server import Server
from support.wait import eventually

BUCKET = "my-vods"
LINE = re.compile(rb"(\{.*\}) ([0-9a-f]{8})")


def journalled(journal):
    """The names of the segments that a journal counts, up to a torn line."""
    names = []
    if not journal.is_file():
        return names
    for line in journal.read_bytes().split(b"\n"):
        found = LINE.fullmatch(line)
        if not found or int(found[2], 16) != zlib.crc32(found[1]):
            break
        said = json.loads(found[1])
        if said["line"] == "segment":
            names.append(f"{said['number']}.mp4")
    return names


class Place:
    """A server that records, with its events. Its bucket is a folder in its data directory, or in an S3."""

    def __init__(self, directory, *arguments, name="test_recording", s3=None, environment=None):
        self.directory = directory
        self.events = directory / "events.jsonl"
        self.s3 = s3
        environment = dict(environment or {})
        if s3:
            environment |= {"AWS_ACCESS_KEY_ID": s3.KEY, "AWS_SECRET_ACCESS_KEY": s3.SECRET}
            arguments = (*arguments, "--config", str(s3.configuration(directory)))
        self.server = Server(
            directory / "data", "--events-file", str(self.events), *arguments, name=name, environment=environment
        )
        self.bucket = Bucket(directory / "data" / "recordings" / BUCKET)

    def start(self):
        self.server.start()
        self.ivs = api.client(self.server)
        self.stages = Stages(self.ivs)
        return self

    def storage(self):
        """A storage configuration for the bucket."""
        made = self.ivs.create_storage_configuration(s3={"bucketName": BUCKET})
        return made["storageConfiguration"]["arn"]

    def stage(self, storage, **settings):
        """A stage whose participants are recorded."""
        block = {"storageConfigurationArn": storage, "hlsConfiguration": {"targetSegmentDurationSeconds": 2}} | settings
        return self.ivs.create_stage(autoParticipantRecordingConfiguration=block)["stage"]["arn"]

    def publish(self, arn, **wishes):
        """FFmpeg publishes; returns it with its participant and session when the recording has started."""
        participant, token = self.stages.token(arn, **wishes)
        publisher = FfmpegPublisher(self.server.url, token)
        session = eventually(lambda: self.stages.session(arn), 30, "a session")
        recorded(self.stages, arn, participant, session, "ACTIVE")
        return publisher, participant, session

    def names(self, arn, participant):
        return [name for name, _ in events_of(self.events, arn, participant)]

    def has_segments(self, prefix, count):
        """Waits until so many segments are in the bucket."""
        name = f"media/hls/high/{count - 1}.mp4"
        has_all = lambda: name in self.s3.names(prefix) if self.s3 else self.bucket.has(prefix, name)  # noqa: E731
        eventually(has_all, 60, f"{count} segments")

    def collect(self, prefix):
        """What is below a prefix, as a folder."""
        return self.s3.copy(prefix, self.directory / "copy") if self.s3 else self.bucket

    @property
    def spool(self):
        return self.server.data_dir / "spool"

    def spooled(self):
        """The recordings that are not in their bucket yet, by the names of their folders."""
        return sorted(folder.name for folder in self.spool.glob("*/"))

    def finished(self, known=()):
        """What counts as recorded and waits in the spool: the files that the journals name, with their contents.

        Those whose names are known are left out.
        """
        return {
            (folder.name, name): path.read_bytes()
            for folder in self.spool.glob("*/")
            for name in journalled(folder / "journal")
            if name not in known and (path := folder / name).is_file()
        }
