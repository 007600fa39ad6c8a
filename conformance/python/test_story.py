"""The whole story with boto3, from an empty server to replicas that come and go, with every field asserted.

The publishers are real WebRTC peers. That nothing unexpected is in any answer and nothing required is missing is
checked by the client fixture against the service's own model; here the values are.
"""

import datetime
import re

import boto3
import pytest

from support import api
from support.api import ACCOUNT, REGION, refused
from support.wait import eventually

SERVER_ARGUMENTS = ("--session-idle-seconds", "600")

STAGE_ARN = re.compile(rf"arn:aws:ivs:{REGION}:{ACCOUNT}:stage/[A-Za-z0-9]{{12}}")
SESSION_ID = re.compile(r"st-[A-Za-z0-9]{13}")
PARTICIPANT_ID = re.compile(r"[A-Za-z0-9]{12}")

# GetStage's recording block when nothing was asked for.
NO_RECORDING = {
    "storageConfigurationArn": "",
    "mediaTypes": ["AUDIO_VIDEO"],
    "thumbnailConfiguration": {"targetIntervalSeconds": 60, "storage": ["SEQUENTIAL"], "recordingMode": "DISABLED"},
    "recordingReconnectWindowSeconds": 0,
    "hlsConfiguration": {"targetSegmentDurationSeconds": 6},
    "recordParticipantReplicas": True,
}


def body(answer):
    """An answer without boto3's own addition."""
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def about_now(moment, within_s=60):
    """Whether a time is aware and close to now."""
    return abs((datetime.datetime.now(datetime.UTC) - moment).total_seconds()) < within_s


def test_a_plain_boto3_session_finds_the_server_by_environment(server, monkeypatch):
    """`eval "$(restage env)"` is all that anybody has to do."""
    for name, value in server.environment().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    ivs = boto3.session.Session().client("ivs-realtime")
    assert ivs.meta.endpoint_url == server.url
    assert body(ivs.list_stages()) == {"stages": []}


def test_create_stage_answers_every_field(ivs, server):
    answer = body(ivs.create_stage())
    stage = answer.pop("stage")
    assert answer == {"participantTokens": []} or answer == {}
    assert STAGE_ARN.fullmatch(stage["arn"])
    assert stage["name"] == ""
    assert stage["tags"] == {}
    assert stage["autoParticipantRecordingConfiguration"] == NO_RECORDING
    assert stage["endpoints"]["whip"] == f"{server.url}/whip"
    assert stage["endpoints"]["events"] == f"ws://127.0.0.1:{server.http_port}/events"
    assert not stage.get("activeSessionId")
    assert set(stage) - {"activeSessionId"} == {
        "arn",
        "name",
        "tags",
        "autoParticipantRecordingConfiguration",
        "endpoints",
    }
    assert body(ivs.get_stage(arn=stage["arn"])) == {"stage": stage}
    assert body(ivs.delete_stage(arn=stage["arn"])) == {}


def test_create_stage_with_tokens_and_tags(ivs, server):
    answer = body(
        ivs.create_stage(
            name="lobby-1",
            tags={"team": "blue", "note": ""},
            participantTokenConfigurations=[
                {"userId": "ann", "duration": 30, "capabilities": ["PUBLISH"], "attributes": {"role": "host"}},
                {},
            ],
        )
    )
    stage = answer["stage"]
    assert stage["name"] == "lobby-1"
    assert stage["tags"] == {"team": "blue", "note": ""}
    asked, plain = answer["participantTokens"]
    assert asked["userId"] == "ann"
    assert asked["duration"] == 30
    assert asked["capabilities"] == ["PUBLISH"]
    assert asked["attributes"] == {"role": "host"}
    assert about_now(asked["expirationTime"] - datetime.timedelta(minutes=30))
    assert about_now(plain["expirationTime"] - datetime.timedelta(minutes=720))
    assert {"participantId", "token", "expirationTime"} <= set(plain)
    assert asked["participantId"] != plain["participantId"]
    for token in (asked, plain):
        assert PARTICIPANT_ID.fullmatch(token["participantId"])
    said = api.payload(asked["token"])
    assert said["jti"] == asked["participantId"]
    assert said["resource"] == stage["arn"]
    assert said["topic"] == api.stage_id(stage["arn"])
    assert said["whip_url"] == stage["endpoints"]["whip"]
    assert said["events_url"] == stage["endpoints"]["events"]
    assert said["user_id"] == "ann"
    assert said["attributes"] == {"role": "host"}
    assert said["capabilities"] == {"allow_publish": True} or said["capabilities"] == {
        "allow_publish": True,
        "allow_subscribe": False,
    }
    assert said["version"] == "1.0"
    assert said["exp"] - said["iat"] == 30 * 60
    assert api.payload(plain["token"])["capabilities"] == {"allow_publish": True, "allow_subscribe": True}
    ivs.delete_stage(arn=stage["arn"])


