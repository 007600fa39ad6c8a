"""Each client publishes, watches, and watches a replica, one cell after the other.

A cell of "publish" holds when the reference viewer decodes pictures that change and hears sound; one of "watch" when
the client itself receives them. The other end is aiortc, or libwebrtc for codecs that aiortc lacks. What a client
cannot do by its nature has a reason in the table instead.
"""

import os

import pytest

from matrix import entrance, table
from matrix.clients import AV1, VP9, libwebrtc, rows
from matrix.program import ClientFailed, Flow, Program
from matrix.viewer import Viewer

# A browser starts slowly on a busy machine.
START_S = 40
MEDIA_S = 20
CHANGES = 10
SOUNDS = 5

ROWS = list(rows())
CELLS = [pytest.param(client, column, id=f"{client.key}: {column}") for client in ROWS for column in table.COLUMNS]


def whep(server, participant):
    return f"{server.url}/whep/{participant}"


def flows(*media):
    """Whether both are true. `media` is a list, so that each was evaluated."""
    return all(media)


class ProgramViewer:
    """libwebrtc as the reference viewer."""

    def __init__(self, client, server, stages, stage, participant):
        reference = libwebrtc(client.codec)
        argv = reference.argv("watch", whep(server, participant), stages.token(stage)[1])
        self._program = Program(argv, f"{client.key}-viewer", **reference.environment)

    changes = property(lambda self: self._program.seen.get("changes", 0))
    loud = property(lambda self: self._program.seen.get("sounds", 0))

    def report(self):
        """What it has received."""
        return self._program.seen

    def drop(self):
        """Ends it."""
        self._program.stop()


def reference_viewer(client, server, stages, stage, participant, media):
    """A viewer that has joined."""
    if client.codec in (VP9, AV1):
        return ProgramViewer(client, server, stages, stage, participant)
    viewer = Viewer(media, whep(server, participant), stages.token(stage)[1])
    media.open(viewer)
    return viewer


def publish(client, server, stages, media):
    """The client publishes; the reference viewer must receive video and audio."""
    stage = stages.create(client.key)
    participant, url, token = entrance.of(client, server, stages, stage)
    pictures, sound = Flow(CHANGES), Flow(SOUNDS)
    argv = client.argv("publish", url, token)
    with Program(argv, f"{client.key}-publish", **client.environment) as program:
        program.wait(
            lambda: stages.participants(stage).get(participant, {}).get("published"),
            START_S,
            "the server says that it publishes",
        )
        viewer = reference_viewer(client, server, stages, stage, participant, media)
        try:
            program.wait(
                lambda: flows(pictures.is_live(viewer.changes), sound.is_live(viewer.loud)),
                MEDIA_S,
                f"{CHANGES} pictures and sound at the viewer",
            )
        except ClientFailed as failed:
            raise ClientFailed(f"{failed}; the reference viewer saw {viewer.report()}") from failed
        finally:
            viewer.drop()
    stages.ivs.delete_stage(arn=stage)


def watch(client, server, stages, published, is_replica):
    """The client watches the publisher of its codec; it must receive video and audio itself."""
    shown = published(client.codec)
    token = stages.token(shown.destination if is_replica else shown.source)[1]
    argv = client.argv("watch", whep(server, shown.participant), token)
    pictures, sound = Flow(CHANGES), Flow(SOUNDS)
    with Program(argv, f"{client.key}-{'replica' if is_replica else 'watch'}", **client.environment) as program:
        program.wait(
            lambda: flows(
                pictures.is_live(program.seen.get("changes", 0)), sound.is_live(program.seen.get("sounds", 0))
            ),
            START_S + MEDIA_S,
            f"{CHANGES} pictures and sound",
        )


@pytest.mark.parametrize(("client", "column"), CELLS)
def test_cell(client, column, server, stages, media, published, results, versions):
    missing = client.missing() or (client.codec in (VP9, AV1) and libwebrtc(client.codec).missing())
    if missing and os.environ.get("CI"):
        pytest.fail(f"{missing}, and in CI nothing is skipped", pytrace=False)
    if missing:
        pytest.skip(missing)
    if client.key not in versions:
        versions[client.key] = client.version()
    if column != "publish" and client.only_publishes:
        results[client.key, column] = table.NONE
        return
    failed = None
    try:
        if column == "publish":
            publish(client, server, stages, media)
        else:
            watch(client, server, stages, published, column == "watch a replica")
    except AssertionError as caught:
        failed = " ".join(str(caught).split())
    results[client.key, column] = table.WORKS if failed is None else "FAIL"
    if failed is not None:
        pytest.fail(f"{failed}\nthe server's last words:\n{server.tail(6)}", pytrace=False)


def test_the_page_says_what_was_seen(pytestconfig, results, versions):
    seen = list(table.lines(results, versions))
    if pytestconfig.getoption("--write-page"):
        assert len(seen) == len(ROWS), "the whole matrix has to run for the page to be written"
        table.write(seen)
    kept = table.on_page()
    for name, _, codec, *cells in seen:
        assert kept.get((name, codec)) == cells, f"docs/compatibility.md differs for {name} with {codec}; {HOW}"
    known = {(client.name, {"H264": "H.264"}.get(client.codec, client.codec)) for client in ROWS}
    assert set(kept) == known, f"docs/compatibility.md has other rows; {HOW}"


HOW = "`pytest conformance/interop --write-page` writes it"


def test_each_row_has_a_name_of_its_own():
    assert len({client.key for client in ROWS}) == len(ROWS)
