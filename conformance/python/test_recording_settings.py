"""The recording block of stages with boto3: every member, its defaults and constraints, and when it may not change."""

import pytest

from support import api
from support.api import ACCOUNT, REGION, refused
from support.wait import eventually

MEMBER = "autoParticipantRecordingConfiguration"
DEFAULTS = {
    "storageConfigurationArn": "",
    "mediaTypes": ["AUDIO_VIDEO"],
    "thumbnailConfiguration": {"targetIntervalSeconds": 60, "storage": ["SEQUENTIAL"], "recordingMode": "DISABLED"},
    "recordingReconnectWindowSeconds": 0,
    "hlsConfiguration": {"targetSegmentDurationSeconds": 6},
    "recordParticipantReplicas": True,
}
FULL = {
    "mediaTypes": ["NONE"],
    "thumbnailConfiguration": {
        "targetIntervalSeconds": 5,
        "storage": ["LATEST", "SEQUENTIAL"],
        "recordingMode": "INTERVAL",
    },
    "recordingReconnectWindowSeconds": 300,
    "hlsConfiguration": {"targetSegmentDurationSeconds": 10},
    "recordParticipantReplicas": False,
}
UNKNOWN = f"arn:aws:ivs:{REGION}:{ACCOUNT}:storage-configuration/AAAAbbbb1234"


@pytest.fixture(scope="module")
def storage(ivs):
    made = ivs.create_storage_configuration(s3={"bucketName": "settings"})["storageConfiguration"]["arn"]
    yield made
    for stage in ivs.list_stages(maxResults=100)["stages"]:
        ivs.delete_stage(arn=stage["arn"])
    # What was recorded is in the bucket a moment later.
    eventually(lambda: deleted(ivs, made), 30, "the storage configuration is deleted")


def deleted(ivs, storage):
    try:
        ivs.delete_storage_configuration(arn=storage)
    except ivs.exceptions.ConflictException:
        return False
    return True


def create(ivs, block):
    return ivs.create_stage(**{MEMBER: block})["stage"]


def update(ivs, arn, block):
    return ivs.update_stage(arn=arn, **{MEMBER: block})["stage"][MEMBER]


def test_a_stage_says_how_it_records(ivs, storage):
    block = FULL | {"storageConfigurationArn": storage}
    made = create(ivs, block)
    assert made[MEMBER] == block
    assert ivs.get_stage(arn=made["arn"])["stage"] == made
    sparse = {"storageConfigurationArn": storage}
    assert create(ivs, sparse)[MEMBER] == DEFAULTS | sparse
    assert ivs.create_stage()["stage"][MEMBER] == DEFAULTS


def test_an_update_replaces_the_block_and_nothing_else_changes_it(ivs, storage):
    made = create(ivs, FULL | {"storageConfigurationArn": storage})
    assert ivs.update_stage(arn=made["arn"], name="other")["stage"][MEMBER] == made[MEMBER]
    sparse = {"storageConfigurationArn": storage, "mediaTypes": ["AUDIO_ONLY"]}
    assert update(ivs, made["arn"], sparse) == DEFAULTS | sparse
    off = FULL | {"storageConfigurationArn": ""}
    assert update(ivs, made["arn"], off) == DEFAULTS, "without a storage configuration the others are reset"
    assert ivs.get_stage(arn=made["arn"])["stage"][MEMBER] == DEFAULTS


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mediaTypes": ["VIDEO"]}, ["mediaTypes"]),
        ({"mediaTypes": ["NONE", "AUDIO_ONLY"]}, ["mediaTypes", "1"]),
        ({"recordingReconnectWindowSeconds": 301}, ["recordingReconnectWindowSeconds", "300"]),
        ({"recordingReconnectWindowSeconds": -1}, ["recordingReconnectWindowSeconds"]),
        ({"hlsConfiguration": {"targetSegmentDurationSeconds": 1}}, ["targetSegmentDurationSeconds", "2"]),
        ({"hlsConfiguration": {"targetSegmentDurationSeconds": 11}}, ["targetSegmentDurationSeconds", "10"]),
        ({"thumbnailConfiguration": {"recordingMode": "ALWAYS"}}, ["recordingMode"]),
        ({"thumbnailConfiguration": {"targetIntervalSeconds": 0}}, ["targetIntervalSeconds", "1"]),
        ({"thumbnailConfiguration": {"targetIntervalSeconds": 86_401}}, ["targetIntervalSeconds", "86400"]),
        ({"thumbnailConfiguration": {"storage": ["LATEST"] * 3}}, ["storage", "2"]),
        ({"recordParticipantReplicas": "yes"}, ["recordParticipantReplicas"]),
        ({"storageConfigurationArn": "nowhere"}, ["storageConfigurationArn"]),
        ({"storageConfigurationArn": UNKNOWN.replace("storage", "encoder")}, ["storageConfigurationArn"]),
    ],
)
def test_what_breaks_a_rule_changes_nothing(server, ivs, storage, change, words):
    unchecked = api.client(server, parameter_validation=False)
    before = create(ivs, {"storageConfigurationArn": storage})
    block = {"storageConfigurationArn": storage} | change
    with refused("ValidationException", 400, MEMBER, *words):
        create(unchecked, block)
    with refused("ValidationException", 400, MEMBER, *words):
        update(unchecked, before["arn"], block)
    assert ivs.get_stage(arn=before["arn"])["stage"] == before


