"""ListParticipantReplicas and its paginator over more than 120 replicas of one publishing participant.

What botocore promises of MaxItems, PageSize and StartingToken is checked against the plain list of replicas.
"""

import base64
import json
import threading

import pytest

from support import api
from support.api import REGION, Stages, refused
from support.wait import eventually

SERVER_ARGUMENTS = ("--session-idle-seconds", "3600")

DESTINATIONS = 127
STOPPED_EVERY = 3
PAGE_SIZES = [1, 2, 50]


class Fan:
    """One participant, replicated into many stages, every third replication stopped again."""

    def __init__(self, ivs, media):
        self.ivs = ivs
        self.stages = Stages(ivs)
        self.source = self.stages.create("source")
        self.participant, token = self.stages.token(self.source, userId="fan")
        self.publisher = media.publish(token, identity=9)
        eventually(
            lambda: self.stages.participants(self.source).get(self.participant, {}).get("published"), what="published"
        )
        self.destinations = []
        for index in range(DESTINATIONS):
            self.add(index % STOPPED_EVERY == 0)

    def add(self, is_stopped):
        arn = self.stages.create()
        self.stages.replicate(self.source, arn, self.participant)
        if is_stopped:
            self.stages.stop(self.source, arn, self.participant)
        self.destinations.append(arn)

    def paginate(self, **config):
        return self.ivs.get_paginator("list_participant_replicas").paginate(
            sourceStageArn=self.source, participantId=self.participant, PaginationConfig=config
        )

    def ask(self, **arguments):
        return self.ivs.list_participant_replicas(
            sourceStageArn=self.source, participantId=self.participant, **arguments
        )


@pytest.fixture(scope="module")
def fan(ivs, media_loop):
    made = Fan(ivs, media_loop)
    yield made
    media_loop.close_peers()


@pytest.fixture(scope="module")
def replicas(fan):
    """All replicas in the order of the list, walked by hand without the paginator."""
    rows, token = [], {}
    while True:
        page = fan.ask(maxResults=7, **token)
        rows += page["replicas"]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    return rows


def test_the_list_is_complete_in_order_of_start(fan, replicas):
    assert [row["destinationStageArn"] for row in replicas] == fan.destinations
    sessions = {row["sourceSessionId"] for row in replicas}
    assert sessions == {fan.stages.session(fan.source)}
    for index, row in enumerate(replicas):
        assert row["sourceStageArn"] == fan.source
        assert row["participantId"] == fan.participant
        assert row["replicationState"] == ("STOPPED" if index % STOPPED_EVERY == 0 else "ACTIVE")
        assert row["destinationSessionId"].startswith("st-")
    assert len({row["destinationSessionId"] for row in replicas}) == DESTINATIONS


def test_the_default_page_holds_fifty(fan, replicas):
    page = fan.ask()
    assert page["replicas"] == replicas[:50]
    assert page["nextToken"]


@pytest.mark.parametrize("size", PAGE_SIZES)
def test_page_sizes(fan, replicas, size):
    pages = list(fan.paginate(PageSize=size))
    assert [len(page["replicas"]) for page in pages[:-1]] == [size] * (len(pages) - 1)
    assert [row for page in pages for row in page["replicas"]] == replicas
    tokens = [page.get("nextToken") for page in pages]
    assert tokens[-1] is None
    assert len(set(tokens)) == len(tokens), "the same token twice would stop an SDK"


def test_without_configuration(fan, replicas):
    result = fan.paginate().build_full_result()
    assert result == {"replicas": replicas}


def test_search_flattens(fan, replicas):
    active = list(fan.paginate(PageSize=50).search("replicas[?replicationState=='ACTIVE'].destinationStageArn"))
    assert active == [row["destinationStageArn"] for row in replicas if row["replicationState"] == "ACTIVE"]


BOUNDARIES = {
    1: [1, 2, DESTINATIONS - 1, DESTINATIONS, DESTINATIONS + 1],
    2: [1, 2, 3, 4, DESTINATIONS - 1, DESTINATIONS, DESTINATIONS + 1],
    50: [1, 49, 50, 51, 99, 100, 101, DESTINATIONS - 1, DESTINATIONS, DESTINATIONS + 1],
}


@pytest.mark.parametrize(("size", "items"), [(size, items) for size in PAGE_SIZES for items in BOUNDARIES[size]])
def test_max_items_around_page_boundaries(fan, replicas, size, items):
    result = fan.paginate(PageSize=size, MaxItems=items).build_full_result()
    assert result["replicas"] == replicas[:items]
    assert ("NextToken" in result) == (items < DESTINATIONS)
    if "NextToken" not in result:
        return
    # Botocore's own resume token: the page in which it stopped, and how much of the page was taken unless it was all.
    inner = json.loads(base64.b64decode(result["NextToken"]))
    assert inner.get("boto_truncate_amount", 0) == items % size
    assert (inner["nextToken"] is None) == (items < size)
    rest = fan.paginate(PageSize=size, StartingToken=result["NextToken"]).build_full_result()
    assert rest == {"replicas": replicas[items:]}


