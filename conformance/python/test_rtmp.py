"""Encoders that publish by RTMP and RTMPS: FFmpeg with a stream key, viewers in its stage and of a replica."""

import contextlib
import socket
import subprocess
import threading

import imageio_ffmpeg
import pytest

from support import api
from support.api import Stages
from support.ports import free_port
from support.server import Server
from support.tls import self_signed
from support.wait import eventually

NAMES = ("restage.localhost", "localhost")
PUBLISHED_S = 60
PICTURE = "testsrc2=size=320x180:rate=30"
TONE_HZ = 440
SOUND = f"sine=frequency={TONE_HZ}:sample_rate=44100"
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "30")
BASELINE = (*H264, "-profile:v", "baseline", "-b:v", "500k")
AAC = ("-c:a", "aac", "-b:a", "96k", "-ac", "2")


SERVER_ARGUMENTS = ("--rtmp", f"127.0.0.1:{free_port(socket.SOCK_STREAM)}")


class Encoder:
    """FFmpeg, which publishes until it is stopped."""

    def __init__(self, url, *arguments, picture=PICTURE, sound=SOUND, video=BASELINE, audio=AAC):
        inputs = ["-re", "-f", "lavfi", "-i", picture] if picture else []
        inputs += ["-re", "-f", "lavfi", "-i", sound] if sound else []
        outputs = [*(video if picture else ()), *(audio if sound else ()), *arguments]
        program = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-hide_banner", "-loglevel", "info"]
        self.process = subprocess.Popen(
            [*program, *inputs, *outputs, "-f", "flv", url],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self.said = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        self.said.extend(self.process.stderr)

    def is_over(self):
        return self.process.poll() is not None

    def told(self):
        return "".join(self.said)

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)


@contextlib.contextmanager
def encoding(*arguments, **more):
    encoder = Encoder(*arguments, **more)
    try:
        yield encoder
    finally:
        encoder.stop()


@pytest.fixture
def pair(stages):
    """(source stage, destination stage), deleted after the test."""
    arns = stages.create("rtmp-source"), stages.create("rtmp-destination")
    yield arns
    for arn in arns:
        stages.ivs.delete_stage(arn=arn)


@pytest.fixture
def ingest(ivs, pair):
    made = ivs.create_ingest_configuration(
        ingestProtocol="RTMP", insecureIngest=True, stageArn=pair[0], userId="encoder"
    )["ingestConfiguration"]
    yield made
    ivs.delete_ingest_configuration(arn=made["arn"], force=True)


def endpoint(ivs, stage, protocol="rtmp"):
    return ivs.get_stage(arn=stage)["stage"]["endpoints"][protocol]


def state(ivs, made):
    return ivs.get_ingest_configuration(arn=made["arn"])["ingestConfiguration"]["state"]


def is_published(stages, stage, participant):
    return stages.participants(stage).get(participant, {}).get("published")


def watch(stages, media, stage, publisher):
    """Watches for a moment: pictures come, and the tone is heard."""
    watcher = media.watch(stages.token(stage)[1], publisher)
    eventually(lambda: watcher.frames > 30, 30, what=f"pictures: {watcher}")
    is_tone = lambda: watcher.level > 500 and abs(watcher.frequency - TONE_HZ) < 10  # noqa: E731
    eventually(is_tone, 30, what=f"the tone: {watcher}")


def test_ffmpeg_publishes_and_is_watched_in_both_stages(ivs, stages, media, pair, ingest):
    source, destination = pair
    publisher = ingest["participantId"]
    with encoding(endpoint(ivs, source) + ingest["streamKey"]) as encoder:
        eventually(lambda: is_published(stages, source, publisher), PUBLISHED_S, what=encoder.told())
        assert state(ivs, ingest) == "ACTIVE"
        assert stages.participants(source)[publisher]["protocol"] == "RTMP"
        stages.replicate(source, destination, publisher)
        for stage in pair:
            watch(stages, media, stage, publisher)
        assert not encoder.is_over(), encoder.told()
    eventually(lambda: state(ivs, ingest) == "INACTIVE", what="it has ended")
    assert not is_published(stages, source, publisher)


