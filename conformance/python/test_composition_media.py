"""Compositions: who is seen and heard, where it goes, and what happens when the compositor dies."""

import os
import signal
import socket

import av
import numpy
import pytest

from support import card
from support.composition import compositors
from support.place import Place
from support.ports import free_port
from support.recording import Playlist, ffmpeg_warnings
from support.wait import eventually

WIDTH, HEIGHT = 1280, 720


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("composition"), name="test_composition").start()
    yield made
    made.server.stop()


@pytest.fixture(scope="module")
def storage(place):
    return place.storage()


@pytest.fixture(scope="module")
def encoder(place):
    made = place.ivs.create_encoder_configuration(video={"width": WIDTH, "height": HEIGHT, "framerate": 30})
    return made["encoderConfiguration"]["arn"]


def start(place, stage, storage, encoder, **arguments):
    bucket = {"storageConfigurationArn": storage, "encoderConfigurationArns": [encoder]}
    made = place.ivs.start_composition(stageArn=stage, destinations=[{"s3": bucket}], **arguments)
    return made["composition"]


def state(place, composition):
    found = place.ivs.get_composition(arn=composition["arn"])["composition"]
    return [found["state"], *(one["state"] for one in found["destinations"])]


def folder(place, composition):
    prefix = composition["destinations"][0]["detail"]["s3"]["recordingPrefix"]
    return place.bucket.directory / prefix


def rendition(root):
    return root / "media" / "hls" / f"720p30-{root.parent.name}"


def tile(plane, left, top, width, height):
    """The part of a picture that is a tile."""
    return plane[top : top + height, left : left + width]


def last_plane(root):
    """Brightness of the last picture of what is recorded."""
    plane = None
    with av.open(str(root / "media/hls/multivariant.m3u8")) as container:
        for frame in container.decode(video=0):
            plane = frame.to_ndarray(format="gray")
    return plane


def second_row(plane):
    """Brightness of the blocks in the second row of a card that covers a 16:9 tile; the first row is partly cut off."""
    height, width = plane.shape
    scale = width / card.WIDTH
    top = (card.HEIGHT * scale - height) / 2
    y = int(1.5 * card.BLOCK * scale - top)
    row = []
    for column in range(card.BLOCKS_PER_ROW):
        x = int((column + 0.5) * card.BLOCK * scale)
        row.append(float(plane[max(y - 2, 0) : y + 3, x - 3 : x + 4].mean()))
    return row


@pytest.mark.timeout(180)
def test_participants_of_both_codecs_are_composed_and_recorded(place, storage, encoder, media):
    stage = place.ivs.create_stage()["stage"]["arn"]
    for identity, codec in ((1, "H264"), (2, "VP8")):
        _, token = place.stages.token(stage, userId=f"user {identity}")
        media.publish(token, identity=identity, codec=codec)
    composition = start(place, stage, storage, encoder)
    eventually(lambda: state(place, composition) == ["ACTIVE", "ACTIVE"], 30, "an active composition")
    root = folder(place, composition)
    eventually(lambda: (rendition(root) / "4.mp4").is_file(), 60, "five segments")
    place.ivs.stop_composition(arn=composition["arn"])
    eventually(lambda: state(place, composition) == ["STOPPED", "STOPPED"], 30, "a stopped composition")
    playlist = Playlist((rendition(root) / "playlist.m3u8").read_text(encoding="utf-8"))
    assert playlist.is_over and len(playlist.inits) == 1, playlist.inits
    assert ffmpeg_warnings(root / "media/hls/multivariant.m3u8") == []
    plane = last_plane(root)
    assert plane.shape == (HEIGHT, WIDTH)
    left, right = tile(plane, 0, 180, 638, 358), tile(plane, 640, 180, 638, 358)
    for one in (left, right):
        blocks = second_row(one)
        assert all(value < 90 or value > 165 for value in blocks), f"no card: {blocks}"
    assert tile(plane, 0, 0, WIDTH, 170).mean() < 24, "above the tiles it is black"
    # Both tones are heard.
    with av.open(str(root / "media/hls/multivariant.m3u8")) as container:
        samples = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    sound = numpy.concatenate(samples)[-96_000:-48_000]
    spectrum = numpy.abs(numpy.fft.rfft(sound * numpy.hanning(len(sound))))
    for identity in (1, 2):
        pitch = int(card.pitch(identity))
        near, all_of_it = spectrum[pitch - 5 : pitch + 6].max(), numpy.median(spectrum[200:2000])
        assert near > 20 * all_of_it, f"{pitch} Hz: {near} beside {all_of_it}"


