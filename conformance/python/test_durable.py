"""kill -9 at any moment loses no acknowledged call, and nothing is left ACTIVE or CONNECTED that is not."""

import contextlib
import os
import random
import threading

import pytest

from support import api
from support.api import Stages
from support.ledger import Caller, Ledger, check, check_tokens, everything
from support.server import Server
from support.wait import eventually

# More of them for a longer run: docs/reliability.md.
CRASHES = int(os.environ.get("RESTAGE_TEST_CRASHES", "20"))
CALLERS = 3
# A crash comes this long after the first acknowledged call of a round, at random.
LIFE_S = (0.2, 1.0)
SEED = 20260714


@pytest.mark.timeout(900 + 40 * CRASHES)
def test_kills_under_load(tmp_path, media_loop):
    server = Server(tmp_path / "data", name="test_durable")
    chance = random.Random(SEED)
    ledgers = [Ledger() for _ in range(CALLERS)]
    sources = []
    acknowledged = 0
    for crash in range(CRASHES):
        server.start()
        stages = Stages(api.client(server))
        check_all(stages, ledgers, sources, chance)
        acknowledged += one_life(server, stages, media_loop, ledgers, sources, crash, chance)
        server.kill()
        # The peers of the dead server get no goodbye.
        with contextlib.suppress(Exception):
            media_loop.close_peers()
    server.start()
    stages = Stages(api.client(server))
    check_all(stages, ledgers, sources, chance)
    server.stop()
    print(f"\n{acknowledged} acknowledged calls over {CRASHES} kills, none lost")
    assert acknowledged >= CRASHES * CALLERS, "there was no load worth the name"
    assert any(ledger.replications for ledger in ledgers)


def check_all(stages, ledgers, sources, chance):
    """The server after a restart, with which nobody is connected."""
    found = everything(stages.ivs)
    for arn, item in found.items():
        assert not item.get("activeSessionId"), f"{arn} has a session in which nobody is"
    for ledger in ledgers:
        check(stages, ledger, found)
        check_tokens(stages, ledger, chance)
    for arn in sources:
        for session in stages.ivs.list_stage_sessions(stageArn=arn)["stageSessions"]:
            assert session["endTime"] >= session["startTime"]
            for item in stages.participants(arn, session["sessionId"]).values():
                assert item["state"] == "DISCONNECTED"
                assert item.get("replicationState") != "ACTIVE"


def one_life(server, stages, media, ledgers, sources, crash, chance):
    """A publisher, a viewer and callers; returns at the moment to kill, with the number of calls acknowledged."""
    source = stages.create("source")
    participant, token = stages.token(source)
    media.publish(token, identity=40)
    eventually(lambda: stages.participants(source).get(participant, {}).get("published"), what="published")
    media.watch(stages.token(source)[1], participant)
    sources.append(source)
    callers = [
        Caller(server, (SEED, crash, index).__hash__(), ledger, source, participant)
        for index, ledger in enumerate(ledgers)
    ]
    for caller in callers:
        caller.start()
    eventually(lambda: any(caller.acknowledged for caller in callers), what="the first acknowledged call")
    # This waits for nothing: the moment of the crash is random.
    threading.Event().wait(chance.uniform(*LIFE_S))
    server.process.kill()
    for caller in callers:
        caller.join(40)
        assert not caller.is_alive(), "a call still waits for the dead server"
        assert caller.error is None, caller.error
    return sum(caller.acknowledged for caller in callers)


def test_a_dead_token_stays_dead(tmp_path, media_loop):
    server = Server(tmp_path / "data", name="test_durable_token").start()
    stages = Stages(api.client(server))
    arn = stages.create()
    participant, token = stages.token(arn)
    stages.ivs.disconnect_participant(stageArn=arn, participantId=participant)
    server.kill()
    server.start()
    with pytest.raises(Exception, match="PARTICIPANT_DISCONNECTED"):
        media_loop.publish(token)
    media_loop.close_peers()
    server.stop()


def test_a_token_issued_before_the_crash_still_joins(tmp_path, media_loop):
    server = Server(tmp_path / "data", name="test_durable_join").start()
    stages = Stages(api.client(server))
    arn = stages.create()
    participant, token = stages.token(arn)
    access = server.credentials()
    server.kill()
    server.start()
    assert server.credentials() == access
    media_loop.publish(token)
    eventually(lambda: stages.participants(arn).get(participant, {}).get("published"), what="published")
    media_loop.close_peers()
    server.stop()


def test_sigterm_ends_what_has_no_window_and_what_has_one_waits(tmp_path, media_loop):
    server = Server(tmp_path / "data", name="test_durable_term").start()
    stages = Stages(api.client(server))
    source, destination, other = stages.create(), stages.create(), stages.create()
    participant, token = stages.token(source)
    ended, ended_token = stages.token(other)
    for one in (token, ended_token):
        media_loop.publish(one)
    eventually(lambda: stages.participants(source).get(participant, {}).get("published"), what="published")
    eventually(lambda: stages.participants(other).get(ended, {}).get("published"), what="published")
    stages.replicate(source, destination, participant, reconnectWindowSeconds=300)
    stages.replicate(other, destination, ended)
    session, other_session = stages.session(source), stages.session(other)
    server.stop()
    media_loop.close_peers()
    server.start()
    assert stages.session(other) is None
    assert stages.participants(other, other_session)[ended]["state"] == "DISCONNECTED"
    assert [row["replicationState"] for row in stages.replicas(other, ended)] == ["STOPPED"]
    # The publisher may come back: session and replication are the same.
    assert stages.session(source) == session
    assert stages.participants(source)[participant]["state"] == "DISCONNECTED"
    assert [row["replicationState"] for row in stages.replicas(source, participant)] == ["ACTIVE"]
    # Whoever comes first: the viewer waits for the publisher.
    viewer = media_loop.watch(stages.token(destination)[1], participant)
    media_loop.publish(token, identity=41)
    viewer.wait_for(41)
    assert stages.session(source) == session
    media_loop.close_peers()
    server.stop()


def test_the_same_data_is_served_once(tmp_path):
    """Two servers on one data directory would each think the other's connections dead."""
    server = Server(tmp_path / "data", name="test_durable_once").start()
    second = Server(tmp_path / "data", name="test_durable_twice")
    with pytest.raises(AssertionError, match="ended with"):
        second.start()
    server.stop()
