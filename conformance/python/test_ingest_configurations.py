"""Ingest configurations with boto3: the whole story, stream keys, their stages, the paginator, a restart."""

import re

import pytest

from support import api
from support.api import ACCOUNT, REGION, refused
from support.server import Server
from test_db import db

ARN = f"arn:aws:ivs:{REGION}:{ACCOUNT}:ingest-configuration/AAAAbbbb1234"
KEY = re.compile(rf"rt_{ACCOUNT}_{REGION}_([a-zA-Z0-9]{{12}})_[a-zA-Z0-9]{{34}}")
IN_LISTS = ("name", "arn", "ingestProtocol", "stageArn", "participantId", "state", "userId", "redundantIngest")


def create(ivs, **members):
    return ivs.create_ingest_configuration(**{"ingestProtocol": "RTMPS"} | members)["ingestConfiguration"]


def get(ivs, made):
    return ivs.get_ingest_configuration(arn=made["arn"])["ingestConfiguration"]


def update(ivs, made, **members):
    return ivs.update_ingest_configuration(arn=made["arn"], **members)["ingestConfiguration"]


def summary(made):
    return {name: made[name] for name in IN_LISTS}


def listed(ivs, **members):
    return ivs.list_ingest_configurations(**members)["ingestConfigurations"]


def paginate(ivs, members=None, **config):
    return ivs.get_paginator("list_ingest_configurations").paginate(**members or {}, PaginationConfig=config)


def keys(made):
    """The stream keys of a configuration: its own first."""
    return [made["streamKey"]] + [one["streamKey"] for one in made.get("redundantIngestCredentials", [])]


def people(made):
    return [made["participantId"]] + [one["participantId"] for one in made.get("redundantIngestCredentials", [])]


@pytest.fixture
def fresh(ivs):
    """An empty list before the test and after it."""
    assert listed(ivs) == []
    yield ivs
    for page in paginate(ivs):
        for row in page["ingestConfigurations"]:
            ivs.delete_ingest_configuration(arn=row["arn"])


def test_create_get_list_update_delete(fresh, stages):
    ivs = fresh
    stage, other = stages.create(), stages.create()
    given = {
        "name": "studio",
        "stageArn": stage,
        "userId": "encoder é😀",
        "attributes": {"order": "1", "x": "y"},
        "tags": {"team": "blue"},
    }
    made = create(ivs, **given)
    identifier = made["arn"].rpartition("/")[2]
    assert made["arn"] == f"arn:aws:ivs:{REGION}:{ACCOUNT}:ingest-configuration/{identifier}"
    assert len(identifier) == 12 and identifier.isalnum()
    assert KEY.fullmatch(made["streamKey"])[1] == identifier
    assert re.fullmatch("[a-zA-Z0-9]{12}", made["participantId"])
    rest = {"ingestProtocol": "RTMPS", "state": "INACTIVE", "redundantIngest": False}
    rest |= {name: made[name] for name in ("arn", "streamKey", "participantId")}
    assert made == given | rest
    assert get(ivs, made) == made
    assert listed(ivs) == [summary(made)]
    moved = update(ivs, made, stageArn=other)
    assert moved == made | {"stageArn": other} == get(ivs, made)
    assert update(ivs, made) == moved, "nothing was asked for"
    assert update(ivs, made, stageArn="")["stageArn"] == "" == listed(ivs)[0]["stageArn"]
    assert ivs.delete_ingest_configuration(arn=made["arn"])["ResponseMetadata"]["HTTPStatusCode"] == 200
    for call in (ivs.get_ingest_configuration, ivs.update_ingest_configuration, ivs.delete_ingest_configuration):
        with refused("ResourceNotFoundException", 404, made["arn"]):
            call(arn=made["arn"])


def test_what_is_not_given_is_empty(fresh):
    made = create(fresh)
    empty = {"name": "", "userId": "", "stageArn": "", "attributes": {}, "tags": {}, "redundantIngest": False}
    assert {name: made[name] for name in empty} == empty
    assert "redundantIngestCredentials" not in made and "insecureIngest" not in made
    assert create(fresh, stageArn="")["stageArn"] == ""
    assert create(fresh, ingestProtocol="RTMP", insecureIngest=True)["ingestProtocol"] == "RTMP"
    assert create(fresh, insecureIngest=True)["ingestProtocol"] == "RTMPS"