@pytest.mark.timeout(240)
@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGSTOP])
def test_a_compositor_that_dies_or_hangs_is_started_again(place, storage, encoder, media, blow):
    stage = place.ivs.create_stage()["stage"]["arn"]
    _, token = place.stages.token(stage)
    media.publish(token, identity=3, codec="H264")
    composition = start(place, stage, storage, encoder)
    eventually(lambda: state(place, composition) == ["ACTIVE", "ACTIVE"], 30, "an active composition")
    root = folder(place, composition)
    eventually(lambda: (rendition(root) / "1.mp4").is_file(), 60, "two segments")
    [first] = compositors(place.server)
    os.kill(first, blow)
    eventually(lambda: compositors(place.server) not in ([first], []), 30, "another compositor")
    eventually(lambda: state(place, composition) == ["ACTIVE", "ACTIVE"], 30, "an active composition")
    segments = len(list(rendition(root).glob("[0-9]*.mp4")))
    eventually(lambda: (rendition(root) / f"{segments + 1}.mp4").is_file(), 60, "two more segments")
    place.ivs.stop_composition(arn=composition["arn"])
    eventually(lambda: state(place, composition) == ["STOPPED", "STOPPED"], 30, "a stopped composition")
    text = (rendition(root) / "playlist.m3u8").read_text(encoding="utf-8")
    assert text.count("#EXT-X-DISCONTINUITY\n") == 1, text
    Playlist(text)


@pytest.mark.timeout(240)
def test_a_composition_goes_on_after_the_server_was_killed(tmp_path, media):
    own = Place(tmp_path, name="test_composition_killed").start()
    try:
        storage = own.storage()
        stage = own.ivs.create_stage()["stage"]["arn"]
        _, token = own.stages.token(stage)
        media.publish(token, identity=4, codec="H264")
        made = own.ivs.create_encoder_configuration()["encoderConfiguration"]["arn"]
        composition = start(own, stage, storage, made)
        eventually(lambda: state(own, composition) == ["ACTIVE", "ACTIVE"], 30, "an active composition")
        root = folder(own, composition)
        eventually(lambda: (rendition(root) / "1.mp4").is_file(), 60, "two segments")
        own.server.kill()
        own.start()
        _, token = own.stages.token(stage)
        media.publish(token, identity=4, codec="H264")
        eventually(lambda: state(own, composition) == ["ACTIVE", "ACTIVE"], 30, "an active composition")
        before = len(list(rendition(root).glob("[0-9]*.mp4")))
        eventually(lambda: (rendition(root) / f"{before + 1}.mp4").is_file(), 60, "two more segments")
        own.ivs.stop_composition(arn=composition["arn"])
        eventually(lambda: state(own, composition) == ["STOPPED", "STOPPED"], 30, "a stopped composition")
        text = (rendition(root) / "playlist.m3u8").read_text(encoding="utf-8")
        assert text.count("#EXT-X-DISCONTINUITY\n") == 1, text
    finally:
        own.server.stop()


@pytest.mark.timeout(240)
def test_a_composition_is_published_into_another_stage_by_rtmp(tmp_path, media):
    port = free_port(socket.SOCK_STREAM)
    rtmp = ("--rtmp", f"127.0.0.1:{port}")
    own = Place(tmp_path, *rtmp, name="test_composition_channel").start()
    try:
        stage, watched = (own.ivs.create_stage()["stage"]["arn"] for _ in range(2))
        made = own.ivs.create_ingest_configuration(ingestProtocol="RTMP", insecureIngest=True, stageArn=watched)
        ingest = made["ingestConfiguration"]
        channel = stage.replace(":stage/", ":channel/")
        own.server.stop()
        settings = tmp_path / "restage.toml"
        settings.write_text(
            f'[[channel]]\narn = "{channel}"\nurl = "rtmp://127.0.0.1:{port}/app"\n'
            f'stream-key = "{ingest["streamKey"]}"\n',
            encoding="utf-8",
        )
        settings.chmod(0o600)
        own = Place(tmp_path, *rtmp, "--config", str(settings), name="test_composition_channel").start()
        _, token = own.stages.token(stage)
        media.publish(token, identity=5, codec="VP8")
        made = own.ivs.start_composition(stageArn=stage, destinations=[{"channel": {"channelArn": channel}}])
        composition = made["composition"]
        eventually(lambda: state(own, composition) == ["ACTIVE", "ACTIVE"], 30, "an active composition")
        # It publishes with its first key frame.
        participant = ingest["participantId"]
        session = eventually(lambda: own.stages.session(watched), 30, "a session")
        eventually(lambda: own.stages.participant(watched, participant, session)["published"], 30, "pictures")
        _, token = own.stages.token(watched)
        watcher = media.watch(token, participant, codecs=["H264"])
        eventually(lambda: watcher.hears(5), 30, "the tone of the participant")
        own.ivs.stop_composition(arn=composition["arn"])
        eventually(lambda: state(own, composition) == ["STOPPED", "STOPPED"], 30, "a stopped composition")
        eventually(
            lambda: own.ivs.get_ingest_configuration(arn=ingest["arn"])["ingestConfiguration"]["state"] == "INACTIVE"
        )
        assert ingest["streamKey"] not in "\n".join(own.server.log)
    finally:
        own.server.stop()
