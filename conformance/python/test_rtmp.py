"""Encoders publish by RTMP and RTMPS with a stream key, and are watched, replicated and recorded like anybody."""

import json
import re
import socket
import urllib.request

import pytest

from support import api
from support.api import Stages
from support.encoder import TONE_HZ, encoding, ffmpeg, ffmpeg5, gstreamer, gstreamer_missing, running
from support.ingest import Ingests, listening, watch
from support.place import Place
from support.ports import free_port
from support.recording import check, recorded
from support.server import Server
from support.tls import self_signed
from support.wait import eventually

NAMES = ("restage.localhost", "localhost")
SERVER_ARGUMENTS = listening()


def encoders():
    """(name, command for a URL, why it cannot run here) of every encoder."""
    old = ffmpeg5()
    missing = gstreamer_missing()
    return [
        ("ffmpeg9", ffmpeg, None),
        (
            "ffmpeg5",
            lambda url: ffmpeg(url, program=old),
            None if old else "there is no FFmpeg (Debian package ffmpeg)",
        ),
        ("gstreamer", gstreamer, f"GStreamer lacks {missing}" if missing else None),
    ]


EACH = [
    pytest.param(command, id=name, marks=[pytest.mark.skip(reason=lacks)] if lacks else [])
    for name, command, lacks in encoders()
]


@pytest.fixture(scope="module")
def ingests(stages):
    return Ingests(stages)


@pytest.fixture
def pair(stages):
    """(source stage, destination stage), deleted after the test."""
    arns = stages.create("rtmp-source"), stages.create("rtmp-destination")
    yield arns
    for arn in arns:
        stages.ivs.delete_stage(arn=arn)


def see_and_hear(media, stages, stage, publisher):
    """Watches for a moment: pictures come, and the tone is heard."""
    watcher = media.watch(stages.token(stage)[1], publisher)
    eventually(lambda: watcher.frames > 30, 30, what=f"pictures: {watcher}")
    is_tone = lambda: watcher.level > 500 and abs(watcher.frequency - TONE_HZ) < 10  # noqa: E731
    eventually(is_tone, 30, what=f"the tone: {watcher}")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("command", EACH)
def test_an_encoder_is_watched_in_both_stages(server, ingests, stages, media, pair, command):
    source, destination = pair
    made = ingests.create(source)
    publisher = made["participantId"]
    with running(command(ingests.endpoint(source) + made["streamKey"])) as encoder:
        ingests.published(source, publisher, encoder)
        assert ingests.state(made) == "ACTIVE"
        row = stages.participants(source)[publisher]
        assert stages.participant(source, publisher)["protocol"] == "RTMP" and row["userId"] == "encoder"
        stages.replicate(source, destination, publisher)
        for stage in pair:
            see_and_hear(media, stages, stage, publisher)
        told = watch(server, stages.token(destination)[1], publisher, 3)
        assert told["video"]["codec"] == "H.264" and told["video"]["framesPerSecond"] > 20, told
        assert told["audio"]["codec"] == "Opus" and told["audio"]["framesPerSecond"] > 40, told
        assert not encoder.is_over(), encoder.told()
    eventually(lambda: ingests.state(made) == "INACTIVE", what="it has ended")
    line = server.logged("an encoder has ended its stream", publisher)
    assert re.search(r" packets=[1-9]\d* .*\bpictures_left_out=\d+ ", line) and "{" not in line, line
    eventually(lambda: stages.participants(source)[publisher]["state"] == "DISCONNECTED")
    ingests.delete(made)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("command", EACH)
def test_rtmps_is_taken_and_rtmp_refused_unless_it_is_permitted(tmp_path, command):
    certificate, key = self_signed(tmp_path / "served", NAMES)
    rtmp, rtmps = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM)
    encrypted = Server(
        tmp_path / "data",
        *("--tls-cert", str(certificate), "--tls-key", str(key)),
        *("--rtmp", f"127.0.0.1:{rtmp}", "--rtmps", f"127.0.0.1:{rtmps}"),
        name="test_rtmp_tls",
    ).start()
    try:
        ivs = api.client(encrypted, url=f"https://localhost:{encrypted.http_port}", trust=certificate)
        stages = Stages(ivs)
        ingests = Ingests(stages)
        stage = stages.create("encrypted")
        made = ingests.create(stage, ingestProtocol="RTMPS", insecureIngest=False)
        publisher = made["participantId"]
        assert ingests.endpoint(stage).endswith(f":{rtmp}/app/")
        # FFmpeg 9 checks certificates unless it is told otherwise.
        trusting = ("-tls_verify", "0") if command is ffmpeg else ()
        with running(command(ingests.endpoint(stage, "rtmps") + made["streamKey"], *trusting)) as encoder:
            ingests.published(stage, publisher, encoder)
            assert stages.participant(stage, publisher)["protocol"] == "RTMPS"
            token = stages.token(stage)[1]
            told = watch(encrypted, token, publisher, 3, "--no-verify-ssl")
            assert told["video"]["framesPerSecond"] > 20 and told["audio"]["framesPerSecond"] > 40, told
        eventually(lambda: ingests.state(made) == "INACTIVE", what="it has ended")
        with running(command(ingests.endpoint(stage) + made["streamKey"])) as encoder:
            eventually(encoder.is_over, 30, what="it is refused")
        assert ingests.errors(stage, publisher) == ["INVALID_PROTOCOL"]
        assert made["streamKey"] not in encrypted.tail(5000)
    finally:
        encrypted.stop()


