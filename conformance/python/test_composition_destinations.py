"""Where compositions go: S3 that goes away, a missing spool, RTMP servers that are dead, refuse, return, speak TLS."""

import json
import os
import pathlib
import shutil
import signal
import socket
import time
import urllib.request

import pytest

from support import api
from support.composition import (
    Compositions,
    RtmpListener,
    bucket_of,
    channel_of,
    compositors,
    local_segments,
    prefix_of,
    segments_of,
)
from support.place import Place
from support.ports import free_port
from support.recording import Playlist, ffmpeg_warnings
from support.tls import TlsProxy, certified
from support.wait import eventually

ACCOUNT = f"arn:aws:ivs:{api.REGION}:000000000000"
SIZE = {"width": 640, "height": 360, "framerate": 30.0, "bitrate": 800_000}


def channels(directory, **urls):
    """The arguments of a server that has these channels, and their ARNs by name."""
    path = directory / "channels.toml"
    blocks = []
    for name, (url, key) in urls.items():
        blocks.append(f'[[channel]]\narn = "{channel(name)}"\nurl = "{url}"\nstream-key = "{key}"\n')
    path.write_text("\n".join(blocks), encoding="utf-8")
    path.chmod(0o600)
    return ("--config", str(path))


def channel(name):
    return f"{ACCOUNT}:channel/{name}"


def publish(place, media, identity=1, codec="H264"):
    """A stage with somebody in it."""
    stage = place.ivs.create_stage()["stage"]["arn"]
    media.publish(place.stages.token(stage)[1], identity=identity, codec=codec)
    return stage


def why_it_waits(place, composition):
    """What the console is told of the bucket of the first destination."""
    key = (place.server.data_dir / "console.key").read_text().strip()
    url = f"{place.server.url}/console/api/compositions?compositionArn={composition['arn']}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        [found] = json.load(answer)["compositions"]
    return found["destinations"][0].get("waits")


def whole(root, discontinuities=0):
    """The recording of a folder has ended, is complete and plays."""
    rendition, _ = local_segments(root)
    text = (rendition / "playlist.m3u8").read_text(encoding="utf-8")
    playlist = Playlist(text)
    assert playlist.is_over
    assert text.count("#EXT-X-DISCONTINUITY\n") == discontinuities, text
    for name, _ in playlist.segments:
        assert (rendition / name).is_file(), name
    assert ffmpeg_warnings(root / "media/hls/multivariant.m3u8", len(playlist.inits)) == []
    return playlist


@pytest.mark.timeout(240)
def test_a_composition_is_in_s3_though_that_was_away(tmp_path, s3, media):
    place = Place(tmp_path, s3=s3, name="test_composition_s3").start()
    compositions = Compositions(place)
    try:
        storage = place.storage()
        stage = publish(place, media)
        composition = compositions.start(stage, bucket_of(storage, compositions.encoder(**SIZE)))
        compositions.active(composition)
        prefix = prefix_of(composition)
        eventually(lambda: segments_of(s3.names(prefix)) >= 2, 60, "two segments")
        s3.stop()
        spool = place.server.data_dir / "spool"
        eventually(lambda: len(list(spool.glob("*/[0-9]*.mp4"))) >= 2, 60, "segments wait in the spool")
        # The composition goes on, and the operator is told.
        assert compositions.states(composition) == ["ACTIVE", "ACTIVE"]
        eventually(lambda: why_it_waits(place, composition), 30, "why the bucket does not take it")
        place.ivs.stop_composition(arn=composition["arn"])
        compositions.wait(composition, "STOPPING", "STOPPING")
        s3.start()
        compositions.wait(composition, "STOPPED", "STOPPED", timeout_s=90)
        assert why_it_waits(place, composition) is None
        bucket = s3.copy(prefix, tmp_path / "copy")
        playlist = whole(bucket.directory / prefix)
        assert len(playlist.segments) >= 4
        names = s3.names(prefix)
        assert "events/recording-started.json" in names and "events/recording-ended.json" in names
        eventually(lambda: not list(spool.glob("*/[0-9]*.mp4")), 30, "the spool is empty")
    finally:
        place.server.stop()