def test_create_participant_token_answers_what_was_sent(ivs, stages):
    arn = stages.create("tokens")
    made = body(
        ivs.create_participant_token(
            stageArn=arn, duration=1, userId="Zoë ✓", attributes={"order": "1"}, capabilities=["SUBSCRIBE"]
        )
    )["participantToken"]
    assert made["duration"] == 1
    assert made["userId"] == "Zoë ✓"
    assert made["attributes"] == {"order": "1"}
    assert made["capabilities"] == ["SUBSCRIBE"]
    assert about_now(made["expirationTime"] - datetime.timedelta(minutes=1))
    assert api.payload(made["token"])["user_id"] == "Zoë ✓"
    longest = ivs.create_participant_token(stageArn=arn, duration=20160)["participantToken"]
    assert about_now(longest["expirationTime"] - datetime.timedelta(days=14))
    ivs.delete_stage(arn=arn)


def test_update_stage_changes_what_was_named(ivs, stages):
    arn = stages.create("before")
    updated = body(ivs.update_stage(arn=arn, name="after"))["stage"]
    assert updated["name"] == "after"
    assert updated["autoParticipantRecordingConfiguration"] == NO_RECORDING
    assert ivs.update_stage(arn=arn)["stage"] == updated
    assert ivs.get_stage(arn=arn)["stage"] == updated
    assert ivs.update_stage(arn=arn, name="")["stage"]["name"] == ""
    ivs.delete_stage(arn=arn)


def test_list_stages_in_order_of_creation_and_by_region(ivs, server, stages):
    mine = [stages.create(f"n{index}") for index in range(5)]
    elsewhere = api.client(server, region="us-east-2")
    far = elsewhere.create_stage(name="far")["stage"]["arn"]
    assert far.startswith(f"arn:aws:ivs:us-east-2:{ACCOUNT}:stage/")
    listed = body(ivs.list_stages())
    assert [item["arn"] for item in listed["stages"]] == mine
    assert [item["name"] for item in listed["stages"]] == [f"n{index}" for index in range(5)]
    assert all(item["tags"] == {} for item in listed["stages"])
    assert "nextToken" not in listed
    assert [item["arn"] for item in elsewhere.list_stages()["stages"]] == [far]

    walked, token = [], {}
    while True:
        page = ivs.list_stages(maxResults=2, **token)
        assert 1 <= len(page["stages"]) <= 2
        walked += [item["arn"] for item in page["stages"]]
        if not page.get("nextToken"):
            break
        token = {"nextToken": page["nextToken"]}
    assert walked == mine

    # An ARN of another region is not this endpoint's to answer for.
    with refused("ResourceNotFoundException", 404, REGION):
        ivs.get_stage(arn=far)
    elsewhere.delete_stage(arn=far)
    for arn in mine:
        ivs.delete_stage(arn=arn)
    assert body(ivs.list_stages()) == {"stages": []}


