"""`restage recordings download` from a server that breaks off, whose links end, and which names what it should not."""

import subprocess

import pytest

from support.server import binary, clean_environment
from support.vault import Vault

MEDIA = "media/hls/high"
PLAYLIST = (
    "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n"
    '#EXT-X-MAP:URI="init-0.mp4"\n#EXTINF:2.00000,\n0.mp4\n#EXTINF:2.00000,\n1.mp4\n#EXT-X-ENDLIST\n'
)
SEGMENT = bytes(range(256)) * 400
OBJECTS = {
    "events/recording-started.json": b"{}",
    "events/recording-ended.json": b"{}",
    "media/hls/multivariant.m3u8": b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhigh/playlist.m3u8\n",
    f"{MEDIA}/playlist.m3u8": PLAYLIST.encode(),
    f"{MEDIA}/init-0.mp4": b"init",
    f"{MEDIA}/0.mp4": SEGMENT,
    f"{MEDIA}/1.mp4": SEGMENT[::-1],
}
MUTABLE = {name for name in OBJECTS if not name.endswith(".mp4")}


@pytest.fixture
def vault():
    made = Vault(OBJECTS)
    yield made
    made.close()


def download(vault, directory, code=0):
    """Runs the command; its standard output and what it says."""
    keys = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"}
    command = [str(binary()), "recordings", "download", "aB3dEf6hXy7zAb3dEf6hXy", "--to", str(directory)]
    done = subprocess.run(
        [*command, "--endpoint-url", vault.url],
        env=clean_environment(**keys),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == code, done.stderr
    assert "link-" not in done.stderr, "a link works like a password"
    return done.stdout, done.stderr


def there(directory):
    """What lies in a directory, by path."""
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def test_everything_is_downloaded_and_nothing_twice(vault, tmp_path):
    out, told = download(vault, tmp_path / "talk")
    assert out == f"{tmp_path}/talk/media/hls/multivariant.m3u8\n"
    assert there(tmp_path / "talk") == OBJECTS
    assert "7 files" in told
    assert ("events/recording-failed.json", None) in vault.asked
    vault.asked.clear()
    download(vault, tmp_path / "talk")
    media = {path: first for path, first in vault.asked if path not in MUTABLE and path in OBJECTS}
    # Of what never changes, the last byte alone is asked for, which tells the size.
    assert media == {name: len(OBJECTS[name]) - 1 for name in OBJECTS if name not in MUTABLE}
    assert there(tmp_path / "talk") == OBJECTS


def test_what_broke_off_goes_on_where_it_was(vault, tmp_path):
    vault.cuts = {f"{MEDIA}/0.mp4": 30_000}
    download(vault, tmp_path / "talk")
    assert there(tmp_path / "talk") == OBJECTS
    asked = [first for path, first in vault.asked if path == f"{MEDIA}/0.mp4"]
    assert asked[0] is None and len(asked) == 4
    assert all(0 < first <= 90_000 for first in asked[1:]) and asked[1:] == sorted(asked[1:]), asked


def test_a_later_run_goes_on_with_a_part(vault, tmp_path):
    part = tmp_path / "talk" / f"{MEDIA}/1.mp4.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(OBJECTS[f"{MEDIA}/1.mp4"][:1000])
    (part.parent / "0.mp4").write_bytes(b"too short")
    (part.parent / "init-0.mp4.part").write_bytes(b"much longer than the object")
    download(vault, tmp_path / "talk")
    assert there(tmp_path / "talk") == OBJECTS
    assert (f"{MEDIA}/1.mp4", 1000) in vault.asked
    assert (f"{MEDIA}/1.mp4", None) not in vault.asked


def test_nothing_arrives_for_good(vault, tmp_path):
    vault.cuts = {f"{MEDIA}/0.mp4": 0}
    _, told = download(vault, tmp_path / "talk", code=4)
    assert "0.mp4" in told and "try: the same again" in told
    vault.cuts = {}
    download(vault, tmp_path / "talk")
    assert there(tmp_path / "talk") == OBJECTS


def test_a_link_that_ends_is_replaced(vault, tmp_path):
    vault.link_ends_after = 4
    download(vault, tmp_path / "talk")
    assert there(tmp_path / "talk") == OBJECTS
    assert vault.links == 2


def test_an_object_that_is_gone_is_named(vault, tmp_path):
    del vault.objects[f"{MEDIA}/1.mp4"]
    out, told = download(vault, tmp_path / "talk", code=3)
    assert out == "" and f"{MEDIA}/1.mp4" in told and "removed objects" in told


def test_a_recording_that_goes_on_is_told_of(vault, tmp_path):
    vault.recording["recordingState"] = "ACTIVE"
    _, told = download(vault, tmp_path / "talk")
    assert "ACTIVE" in told and "the same again gets the rest" in told


def test_thumbnails_alone(tmp_path):
    pictures = {f"media/thumbnails/high/{number}.jpg": b"x" * number for number in (1, 2, 3)}
    pictures["media/latest_thumbnail/high/thumb.jpg"] = b"latest"
    vault = Vault(pictures, mediaTypes=["NONE"], thumbnailStorage=["SEQUENTIAL", "LATEST"])
    out, told = download(vault, tmp_path / "talk")
    assert out == "" and "nothing to play" in told
    assert there(tmp_path / "talk") == pictures
    vault.close()


@pytest.mark.parametrize(
    "name", ["../../../../evil.mp4", "/tmp/evil.mp4", "http://elsewhere.example/evil.mp4", ".evil"]
)
def test_a_playlist_leads_nowhere_else(vault, tmp_path, name):
    vault.objects[f"{MEDIA}/playlist.m3u8"] = PLAYLIST.replace("1.mp4", name).encode()
    out, told = download(vault, tmp_path / "talk", code=4)
    assert out == "" and "not the name of a part" in told
    assert not list(tmp_path.rglob("*evil*"))