@pytest.mark.timeout(240)
def test_an_encoder_and_its_replica_are_recorded(tmp_path):
    place = Place(tmp_path, *listening(), name="test_rtmp_recorded").start()
    try:
        ingests = Ingests(place.stages)
        storage = place.storage()
        source, hall = place.stage(storage), place.stage(storage)
        made = ingests.create(source)
        publisher = made["participantId"]
        with encoding(ingests.endpoint(source) + made["streamKey"]) as encoder:
            ingests.published(source, publisher, encoder)
            place.stages.replicate(source, hall, publisher)
            session, other = place.stages.session(source), place.stages.session(hall)
            rows = [
                recorded(place.stages, stage, publisher, of, "ACTIVE")
                for stage, of in ((source, session), (hall, other))
            ]
            for row in rows:
                place.has_segments(row["recordingS3Prefix"], 3)
        for (stage, of), row in zip(((source, session), (hall, other)), rows, strict=True):
            recorded(place.stages, stage, publisher, of, "STOPPED")
            playlist = check(place.bucket, row["recordingS3Prefix"])
            assert playlist.duration > 4 and len(playlist.inits) == 1, playlist.segments
    finally:
        place.server.stop()


@pytest.mark.timeout(180)
def test_tracks_of_a_multitrack_stream_are_layers(ingests, stages, media, pair):
    stage = pair[0]
    made = ingests.create(stage)
    publisher = made["participantId"]
    # The larger track comes second: the size of the pictures says which layer is which, not their order.
    tracks = (
        *("-filter_complex", "[0:v]split=2[a][b];[a]scale=320:180[small];[b]scale=640:360[large]"),
        *("-map", "[small]", "-map", "[large]", "-map", "1:a"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "30"),
        *("-profile:v", "baseline", "-b:v:0", "200k", "-b:v:1", "700k", "-c:a", "aac", "-ac", "2"),
    )
    url = ingests.endpoint(stage) + made["streamKey"]
    with encoding(url, picture="testsrc2=size=640x360:rate=30", tail=tracks) as encoder:
        ingests.published(stage, publisher, encoder)
        _, token = stages.token(stage)
        events = media.events(token)
        watcher = media.watch(token, publisher)
        eventually(lambda: watcher.size == (640, 360), 30, what=f"the larger one: {watcher}")
        of_type = lambda kind: [frame["payload"] for frame in events.frames if frame["type"] == kind]  # noqa: E731
        both = [("low", 180), ("hi", 360)]

        def are_told():
            told = of_type("STAGE_STREAM_LAYERS_CHANGED")[-1:]
            assert [(layer["label"], layer["height"]) for layer in (told[0]["layers"] if told else ())] == both
            return True

        eventually(are_told, 30, what="both are told")
        wish = {"remoteParticipantId": publisher, "maxHeight": 180}
        events.send(json.dumps({"type": "SUBSCRIBE_CONFIGURE", "payload": wish}))
        eventually(lambda: watcher.size == (320, 180), 30, what=f"the smaller one: {watcher}")
        assert not encoder.is_over(), encoder.told()
    ingests.delete(made)


@pytest.mark.timeout(120)
def test_what_is_counted_is_in_the_metrics(server, ingests, pair):
    made = ingests.create(pair[0])
    with encoding(ingests.endpoint(pair[0]) + made["streamKey"]) as encoder:
        ingests.published(pair[0], made["participantId"], encoder)
        wanted = (
            r'^restage_rtmp_streams\{protocol="rtmp"\} 1',
            r'^restage_rtmp_connections_total\{protocol="rtmp"\} [1-9]',
            r'^restage_rtmp_received_bytes_total\{protocol="rtmp"\} [1-9]\d{4}',
            r"^restage_rtmp_release_delay_seconds_count [1-9]",
            r'^restage_rtmp_left_out_total\{kind="packets"\} 0',
            r"^restage_ingest_switches_total 0",
        )

        def shows_all():
            with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
                metrics = answer.read().decode()
            for pattern in wanted:
                assert re.search(pattern, metrics, re.MULTILINE), f"{pattern} in\n{metrics}"
            return True

        eventually(shows_all)
    ingests.delete(made)


def test_a_server_without_listeners_names_no_endpoints_and_rtmps_needs_tls(tmp_path):
    plain = Server(tmp_path / "plain", name="test_rtmp_plain").start()
    try:
        ivs = api.client(plain)
        endpoints = ivs.create_stage(name="plain")["stage"]["endpoints"]
        assert "rtmp" not in endpoints and "rtmps" not in endpoints
    finally:
        plain.stop()
    address = f"127.0.0.1:{free_port(socket.SOCK_STREAM)}"
    refused = Server(tmp_path / "refused", "--rtmps", address, name="test_rtmp_refused")
    with pytest.raises(AssertionError, match="ended with 2"):
        refused.start()
    refused.logged("restage: rtmps = ", "certificate")
    refused.logged("  try: ", "--tls-cert", "--tls auto")