def test_one_story_from_first_join_to_last_replica(ivs, server, stages, media):
    """Publish, replicate, watch both, stop, come back, leave: what the API says at each step."""
    source, destination = stages.create("source"), stages.create("destination")
    ann, ann_token = stages.token(source, userId="ann", attributes={"role": "host", "order": "1"})
    bob, bob_token = stages.token(destination, userId="bob", capabilities=["SUBSCRIBE"])

    with refused("ResourceNotFoundException", 404, ann):
        stages.replicate(source, destination, ann)
    assert body(ivs.list_stage_sessions(stageArn=source)) == {"stageSessions": []}
    assert body(ivs.list_participant_replicas(sourceStageArn=source, participantId=ann)) == {"replicas": []}

    listening = media.events(ann_token)
    eventually(lambda: stages.session(source), what="a session of the source stage")
    with refused("ConflictException", 409, f"{ann} is not publishing"):
        stages.replicate(source, destination, ann)
    publisher = media.publish(ann_token, identity=3)
    listening.close()
    session = eventually(lambda: stages.session(source), what="a session of the source stage")
    eventually(lambda: stages.participant(source, ann)["published"], what="ann is published")
    check_session(ivs, source, session)
    check_source_participant(ivs, source, session, ann, "NONE")

    started = ivs.start_participant_replication(
        sourceStageArn=source,
        destinationStageArn=destination,
        participantId=ann,
        reconnectWindowSeconds=60,
        attributes={"order": "7", "place": "left"},
    )
    check_replication_headers(body(started))
    there = stages.session(destination)
    assert SESSION_ID.fullmatch(there) and there != session
    row = {
        "sourceStageArn": source,
        "participantId": ann,
        "sourceSessionId": session,
        "destinationStageArn": destination,
        "destinationSessionId": there,
        "replicationState": "ACTIVE",
    }
    assert stages.replicas(source, ann) == [row]
    check_source_participant(ivs, source, session, ann, "SOURCE")
    check_replica_participant(ivs, row, {"role": "host", "order": "7", "place": "left"})

    watcher = media.watch(bob_token, ann)
    watcher.wait_for(3)
    check_events_so_far(stages, row, bob)

    third = stages.create("third")
    check_wrong_replications(stages, row, bob, third)

    check_replication_headers(body(stages.stop(source, destination, ann)))
    eventually(lambda: watcher.state in ("closed", "failed"), what="bob's subscription ends")
    check_stopped(stages, row)

    assert publisher.leave() in (200, 204)
    check_left(stages, source, session, ann)

    for arn in (source, destination, third):
        assert body(ivs.delete_stage(arn=arn)) == {}
        with refused("ResourceNotFoundException", 404, api.stage_id(arn)):
            ivs.get_stage(arn=arn)


def check_wrong_replications(stages, row, bob, third):
    """What must be refused while the one in `row` is ACTIVE."""
    source, destination, ann = row["sourceStageArn"], row["destinationStageArn"], row["participantId"]
    with refused("ConflictException", 409, ann):
        stages.replicate(source, destination, ann)
    with refused("ValidationException", 400, "destinationStageArn"):
        stages.replicate(source, source, ann)
    with refused("ConflictException", 409):
        stages.replicate(destination, third, ann)
    with refused("ConflictException", 409, f"{bob} is not publishing"):
        # At once: nothing is to be waited for.
        stages.ivs.start_participant_replication(
            sourceStageArn=destination, destinationStageArn=third, participantId=bob
        )
    assert stages.replicas(source, ann) == [row]


def check_stopped(stages, row):
    source, session, ann = row["sourceStageArn"], row["sourceSessionId"], row["participantId"]
    assert stages.replicas(source, ann) == [{**row, "replicationState": "STOPPED"}]
    replica = stages.participants(row["destinationStageArn"], row["destinationSessionId"])[ann]
    assert replica["state"] == "DISCONNECTED"
    assert replica["replicationType"] == "REPLICA"
    assert replica["replicationState"] == "STOPPED"
    assert stages.participants(source, session)[ann]["state"] == "CONNECTED"
    names = [event["name"] for event in stages.events(source, ann, session)]
    assert names == ["JOINED", "PUBLISH_STARTED", "REPLICATION_STARTED", "REPLICATION_STOPPED"]


def check_left(stages, source, session, ann):
    eventually(lambda: stages.participants(source, session)[ann]["state"] == "DISCONNECTED", what="ann has left")
    names = [event["name"] for event in stages.events(source, ann, session)]
    assert names[-2:] == ["PUBLISH_STOPPED", "LEFT"]
    gone = stages.participant(source, ann, session)
    assert gone["published"] is True
    assert gone["replicationType"] == "SOURCE"
    assert gone["replicationState"] == "STOPPED"


