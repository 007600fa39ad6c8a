"""Callers that remember what was acknowledged, and the comparison with what is there after a crash."""

import random
import threading

import botocore.exceptions

from . import api
from .api import Stages

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


def check(stages, ledger, found):
    """The server after a restart, whose stages are `found`, held against the ledger."""
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
    check_replications(stages, ledger, found)


def check_replications(stages, ledger, found):
    by_source = {}
    for source, participant, destination in ledger.replications:
        by_source.setdefault((source, participant), set()).add(destination)
    for (source, participant), destinations in by_source.items():
        rows = {row["destinationStageArn"]: row["replicationState"] for row in stages.replicas(source, participant)}
        active = {arn for arn in destinations if rows.get(arn) == "ACTIVE"}
        assert not active, f"replications without a window outlived their publisher: {active}"
        lost = {arn for arn in destinations if arn in found and arn not in rows}
        assert not lost, f"replications were acknowledged and are lost: {lost}"


def check_tokens(stages, ledger, chance):
    """An issued token is known: disconnecting its participant is not refused as unknown."""
    living = [item for item in ledger.tokens.items() if item[1] not in ledger.deleted]
    for participant, arn in chance.sample(living, min(10, len(living))):
        stages.ivs.disconnect_participant(stageArn=arn, participantId=participant)
