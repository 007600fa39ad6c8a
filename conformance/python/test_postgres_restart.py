"""PostgreSQL is restarted, or its processes are killed, while calls are under way: the server goes on by itself."""

import os
import pathlib
import subprocess
import tempfile
import threading
import time

import botocore.exceptions
import pytest

from support import api
from support.api import Stages
from support.faults import names, ready, refused_start
from support.server import ROOT, Server
from support.wait import eventually

if not os.environ.get("RESTAGE_TEST_POSTGRES"):
    pytest.skip("it is about PostgreSQL: RESTAGE_TEST_POSTGRES is not set", allow_module_level=True)

SCRIPT = ROOT / "scripts" / "postgres.sh"
CALLS_MIN = 20


def postgres(*words):
    return subprocess.run([str(SCRIPT), *words], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def cluster():
    """(directory, URL) of a PostgreSQL of its own, which a test may restart."""
    # PostgreSQL does not run as root, and must reach its directory.
    with tempfile.TemporaryDirectory(prefix="restage-postgres-") as folder:
        pathlib.Path(folder).chmod(0o711)
        directory = pathlib.Path(folder) / "cluster"
        yield directory, postgres("start", str(directory))
        postgres("stop", str(directory))


class Caller(threading.Thread):
    """Creates stages without pause. `kept` has the names that were acknowledged."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.stages = Stages(api.client(server))
        self.kept, self.refused = set(), set()
        self.is_over = False

    def run(self):
        number = 0
        while not self.is_over:
            number += 1
            try:
                self.stages.create(f"stage-{number}")
                self.kept.add(f"stage-{number}")
            except botocore.exceptions.ClientError as error:
                self.refused.add(error.response["Error"]["Code"])


@pytest.mark.timeout(240)
@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_calls_go_on_after_postgresql_has(tmp_path, cluster, mode):
    directory, url = cluster
    server = Server(tmp_path / "data", name=f"test_postgres_restart_{mode}")
    server.database = ["--database", url]
    server.start()
    caller = Caller(server)
    caller.start()
    eventually(lambda: len(caller.kept) >= CALLS_MIN, 30, "calls")
    postgres("restart", str(directory), mode)
    again = time.monotonic()
    before = len(caller.kept)
    eventually(lambda: len(caller.kept) >= before + CALLS_MIN, 60, "calls again")
    print(f"{mode}: calls {time.monotonic() - again:.1f} s after PostgreSQL was back")
    eventually(lambda: ready(server)[0] == 200, 15, "ready")
    caller.is_over = True
    caller.join()
    assert caller.refused <= {"InternalServerException", "ServiceUnavailableException"}, caller.refused
    assert names(Stages(api.client(server))) >= caller.kept
    server.stop()


def test_a_first_start_without_postgresql_leaves_nothing_behind(tmp_path, cluster):
    server = Server(tmp_path / "data", name="test_postgres_restart_first")
    server.database = ["--database", "postgres://restage@127.0.0.1:9/restage"]
    told = refused_start(server)
    assert "127.0.0.1" in told and "Connection refused" in told, told
    server.database = ["--database", cluster[1]]
    server.start()
    server.stop()