def check_session(ivs, arn, session):
    assert SESSION_ID.fullmatch(session)
    listed = body(ivs.list_stage_sessions(stageArn=arn))
    got = body(ivs.get_stage_session(stageArn=arn, sessionId=session))["stageSession"]
    assert listed == {"stageSessions": [got]}
    assert got["sessionId"] == session
    assert about_now(got["startTime"])
    assert "endTime" not in got
    assert [item["activeSessionId"] for item in ivs.list_stages()["stages"] if item["arn"] == arn] == [session]


def check_source_participant(ivs, arn, session, ann, replication_type):
    (summary,) = body(ivs.list_participants(stageArn=arn, sessionId=session))["participants"]
    full = body(ivs.get_participant(stageArn=arn, sessionId=session, participantId=ann))["participant"]
    for said in (summary, full):
        assert said["participantId"] == ann
        assert said["userId"] == "ann"
        assert said["state"] == "CONNECTED"
        assert said["published"] is True
        assert about_now(said["firstJoinTime"])
        assert said["recordingState"] == "DISABLED"
        assert said["replicationType"] == replication_type
        if replication_type == "SOURCE":
            assert said["replicationState"] == "ACTIVE"
        assert not said.get("sourceStageArn") and not said.get("sourceSessionId")
    assert full["attributes"] == {"role": "host", "order": "1"}
    assert full["protocol"] == "WHIP"
    for name in ("browserName", "browserVersion", "ispName", "osName", "osVersion", "sdkVersion"):
        assert isinstance(full[name], str)
    assert summary["firstJoinTime"] == full["firstJoinTime"]


def check_replica_participant(ivs, row, attributes):
    arn, session, ann = row["destinationStageArn"], row["destinationSessionId"], row["participantId"]
    (summary,) = body(ivs.list_participants(stageArn=arn, sessionId=session))["participants"]
    full = body(ivs.get_participant(stageArn=arn, sessionId=session, participantId=ann))["participant"]
    for said in (summary, full):
        assert said["participantId"] == ann
        assert said["userId"] == "ann"
        assert said["state"] == "CONNECTED"
        assert said["published"] is True
        assert said["replicationType"] == "REPLICA"
        assert said["replicationState"] == "ACTIVE"
        assert said["sourceStageArn"] == row["sourceStageArn"]
        assert said["sourceSessionId"] == row["sourceSessionId"]
        assert about_now(said["firstJoinTime"])
    assert full["attributes"] == attributes


def check_replication_headers(answer):
    """Start and stop answer with headers only, and those are modelled."""
    assert set(answer) == {
        "accessControlAllowOrigin",
        "accessControlExposeHeaders",
        "cacheControl",
        "contentSecurityPolicy",
        "strictTransportSecurity",
        "xContentTypeOptions",
        "xFrameOptions",
    }
    assert answer["accessControlAllowOrigin"] == "*"
    assert answer["xContentTypeOptions"] == "nosniff"
    assert answer["xFrameOptions"] == "DENY"


def check_events_so_far(stages, row, bob):
    """What the histories say once bob watches the replica."""
    ann, source, destination = row["participantId"], row["sourceStageArn"], row["destinationStageArn"]
    events = stages.events(source, ann, row["sourceSessionId"])
    assert [event["name"] for event in events] == ["JOINED", "PUBLISH_STARTED", "REPLICATION_STARTED"]
    assert all(event["participantId"] == ann and about_now(event["eventTime"]) for event in events)
    assert [event["eventTime"] for event in events] == sorted(event["eventTime"] for event in events)
    assert not any(event.get("replica") for event in events)
    assert events[2]["destinationStageArn"] == destination
    assert events[2]["destinationSessionId"] == row["destinationSessionId"]

    subscribed = eventually(
        lambda: [
            event
            for event in stages.events(destination, bob, row["destinationSessionId"])
            if event["name"] == "SUBSCRIBE_STARTED"
        ],
        what="bob's SUBSCRIBE_STARTED",
    )
    assert len(subscribed) == 1
    assert subscribed[0]["remoteParticipantId"] == ann
    assert subscribed[0]["replica"] is True


