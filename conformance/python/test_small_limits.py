"""Every limit by its own setting, made small: one less passes, one more is refused by name, value and setting."""

import json

import pytest

from support import api
from support.api import refused
from support.media import Refused
from support.server import Server
from support.tokens import KeyPair
from support.wait import eventually

QUOTA = "ServiceQuotaExceededException"
SERVER_ARGUMENTS = (
    *("--limit-stages", "8", "--limit-public-keys", "1", "--limit-publishers-per-stage", "2"),
    *("--limit-subscribers-per-stage", "2", "--limit-replications-per-participant", "1"),
    *("--limit-publishers", "4", "--limit-subscriptions", "3", "--limit-encoder-configurations", "1"),
    *("--limit-storage-configurations", "1", "--limit-ingest-configurations", "1"),
)


@pytest.fixture
def fresh(stages):
    """Stages that are gone after the test, and with them whatever counts."""
    made = []

    def create():
        made.append(stages.create())
        return made[-1]

    yield create
    for arn in made:
        stages.ivs.delete_stage(arn=arn)


def publisher(stages, media, arn):
    """A new publisher: its participant id."""
    participant, token = stages.token(arn)
    media.publish(token, with_video=False)
    eventually(lambda: stages.participants(arn).get(participant, {}).get("published"), what="published")
    return participant


def assert_full(attempt, *words):
    """WHIP and WHEP say it with a code of their own."""
    with pytest.raises(Refused) as refusal:
        attempt()
    status, body = refusal.value.status, json.loads(refusal.value.body)
    assert (status, body["code"]) == (503, "STAGE_AT_CAPACITY"), body
    for word in words:
        assert word in body["message"], body


def test_stages(stages, fresh):
    for _ in range(8):
        fresh()
    with refused(QUOTA, 402, "Stages per account and Region", "8", "limit-stages"):
        stages.create()


def test_public_keys(ivs):
    arn = KeyPair().import_into(ivs).arn
    with refused(QUOTA, 402, "1", "limit-public-keys"):
        KeyPair().import_into(ivs)
    ivs.delete_public_key(arn=arn)
    ivs.delete_public_key(arn=KeyPair().import_into(ivs).arn)


def test_storage_configurations(ivs):
    s3 = {"bucketName": "small-limits"}
    arn = ivs.create_storage_configuration(s3=s3)["storageConfiguration"]["arn"]
    with refused(QUOTA, 402, "Storage configurations per account and Region", "1", "limit-storage-configurations"):
        ivs.create_storage_configuration(s3=s3)
    ivs.delete_storage_configuration(arn=arn)
    arn = ivs.create_storage_configuration(s3=s3)["storageConfiguration"]["arn"]
    ivs.delete_storage_configuration(arn=arn)


def test_ingest_configurations(ivs):
    arn = ivs.create_ingest_configuration(ingestProtocol="RTMPS")["ingestConfiguration"]["arn"]
    with refused(QUOTA, 402, "Ingest configurations per account and Region", "1", "limit-ingest-configurations"):
        ivs.create_ingest_configuration(ingestProtocol="RTMPS")
    ivs.delete_ingest_configuration(arn=arn)
    arn = ivs.create_ingest_configuration(ingestProtocol="RTMPS")["ingestConfiguration"]["arn"]
    ivs.delete_ingest_configuration(arn=arn)


def test_encoder_configurations(ivs):
    arn = ivs.create_encoder_configuration()["encoderConfiguration"]["arn"]
    with refused(QUOTA, 402, "Encoder configurations per account and Region", "1", "limit-encoder-configurations"):
        ivs.create_encoder_configuration()
    ivs.delete_encoder_configuration(arn=arn)
    arn = ivs.create_encoder_configuration()["encoderConfiguration"]["arn"]
    ivs.delete_encoder_configuration(arn=arn)


def test_tags(ivs, fresh):
    arn = fresh()
    ivs.tag_resource(resourceArn=arn, tags={f"k{n}": "" for n in range(50)})
    with refused("ValidationException", 400, "50"):
        ivs.tag_resource(resourceArn=arn, tags={"one": "more"})


