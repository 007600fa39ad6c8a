"""Compositions compose: who is where in the picture, what is heard, where it goes, and what happens when the compositor dies."""

import os
import pathlib
import signal
import time

import av
import numpy
import pytest
from support import card
from support.encoder import free_port
from support.place import BUCKET, Place
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
    [found] = (root / "media" / "hls").glob("720p30-*/")
    return found


def tile(plane, left, top, width, height):
    """The card in a tile, which is scaled and cut at the top and bottom: its identity is told by its pitch of brightness in the first row of blocks."""
    return plane[top : top + height, left : left + width]


def identity_of(plane):
    """The identity on a card that covers a 16:9 tile: of its 4:3 picture the middle is shown, so half of the first row of blocks is cut off."""
    height, width = plane.shape
    scale = width / card.WIDTH
    top = (card.HEIGHT * scale - height) / 2
    word = 0
    for bit in range(card.BITS):
        row, column = divmod(bit, card.BLOCKS_PER_ROW)
        y = (row + 0.75) * card.BLOCK * scale - top
        x = (column + 0.5) * card.BLOCK * scale
        if not 0 <= y < height - 2:
            return None
        word = word << 1 | int(plane[int(y) : int(y) + 3, int(x) - 3 : int(x) + 4].mean() > 128)
    return word


def last_plane(root):
    """Brightness of the last picture of what is recorded."""
    plane = None
    with av.open(str(root / "media/hls/multivariant.m3u8")) as container:
        for frame in container.decode(video=0):
            plane = frame.to_ndarray(format="gray")
    return plane


def second_row(plane):
    """The second row of blocks of a card in a 16:9 tile: six bits of the count, then the check; it is shown whole. Whether each is white."""
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


def compositors(server):
    """The processes that compose for this server."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
            words = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if parent == server.process.pid and b"internal-compose" in words:
            found.append(int(path.name))
    return found


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