@pytest.mark.timeout(240)
def test_a_composition_waits_for_its_spool(tmp_path, media):
    place = Place(tmp_path, name="test_composition_spool").start()
    compositions = Compositions(place)
    try:
        storage, encoder = place.storage(), compositions.encoder(**SIZE)
        stage = publish(place, media)
        composition = compositions.start(stage, bucket_of(storage, encoder))
        compositions.active(composition)
        root = place.bucket.directory / prefix_of(composition)
        eventually(lambda: local_segments(root)[1] >= 2, 60, "two segments")
        place.server.kill()
        spool, away = place.server.data_dir / "spool", tmp_path / "away"
        spool.rename(away)
        # The place where a disk was mounted is empty.
        spool.mkdir(mode=0o700)
        place.start()
        media.publish(place.stages.token(stage)[1], identity=1, codec="H264")
        compositions.wait(composition, "ACTIVE", "RECONNECTING")
        # Another one cannot begin, which is said.
        other = compositions.start(publish(place, media, 2), bucket_of(storage, encoder))
        compositions.wait(other, "FAILED", "FAILED")
        assert compositions.states(composition) == ["ACTIVE", "RECONNECTING"]
        shutil.rmtree(spool)
        away.rename(spool)
        compositions.active(composition)
        before = local_segments(root)[1]
        eventually(lambda: local_segments(root)[1] >= before + 2, 60, "two more segments")
        compositions.stop(composition)
        whole(root, discontinuities=1)
    finally:
        place.server.stop()


@pytest.mark.timeout(240)
def test_a_composition_that_stops_without_its_spool_is_completed_when_that_is_back(tmp_path, media):
    place = Place(tmp_path, name="test_composition_spool_stop").start()
    compositions = Compositions(place)
    try:
        stage = publish(place, media)
        composition = compositions.start(stage, bucket_of(place.storage(), compositions.encoder(**SIZE)))
        compositions.active(composition)
        root = place.bucket.directory / prefix_of(composition)
        eventually(lambda: local_segments(root)[1] >= 2, 60, "two segments")
        place.server.kill()
        spool, away = place.server.data_dir / "spool", tmp_path / "away"
        spool.rename(away)
        spool.mkdir(mode=0o700)
        place.start()
        compositions.wait(composition, "ACTIVE", "RECONNECTING")
        place.ivs.stop_composition(arn=composition["arn"])
        compositions.wait(composition, "STOPPING", "STOPPING")
        shutil.rmtree(spool)
        away.rename(spool)
        compositions.wait(composition, "STOPPED", "STOPPED", timeout_s=60)
        whole(root)
    finally:
        place.server.stop()


@pytest.mark.timeout(240)
def test_a_channel_whose_server_is_dead_does_not_hold_the_bucket_up(tmp_path, media):
    # It is connected to, and says nothing.
    with socket.create_server(("127.0.0.1", 0)) as dead:
        place = Place(
            tmp_path,
            *channels(tmp_path, dead=(f"rtmp://127.0.0.1:{dead.getsockname()[1]}/app", "key")),
            name="test_composition_dead_channel",
        ).start()
        compositions = Compositions(place)
        try:
            encoder = compositions.encoder(**SIZE)
            stage = publish(place, media)
            to_bucket, to_channel = bucket_of(place.storage(), encoder), channel_of(channel("dead"), encoder)
            composition = compositions.start(stage, to_channel, to_bucket)
            compositions.wait(composition, "ACTIVE", "STARTING", "ACTIVE")
            root = place.bucket.directory / prefix_of(composition, 1)
            eventually(lambda: local_segments(root)[1] >= 6, 60, "six segments")
            assert compositions.states(composition) == ["ACTIVE", "STARTING", "ACTIVE"]
            compositions.stop(composition, "STOPPED", "STOPPED")
            playlist = whole(root)
            # Nothing was left out, and no segment is cut short.
            lengths = [length for _, length in playlist.segments[:-1]]
            assert all(abs(length - 2) < 0.2 for length in lengths), lengths
        finally:
            place.server.stop()


