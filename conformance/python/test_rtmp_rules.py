"""What is not taken from encoders: each row of the service's table of errors, in the history and in words."""

import contextlib
import signal
import socket
import urllib.request

import pytest

from support import api
from support.api import Stages
from support.encoder import AAC, BASELINE, H264, encoding
from support.ingest import Ingests
from support.ports import free_port
from support.server import Server
from support.wait import eventually

ENDED_S = 60


def start(directory, name, *arguments):
    return Server(
        directory / "data", "--rtmp", f"127.0.0.1:{free_port(socket.SOCK_STREAM)}", *arguments, name=name
    ).start()


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    """A server with the service's limits, and none for calls."""
    started = start(tmp_path_factory.mktemp("rtmp_rules"), "test_rtmp_rules", "--limits", "aws", "--rate-others", "0")
    yield Ingests(Stages(api.client(started))), started
    started.stop()


@pytest.fixture
def ingests(aws):
    return aws[0]


@pytest.fixture
def stage(ingests):
    arn = ingests.stages.create("rtmp-rules")
    yield arn
    ingests.ivs.delete_stage(arn=arn)


@pytest.fixture
def made(ingests, stage):
    made = ingests.create(stage)
    yield made
    ingests.delete(made)


def ended(encoder, *words):
    """Waits until the encoder has been ended, and was told these words."""
    eventually(encoder.is_over, ENDED_S, what=f"it is ended: {encoder.told()}")
    for word in words:
        assert word in encoder.told(), f"{word}: {encoder.told()}"


