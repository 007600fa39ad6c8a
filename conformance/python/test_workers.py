"""Two media workers: every participant sees every other one, on whichever workers they are."""

import re

import pytest

from support import api
from support.api import Stages
from support.server import Server
from support.wait import eventually

VIEWERS = 4


@pytest.fixture
def stages(tmp_path, media):
    server = Server(tmp_path / "data", "--workers", "2", name="test_workers")
    # Two ports that are free, wherever they are.
    server.media_port = 0
    server.start()
    assert "2 workers" in server.tail()
    yield Stages(api.client(server))
    media.close_peers()
    server.stop()


def port(peer):
    """The port of the worker that a peer was placed on."""
    ports = set(re.findall(r"a=candidate:\S+ \d udp \d+ \S+ (\d+) typ host", peer.answer, re.IGNORECASE))
    assert len(ports) == 1
    return ports.pop()


def test_a_picture_reaches_viewers_on_every_worker(stages, media):
    source, destination = stages.create(), stages.create()
    ann, token = stages.token(source)
    publisher = media.publish(token, identity=31)
    eventually(lambda: stages.participants(source).get(ann, {}).get("published"), what="published")
    stages.replicate(source, destination, ann, reconnectWindowSeconds=60)
    viewers = [media.watch(stages.token(arn)[1], ann) for arn in (source, destination) * (VIEWERS // 2)]
    assert len({port(viewer) for viewer in viewers}) == 2, "both workers have some"
    for viewer in viewers:
        viewer.wait_for(31, frames=10)
        eventually(lambda heard=viewer: heard.hears(31), what="the tone")
    # Viewers stay where they are while the publisher comes and goes.
    publisher.leave()
    media.publish(token, identity=32)
    for viewer in viewers:
        viewer.wait_for(32, frames=10)


def test_a_publisher_takes_over_from_another_worker(stages, media):
    arn = stages.create()
    ann, token = stages.token(arn)
    first = media.publish(token, identity=34)
    eventually(lambda: stages.participants(arn).get(ann, {}).get("published"), what="published")
    viewers = [media.watch(stages.token(arn)[1], ann) for _ in range(2)]
    for viewer in viewers:
        viewer.wait_for(34)
    # The first connection is still there, so this one is placed on the worker that has fewer.
    second = media.publish(token, identity=35)
    assert port(first) != port(second)
    for viewer in viewers:
        viewer.wait_for(35, frames=10)