def test_redundant_ingest_has_two_more_keys_and_participants(fresh):
    ivs = fresh
    made = create(ivs, redundantIngest=True)
    assert made["redundantIngest"] is True and len(made["redundantIngestCredentials"]) == 2
    assert {KEY.fullmatch(key)[1] for key in keys(made)} == {made["arn"].rpartition("/")[2]}
    assert len(set(keys(made))) == len(set(people(made))) == 3
    assert get(ivs, made) == made
    assert listed(ivs) == [summary(made)], "lists show no keys"
    assert update(ivs, made, redundantIngest=True) == made, "asked again, the keys stay"
    off = update(ivs, made, redundantIngest=False)
    assert off["redundantIngest"] is False and "redundantIngestCredentials" not in off
    assert (off["streamKey"], off["participantId"]) == (made["streamKey"], made["participantId"])
    again = update(ivs, made, redundantIngest=True)
    assert not set(keys(again)[1:]) & set(keys(made)), "keys that were taken away do not come back"
    assert get(ivs, made) == again


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"name": "two words"}, ["name"]),
        ({"name": "x" * 129}, ["name", "128"]),
        ({"ingestProtocol": None}, ["ingestProtocol"]),
        ({"ingestProtocol": "SRT"}, ["ingestProtocol", "RTMPS"]),
        ({"ingestProtocol": "RTMP"}, ["insecureIngest", "RTMP"]),
        ({"ingestProtocol": "RTMP", "insecureIngest": False}, ["insecureIngest"]),
        ({"userId": "x" * 129}, ["userId", "128"]),
        ({"attributes": {"key": "x" * 1022}}, ["attributes", "1024"]),
        ({"stageArn": "lobby"}, ["stageArn"]),
        ({"stageArn": ARN}, ["stageArn"]),
        ({"stageArn": ARN.replace("ingest-configuration", "stage")}, ["stageArn", "there is no stage"]),
        ({"stageArn": f"arn:aws:ivs:us-east-1:{ACCOUNT}:stage/AAAAbbbb1234"}, ["stageArn", "Region", REGION]),
        ({"tags": {"aws:x": "y"}}, ["tags", "aws:"]),
        ({"tags": {f"k{n}": "" for n in range(51)}}, ["tags", "50"]),
    ],
)
def test_what_breaks_a_rule_makes_nothing(server, fresh, members, words):
    unchecked = api.client(server, parameter_validation=False)
    members = {name: value for name, value in ({"ingestProtocol": "RTMPS"} | members).items() if value is not None}
    with refused("ValidationException", 400, *words):
        unchecked.create_ingest_configuration(**members)
    assert listed(fresh) == []


def test_a_stage_of_others_is_not_attached(fresh):
    made = create(fresh)
    theirs = "arn:aws:ivs:eu-west-1:999988887777:stage/AAAAbbbb1234"
    with refused("AccessDeniedException", 403, "stageArn"):
        create(fresh, stageArn=theirs)
    with refused("AccessDeniedException", 403, "stageArn"):
        update(fresh, made, stageArn=theirs)
    with refused("ResourceNotFoundException", 404, "stageArn"):
        update(fresh, made, stageArn=ARN.replace("ingest-configuration", "stage"))
    assert get(fresh, made) == made


@pytest.mark.parametrize(
    ("arn", "code", "status"),
    [
        (ARN, "ResourceNotFoundException", 404),
        (ARN.replace(ACCOUNT, "999988887777"), "AccessDeniedException", 403),
        (ARN.replace("ingest-configuration", "stage"), "ValidationException", 400),
        (ARN.replace("ingest-configuration", "encoder-configuration"), "ValidationException", 400),
    ],
)
def test_arns_that_name_none_of_ours(ivs, arn, code, status):
    for call in (ivs.get_ingest_configuration, ivs.update_ingest_configuration, ivs.delete_ingest_configuration):
        with refused(code, status):
            call(arn=arn)


def test_a_configuration_belongs_to_its_region(server, fresh, stages):
    made = create(fresh)
    elsewhere = api.client(server, region="us-east-1")
    assert listed(elsewhere) == []
    calls = (elsewhere.get_ingest_configuration, elsewhere.update_ingest_configuration)
    for call in (*calls, elsewhere.delete_ingest_configuration):
        with refused("ResourceNotFoundException", 404):
            call(arn=made["arn"])
    there = create(elsewhere)
    with refused("ValidationException", 400, "stageArn", "Region"):
        update(elsewhere, there, stageArn=stages.create())
    elsewhere.delete_ingest_configuration(arn=there["arn"])
    assert get(fresh, made) == made