@pytest.mark.timeout(240)
def test_an_rtmp_server_that_refuses_and_one_that_is_in_use_fail_at_once(tmp_path, media):
    port = free_port(socket.SOCK_STREAM)
    rtmp = ("--rtmp", f"127.0.0.1:{port}")
    place = Place(tmp_path, *rtmp, name="test_composition_refused").start()
    compositions = Compositions(place)
    try:
        watched = place.ivs.create_stage()["stage"]["arn"]
        made = place.ivs.create_ingest_configuration(ingestProtocol="RTMP", insecureIngest=True, stageArn=watched)
        url, key = f"rtmp://127.0.0.1:{port}/app", made["ingestConfiguration"]["streamKey"]
        place.server.stop()
        ways = {"wrong": (url, "sk_nobody"), "first": (url, key), "second": (url, key)}
        place = Place(tmp_path, *rtmp, *channels(tmp_path, **ways), name="test_composition_refused").start()
        compositions = Compositions(place)
        stage = publish(place, media)
        wrong = compositions.start(stage, channel_of(channel("wrong")))
        compositions.wait(wrong, "FAILED", "FAILED")
        first = compositions.start(stage, channel_of(channel("first")))
        compositions.active(first)
        second = compositions.start(stage, channel_of(channel("second")))
        compositions.wait(second, "FAILED", "FAILED")
        assert compositions.states(first) == ["ACTIVE", "ACTIVE"]
        compositions.stop(first)
    finally:
        place.server.stop()


@pytest.mark.timeout(240)
def test_an_rtmp_server_that_comes_back_is_sent_to_again(tmp_path, media):
    port = free_port(socket.SOCK_STREAM)
    place = Place(
        tmp_path,
        *channels(tmp_path, house=(f"rtmp://127.0.0.1:{port}/app", "key")),
        name="test_composition_listener",
    ).start()
    compositions = Compositions(place)
    first = RtmpListener(port, tmp_path / "first.mkv")
    second = None
    try:
        encoder = compositions.encoder(width=1280, height=720, framerate=30.0, bitrate=1_500_000)
        stage = publish(place, media, codec="VP8")
        composition = compositions.start(stage, channel_of(channel("house"), encoder))
        compositions.active(composition)
        eventually(first.has_media, 30, "media in FFmpeg")
        first.kill()
        compositions.wait(composition, "ACTIVE", "RECONNECTING")
        second = RtmpListener(port, tmp_path / "second.mkv")
        compositions.active(composition)
        eventually(second.has_media, 30, "media in FFmpeg again")
        compositions.stop(composition)
        for listener in (first, second):
            assert listener.streams() == {"video": ("h264", (1280, 720)), "audio": ("aac", 48_000)}
            assert ffmpeg_warnings(listener.path) == []
    finally:
        for listener in filter(None, (first, second)):
            listener.kill()
        place.server.stop()


@pytest.mark.timeout(180)
def test_a_channel_is_sent_to_over_tls(tmp_path, media):
    port, secure = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_STREAM)
    root, certificate, key = certified(tmp_path / "tls", ["localhost"])
    urls = {"secure": (f"rtmps://localhost:{secure}/app", "key")}
    place = Place(
        tmp_path,
        *channels(tmp_path, **urls),
        name="test_composition_rtmps",
        environment={"SSL_CERT_FILE": str(root)},
    ).start()
    compositions = Compositions(place)
    listener = RtmpListener(port, tmp_path / "secure.mkv")
    try:
        with TlsProxy(secure, port, certificate, key):
            stage = publish(place, media)
            composition = compositions.start(stage, channel_of(channel("secure"), compositions.encoder(**SIZE)))
            compositions.active(composition)
            eventually(listener.has_media, 30, "media in FFmpeg")
            compositions.stop(composition)
        assert listener.streams() == {"video": ("h264", (640, 360)), "audio": ("aac", 48_000)}
    finally:
        listener.kill()
        place.server.stop()


