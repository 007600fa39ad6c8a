"""Refusals: the error code, the status, and that the message names the member and the rule."""

import pytest

from support import api
from support.api import ACCOUNT, REGION, Stages, refused
from support.server import Server
from support.wait import eventually

UNKNOWN_STAGE = f"arn:aws:ivs:{REGION}:{ACCOUNT}:stage/AAAAbbbb1234"
UNKNOWN_SESSION = "st-AAAAbbbb12345"

MISSING = {"arn": UNKNOWN_STAGE}
NOT_FOUND = [
    ("get_stage", MISSING),
    ("update_stage", {**MISSING, "name": "x"}),
    ("delete_stage", MISSING),
    ("create_participant_token", {"stageArn": UNKNOWN_STAGE}),
    ("disconnect_participant", {"stageArn": UNKNOWN_STAGE, "participantId": "AAAAbbbb1234"}),
    ("get_stage_session", {"stageArn": UNKNOWN_STAGE, "sessionId": UNKNOWN_SESSION}),
    ("get_participant", {"stageArn": UNKNOWN_STAGE, "sessionId": UNKNOWN_SESSION, "participantId": "AAAAbbbb1234"}),
    (
        "start_participant_replication",
        {"sourceStageArn": UNKNOWN_STAGE, "destinationStageArn": UNKNOWN_STAGE[:-1] + "5", "participantId": "p"},
    ),
    (
        "stop_participant_replication",
        {"sourceStageArn": UNKNOWN_STAGE, "destinationStageArn": UNKNOWN_STAGE[:-1] + "5", "participantId": "p"},
    ),
]


@pytest.mark.parametrize(("method", "arguments"), NOT_FOUND, ids=[method for method, _ in NOT_FOUND])
def test_an_unknown_stage_is_not_found(ivs, method, arguments):
    with refused("ResourceNotFoundException", 404):
        getattr(ivs, method)(**arguments)


# Lists have no 404 in the model, so the ARN is reported as wrong.
LISTS = [
    ("list_stage_sessions", {"stageArn": UNKNOWN_STAGE}),
    ("list_participants", {"stageArn": UNKNOWN_STAGE, "sessionId": UNKNOWN_SESSION}),
    ("list_participant_events", {"stageArn": UNKNOWN_STAGE, "sessionId": UNKNOWN_SESSION, "participantId": "p"}),
    ("list_participant_replicas", {"sourceStageArn": UNKNOWN_STAGE, "participantId": "p"}),
]


@pytest.mark.parametrize(("method", "arguments"), LISTS, ids=[method for method, _ in LISTS])
def test_a_list_of_an_unknown_stage_is_invalid(ivs, method, arguments):
    with refused("ValidationException", 400, UNKNOWN_STAGE):
        getattr(ivs, method)(**arguments)


def test_a_list_of_an_unknown_participant_is_empty(ivs, stages):
    answer = ivs.list_participant_replicas(sourceStageArn=stages.create(), participantId="AAAAbbbb1234")
    assert answer["replicas"] == []


@pytest.mark.parametrize("method", ["list_participants", "list_participant_events"])
def test_a_list_of_an_unknown_session_is_invalid(ivs, stages, method):
    more = {"participantId": "p"} if method == "list_participant_events" else {}
    with refused("ValidationException", 400, UNKNOWN_SESSION):
        getattr(ivs, method)(stageArn=stages.create(), sessionId=UNKNOWN_SESSION, **more)


def test_unknown_session_and_participant(ivs, stages):
    arn = stages.create()
    with refused("ResourceNotFoundException", 404, UNKNOWN_SESSION):
        ivs.get_stage_session(stageArn=arn, sessionId=UNKNOWN_SESSION)
    with refused("ResourceNotFoundException", 404):
        ivs.get_participant(stageArn=arn, sessionId=UNKNOWN_SESSION, participantId="AAAAbbbb1234")
    with refused("ResourceNotFoundException", 404, "AAAAbbbb1234"):
        stages.replicate(arn, stages.create(), "AAAAbbbb1234")
    with refused("ResourceNotFoundException", 404):
        stages.stop(arn, stages.create(), "AAAAbbbb1234")