def test_a_stage_that_goes_takes_itself_from_its_configurations(fresh):
    ivs = fresh
    stage, other = (ivs.create_stage()["stage"]["arn"] for _ in range(2))
    attached = [create(ivs, stageArn=stage), create(ivs, stageArn=stage, redundantIngest=True)]
    kept = create(ivs, stageArn=other)
    ivs.delete_stage(arn=stage)
    for made in attached:
        assert get(ivs, made) == made | {"stageArn": ""}
    assert get(ivs, kept) == kept
    ivs.delete_stage(arn=other)


@pytest.mark.parametrize("index", range(3))
def test_disconnecting_a_participant_takes_the_stage_from_its_configuration(fresh, stages, index):
    ivs = fresh
    stage, other = stages.create(), stages.create()
    made = create(ivs, stageArn=stage, redundantIngest=True)
    bystander = create(ivs, stageArn=stage)
    participant = people(made)[index]
    with refused("ResourceNotFoundException", 404, "participantId"):
        ivs.disconnect_participant(stageArn=other, participantId=participant)
    ivs.disconnect_participant(stageArn=stage, participantId=participant, reason="go")
    assert get(ivs, made) == made | {"stageArn": ""}
    assert get(ivs, bystander) == bystander
    # It never was there, and its configuration is gone from the stage.
    with refused("ResourceNotFoundException", 404, "participantId"):
        ivs.disconnect_participant(stageArn=stage, participantId=participant)


def test_force_is_taken_where_nobody_publishes(fresh):
    made = create(fresh)
    fresh.delete_ingest_configuration(arn=made["arn"], force=True)
    assert listed(fresh) == []


def test_a_stage_names_no_place_for_rtmp_while_nothing_listens(fresh, stages):
    endpoints = fresh.get_stage(arn=stages.create())["stage"]["endpoints"]
    assert sorted(endpoints) == ["events", "whip"]


def test_filters(fresh, stages, server):
    ivs = fresh
    one, other = stages.create(), stages.create()
    rows = [create(ivs, stageArn=stage) for stage in (one, other, one, "")]
    named = [rows[0]["arn"], rows[2]["arn"]]
    assert [row["arn"] for row in listed(ivs, filterByStageArn=one)] == named
    assert listed(ivs, filterByStageArn=stages.create()) == []
    assert [row["arn"] for row in listed(ivs, filterByState="INACTIVE")] == [row["arn"] for row in rows]
    assert listed(ivs, filterByState="ACTIVE") == []
    with refused("ValidationException", 400, "filterByStageArn and filterByState"):
        listed(ivs, filterByStageArn=one, filterByState="ACTIVE")
    token = ivs.list_ingest_configurations(filterByStageArn=one, maxResults=1)["nextToken"]
    rest = ivs.list_ingest_configurations(filterByStageArn=one, nextToken=token)
    assert [row["arn"] for row in rest["ingestConfigurations"]] == named[1:] and "nextToken" not in rest
    for members in ({}, {"filterByStageArn": other}, {"filterByState": "INACTIVE"}):
        with refused("ValidationException", 400, "nextToken"):
            listed(ivs, nextToken=token, **members)
    with refused("ValidationException", 400, "filterByStageArn", "does not exist"):
        listed(ivs, filterByStageArn=ARN.replace("ingest-configuration", "stage"))
    with refused("AccessDeniedException", 403, "filterByStageArn"):
        listed(ivs, filterByStageArn=one.replace(ACCOUNT, "999988887777"))
    unchecked = api.client(server, parameter_validation=False)
    for size in (0, 101):
        with refused("ValidationException", 400, "maxResults", "100"):
            listed(unchecked, maxResults=size)
    with refused("ValidationException", 400, "filterByState"):
        listed(unchecked, filterByState="BUSY")


COUNT = 60
MAX_ITEMS = [1, 2, 24, 25, 26, 49, 50, 51, COUNT - 1, COUNT, COUNT + 1]


@pytest.fixture(scope="module")
def many(ivs):
    """Configurations in the order of their creation, as the plain list has them; every third publishes to a stage."""
    stage = ivs.create_stage()["stage"]["arn"]
    made = [create(ivs, name=f"n{n:03}", **{"stageArn": stage} if n % 3 == 0 else {}) for n in range(COUNT)]
    yield stage, [summary(one) for one in made]
    for one in made:
        ivs.delete_ingest_configuration(arn=one["arn"])
    ivs.delete_stage(arn=stage)


