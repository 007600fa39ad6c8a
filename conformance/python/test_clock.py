"""The wall clock is set by hours while the server runs, and it starts again: tokens go by the clock, what lasts a while
by the time that passes, sessions end after they begin. Needs libfaketime (Debian's package faketime)."""

import datetime
import glob
import itertools
import json
import os
import time

import botocore.auth
import pytest

from support import api
from support.api import Stages
from support.media import Refused
from support.server import Server
from support.tokens import KeyPair
from support.wait import eventually, stays
from test_whip import bearer

LIBRARY = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
WINDOW_S = 4
IDLE_S = 3
REAL = botocore.auth.get_current_datetime

if not LIBRARY and not os.environ.get("CI"):
    pytest.skip("skipped: libfaketime is not installed (Debian package faketime)", allow_module_level=True)


class Clock:
    """The wall clock of a server, and of boto3, which signs by it."""

    def __init__(self, path, monkeypatch):
        self.path = path
        self.hours = 0
        monkeypatch.setattr(botocore.auth, "get_current_datetime", self.signed_at)

    def set(self, hours):
        """Hours from the machine's."""
        self.hours = hours
        fresh = self.path.with_suffix(".new")
        fresh.write_text(f"{hours * 3600:+d}")
        fresh.rename(self.path)

    def signed_at(self, *arguments, **options):
        return REAL(*arguments, **options) + datetime.timedelta(hours=self.hours)

    def environment(self):
        return {
            "LD_PRELOAD": LIBRARY[0],
            "FAKETIME_TIMESTAMP_FILE": str(self.path),
            "FAKETIME_NO_CACHE": "1",
            # The monotonic clock is not set when somebody sets the wall clock.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@pytest.fixture
def clock(tmp_path, monkeypatch):
    assert LIBRARY, "libfaketime is not installed: scripts/setup.sh test"
    made = Clock(tmp_path / "clock", monkeypatch)
    made.set(0)
    return made


@pytest.fixture
def served(request, tmp_path, clock):
    """Starts a server by that clock: `served(idle_s)`."""
    started = []

    def start(idle_s, *more):
        arguments = ("--session-idle-seconds", str(idle_s), *more)
        name = f"test_clock_{len(started)}"
        server = Server(tmp_path / "data", *arguments, name=name, environment=clock.environment())
        started.append(server.start())
        return server

    yield start
    for server in started:
        server.stop()


def said(server, words):
    return [line for line in server.log if words in line]


def publish(media, stages, arn, minutes):
    """A token made now joins now."""
    participant, token = stages.token(arn, duration=minutes)
    return participant, media.publish(token, identity=1, with_audio=False)


def sessions(stages, arn):
    return stages.ivs.list_stage_sessions(stageArn=arn)["stageSessions"]


def comes_and_goes(server, media, arn):
    """A session begins, is the first of its stage's list, and ends."""
    stages = Stages(api.client(server))
    _, publisher = publish(media, stages, arn, minutes=1)
    assert sessions(stages, arn)[0]["sessionId"] == stages.session(arn)
    publisher.leave()
    eventually(lambda: stages.session(arn) is None, 30, "the idle session ends")
    assert all(row["endTime"] >= row["startTime"] for row in sessions(stages, arn))


@pytest.mark.parametrize("hours", [24, 5])
def test_a_clock_that_was_ahead_is_put_right(served, clock, media, hours):
    clock.set(hours)
    server = served(IDLE_S)
    stages = Stages(api.client(server))
    here, there = stages.create("here"), stages.create("there")
    ann, publisher = publish(media, stages, here, minutes=720)
    stages.replicate(here, there, ann, reconnectWindowSeconds=WINDOW_S)

    clock.set(0)
    eventually(lambda: said(server, "was set back by"), what="a line about the step")
    # Longer and shorter than the step.
    for minutes in (720, 1):
        _, another = publish(media, stages, here, minutes)
        another.leave()
    # The window and the idle sessions end by the time that passes.
    publisher.leave()
    eventually(lambda: stages.replicas(here, ann)[0]["replicationState"] == "STOPPED", 30, "the window ends")
    for arn in (here, there):
        eventually(lambda arn=arn: stages.session(arn) is None, 30, "the idle session ends")
        assert all(row["endTime"] >= row["startTime"] for row in sessions(stages, arn))
    assert len(said(server, "was set back by")) == 1, said(server, "was set")

    # The newest session is the first of the list, as ever, before and after a restart.
    comes_and_goes(server, media, here)
    server.kill()
    server.start()
    assert said(server, "the database has rows of")
    comes_and_goes(server, media, here)


def test_a_clock_that_goes_ahead_ends_tokens_and_nothing_else(served, clock, media):
    server = served(idle_s=600)
    stages = Stages(api.client(server))
    here, there = stages.create("here"), stages.create("there")
    _, before = stages.token(here, duration=60)
    ann, publisher = publish(media, stages, here, minutes=720)
    stages.replicate(here, there, ann, reconnectWindowSeconds=300)
    publisher.leave()
    session = stages.session(here)

    clock.set(5)
    eventually(lambda: said(server, "was set ahead by"), what="a line about the step")
    stages = Stages(api.client(server))
    stays(lambda: stages.session(here) == session, 1.5, "the session goes on")
    assert stages.replicas(here, ann)[0]["replicationState"] == "ACTIVE"
    with pytest.raises(Refused, match="TOKEN_EXPIRED"):
        media.publish(before, identity=2, with_audio=False)
    publish(media, stages, here, minutes=1)[1].leave()


def test_a_restart_by_a_clock_that_went_back_years(served, clock, media):
    clock.set(24 * 400)
    server = served(IDLE_S)
    stages = Stages(api.client(server))
    arn = stages.create("later")
    publish(media, stages, arn, minutes=60)
    server.kill()
    clock.set(0)
    server.start()
    stages = Stages(api.client(server))
    assert said(server, "stand before those in lists")
    publish(media, stages, arn, minutes=60)[1].leave()
    eventually(lambda: stages.session(arn) is None, 30, "the idle session ends")
    assert all(row["endTime"] >= row["startTime"] for row in sessions(stages, arn))


def test_who_was_told_to_wait_waits_no_longer_for_a_clock_that_was_set_back(served, clock, media):
    server = served(600, "--trusted-proxies", "127.0.0.1")
    ivs = api.client(server)
    key = KeyPair().import_into(ivs)
    stage = ivs.create_stage()["stage"]
    signed, _, signature = key.token(stage, "ann").rpartition(".")

    def present(token):
        """The error code for a token of a client behind a proxy; without an offer no client is admitted."""
        headers = bearer(token, Content_Type="application/sdp") | {"X-Forwarded-For": "203.0.113.1"}
        return json.loads(media.request("POST", server.url + "/whip", headers=headers)[2])["code"]

    numbers = itertools.count()
    eventually(lambda: present(f"{signed}.{next(numbers):04d}{signature[4:]}") == "TOO_OFTEN", 60, "told to wait")
    clock.set(-1)
    # Seconds at most, by the time that passes; the clock takes an hour to come back to where it was.
    eventually(
        lambda: present(key.token(stage, "bob", iat=int(time.time()) - 7200)) == "INVALID_SDP", 30, "heard again"
    )
