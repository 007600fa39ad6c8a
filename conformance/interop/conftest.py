"""One server with default settings for the whole matrix, the publishers that are watched, and the table at the end."""

import contextlib
import dataclasses
import socket

import pytest

from matrix import table
from matrix.clients import AV1, H264, VP8, VP9, libwebrtc
from matrix.program import Program
from support import api
from support.media import Media
from support.ports import free_port
from support.server import OUTPUT, Server
from support.wait import eventually

RESULTS = pytest.StashKey()
VERSIONS = pytest.StashKey()
IDENTITIES = {VP8: 41, H264: 42}


def pytest_addoption(parser):
    parser.addoption("--write-page", action="store_true", help="put the table into docs/compatibility.md")


def pytest_configure(config):
    config.stash[RESULTS] = {}
    config.stash[VERSIONS] = {}


@pytest.fixture(scope="session")
def results(pytestconfig):
    """Outcomes by (client, column)."""
    return pytestconfig.stash[RESULTS]


@pytest.fixture(scope="session")
def versions(pytestconfig):
    """Versions by client."""
    return pytestconfig.stash[VERSIONS]


@pytest.fixture(scope="session")
def server(request, tmp_path_factory):
    """Only the ports, one of them for RTMP, and the data directory are set: all else is as after a plain start."""
    # The files of tests may run beside each other.
    name = f"interop-{request.session.items[0].path.stem}"
    (OUTPUT / f"{name}.log").unlink(missing_ok=True)
    rtmp = f"127.0.0.1:{free_port(socket.SOCK_STREAM)}"
    started = Server(tmp_path_factory.mktemp("interop") / "data", "--rtmp", rtmp, name=name).start()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def stages(server):
    return api.Stages(api.client(server))


@pytest.fixture(scope="session")
def media():
    made = Media()
    yield made
    made.close()


@dataclasses.dataclass
class Published:
    """A participant that publishes in a stage and is replicated into another."""

    participant: str
    source: str
    destination: str


@pytest.fixture(scope="session")
def published(server, stages, media):
    """Returns the publisher of a codec, which starts at first use and runs to the end: aiortc, or libwebrtc."""
    made = {}
    programs = contextlib.ExitStack()

    def start(codec, token):
        if codec not in (VP9, AV1):
            media.publish(token, IDENTITIES[codec], codec)
            return
        reference = libwebrtc(codec)
        argv = reference.argv("publish", f"{server.url}/whip", token)
        programs.enter_context(Program(argv, f"source-{codec.lower()}", **reference.environment))

    def get(codec):
        if codec not in made:
            source, destination = stages.create(f"{codec}-source"), stages.create(f"{codec}-replica")
            participant, token = stages.token(source)
            start(codec, token)
            eventually(
                lambda: stages.participants(source).get(participant, {}).get("published"),
                what=f"the publisher of {codec} publishes",
            )
            stages.replicate(source, destination, participant)
            made[codec] = Published(participant, source, destination)
        return made[codec]

    with programs:
        yield get


def pytest_terminal_summary(terminalreporter, config):
    """Prints the matrix."""
    rows = list(table.lines(config.stash[RESULTS], config.stash[VERSIONS]))
    if not rows:
        return
    terminalreporter.section("clients")
    terminalreporter.write_line(table.plain(rows))
    table.save(OUTPUT / "interop.json", config.stash[RESULTS], config.stash[VERSIONS])