BAD = [
    ("create_stage", {"name": "n" * 129}, "name"),
    ("create_stage", {"name": "white space"}, "name"),
    ("create_stage", {"participantTokenConfigurations": [{}] * 13}, "participantTokenConfigurations"),
    ("create_stage", {"participantTokenConfigurations": [{"duration": 20161}]}, "duration"),
    ("create_stage", {"participantTokenConfigurations": [{"userId": "u" * 129}]}, "userId"),
    ("create_stage", {"participantTokenConfigurations": [{"capabilities": ["FLY"]}]}, "capabilities"),
    ("create_stage", {"participantTokenConfigurations": [{"attributes": {"a": "x" * 1025}}]}, "attributes"),
    ("create_stage", {"tags": {f"t{index}": "" for index in range(51)}}, "tags"),
    ("get_stage", {"arn": "arn:aws:ivs:eu-west-1:000000000000:channel/AAAAbbbb1234"}, "arn"),
    ("list_stages", {"maxResults": 101}, "maxResults"),
    ("list_stages", {"nextToken": "nonsense"}, "nextToken"),
    ("list_stages", {"nextToken": "x" * 1025}, "nextToken"),
    ("list_stage_sessions", {"stageArn": UNKNOWN_STAGE, "maxResults": 101}, "maxResults"),
    (
        "list_participant_replicas",
        {"sourceStageArn": UNKNOWN_STAGE, "participantId": "p", "maxResults": 51},
        "maxResults",
    ),
    (
        "list_participants",
        {"stageArn": UNKNOWN_STAGE, "sessionId": UNKNOWN_SESSION, "maxResults": 101},
        "maxResults",
    ),
    (
        "list_participants",
        {"stageArn": UNKNOWN_STAGE, "sessionId": UNKNOWN_SESSION, "filterByState": "ASLEEP"},
        "filterByState",
    ),
    (
        "list_participant_events",
        {"stageArn": UNKNOWN_STAGE, "sessionId": "st-short", "participantId": "p"},
        "sessionId",
    ),
    (
        "get_participant",
        {"stageArn": UNKNOWN_STAGE, "sessionId": UNKNOWN_SESSION, "participantId": "?"},
        "participantId",
    ),
    ("disconnect_participant", {"stageArn": UNKNOWN_STAGE, "participantId": "p", "reason": "r" * 129}, "reason"),
    (
        "start_participant_replication",
        {
            "sourceStageArn": UNKNOWN_STAGE,
            "destinationStageArn": UNKNOWN_STAGE[:-1] + "5",
            "participantId": "p",
            "reconnectWindowSeconds": 301,
        },
        "reconnectWindowSeconds",
    ),
    (
        "start_participant_replication",
        {
            "sourceStageArn": UNKNOWN_STAGE,
            "destinationStageArn": UNKNOWN_STAGE[:-1] + "5",
            "participantId": "p",
            "attributes": {"a": "x" * 1025},
        },
        "attributes",
    ),
]


@pytest.mark.parametrize(
    ("method", "arguments", "member"), BAD, ids=[f"{method}-{member}" for method, _, member in BAD]
)
def test_a_broken_rule_is_named(server, method, arguments, member):
    ivs = api.client(server, parameter_validation=False)
    with refused("ValidationException", 400, member):
        getattr(ivs, method)(**arguments)


REQUIRED = [
    ("get_stage", "arn"),
    ("update_stage", "arn"),
    ("delete_stage", "arn"),
    ("create_participant_token", "stageArn"),
    ("disconnect_participant", "stageArn"),
    ("list_stage_sessions", "stageArn"),
    ("get_stage_session", "stageArn"),
    ("list_participants", "stageArn"),
    ("get_participant", "stageArn"),
    ("list_participant_events", "stageArn"),
    ("start_participant_replication", "sourceStageArn"),
    ("stop_participant_replication", "sourceStageArn"),
    ("list_participant_replicas", "sourceStageArn"),
    ("revoke_connection_token", "tokenId"),
]


@pytest.mark.parametrize(("method", "member"), REQUIRED, ids=[method for method, _ in REQUIRED])
def test_an_absent_member_is_named(server, method, member):
    ivs = api.client(server, parameter_validation=False)
    with refused("ValidationException", 400, member):
        getattr(ivs, method)()


def test_limits_of_aws_stop_the_sixth_replication(tmp_path, media):
    # The rate of CreateStage and the codec of the publisher are not what this is about.
    flags = ("--limits", "aws", "--rate-others", "100", "--limit-publish-codecs", "h264,vp8")
    server = Server(tmp_path / "data", *flags, name="test_refusals_limits").start()
    try:
        stages = Stages(api.client(server))
        source = stages.create()
        ann, token = stages.token(source)
        media.publish(token)
        eventually(lambda: stages.participants(source).get(ann, {}).get("published"), what="published")
        destinations = [stages.create() for _ in range(6)]
        for destination in destinations[:5]:
            stages.replicate(source, destination, ann)
        with refused("ServiceQuotaExceededException", 402, "5"):
            stages.replicate(source, destinations[5], ann)
        stages.stop(source, destinations[0], ann)
        stages.replicate(source, destinations[5], ann)
    finally:
        media.close_peers()
        server.stop()