LARGE = {"picture": "testsrc2=size=1920x1080:rate=10"}
# Noise takes whatever the rate control is told to spend.
HEAVY = {
    "picture": "testsrc2=size=640x360:rate=30,noise=alls=100:allf=t",
    "video": (*H264, "-profile:v", "baseline", "-b:v", "14M", "-minrate", "14M", "-maxrate", "14M", "-bufsize", "7M"),
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("code", "more", "words"),
    [
        ("B_FRAME_PRESENT", {"video": (*H264, "-tune", "film", "-bf", "2")}, "B frames"),
        ("INVALID_VIDEO_CODEC", {"video": (*H264, "-pix_fmt", "yuv444p")}, "4:4:4"),
        ("INVALID_VIDEO_CODEC", {"video": ("-c:v", "flv1")}, "H.263"),
        ("INVALID_VIDEO_CODEC", {"video": ("-c:v", "libx265", "-preset", "ultrafast", "-g", "30")}, "H.265"),
        ("INVALID_AUDIO_CODEC", {"audio": ("-c:a", "libmp3lame")}, "AAC-LC"),
        ("INVALID_INPUT", {"sound": None}, "there is no audio"),
        ("INVALID_INPUT", {"picture": None}, "there is no video"),
        ("INVALID_INPUT", {"audio": ("-c:a", "aac", "-ar", "22050")}, "22050"),
        ("INVALID_INPUT", {"audio": ("-c:a", "aac", "-ac", "6")}, "channels"),
        ("RESOLUTION_EXCEEDED", LARGE, "1920x1080"),
        ("BITRATE_EXCEEDED", HEAVY, "8500000"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_breaks_a_rule_is_ended_and_the_encoder_is_told(ingests, stage, made, code, more, words):
    with encoding(ingests.endpoint(stage) + made["streamKey"], **more) as encoder:
        ended(encoder, code, words)
    eventually(lambda: ingests.state(made) == "INACTIVE", what="it has ended")
    assert ingests.errors(stage, made["participantId"]) == [code]


@pytest.mark.timeout(180)
def test_a_stream_lasts_as_long_as_it_may(tmp_path):
    server = start(
        tmp_path, "test_rtmp_duration", "--limits", "aws", "--rate-others", "0", "--limit-connection-seconds", "8"
    )
    try:
        ingests = Ingests(Stages(api.client(server)))
        stage = ingests.stages.create("duration")
        made = ingests.create(stage)
        with encoding(ingests.endpoint(stage) + made["streamKey"]) as encoder:
            ingests.published(stage, made["participantId"], encoder)
            ended(encoder, "STREAM_DURATION_EXCEEDED", "8 seconds")
        assert ingests.errors(stage, made["participantId"]) == ["STREAM_DURATION_EXCEEDED"]
    finally:
        server.stop()


@pytest.mark.timeout(180)
def test_wrong_keys_and_one_in_use_are_refused_and_no_key_is_shown(aws, ingests, stage, made):
    server = aws[1]
    url, key, publisher = ingests.endpoint(stage), made["streamKey"], made["participantId"]
    strange = [key[:-1] + "-", key[:-1], key + "x", key.replace("_eu-", "_us-"), "live", key.swapcase()]
    other = ingests.create(stage)
    strange.append(key.rsplit("_", 1)[0] + "_" + other["streamKey"].rsplit("_", 1)[1])
    for wrong in strange:
        with encoding(url + wrong) as encoder:
            ended(encoder, "INVALID_STREAM_KEY")
    assert ingests.stages.session(stage) is None, "strangers leave nothing behind"
    with encoding(url + key) as first:
        ingests.published(stage, publisher, first)
        with encoding(url + key) as second:
            ended(second, "REUSE_OF_STREAM_KEY", "in use")
        assert not first.is_over(), "the first stays"
        assert ingests.errors(stage, publisher) == ["REUSE_OF_STREAM_KEY"]
        with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
            metrics = answer.read().decode()
        assert f'restage_rtmp_refused_total{{code="INVALID_STREAM_KEY"}} {len(strange)}' in metrics
        assert 'restage_rtmp_refused_total{code="REUSE_OF_STREAM_KEY"} 1' in metrics
    secrets = [made["streamKey"].rsplit("_", 1)[1], other["streamKey"].rsplit("_", 1)[1]]
    for shown in (server.tail(5000), metrics):
        assert not any(secret in shown for secret in secrets)
    ingests.delete(other)


@pytest.mark.timeout(120)
def test_a_key_without_a_stage_is_no_key(ingests, stage, made):
    url = ingests.endpoint(stage) + made["streamKey"]
    ingests.ivs.update_ingest_configuration(arn=made["arn"], stageArn="")
    with encoding(url) as encoder:
        ended(encoder, "INVALID_STREAM_KEY")


@pytest.mark.timeout(180)
def test_disconnecting_ends_the_stream_and_takes_its_stage(ingests, stage, made):
    url, publisher = ingests.endpoint(stage) + made["streamKey"], made["participantId"]
    with encoding(url) as encoder:
        ingests.published(stage, publisher, encoder)
        ingests.ivs.disconnect_participant(stageArn=stage, participantId=publisher)
        ended(encoder, "DisconnectParticipant")
    assert ingests.get(made).get("stageArn", "") == ""
    eventually(lambda: ingests.stages.participants(stage)[publisher]["state"] == "DISCONNECTED")
    with encoding(url) as encoder:
        ended(encoder, "INVALID_STREAM_KEY")
    ingests.ivs.update_ingest_configuration(arn=made["arn"], stageArn=stage)
    with encoding(url) as encoder:
        ingests.published(stage, publisher, encoder)
        eventually(lambda: ingests.state(made) == "ACTIVE")


@pytest.mark.timeout(180)
def test_deleting_the_stage_ends_the_stream_and_takes_its_stage(ingests):
    stage = ingests.stages.create("deleted")
    made = ingests.create(stage)
    url = ingests.endpoint(stage) + made["streamKey"]
    with encoding(url) as encoder:
        ingests.published(stage, made["participantId"], encoder)
        ingests.ivs.delete_stage(arn=stage)
        ended(encoder, "the stage was deleted")
    left = ingests.get(made)
    assert left.get("stageArn", "") == "" and left["state"] == "INACTIVE"
    with encoding(url) as encoder:
        ended(encoder, "INVALID_STREAM_KEY")
    ingests.delete(made)


@pytest.mark.timeout(180)
def test_a_configuration_in_use_is_deleted_by_force_only(ingests, stage):
    made = ingests.create(stage)
    with encoding(ingests.endpoint(stage) + made["streamKey"]) as encoder:
        ingests.published(stage, made["participantId"], encoder)
        with api.refused("ConflictException", 409):
            ingests.ivs.update_ingest_configuration(arn=made["arn"], stageArn="")
        with api.refused("ConflictException", 409):
            ingests.ivs.delete_ingest_configuration(arn=made["arn"])
        assert not encoder.is_over()
        ingests.delete(made)
        ended(encoder, "ingest configuration was deleted")


def refused(server, code):
    """How many streams were refused or ended with this code."""
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    counts = [line for line in lines if line.startswith("restage_rtmp_refused_total{") and f'"{code}"' in line]
    return sum(int(line.split()[-1]) for line in counts)


@pytest.mark.timeout(180)
def test_an_encoder_that_falls_silent_is_told_of(aws, ingests, stage, made):
    server, publisher = aws[1], made["participantId"]
    before = refused(server, "INVALID_INPUT")
    with encoding(ingests.endpoint(stage) + made["streamKey"]) as encoder:
        ingests.published(stage, publisher, encoder)
        # As after a cable was pulled: the connection stays, and nothing comes.
        encoder.process.send_signal(signal.SIGSTOP)
        try:
            eventually(lambda: ingests.state(made) == "INACTIVE", ENDED_S, what="the stream is ended")
        finally:
            encoder.process.send_signal(signal.SIGCONT)
        ended(encoder, "INVALID_INPUT")
    assert ingests.errors(stage, publisher) == ["INVALID_INPUT"]
    assert refused(server, "INVALID_INPUT") == before + 1
    assert server.logged("nothing came for 10 s", publisher)


@pytest.mark.timeout(180)
def test_encoders_are_told_that_the_server_stops(tmp_path):
    server = start(tmp_path, "test_rtmp_stops")
    with contextlib.ExitStack() as running:
        running.callback(server.stop)
        ingests = Ingests(Stages(api.client(server)))
        stage = ingests.stages.create("stops")
        encoders = []
        for _ in range(3):
            made = ingests.create(stage)
            encoder = running.enter_context(encoding(ingests.endpoint(stage) + made["streamKey"]))
            ingests.published(stage, made["participantId"], encoder)
            encoders.append(encoder)
        server.stop()
        for encoder in encoders:
            ended(encoder, "the server restarts")


@pytest.mark.timeout(120)
def test_a_stage_that_is_full_takes_no_encoder(tmp_path):
    server = start(tmp_path, "test_rtmp_full", "--limit-publishers-per-stage", "1")
    try:
        ingests = Ingests(Stages(api.client(server)))
        stage = ingests.stages.create("full")
        made, other = ingests.create(stage), ingests.create(stage)
        with encoding(ingests.endpoint(stage) + made["streamKey"], video=BASELINE, audio=AAC) as first:
            ingests.published(stage, made["participantId"], first)
            with encoding(ingests.endpoint(stage) + other["streamKey"]) as second:
                ended(second, "QUOTA_EXCEEDED", "Publishers per stage")
            assert ingests.errors(stage, other["participantId"]) == ["QUOTA_EXCEEDED"]
    finally:
        server.stop()