def test_rtmps_is_taken_and_rtmp_refused_unless_it_is_permitted(tmp_path):
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
        stage = stages.create("encrypted")
        made = ivs.create_ingest_configuration(ingestProtocol="RTMPS", stageArn=stage)["ingestConfiguration"]
        with encoding(endpoint(ivs, stage) + made["streamKey"]) as encoder:
            eventually(encoder.is_over, 30, what="it is refused")
            eventually(lambda: "rtmps" in encoder.told(), what=encoder.told())
        with encoding(endpoint(ivs, stage, "rtmps") + made["streamKey"], "-tls_verify", "0") as encoder:
            eventually(lambda: is_published(stages, stage, made["participantId"]), PUBLISHED_S, what=encoder.told())
            assert stages.participants(stage)[made["participantId"]]["protocol"] == "RTMPS"
    finally:
        encrypted.stop()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"video": (*H264, "-tune", "film", "-bf", "2")}, "B frames"),
        ({"sound": None}, "there is no audio"),
        ({"picture": None}, "there is no video"),
        ({"audio": ("-c:a", "aac", "-ar", "22050")}, "22050"),
        ({"audio": ("-c:a", "aac", "-ac", "6")}, "channels"),
        (
            {
                "audio": (
                    "-c:a",
                    "libmp3lame",
                )
            },
            "AAC-LC",
        ),
    ],
)
def test_what_breaks_a_rule_is_ended_and_the_encoder_is_told(ivs, stages, pair, ingest, more, words):
    with encoding(endpoint(ivs, pair[0]) + ingest["streamKey"], **more) as encoder:
        eventually(encoder.is_over, 40, what="it is ended")
        eventually(lambda: words in encoder.told(), what=f"{words}: {encoder.told()}")
    eventually(lambda: state(ivs, ingest) == "INACTIVE", what="it has ended")


def test_a_wrong_key_and_one_in_use_are_refused(ivs, stages, pair, ingest, server):
    url = endpoint(ivs, pair[0])
    with encoding(url + ingest["streamKey"][:-1] + "-") as encoder:
        eventually(encoder.is_over, 30, what="it is refused")
        assert "stream key" in encoder.told()
    with encoding(url + ingest["streamKey"]) as first:
        eventually(lambda: is_published(stages, pair[0], ingest["participantId"]), PUBLISHED_S, what=first.told())
        with encoding(url + ingest["streamKey"]) as second:
            eventually(second.is_over, 30, what="it is refused")
            assert "in use" in second.told()
        assert not first.is_over(), "the first stays"
    assert ingest["streamKey"] not in server.tail(5000)


def test_disconnect_ends_the_stream_and_unusable_is_the_key(ivs, stages, pair, ingest):
    url = endpoint(ivs, pair[0]) + ingest["streamKey"]
    with encoding(url) as encoder:
        eventually(lambda: is_published(stages, pair[0], ingest["participantId"]), PUBLISHED_S, what=encoder.told())
        ivs.disconnect_participant(stageArn=pair[0], participantId=ingest["participantId"])
        eventually(encoder.is_over, 30, what="it is ended")
    assert ivs.get_ingest_configuration(arn=ingest["arn"])["ingestConfiguration"].get("stageArn", "") == ""
    with encoding(url) as encoder:
        eventually(encoder.is_over, 30, what="it is refused")


def test_a_server_without_listeners_names_no_endpoints_and_rtmps_needs_tls(tmp_path):
    plain = Server(tmp_path / "plain", name="test_rtmp_plain").start()
    try:
        ivs = api.client(plain)
        endpoints = ivs.create_stage(name="plain")["stage"]["endpoints"]
        assert "rtmp" not in endpoints and "rtmps" not in endpoints
    finally:
        plain.stop()
    with pytest.raises(AssertionError, match="TLS"):
        Server(
            tmp_path / "refused", "--rtmps", f"127.0.0.1:{free_port(socket.SOCK_STREAM)}", name="test_rtmp_refused"
        ).start()