@pytest.mark.parametrize("size", [None, 1, 7, 25, 50, 100])
def test_the_paginator_finds_all(ivs, many, size):
    _, rows = many
    pages = list(paginate(ivs, PageSize=size))
    full = size or 50
    assert [len(page["ingestConfigurations"]) for page in pages[:-1]] == [full] * (len(pages) - 1)
    assert [row for page in pages for row in page["ingestConfigurations"]] == rows
    tokens = [page.get("nextToken") for page in pages]
    assert tokens[-1] is None and len(set(tokens)) == len(tokens)
    assert paginate(ivs, PageSize=size).build_full_result() == {"ingestConfigurations": rows}
    names = list(paginate(ivs, PageSize=size).search("ingestConfigurations[].name"))
    assert names == [row["name"] for row in rows]


@pytest.mark.parametrize("size", [1, 25, 50])
@pytest.mark.parametrize("most", MAX_ITEMS)
def test_the_paginator_stops_and_goes_on_anywhere(ivs, many, size, most):
    _, rows = many
    result = paginate(ivs, MaxItems=most, PageSize=size).build_full_result()
    assert result["ingestConfigurations"] == rows[:most]
    assert ("NextToken" in result) == (most < COUNT)
    if most < COUNT:
        rest = paginate(ivs, PageSize=size, StartingToken=result["NextToken"]).build_full_result()
        assert rest == {"ingestConfigurations": rows[most:]}


def test_the_paginator_keeps_a_filter(ivs, many):
    stage, rows = many
    named = [row for row in rows if row["stageArn"] == stage]
    members = {"filterByStageArn": stage}
    result = paginate(ivs, members, PageSize=3, MaxItems=7).build_full_result()
    assert result["ingestConfigurations"] == named[:7]
    rest = paginate(ivs, members, PageSize=3, StartingToken=result["NextToken"]).build_full_result()
    assert rest == {"ingestConfigurations": named[7:]}
    with refused("ValidationException", 400, "nextToken"):
        paginate(ivs, PageSize=3, StartingToken=result["NextToken"]).build_full_result()


def test_pages_go_on_whatever_comes_and_goes(ivs, many):
    _, rows = many
    made = [create(ivs, name=f"late{n}") for n in range(10)]
    pages = iter(paginate(ivs, PageSize=COUNT + 3))
    seen = [row["name"] for row in next(pages)["ingestConfigurations"]]
    for index in (0, 2, 5):
        ivs.delete_ingest_configuration(arn=made[index]["arn"])
    made.append(create(ivs, name="latest"))
    seen += [row["name"] for page in pages for row in page["ingestConfigurations"]]
    late = [f"late{n}" for n in range(10) if n != 5]
    assert seen == [row["name"] for row in rows] + late + ["latest"]
    for index in (1, 3, 4, 6, 7, 8, 9, 10):
        ivs.delete_ingest_configuration(arn=made[index]["arn"])


def test_a_restart_and_a_backup_keep_them_and_no_log_has_a_key(tmp_path):
    name = "test_ingest_configurations_kept"
    server = Server(tmp_path / "data", name=name, environment={"RUST_LOG": "trace"}).start()
    ivs = api.client(server)
    stage = ivs.create_stage()["stage"]["arn"]
    made = create(ivs, name="kept", stageArn=stage, redundantIngest=True, attributes={"a": "b"}, tags={"c": "d"})
    server.stop()
    server.start()
    ivs = api.client(server)
    assert get(ivs, made) == made
    assert ivs.list_tags_for_resource(resourceArn=made["arn"])["tags"] == {"c": "d"}
    file = tmp_path / "restage.backup"
    db(server, "backup", str(file))
    db(server, "check")
    server.stop()
    secrets = [key.rpartition("_")[2] for key in keys(made)]
    said = "\n".join(server.log)
    assert "CreateIngestConfiguration" in said, said[-2000:]
    assert not [secret for secret in secrets if secret in said]
    other = Server(tmp_path / "other", name="test_ingest_configurations_restored")
    other.data_dir.mkdir()
    db(other, "restore", str(file))
    db(other, "check")
    for secret in ("tokens.key", "credentials"):
        (other.data_dir / secret).write_bytes((server.data_dir / secret).read_bytes())
        (other.data_dir / secret).chmod(0o600)
    other.start()
    assert get(api.client(other), made) == made
    other.stop()
