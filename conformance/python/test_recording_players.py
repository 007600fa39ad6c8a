"""FFmpeg and GStreamer play recordings in which tracks and formats come and go, to their end and without a warning.

hls.js does the same in conformance/browser/tests/recorded_tracks.test.js."""

import os

import av
import pytest

from support import gstreamer
from support.cards import LARGE, SMALL, Cards
from support.recording import MULTIVARIANT, PLAYLIST, Playlist, decoded, ffmpeg_warnings

CODECS = ["H264", "H265", "VP9", "AV1"]
# What happens; the length in seconds, how many parts the playlist has, and the least number of pictures.
SCENES = {
    "sound_first_pictures_after_1_s": (["off=0-1"], 10, 1, 9 * 30),
    "sound_first_pictures_after_4_s": (["off=0-4"], 10, 1, 6 * 30),
    "sound_first_pictures_after_60_s": (["off=0-60"], 66, 2, 6 * 30),
    "camera_off_and_on": (["off=8-14"], 20, 3, 14 * 30),
    "camera_off_twice": (["off=6-11", "off=16-21"], 25, 5, 15 * 30),
    "microphone_later": (["mute=0-5"], 10, 1, 10 * 30),
    "another_size_and_back": (["then={large}@7", "then={small}@13"], 20, 3, 20 * 30),
    "back_with_pictures": (["length=20", "sound-only-agreed", "back=7.9-9.9"], 18, 2, 10 * 30),
    "back_with_sound": (["length=20", "pictures-only-agreed", "back=7.9-9.9"], 18, 2, 18 * 30),
    "everything": (["off=0-8", "then={large}@12", "off=18-22", "mute=24-28"], 32, 5, 20 * 30),
}
# Before pictures are offered, the black ones are of H.264, and these players go on with no other codec; hls.js does.
PLAYED = [(codec, scene) for codec in CODECS for scene in SCENES if codec == "H264" or scene != "back_with_pictures"]


@pytest.fixture(scope="module")
def cards(tmp_path_factory):
    return Cards(tmp_path_factory.mktemp("cards"))


@pytest.fixture(scope="module")
def has_gstreamer():
    lacking = gstreamer.missing()
    assert not lacking or not os.environ.get("CI"), f"CI has all that this needs, but: {lacking}"
    if lacking:
        print(f"skipped: GStreamer: {lacking}")
    return not lacking


def played_by_all(folder, has_gstreamer):
    """Plays a recording; returns (its playlist, seconds of sound, number of pictures), which all players agree on."""
    path = folder / MULTIVARIANT
    playlist = Playlist((folder / PLAYLIST).read_text(encoding="utf-8"))
    assert ffmpeg_warnings(path, len(playlist.inits)) == []
    sound, pictures = decoded(path)
    assert abs(sound - playlist.duration) < 0.15, f"{sound} s of sound in {playlist.duration} s"
    if has_gstreamer:
        heard, seen, warnings = gstreamer.played(path)
        assert warnings == []
        assert (round(heard, 2), seen) == (round(sound, 2), pictures)
    return playlist, sound, pictures


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("codec", "scene"), PLAYED)
def test_tracks_come_and_go(cards, has_gstreamer, codec, scene):
    events, length, parts, least = SCENES[scene]
    names = {"small": cards.card(codec, SMALL), "large": cards.card(codec, LARGE)}
    events = [event.format(**names) for event in events]
    folder = cards.record(codec, f"length={length}", *events)
    playlist, sound, pictures = played_by_all(folder, has_gstreamer)
    assert len(playlist.inits) == parts
    assert abs(sound - length) < 0.2, f"{sound} s of sound in a scene of {length} s"
    # The camera begins with the next key frame, up to a second later; a black picture stands for a second.
    assert least - 31 * parts <= pictures <= least + length + parts, pictures


@pytest.mark.timeout(120)
def test_another_profile_of_h264(cards, has_gstreamer):
    high = cards.card("H264-high", LARGE)
    low = cards.card("H264")
    folder = cards.record("H264", "length=20", f"then={high}@7", f"then={low}@13")
    playlist, _, pictures = played_by_all(folder, has_gstreamer)
    assert (len(playlist.inits), pictures) == (3, 600)


def light(path):
    """(second, mean brightness) of each picture."""
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.video[0]):
            yield frame.time, frame.to_ndarray(format="gray").mean()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("codec", CODECS)
def test_a_camera_that_is_off_is_black(cards, codec):
    folder = cards.record(codec, "length=20", "off=8-14")
    for second, mean in light(folder / MULTIVARIANT):
        # What is shown last stands for two seconds; pictures of a second may stand at its edges.
        if second < 7.9 or second > 15.1:
            assert mean > 60, f"{second}: {mean}"
        elif 10.1 < second < 13.9:
            assert mean < 20, f"{second}: {mean}"
