"""Other users of the machine on which a server runs: they read none of its files, do not join its port, and reach over
loopback what anybody reaches."""

import errno
import json
import os
import pathlib
import shutil
import socket
import tempfile

import pytest

from support.server import Server
from test_door import ask

NOBODY = 65534

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")


def as_nobody(look):
    """What `look` returns in a process of a user without rights."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        # Nothing of the test run goes on in here, whatever happens.
        try:
            os.close(reader)
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            with os.fdopen(writer, "w") as told:
                json.dump(look(), told)
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        text = told.read()
    os.waitpid(child, 0)
    return json.loads(text)


def readable(paths):
    """Those of the paths that can be read here."""
    found = []
    for path in paths:
        try:
            with open(path, "rb") as file:
                file.read(1)
        except PermissionError:
            continue
        found.append(str(path))
    return found


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def join(address, port):
    """Takes a media port as the server itself does, beside its own sockets."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            taken.bind((address, port))
        except OSError as error:
            return error.errno
    return 0


@pytest.fixture(scope="module")
def reached():
    """A server whose data directory is below folders that everybody may enter."""
    above = pathlib.Path(tempfile.mkdtemp(prefix="restage-neighbours."))
    above.chmod(0o755)
    events = above / "data/events.ndjson"
    started = Server(above / "data", "--events-file", str(events), name="test_neighbours").start()
    yield started
    started.stop()
    shutil.rmtree(above)


def test_no_file_of_the_server_is_read_by_another_user(reached):
    open_to_all = reached.data_dir.parent / "witness"
    open_to_all.write_text("x")
    open_to_all.chmod(0o644)
    names = {path.name for path in reached.data_dir.rglob("*") if path.is_file()}
    assert {"credentials", "tokens.key", "server.json"} <= names, names
    everything = files(reached.data_dir.parent)
    assert as_nobody(lambda: readable(everything)) == [str(open_to_all)], "and what is open can be found"


def test_secrets_are_private_even_if_the_directory_is_opened(reached):
    """An operator may open the directory, for a backup for instance: keys have modes of their own."""
    mode = reached.data_dir.stat().st_mode
    reached.data_dir.chmod(0o755)
    try:
        everything = files(reached.data_dir)
        read = {pathlib.Path(path).name for path in as_nobody(lambda: readable(everything))}
    finally:
        reached.data_dir.chmod(mode)
    secret = {"credentials", "tokens.key", "server.json"}
    assert not {name for name in read if name in secret or name.endswith(".key")}, read


def test_memory_and_environment_are_the_servers_own(reached):
    told = [f"/proc/{reached.process.pid}/{name}" for name in ("environ", "maps", "mem")]
    assert as_nobody(lambda: readable(told)) == []


def test_the_media_port_is_not_joined_by_another_user(reached):
    """The server has two sockets there (`SO_REUSEPORT`), and a third one of its own user could be added."""
    for address in ("0.0.0.0", "127.0.0.1"):
        errors = as_nobody(lambda: join(address, reached.media_port))  # noqa: B023
        assert errors == errno.EADDRINUSE, (address, errors)
        assert join(address, reached.media_port) == 0, "and the server's own user joins it"


def test_loopback_alone_gives_nobody_a_right(reached):
    for method, path, refused in (
        ("POST", "/ListStages", 403),
        ("POST", "/restage/ListRecordings", 403),
        ("GET", "/console/api/state", 401),
        ("POST", "/whip", 401),
    ):
        status, _, body = ask(reached, method, path, [("Content-Type", "application/sdp")], host=reached.address)
        assert status == refused, (path, body)
    told = ask(reached, "GET", "/metrics", host=reached.address)[2]
    key, secret = reached.credentials()
    console = json.loads((reached.data_dir / "server.json").read_text())["console"].split("#key=")[1]
    assert not [word for word in (key, secret, console) if word in told]