def test_list_participants_filters(ivs, stages, media):
    arn = stages.create("filters")
    ann, ann_token = stages.token(arn, userId="ann")
    bob, bob_token = stages.token(arn, userId="bob", capabilities=["SUBSCRIBE"])
    publisher = media.publish(ann_token, identity=2)
    watcher = media.watch(bob_token, ann)
    watcher.wait_for(2)
    session = stages.session(arn)

    def ids(**filters):
        return list(stages.participants(arn, session, **filters))

    assert ids() == [ann, bob]
    assert ids(filterByUserId="bob") == [bob]
    assert ids(filterByUserId="nobody") == []
    assert ids(filterByPublished=True) == [ann]
    assert ids(filterByPublished=False) == [bob]
    assert ids(filterByState="CONNECTED") == [ann, bob]
    assert ids(filterByState="DISCONNECTED") == []
    assert ids(filterByRecordingState="ACTIVE") == []
    for two in (
        {"filterByUserId": "ann", "filterByState": "CONNECTED"},
        {"filterByPublished": True, "filterByRecordingState": "STOPPED"},
    ):
        with refused("ValidationException", 400):
            stages.participants(arn, session, **two)
    first = ivs.list_participants(stageArn=arn, sessionId=session, maxResults=1)
    assert [item["participantId"] for item in first["participants"]] == [ann]
    rest = ivs.list_participants(stageArn=arn, sessionId=session, maxResults=1, nextToken=first["nextToken"])
    assert [item["participantId"] for item in rest["participants"]] == [bob]
    assert "nextToken" not in rest

    watcher.leave()
    eventually(lambda: ids(filterByState="DISCONNECTED") == [bob], what="bob is DISCONNECTED")
    publisher.leave()
    ivs.delete_stage(arn=arn)


def test_disconnect_participant_ends_connection_and_token(ivs, stages, media):
    arn, away = stages.create("kick"), stages.create("away")
    ann, token = stages.token(arn, userId="ann")
    publisher = media.publish(token, identity=4)
    session = stages.session(arn)
    eventually(lambda: stages.participant(arn, ann, session)["published"], what="ann is published")
    stages.replicate(arn, away, ann, reconnectWindowSeconds=300)
    assert body(ivs.disconnect_participant(stageArn=arn, participantId=ann, reason="too loud")) == {}
    eventually(lambda: stages.participants(arn, session)[ann]["state"] == "DISCONNECTED", what="ann is out")
    assert [row["replicationState"] for row in stages.replicas(arn, ann)] == ["STOPPED"]
    eventually(lambda: publisher.state in ("closed", "failed"), 30, "the publisher's connection ends")
    with pytest.raises(Exception, match=r"40[13]"):
        media.publish(token, identity=4)
    assert body(ivs.disconnect_participant(stageArn=arn, participantId=ann)) == {}
    with refused("ResourceNotFoundException", 404, "AAAAbbbb1234"):
        ivs.disconnect_participant(stageArn=arn, participantId="AAAAbbbb1234")
    for each in (arn, away):
        ivs.delete_stage(arn=each)


def test_delete_stage_ends_replications_on_both_sides(ivs, stages, media):
    left, middle, right = (stages.create(name) for name in ("left", "middle", "right"))
    ann, ann_token = stages.token(middle, userId="ann")
    bea, bea_token = stages.token(left, userId="bea")
    media.publish(ann_token, identity=5)
    media.publish(bea_token, identity=6)
    for arn, who in ((middle, ann), (left, bea)):
        eventually(lambda arn=arn, who=who: stages.participants(arn).get(who, {}).get("published"), what="published")
    stages.replicate(middle, right, ann)
    stages.replicate(left, middle, bea)
    right_session = stages.session(right)
    ivs.delete_stage(arn=middle)
    replica = stages.participants(right, right_session)[ann]
    assert (replica["state"], replica["replicationState"]) == ("DISCONNECTED", "STOPPED")
    assert [row["replicationState"] for row in stages.replicas(left, bea)] == ["STOPPED"]
    assert stages.participants(left)[bea]["state"] == "CONNECTED"
    for arn in (left, right):
        ivs.delete_stage(arn=arn)
