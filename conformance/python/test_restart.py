"""The server restarts, planned or not: its clients reconnect by themselves, and none takes it for a removal."""

import signal
import time

import pytest

from support import api
from support.api import Stages
from support.commands import TRIES_S, commands, publish, watch
from support.server import Server
from support.wait import eventually

# A client that is notified is back within one or two seconds, and after a crash within three or four. Without
# a notice it takes 40 s, or it never comes back. Busy machines get some additional time.
BACK_S = 20
REFUSED = 3


@pytest.fixture
def server(request, tmp_path):
    """One of its own for each test, which ends it."""
    started = Server(tmp_path / "data", name="test_restart").start()
    yield started
    if started.process is not None:
        started.stop()


@pytest.fixture
def stages(server):
    return Stages(api.client(server))


def is_published(stages, arn, participant):
    return stages.participants(arn).get(participant, {}).get("published")


def outage(server, how):
    """Ends the server that way and starts it again. When it ended."""
    ended_at = time.monotonic()
    if how == "killed":
        server.kill()
    else:
        server.stop()
    server.start()
    return ended_at


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_publish_watch_and_tail_come_back(server, stages, media, how):
    arn = stages.create("lobby")
    ann, ann_token = stages.token(arn, capabilities=["PUBLISH"])
    _, bob_token = stages.token(arn, capabilities=["SUBSCRIBE"])
    _, eve_token = stages.token(arn, capabilities=["SUBSCRIBE"])
    with commands() as start:
        publisher = publish(start, ann_token)
        eventually(lambda: is_published(stages, arn, ann), 30, "ann publishes")
        viewer = watch(start, bob_token, ann)
        tail = start("events", "tail", "--token", eve_token, "--output", "json", "--reconnect", TRIES_S)
        eventually(lambda: viewer.pictures_since(0), 30, "bob sees ann")
        eventually(lambda: any(ann in line for _, line in tail.lines), 30, "eve hears of ann")
        ended_at = outage(server, how)
        again = time.monotonic()
        assert publisher.process.poll() is None and viewer.process.poll() is None
        stages = Stages(api.client(server))
        eventually(lambda: is_published(stages, arn, ann), BACK_S, f"ann publishes again {publisher.said}")
        eventually(lambda: viewer.pictures_since(again + 1), BACK_S, f"bob sees ann again {viewer.said}")
        eventually(
            lambda: any(at > ended_at and ann in line for at, line in tail.lines),
            BACK_S,
            f"eve hears again {tail.said}",
        )
        for command in (publisher, viewer):
            assert not any("the server ended" in line for _, line in command.said), command.said
        for command in (publisher, viewer, tail):
            assert command.process.poll() is None


def test_who_is_removed_stays_away_and_is_told_why(server, stages):
    arn = stages.create("lobby")
    ann, ann_token = stages.token(arn, capabilities=["PUBLISH"])
    bob, bob_token = stages.token(arn, capabilities=["SUBSCRIBE"])
    eve, eve_token = stages.token(arn, capabilities=["SUBSCRIBE"])
    with commands() as start:
        publisher = publish(start, ann_token)
        eventually(lambda: is_published(stages, arn, ann), 30, "ann publishes")
        viewer = watch(start, bob_token, ann)
        tail = start("events", "tail", "--token", eve_token, "--output", "json", "--reconnect", TRIES_S)
        eventually(lambda: viewer.pictures_since(0), 30, "bob sees ann")
        eventually(lambda: any(ann in line for _, line in tail.lines), 30, "eve hears of ann")
        for participant, command in ((bob, viewer), (eve, tail), (ann, publisher)):
            stages.ivs.disconnect_participant(stageArn=arn, participantId=participant)
            code, said = command.end()
            assert code == REFUSED and ("was disconnected" in said or "PARTICIPANT_DISCONNECTED" in said), said


def test_a_stage_that_is_deleted_ends_its_publisher_and_a_publisher_who_leaves_its_viewers(server, stages):
    arn = stages.create("lobby")
    ann, ann_token = stages.token(arn)
    dan, dan_token = stages.token(arn)
    _, bob_token = stages.token(arn)
    with commands() as start:
        leaving, staying = publish(start, ann_token), publish(start, dan_token)
        for participant in (ann, dan):
            eventually(lambda participant=participant: is_published(stages, arn, participant), 30, "both publish")
        viewer = watch(start, bob_token, ann)
        eventually(lambda: viewer.pictures_since(0), 30, "bob sees ann")
        leaving.process.send_signal(signal.SIGINT)
        assert leaving.end()[0] == 0
        code, said = viewer.end()
        assert code == 0 and "is gone" in said, said
        stages.ivs.delete_stage(arn=arn)
        code, said = staying.end()
        assert code == REFUSED and "the stage was deleted" in said, said


def test_the_events_socket_says_that_the_server_restarts(server, stages, media):
    arn = stages.create("lobby")
    events = media.events(stages.token(arn)[1])
    eventually(lambda: events.states(), what="the first state")
    server.stop()
    eventually(lambda: events.is_closed, what="the socket is closed")
    assert events.close_code == 1012
    server.start()
