"""Recordings whose server is killed, or whose S3 fails: what is done to them, and what must be there in the end."""

import time

from support.api import stage_id
from support.place import Place
from support.recording import PLAYLIST, check, recorded
from support.s3 import Fault
from support.wait import eventually

# A segment has 2 s: kills come anywhere in two of them.
CAPTURE_S = 4.0
# From the publisher's end until everything is in the bucket.
ENDING_S = 0.6
RECOVERING_S = 0.8
# How often an S3 fails in a way before it is left alone again.
FAULTS_MIN = 3
UPLOADED_S = 240
ENDED_EVENTS = ["Recording Start", "Recording End"]


class Killed:
    """Rounds in which a server that records is killed at random."""

    def __init__(self, directory, random, s3=None):
        self.random = random
        self.place = Place(directory, name="recording_kills", s3=s3).start()
        self.storage = self.place.storage()

    def round(self):
        """Records, kills, starts again and judges. Returns (how it was killed, number of segments that counted)."""
        place, random = self.place, self.random
        how = random.choice(["capturing", "capturing", "ending", "recovering"])
        arn = place.stage(self.storage)
        publisher, participant, session = place.publish(arn)
        prefix = place.stages.participant(arn, participant, session)["recordingS3Prefix"]
        time.sleep(random.uniform(0, CAPTURE_S))
        if how == "ending":
            publisher.leave()
            time.sleep(random.uniform(0, ENDING_S))
        place.server.kill()
        publisher.kill()
        counted = self.counted(prefix)
        if how == "recovering":
            place.start()
            time.sleep(random.uniform(0, RECOVERING_S))
            place.server.kill()
            counted |= self.counted(prefix)
        place.start()
        self.judge(arn, participant, session, counted)
        return how, len(counted)

    def counted(self, prefix):
        """The segments that count, by name: in the spool, or in the bucket already."""
        found = {name: data for (_, name), data in self.place.finished().items()}
        bucket = self.place.collect(prefix)
        for name in bucket.names(prefix) if bucket.path(prefix, "").is_dir() else []:
            folder, _, file = name.rpartition("/")
            if folder == "media/hls/high" and file[0].isdigit():
                found[file] = bucket.path(prefix, name).read_bytes()
        return found

    def judge(self, arn, participant, session, counted):
        """Everything that counted is in the bucket and is played, and the server knows that it is over."""
        place = self.place
        row = recorded(place.stages, arn, participant, session, "STOPPED", timeout_s=UPLOADED_S)
        prefix = row["recordingS3Prefix"]
        bucket = place.collect(prefix)
        # A recording that was killed before its first segment has no media.
        has_media = bool(counted) or bucket.has(prefix, PLAYLIST)
        listed = {name for name, _ in check(bucket, prefix).segments} if has_media else set()
        assert counted.keys() <= listed, f"lost: {sorted(counted.keys() - listed)}"
        for name, data in counted.items():
            assert bucket.path(prefix, f"media/hls/high/{name}").read_bytes() == data, name
        assert bucket.document(prefix, "ended")["recording_status"] == "RECORDING_ENDED"
        eventually(lambda: place.names(arn, participant) == ENDED_EVENTS, 30, "both events, once each")
        eventually(lambda: place.spooled() == [], 30, "everything is in the bucket")
        for state in ("STARTING", "ACTIVE", "STOPPING"):
            found = place.stages.participants(arn, session, filterByRecordingState=state)
            assert found == {}, f"{stage_id(arn)}: {found} is {state}"

    def end(self):
        self.place.server.stop()


class Failing:
    """Recordings into an S3 that fails."""

    def __init__(self, directory, s3):
        self.s3 = s3
        self.place = Place(directory, name="recording_faults", s3=s3).start()
        self.storage = self.place.storage()

    def trial(self, choose, until):
        """Records while requests fail as `choose` says, until `until` is true; judges when the S3 is well again.

        Returns the number of segments.
        """
        place, proxy = self.place, self.s3.proxy
        arn = place.stage(self.storage)
        publisher, participant, session = place.publish(arn)
        prefix = place.stages.participant(arn, participant, session)["recordingS3Prefix"]
        proxy.fail(choose)
        counted = {}

        def is_enough():
            counted.update({name: data for (_, name), data in place.finished().items()})
            return until()

        eventually(is_enough, UPLOADED_S, f"it has failed often enough: {proxy.met}")
        publisher.leave()
        row = recorded(place.stages, arn, participant, session, "STOPPING", "STOPPED")
        assert row["recordingS3Prefix"] == prefix
        proxy.calm()
        recorded(place.stages, arn, participant, session, "STOPPED", timeout_s=UPLOADED_S)
        bucket = place.collect(prefix)
        playlist = check(bucket, prefix)
        for name, data in counted.items():
            assert bucket.path(prefix, f"media/hls/high/{name}").read_bytes() == data, name
        assert bucket.document(prefix, "ended")["recording_status"] == "RECORDING_ENDED"
        eventually(lambda: place.names(arn, participant) == ENDED_EVENTS, 30, "both events, once each")
        eventually(lambda: place.spooled() == [], 30, "everything is in the bucket")
        return len(playlist.segments)

    def each(self, fault, count=FAULTS_MIN):
        """A recording while each request meets this fault, until so many have."""
        goal = self.s3.proxy.met[fault] + count
        return self.trial(lambda: fault, lambda: self.s3.proxy.met[fault] >= goal)

    def mixed(self, random, seconds):
        """A recording for so long while two of three requests meet some fault."""
        ends_at = time.monotonic() + seconds
        choices = [fault for fault in Fault if fault is not Fault.NONE]
        choose = lambda: random.choice(choices) if random.random() < 2 / 3 else Fault.NONE  # noqa: E731
        return self.trial(choose, lambda: time.monotonic() > ends_at)

    def end(self):
        self.place.server.stop()
