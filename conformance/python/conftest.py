"""Fixtures: the server under test, clients of it, and real WebRTC peers."""

import pathlib

import pytest

from support import api
from support.media import Media
from support.server import OUTPUT, Server


@pytest.fixture(scope="session", autouse=True)
def fresh_output():
    """Logs of an earlier run would only mislead."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for old in OUTPUT.glob("test_*.log"):
        old.unlink()


@pytest.fixture(scope="module")
def server(request, tmp_path_factory):
    """A running server. A module says `SERVER_ARGUMENTS` to have flags of its own."""
    name = pathlib.Path(request.module.__file__).stem
    arguments = getattr(request.module, "SERVER_ARGUMENTS", ())
    started = Server(tmp_path_factory.mktemp(name) / "data", *arguments, name=name).start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def ivs(server):
    """boto3, with every answer held against the model."""
    return api.client(server)


@pytest.fixture(scope="module")
def stages(ivs):
    """Short words over `ivs`."""
    return api.Stages(ivs)


@pytest.fixture(scope="session")
def media_loop():
    """The event loop all peers run on, in a thread of its own."""
    made = Media()
    yield made
    made.close()


@pytest.fixture
def media(media_loop):
    """WebRTC peers; what a test leaves open is closed after it."""
    yield media_loop
    media_loop.close_peers()
