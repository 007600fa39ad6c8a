"""Fixtures: the server under test, clients of it, and real WebRTC peers."""

import contextlib
import pathlib

import pytest

from support import api
from support.media import Media
from support.server import OUTPUT, Server

# The files that take longest, which several workers begin with, so that none of them is what all wait for at the end.
# A file that is not here only begins later.
LONGEST_FIRST = (
    "faults",
    "crashes",
    "cli_tls",
    "door",
    "rtmp",
    "bad_days",
    "durable",
    "resumption",
    "told_why",
    "clock",
    "resumption_clients",
    "cli",
)


def pytest_sessionstart(session):
    """Removes logs of earlier runs, which would be misleading."""
    if hasattr(session.config, "workerinput"):
        # One of several workers: the process that started them has done it.
        return
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for old in OUTPUT.glob("test_*.log"):
        old.unlink()


def pytest_collection_modifyitems(items):
    """Puts the longest files first; the order within a file stays."""

    def place(item):
        name = item.path.stem.removeprefix("test_")
        return LONGEST_FIRST.index(name) if name in LONGEST_FIRST else len(LONGEST_FIRST)

    items.sort(key=place)


@pytest.fixture(scope="module")
def server(request, tmp_path_factory):
    """A running server. A module sets `SERVER_ARGUMENTS` for flags of its own."""
    name = pathlib.Path(request.module.__file__).stem
    arguments = getattr(request.module, "SERVER_ARGUMENTS", ())
    started = Server(tmp_path_factory.mktemp(name) / "data", *arguments, name=name).start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def ivs(server):
    """boto3, with every answer compared with the model."""
    return api.client(server)


@pytest.fixture(scope="module")
def stages(ivs):
    """Shortcuts for `ivs`."""
    return api.Stages(ivs)


@pytest.fixture
def s3():
    """An S3 (moto), which a test may have stopped."""
    # Most workers need none, and moto takes a while to be read.
    from support.s3 import S3

    made = S3()
    yield made
    with contextlib.suppress(Exception):
        made.stop()


@pytest.fixture(scope="session")
def media_loop():
    """The event loop of all peers, in a thread of its own."""
    made = Media()
    yield made
    made.close()


@pytest.fixture
def media(media_loop):
    """WebRTC peers; those that a test leaves open are closed after it."""
    yield media_loop
    media_loop.close_peers()
