"""Media through the server with aiortc, an independent WebRTC stack, on both ends."""

import pathlib
import subprocess
import sys

import pytest

from support import api
from support.api import Stages
from support.media import Refused
from support.server import Server, clean_environment
from support.wait import eventually, stays

SERVER_ARGUMENTS = ("--session-idle-seconds", "600")

# A subscriber must notice the end within this, whatever the load of the machine.
SILENCE_S = 1.0


@pytest.fixture
def pair(stages):
    """(source stage, destination stage), deleted after the test."""
    arns = stages.create("media-source"), stages.create("media-destination")
    yield arns
    for arn in arns:
        stages.ivs.delete_stage(arn=arn)


def wait_published(stages, arn, participant):
    eventually(
        lambda: stages.participants(arn).get(participant, {}).get("published"), what=f"{participant} is published"
    )


@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_picture_and_sound_reach_stage_and_destination(stages, media, pair, codec):
    source, destination = pair
    ann, token = stages.token(source)
    publisher = media.publish(token, identity=11, codec=codec)
    wait_published(stages, source, ann)
    near = media.watch(stages.token(source)[1], ann)
    near.wait_for(11, frames=15)
    stages.replicate(source, destination, ann)
    far = media.watch(stages.token(destination)[1], ann)
    far.wait_for(11, frames=15)
    assert near.size == far.size == (320, 240)
    assert f"a=rtpmap:{payload_type(far.answer, codec)} {codec}/90000" in far.answer
    # Both see the same picture at the same time, not a recording.
    eventually(lambda: abs(near.count - far.count) <= 8, what=f"{near.count} and {far.count} are close")
    eventually(lambda: publisher.video.count - far.count <= 15, what="the picture is live")
    assert set(near.seen) == set(far.seen) == {11}


def payload_type(sdp, codec):
    (line,) = [line for line in sdp.splitlines() if line.startswith("a=rtpmap:") and f" {codec}/" in line][:1]
    return line.removeprefix("a=rtpmap:").split()[0]


def test_stop_replication_ends_media_there_and_only_there(stages, media, pair):
    source, destination = pair
    ann, token = stages.token(source)
    media.publish(token, identity=12)
    wait_published(stages, source, ann)
    stages.replicate(source, destination, ann)
    near = media.watch(stages.token(source)[1], ann)
    far = media.watch(stages.token(destination)[1], ann)
    near.wait_for(12)
    far.wait_for(12)
    stages.stop(source, destination, ann)
    frames = []

    def is_still():
        frames.append(far.frames)
        return len(frames) > 5 and frames[-5] == far.frames

    eventually(is_still, SILENCE_S, "the picture in the destination ends")
    frozen = far.frames
    near.wait_for(12, frames=10)
    assert far.frames == frozen
    with pytest.raises(Refused) as refused:
        media.watch(stages.token(destination)[1], ann)
    assert refused.value.status == 404


def test_the_publisher_comes_back_inside_the_window(stages, media, pair):
    source, destination = pair
    ann, token = stages.token(source)
    publisher = media.publish(token, identity=13)
    wait_published(stages, source, ann)
    stages.replicate(source, destination, ann, reconnectWindowSeconds=60)
    far = media.watch(stages.token(destination)[1], ann)
    far.wait_for(13)
    here, there = stages.session(source), stages.session(destination)
    publisher.leave()

    def states():
        return [
            stages.participants(source, here)[ann]["state"],
            stages.participants(destination, there)[ann]["state"],
        ]

    eventually(lambda: states() == ["DISCONNECTED", "DISCONNECTED"], what="away in both stages")
    assert [row["replicationState"] for row in stages.replicas(source, ann)] == ["ACTIVE"]
    # A new connection with a new codec and another picture, so that nothing old can pass for it.
    media.publish(token, identity=14)
    far.wait_for(14, frames=10)
    eventually(lambda: states() == ["CONNECTED", "CONNECTED"], what="back in both stages")
    assert [row["replicationState"] for row in stages.replicas(source, ann)] == ["ACTIVE"]
    assert len(stages.replicas(source, ann)) == 1