@pytest.mark.parametrize(("size", "items"), [(1, 40), (2, 1), (2, 33), (50, 7), (50, 50), (50, 64), (50, 126)])
def test_resuming_until_the_end(fan, replicas, size, items):
    rows, token = [], None
    while True:
        config = {"PageSize": size, "MaxItems": items}
        result = fan.paginate(**config, StartingToken=token).build_full_result()
        assert len(result["replicas"]) <= items
        rows += result["replicas"]
        token = result.get("NextToken")
        if token is None:
            break
    assert rows == replicas


def test_a_resume_token_keeps_its_place_with_another_page_size(fan, replicas):
    first = fan.paginate(PageSize=50, MaxItems=50).build_full_result()
    rest = fan.paginate(PageSize=2, StartingToken=first["NextToken"]).build_full_result()
    assert first["replicas"] + rest["replicas"] == replicas


def test_a_service_token_is_a_starting_token(fan, replicas):
    token = fan.ask(maxResults=10)["nextToken"]
    result = fan.paginate(PageSize=50, StartingToken=token).build_full_result()
    assert result["replicas"] == replicas[10:]


def test_a_token_serves_any_number_of_times(fan, replicas):
    token = fan.ask(maxResults=3)["nextToken"]
    for _ in range(3):
        assert fan.ask(maxResults=4, nextToken=token)["replicas"] == replicas[3:7]


def test_no_token_confuses_botocore(fan):
    for page in fan.paginate(PageSize=1):
        token = page.get("nextToken")
        if token is None:
            continue
        assert 0 < len(token) <= 1024
        assert token != "None" and "___" not in token
        with pytest.raises(ValueError):
            json.loads(base64.b64decode(token))


def test_a_token_of_another_operation(fan, ivs):
    fan.stages.create()
    token = ivs.list_stages(maxResults=1)["nextToken"]
    with refused("ValidationException", 400, "nextToken"):
        fan.ask(nextToken=token)
    with refused("ValidationException", 400, "nextToken"):
        ivs.list_stages(nextToken=fan.ask(maxResults=1)["nextToken"])


def test_a_token_of_other_filters(fan, ivs):
    token = fan.ask(maxResults=1)["nextToken"]
    other, _ = fan.stages.token(fan.source)
    with refused("ValidationException", 400, "nextToken"):
        ivs.list_participant_replicas(sourceStageArn=fan.source, participantId=other, nextToken=token)
    with refused("ValidationException", 400, "nextToken"):
        ivs.list_participant_replicas(
            sourceStageArn=fan.destinations[0], participantId=fan.participant, nextToken=token
        )


def test_a_token_of_another_region(server, ivs):
    there = api.client(server, region="ap-south-1")
    for _ in range(2):
        there.create_stage()
    token = there.list_stages(maxResults=1)["nextToken"]
    assert REGION != "ap-south-1"
    with refused("ValidationException", 400, "nextToken"):
        ivs.list_stages(nextToken=token)


def test_a_tampered_token(fan):
    token = fan.ask(maxResults=1)["nextToken"]
    for at in range(len(token)):
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        with refused("ValidationException", 400, "nextToken"):
            fan.ask(nextToken=changed)
    for changed in (token[:-1], token + "A", token[1:], token * 2, token.swapcase()):
        with refused("ValidationException", 400, "nextToken"):
            fan.ask(nextToken=changed)


def test_bounds_of_max_results(fan, server):
    loose = api.client(server, parameter_validation=False)
    for size in (0, -1, 51, 1000, 2**40):
        with refused("ValidationException", 400, "maxResults"):
            loose.list_participant_replicas(sourceStageArn=fan.source, participantId=fan.participant, maxResults=size)
    with refused("ValidationException", 400, "maxResults"):
        fan.paginate(PageSize=51).build_full_result()


class Churn(threading.Thread):
    """Adds replicas and stops others while the list is being walked."""

    def __init__(self, server, fan):
        super().__init__(daemon=True)
        self.stages = Stages(api.client(server))
        self.fan = fan
        self.is_over = threading.Event()
        self.added = []
        self.error = None

    def run(self):
        try:
            while not self.is_over.is_set():
                arn = self.stages.create()
                self.stages.replicate(self.fan.source, arn, self.fan.participant)
                self.added.append(arn)
                if len(self.added) % 2 == 0:
                    self.stages.stop(self.fan.source, self.added[-2], self.fan.participant)
        except Exception as error:
            self.error = error


# The last test: it leaves more replicas than the ones before know of.
@pytest.mark.parametrize("size", [*PAGE_SIZES, 7])
def test_walking_while_replicas_are_added_and_stopped(server, fan, replicas, size):
    churn = Churn(server, fan)
    before = [row["destinationStageArn"] for row in fan.paginate().build_full_result()["replicas"]]
    churn.start()
    try:
        eventually(lambda: churn.added or churn.error, what="the first replica added meanwhile")
        rows = [row["destinationStageArn"] for page in fan.paginate(PageSize=size) for row in page["replicas"]]
    finally:
        churn.is_over.set()
        churn.join(30)
    assert churn.error is None
    assert len(set(rows)) == len(rows), "a replica was listed twice"
    assert rows[: len(before)] == before, "a replica that was there all the time was skipped or moved"
    assert set(rows[len(before) :]) <= set(churn.added)
    after = [row["destinationStageArn"] for row in fan.paginate().build_full_result()["replicas"]]
    assert after == before + churn.added