def test_the_storage_configuration_must_be_there(server, ivs, storage):
    stage = ivs.create_stage()["stage"]["arn"]
    unknown = {"storageConfigurationArn": UNKNOWN}
    # CreateStage has no error of its own for what is not there.
    with refused("ValidationException", 400, "storageConfigurationArn", UNKNOWN):
        create(ivs, unknown)
    with refused("ResourceNotFoundException", 404, "storageConfigurationArn", UNKNOWN):
        update(ivs, stage, unknown)
    theirs = {"storageConfigurationArn": UNKNOWN.replace(ACCOUNT, "999988887777")}
    for call in (lambda: create(ivs, theirs), lambda: update(ivs, stage, theirs)):
        with refused("AccessDeniedException", 403, "another account"):
            call()
    elsewhere = api.client(server, region="us-east-1")
    other = elsewhere.create_storage_configuration(s3={"bucketName": "settings"})["storageConfiguration"]["arn"]
    with refused("ValidationException", 400, "Region"):
        create(ivs, {"storageConfigurationArn": other})
    elsewhere.delete_storage_configuration(arn=other)


def test_participants_that_are_not_recorded_say_so(ivs, stages, media_loop):
    stage = stages.create()
    participant, token = stages.token(stage)
    media_loop.publish(token, with_video=False)
    session = stages.session(stage)
    got = ivs.get_participant(stageArn=stage, sessionId=session, participantId=participant)["participant"]
    shown = got["recordingState"], got["recordingS3BucketName"], got["recordingS3Prefix"]
    assert shown == ("DISABLED", "", "")
    (listed,) = ivs.list_participants(stageArn=stage, sessionId=session)["participants"]
    assert listed["recordingState"] == "DISABLED"
    for state in ("STARTING", "ACTIVE", "STOPPING", "STOPPED", "FAILED"):
        page = ivs.list_participants(stageArn=stage, sessionId=session, filterByRecordingState=state)
        assert page["participants"] == [], state


def test_a_participant_that_is_recorded_says_where(ivs, stages, storage, media_loop):
    stage = create(ivs, {"storageConfigurationArn": storage})["arn"]
    participant, token = stages.token(stage)
    media_loop.publish(token, with_video=False)
    session = stages.session(stage)
    who = {"stageArn": stage, "sessionId": session, "participantId": participant}
    got = ivs.get_participant(**who)["participant"]
    assert got["recordingS3BucketName"] == "settings"
    prefix = got["recordingS3Prefix"].split("/")
    assert prefix[:3] == [stage.rpartition("/")[2], session, participant]
    assert len(prefix) == 4 and len(prefix[3]) == len("2026-10-02T09-12-40Z")
    assert got["recordingState"] != "DISABLED"
    page = ivs.list_participants(stageArn=stage, sessionId=session)["participants"]
    assert [row["recordingState"] != "DISABLED" for row in page] == [True]
    ivs.delete_stage(arn=stage)