def test_the_window_runs_out(stages, media, pair):
    source, destination = pair
    ann, token = stages.token(source)
    publisher = media.publish(token, identity=15)
    wait_published(stages, source, ann)
    stages.replicate(source, destination, ann, reconnectWindowSeconds=2)
    session = stages.session(source)
    publisher.leave()
    eventually(
        lambda: [row["replicationState"] for row in stages.replicas(source, ann)] == ["STOPPED"],
        what="STOPPED after the window",
    )
    assert stages.events(source, ann, session)[-1]["name"] == "REPLICATION_STOPPED"
    media.publish(token, identity=15)
    wait_published(stages, source, ann)
    stays(
        lambda: [row["replicationState"] for row in stages.replicas(source, ann)] == ["STOPPED"],
        1,
        "a replication that has stopped does not start by itself",
    )


def test_without_a_window_the_replica_ends_with_the_publisher(stages, media, pair):
    source, destination = pair
    ann, token = stages.token(source)
    publisher = media.publish(token, identity=16)
    wait_published(stages, source, ann)
    stages.replicate(source, destination, ann)
    publisher.leave()
    eventually(
        lambda: [row["replicationState"] for row in stages.replicas(source, ann)] == ["STOPPED"], what="STOPPED at once"
    )


def test_a_second_publishing_connection_replaces_the_first(stages, media, pair):
    source, _ = pair
    ann, token = stages.token(source)
    first = media.publish(token, identity=17)
    wait_published(stages, source, ann)
    watcher = media.watch(stages.token(source)[1], ann)
    watcher.wait_for(17)
    media.publish(token, identity=18)
    watcher.wait_for(18, frames=10)
    eventually(lambda: first.state in ("closed", "failed"), 60, "the first connection ends")
    assert stages.participants(source)[ann]["state"] == "CONNECTED"
    names = [event["name"] for event in stages.events(source, ann)]
    assert names.count("JOINED") == 1 and "LEFT" not in names
    watcher.wait_for(18)


def test_battle_both_ways(stages, media, pair):
    """Two stages, each with its own publisher, each seeing the other's."""
    left, right = pair
    people = {}
    for arn, identity in ((left, 21), (right, 22)):
        people[arn], token = stages.token(arn)
        media.publish(token, identity=identity)
        wait_published(stages, arn, people[arn])
    stages.replicate(left, right, people[left])
    stages.replicate(right, left, people[right])
    for here, there, own, other in ((left, right, 21, 22), (right, left, 22, 21)):
        token = stages.token(here)[1]
        media.watch(token, people[here]).wait_for(own)
        media.watch(token, people[there]).wait_for(other)
        kinds = {name: item["replicationType"] for name, item in stages.participants(here).items()}
        assert kinds[people[here]] == "SOURCE" and kinds[people[there]] == "REPLICA"


def test_audio_only(stages, media, pair):
    source, destination = pair
    ann, token = stages.token(source)
    media.publish(token, identity=19, with_video=False)
    wait_published(stages, source, ann)
    stages.replicate(source, destination, ann)
    watcher = media.watch(stages.token(destination)[1], ann)
    eventually(lambda: watcher.hears(19), what="the tone")
    assert watcher.frames == 0


def test_capabilities_are_enforced(stages, media, pair):
    source, _ = pair
    ann, token = stages.token(source, capabilities=["PUBLISH"])
    media.publish(token)
    wait_published(stages, source, ann)
    bob, subscribe_only = stages.token(source, capabilities=["SUBSCRIBE"])
    for attempt in (lambda: media.publish(subscribe_only), lambda: media.watch(token, ann)):
        with pytest.raises(Refused) as refused:
            attempt()
        assert refused.value.status == 403
    errors = [event for event in stages.events(source, bob) if event["name"] == "PUBLISH_ERROR"]
    assert [event["errorCode"] for event in errors] == ["INSUFFICIENT_CAPABILITIES"]