@pytest.mark.timeout(120)
def test_sizes_that_cannot_be_encoded_fail_and_the_lowest_rate_does_not(tmp_path, media):
    place = Place(tmp_path, name="test_composition_extremes").start()
    compositions = Compositions(place)
    try:
        storage, stage = place.storage(), publish(place, media)
        tiny = compositions.encoder(width=2, height=14)
        composition = compositions.start(stage, bucket_of(storage, tiny))
        compositions.wait(composition, "FAILED", "FAILED")
        slow = compositions.encoder(**(SIZE | {"bitrate": 1}))
        composition = compositions.start(stage, bucket_of(storage, slow))
        compositions.active(composition)
        root = place.bucket.directory / prefix_of(composition)
        eventually(lambda: local_segments(root)[1] >= 2, 60, "two segments")
        compositions.stop(composition)
        whole(root)
    finally:
        place.server.stop()


@pytest.mark.timeout(240)
def test_a_composition_that_fails_says_so_in_its_bucket_and_one_that_stops_at_once_has_a_beginning(tmp_path, media):
    place = Place(tmp_path, name="test_composition_ends").start()
    compositions = Compositions(place)
    try:
        storage, encoder, stage = place.storage(), compositions.encoder(**SIZE), publish(place, media)
        composition = compositions.start(stage, bucket_of(storage, encoder))
        compositions.active(composition)
        root = place.bucket.directory / prefix_of(composition)
        eventually(lambda: local_segments(root)[1] >= 1, 60, "a segment")
        killed = []
        while len(killed) < 4:
            found = [one for one in compositors(place.server) if one not in killed]
            for one in found:
                os.kill(one, signal.SIGKILL)
            killed += found
            eventually(lambda: compositors(place.server) or "FAILED" in compositions.states(composition), 30)
        compositions.wait(composition, "FAILED", "FAILED")
        eventually((root / "events/recording-failed.json").is_file, 30, "the document of the failure")
        assert not (root / "events/recording-ended.json").exists()
        short = compositions.start(stage, bucket_of(storage, encoder))
        compositions.stop(short)
        names = {path.name for path in (place.bucket.directory / prefix_of(short)).glob("events/*")}
        assert names == {"recording-started.json", "recording-ended.json"}
    finally:
        place.server.stop()


@pytest.mark.timeout(120)
def test_a_stopped_server_does_not_blame_its_compositor_and_a_stopped_compositor_ends_with_its_server(tmp_path, media):
    place = Place(tmp_path, name="test_composition_stall").start()
    compositions = Compositions(place)
    try:
        stage = publish(place, media)
        composition = compositions.start(stage, bucket_of(place.storage(), compositions.encoder(**SIZE)))
        compositions.active(composition)
        [child] = compositors(place.server)
        place.server.process.send_signal(signal.SIGSTOP)
        # Longer than a compositor may be silent: nothing is waited for.
        time.sleep(7)
        place.server.process.send_signal(signal.SIGCONT)
        root = place.bucket.directory / prefix_of(composition)
        before = local_segments(root)[1]
        eventually(lambda: local_segments(root)[1] >= before + 3, 60, "three more segments")
        assert compositors(place.server) == [child]
        os.kill(child, signal.SIGSTOP)
        eventually(lambda: condition(child) == "T", 15, "the compositor is stopped")
        place.server.kill()
        eventually(lambda: condition(child) in "ZX", 15, "the compositor has ended")
    finally:
        place.server.stop()


def condition(pid):
    """The state of a process, as `ps` says it; X if there is none."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "X"
