"""kill -9 at any moment loses no acknowledged call, and nothing is left ACTIVE or CONNECTED that is not."""

import contextlib
import os
import random
import threading

import botocore.exceptions
import pytest

from support import api
from support.api import Stages
from support.server import Server
from support.wait import eventually

# More of them for a longer run: docs/reliability.md.
CRASHES = int(os.environ.get("RESTAGE_TEST_CRASHES", "20"))
CALLERS = 3
# A crash comes this long after the first acknowledged call of a round, at random.
LIFE_S = (0.2, 1.0)
SEED = 20260714

# What a client sees when the server dies under its request.
DEATH = (
    botocore.exceptions.EndpointConnectionError,
    botocore.exceptions.ConnectionClosedError,
    botocore.exceptions.ConnectionError,
    botocore.exceptions.ReadTimeoutError,
    botocore.exceptions.HTTPClientError,
)


class Ledger:
    """The acknowledged calls, and the calls without an answer."""

    def __init__(self):
        self.names = {}
        self.maybe_names = {}
        self.deleted = set()
        self.maybe_deleted = set()
        self.tokens = {}
        self.replications = set()


class Caller(threading.Thread):
    """Calls the API without pause and keeps a ledger of its own stages, until the server dies."""

    def __init__(self, server, seed, ledger, source, participant):
        super().__init__(daemon=True)
        self.stages = Stages(api.client(server))
        self.ivs = self.stages.ivs
        self.chance = random.Random(seed)
        self.ledger = ledger
        self.source = source
        self.participant = participant
        self.acknowledged = 0
        self.error = None

    def run(self):
        try:
            while True:
                self.chance.choice([self.create, self.create, self.update, self.delete, self.token, self.replicate])()
                self.acknowledged += 1
        except DEATH:
            return
        except Exception as error:
            self.error = error

    def pick(self):
        mine = [arn for arn in self.ledger.names if arn not in self.ledger.deleted | self.ledger.maybe_deleted]
        return self.chance.choice(mine) if mine else None

    def create(self):
        name = f"n{self.chance.randrange(10**9)}"
        self.ledger.names[self.stages.create(name)] = name

    def update(self):
        arn, name = self.pick(), f"u{self.chance.randrange(10**9)}"
        if arn is None:
            return
        self.ledger.maybe_names[arn] = name
        self.ivs.update_stage(arn=arn, name=name)
        self.ledger.names[arn] = name
        del self.ledger.maybe_names[arn]

    def delete(self):
        arn = self.pick()
        if arn is None:
            return
        self.ledger.maybe_deleted.add(arn)
        self.ivs.delete_stage(arn=arn)
        self.ledger.deleted.add(arn)

    def token(self):
        arn = self.pick()
        if arn is not None:
            participant, _ = self.stages.token(arn)
            self.ledger.tokens[participant] = arn

    def replicate(self):
        arn = self.pick()
        if arn is None or any(arn == destination for _, _, destination in self.ledger.replications):
            return
        self.stages.replicate(self.source, arn, self.participant)
        self.ledger.replications.add((self.source, self.participant, arn))


def everything(ivs):
    """All stages by ARN."""
    found, token = {}, {}
    while True:
        page = ivs.list_stages(maxResults=100, **token)
        found |= {item["arn"]: item for item in page["stages"]}
        if not page.get("nextToken"):
            return found
        token = {"nextToken": page["nextToken"]}


def check(stages, ledger, sources):
    """The server after a restart, held against the ledger."""
    found = everything(stages.ivs)
    for arn, name in ledger.names.items():
        if arn in ledger.deleted:
            assert arn not in found, f"{arn} was deleted and is back"
        elif arn in ledger.maybe_deleted and arn not in found:
            ledger.deleted.add(arn)
        else:
            assert arn in found, f"{arn} was created and is lost"
            assert found[arn]["name"] in (name, ledger.maybe_names.get(arn)), f"{arn} has an old name"
            ledger.names[arn] = found[arn]["name"]
    ledger.maybe_names.clear()
    ledger.maybe_deleted.clear()
    for arn, item in found.items():
        assert not item.get("activeSessionId"), f"{arn} has a session in which nobody is"
    check_replications(stages, ledger, found)
    for arn in sources:
        for session in stages.ivs.list_stage_sessions(stageArn=arn)["stageSessions"]:
            assert session["endTime"] >= session["startTime"]
            for item in stages.participants(arn, session["sessionId"]).values():
                assert item["state"] == "DISCONNECTED"
                assert item.get("replicationState") != "ACTIVE"


def check_replications(stages, ledger, found):
    by_source = {}
    for source, participant, destination in ledger.replications:
        by_source.setdefault((source, participant), set()).add(destination)
    for (source, participant), destinations in by_source.items():
        rows = {row["destinationStageArn"]: row["replicationState"] for row in stages.replicas(source, participant)}
        assert set(rows.values()) <= {"STOPPED"}, "a replication is ACTIVE and nobody publishes"
        lost = {arn for arn in destinations if arn in found and arn not in rows}
        assert not lost, f"replications were acknowledged and are lost: {lost}"


def check_tokens(stages, ledger, chance):
    """An issued token is known: disconnecting its participant is not refused as unknown."""
    living = [item for item in ledger.tokens.items() if item[1] not in ledger.deleted]
    for participant, arn in chance.sample(living, min(10, len(living))):
        stages.ivs.disconnect_participant(stageArn=arn, participantId=participant)


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
        for ledger in ledgers:
            check(stages, ledger, sources)
            check_tokens(stages, ledger, chance)
        acknowledged += one_life(server, stages, media_loop, ledgers, sources, crash, chance)
        server.kill()
        # The peers of the dead server get no goodbye.
        with contextlib.suppress(Exception):
            media_loop.close_peers()
    server.start()
    stages = Stages(api.client(server))
    for ledger in ledgers:
        check(stages, ledger, sources)
        check_tokens(stages, ledger, chance)
    server.stop()
    print(f"\n{acknowledged} acknowledged calls over {CRASHES} kills, none lost")
    assert acknowledged >= CRASHES * CALLERS, "there was no load worth the name"
    assert any(ledger.replications for ledger in ledgers)


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


def test_sigterm_ends_everything_properly(tmp_path, media_loop):
    server = Server(tmp_path / "data", name="test_durable_term").start()
    stages = Stages(api.client(server))
    source, destination = stages.create(), stages.create()
    participant, token = stages.token(source)
    media_loop.publish(token)
    eventually(lambda: stages.participants(source).get(participant, {}).get("published"), what="published")
    stages.replicate(source, destination, participant, reconnectWindowSeconds=300)
    session = stages.session(source)
    server.stop()
    media_loop.close_peers()
    server.start()
    assert stages.session(source) is None
    assert stages.participants(source, session)[participant]["state"] == "DISCONNECTED"
    assert [row["replicationState"] for row in stages.replicas(source, participant)] == ["STOPPED"]
    server.stop()


def test_the_same_data_is_served_once(tmp_path):
    """Two servers on one data directory would each think the other's connections dead."""
    server = Server(tmp_path / "data", name="test_durable_once").start()
    second = Server(tmp_path / "data", name="test_durable_twice")
    with pytest.raises(AssertionError, match="ended with"):
        second.start()
    server.stop()