def test_a_token_is_for_its_stage_only(stages, media, pair):
    source, destination = pair
    ann, token = stages.token(source)
    media.publish(token)
    wait_published(stages, source, ann)
    with pytest.raises(Refused) as refused:
        media.watch(stages.token(destination)[1], ann)
    assert refused.value.status == 404


def test_disconnect_participant_ends_media(stages, media, pair):
    source, destination = pair
    ann, token = stages.token(source)
    publisher = media.publish(token, identity=23)
    wait_published(stages, source, ann)
    stages.replicate(source, destination, ann, reconnectWindowSeconds=300)
    far = media.watch(stages.token(destination)[1], ann)
    far.wait_for(23)
    stages.ivs.disconnect_participant(stageArn=source, participantId=ann)
    eventually(lambda: publisher.state in ("closed", "failed"), 60, "the publisher's connection ends")
    with pytest.raises(Refused) as refused:
        media.publish(token)
    assert refused.value.status == 403
    assert [row["replicationState"] for row in stages.replicas(source, ann)] == ["STOPPED"]


def test_a_killed_publisher_is_disconnected_within_ten_seconds(stages, media, pair):
    source, destination = pair
    ann, token = stages.token(source)
    process = subprocess.Popen(
        [sys.executable, "-m", "support.publish", token, "--identity", "24"],
        cwd=pathlib.Path(__file__).parent,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "published\n"
        wait_published(stages, source, ann)
        stages.replicate(source, destination, ann)
        far = media.watch(stages.token(destination)[1], ann)
        far.wait_for(24)
    finally:
        process.kill()
        process.wait()
    eventually(lambda: stages.participants(source)[ann]["state"] == "DISCONNECTED", 10, "DISCONNECTED after kill -9")
    names = [event["name"] for event in stages.events(source, ann)]
    assert "PUBLISH_STOPPED" in names and names.index("LEFT") > names.index("PUBLISH_STOPPED")
    assert [row["replicationState"] for row in stages.replicas(source, ann)] == ["STOPPED"]


def test_a_vanished_subscriber_is_disconnected(stages, media, pair):
    source, _ = pair
    ann, token = stages.token(source)
    media.publish(token, identity=25)
    wait_published(stages, source, ann)
    bob, bob_token = stages.token(source)
    watcher = media.watch(bob_token, ann)
    watcher.wait_for(25)
    watcher.drop()
    eventually(lambda: stages.participants(source)[bob]["state"] == "DISCONNECTED", 12, "the subscriber is gone")


def test_srtp_is_aes_gcm(stages, media, pair):
    source, _ = pair
    _, token = stages.token(source)
    publisher = media.publish(token, with_audio=False)
    handshake = publisher.pc.getSenders()[0].transport._ssl
    assert b"_GCM" in handshake.get_selected_srtp_profile()


def test_the_session_ends_when_nobody_publishes(tmp_path, media):
    server = Server(tmp_path / "data", "--session-idle-seconds", "1", name="test_media_idle").start()
    try:
        stages = Stages(api.client(server))
        arn = stages.create()
        ann, token = stages.token(arn)
        publisher = media.publish(token)
        wait_published(stages, arn, ann)
        first = stages.session(arn)
        publisher.leave()
        eventually(lambda: stages.session(arn) is None, what="the session ends")
        ended = stages.ivs.get_stage_session(stageArn=arn, sessionId=first)["stageSession"]
        assert ended["endTime"] >= ended["startTime"]
        media.publish(token)
        second = eventually(lambda: stages.session(arn), what="a new session")
        assert second != first
        listed = stages.ivs.list_stage_sessions(stageArn=arn)["stageSessions"]
        assert [item["sessionId"] for item in listed] == [second, first]
    finally:
        media.close_peers()
        server.stop()