def test_publishers_of_a_stage(stages, fresh, media):
    arn = fresh()
    publisher(stages, media, arn)
    first = media.publish(stages.token(arn)[1], with_video=False)
    late, token = stages.token(arn)
    assert_full(
        lambda: media.publish(token, with_video=False), "Publishers per stage", "2", "limit-publishers-per-stage"
    )
    told = [(event["name"], event.get("errorCode")) for event in stages.events(arn, late)]
    assert told == [("PUBLISH_ERROR", "QUOTA_EXCEEDED")]
    first.leave()
    media.publish(token, with_video=False)


def test_subscribers_of_a_stage_and_subscriptions_of_a_region(stages, fresh, media):
    arn = fresh()
    ann, bob = publisher(stages, media, arn), publisher(stages, media, arn)
    viewer, token = stages.token(arn)
    media.watch(token, ann)
    media.watch(token, bob)
    media.watch(stages.token(arn)[1], ann)
    _, late = stages.token(arn)
    assert_full(lambda: media.watch(late, ann), "Subscribers per stage", "2", "limit-subscribers-per-stage")
    # The stage is full, and the region has no room even for participants that are admitted.
    other = fresh()
    cyd = publisher(stages, media, other)
    viewer, token = stages.token(other)
    assert_full(lambda: media.watch(token, cyd), "Concurrent subscriptions", "3", "limit-subscriptions")
    told = [(event["name"], event.get("errorCode")) for event in stages.events(other, viewer)]
    assert told == [("SUBSCRIBE_ERROR", "QUOTA_EXCEEDED")]
    stages.ivs.disconnect_participant(stageArn=arn, participantId=bob)
    eventually(lambda: watches(media, token, cyd), what="room once a subscription ended")


def watches(media, token, participant):
    try:
        return media.watch(token, participant)
    except Refused:
        return None


def test_publishers_of_a_region(stages, fresh, media):
    one, two, three = fresh(), fresh(), fresh()
    ann = publisher(stages, media, one)
    for arn in (one, two, two):
        publisher(stages, media, arn)
    token = stages.token(three)[1]
    assert_full(lambda: media.publish(token, with_video=False), "Concurrent publishers", "4", "limit-publishers")
    with refused(QUOTA, 402, "Concurrent publishers per account and Region", "4", "limit-publishers"):
        stages.replicate(one, three, ann)


def test_replications_of_a_participant(stages, fresh, media):
    source, destination = fresh(), fresh()
    ann = publisher(stages, media, source)
    stages.replicate(source, destination, ann)
    with refused(QUOTA, 402, "1", "limit-replications-per-participant"):
        stages.replicate(source, fresh(), ann)
    stages.stop(source, destination, ann)
    stages.replicate(source, fresh(), ann)


@pytest.fixture
def serve(tmp_path, media):
    """A server of the test's own with these limits: itself and its stages."""
    servers = []

    def start(*arguments):
        server = Server(tmp_path / "data", *arguments, name="test_small_limits_media").start()
        servers.append(server)
        return server, api.Stages(api.client(server))

    yield start
    media.close_peers()
    for server in servers:
        server.stop()


def errors(stages, arn, participant):
    """The error events of a participant: name, code, and the remote participant."""
    events = stages.events(arn, participant)
    return [
        (event["name"], event["errorCode"], event.get("remoteParticipantId"))
        for event in events
        if event["name"].endswith("_ERROR")
    ]


def is_ended(media, peer):
    """Its WHIP or WHEP resource is no more."""
    return media.request("DELETE", peer.location, headers=peer.authorization)[0] == 404


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (
            ("--limit-publish-bitrate", "20000"),
            "BITRATE_EXCEEDED",
            ("Publish bitrate per participant", "20000 bit/s", "limit-publish-bitrate"),
        ),
        (
            ("--limit-publish-resolution", "90"),
            "RESOLUTION_EXCEEDED",
            ("Publish resolution", "90p, 14400 pixels", "limit-publish-resolution"),
        ),
    ],
)
def test_a_publisher_that_sends_too_much_is_gone_everywhere(serve, media, arguments, code, words):
    server, stages = serve(*arguments)
    source, destination = stages.create(), stages.create()
    ann, token = stages.token(source)
    peer = media.publish(token, with_video=code == "RESOLUTION_EXCEEDED")
    eventually(lambda: stages.participant(source, ann)["state"] == "DISCONNECTED", what="ann was disconnected")
    told = [(event["name"], event.get("errorCode")) for event in stages.events(source, ann)]
    assert told == [
        ("JOINED", None),
        ("PUBLISH_STARTED", None),
        ("PUBLISH_ERROR", code),
        ("PUBLISH_STOPPED", None),
        ("LEFT", None),
    ]
    assert is_ended(media, peer)
    warning = server.logged("WARN", ann)
    for word in words:
        assert word in warning, warning
    assert token not in "\n".join(server.log)
    with refused("ConflictException", 409, ann):
        stages.replicate(source, destination, ann)


def test_a_replica_goes_with_its_publisher(serve, media):
    _, stages = serve("--limit-publish-bitrate", "150000")
    source, destination = stages.create(), stages.create()
    ann, token = stages.token(source)
    media.publish(token, with_video=False)
    eventually(lambda: stages.participants(source).get(ann, {}).get("published"), what="published")
    stages.replicate(source, destination, ann)
    viewer = media.watch(stages.token(destination)[1], ann)
    eventually(lambda: viewer.hears(1), what="her tone")
    # The same participant comes again with a picture as well; its replications come along.
    media.publish(token, codec="VP8")
    eventually(lambda: errors(stages, source, ann), what="too much")
    assert errors(stages, source, ann) == [("PUBLISH_ERROR", "BITRATE_EXCEEDED", None)]
    eventually(lambda: is_ended(media, viewer), what="her viewer in the other stage is told")
    assert [row["replicationState"] for row in stages.replicas(source, ann)] == ["STOPPED"]


def test_the_subscription_that_is_too_much_goes_and_the_others_stay(serve, media):
    server, stages = serve("--limit-download-bitrate", "150000", "--workers", "2")
    arn = stages.create()
    ann, bob = publisher(stages, media, arn), publisher(stages, media, arn)
    viewer, token = stages.token(arn)
    first = media.watch(token, ann)
    eventually(lambda: first.hears(1), what="the first tone")
    second = media.watch(token, bob)
    eventually(lambda: errors(stages, arn, viewer), what="too much")
    assert errors(stages, arn, viewer) == [("SUBSCRIBE_ERROR", "BITRATE_EXCEEDED", bob)]
    assert is_ended(media, second)
    heard = first.sounds
    eventually(lambda: first.sounds > heard + 5 and first.hears(1), what="the first goes on")
    assert stages.participant(arn, viewer)["state"] == "CONNECTED"
    warning = server.logged("WARN", viewer)
    for word in ("Download bitrate per participant", "150000 bit/s", "limit-download-bitrate"):
        assert word in warning, warning
    # Another viewer has a limit of its own.
    other = media.watch(stages.token(arn)[1], bob)
    eventually(lambda: other.hears(1), what="bob's tone")


def test_a_connection_ends_when_it_has_lasted(tmp_path, media):
    server = Server(tmp_path / "data", "--limit-connection-seconds", "3", name="test_small_limits_lasting").start()
    try:
        stages = api.Stages(api.client(server))
        arn = stages.create()
        ann = publisher(stages, media, arn)
        eventually(lambda: stages.participant(arn, ann)["state"] == "DISCONNECTED", what="ann was disconnected")
        told = [(event["name"], event.get("errorCode")) for event in stages.events(arn, ann)]
        assert told == [
            ("JOINED", None),
            ("PUBLISH_STARTED", None),
            ("PUBLISH_ERROR", "STREAM_DURATION_EXCEEDED"),
            ("PUBLISH_STOPPED", None),
            ("LEFT", None),
        ]
    finally:
        server.stop()
