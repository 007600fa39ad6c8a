"""The stages of the console's checks of the network: made, ended, bounded, and none is left."""

import json
import urllib.error
import urllib.request

import pytest

from support import api
from support.server import Server
from support.wait import eventually

# As in the server.
CHECKS_MAX = 8


@pytest.fixture
def server(tmp_path):
    started = Server(tmp_path / "data", name="test_path_check").start()
    yield started
    if started.process is not None:
        started.stop()


def call(server, path, body=b"", region="us-east-1"):
    """(status, answer) of a call of the console."""
    key = (server.data_dir / "console.key").read_text(encoding="ascii").strip()
    request = urllib.request.Request(
        f"{server.url}/console/api/{path}?region={region}",
        method="POST",
        data=body,
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def begin(server):
    """A check in progress; the rate of CreateStage may make it wait."""

    def once():
        status, answer = call(server, "path-check")
        assert status == 200, answer
        return answer

    return eventually(once, what="a check begins")


def end(server, arn):
    return call(server, "path-check/end", json.dumps({"stageArn": arn}).encode())


def listed(server):
    return [one["arn"] for one in api.client(server, region="us-east-1").list_stages()["stages"]]


def test_a_check_has_a_stage_until_it_ends(server):
    check = begin(server)
    assert check["whipUrl"] == "/whip" and check["token"].count(".") == 2 and check["hasTls"] is False
    assert listed(server) == [check["stageArn"]]
    assert end(server, check["stageArn"]) == (204, None)
    assert listed(server) == []
    status, answer = end(server, check["stageArn"])
    assert status == 404 and "no such check" in answer["message"]


def test_only_stages_of_checks_are_ended(server):
    ivs = api.client(server, region="us-east-1")
    # A name and a tag of somebody else are no check in progress.
    arn = ivs.create_stage(name="restage-path-check", tags={"restage:path-check": "mine"})["stage"]["arn"]
    other = ivs.create_stage(name="restage-path-check")["stage"]["arn"]
    assert end(server, arn)[0] == 404 and end(server, other)[0] == 404
    assert set(listed(server)) == {arn, other}
    for body in (b"", b"{", b"[]", b'{"stageArn": 7}', b'{"arn": "x"}'):
        status, answer = call(server, "path-check/end", body)
        assert status == 400 and "stageArn" in answer["message"], body
    assert end(server, "x" * 10_000)[0] == 404
    assert call(server, "path-check", region="EU")[0] == 400


def test_a_check_too_many_makes_no_stage(tmp_path):
    """There may be no more stages than checks, so that a stage for one more would be refused as such."""
    server = Server(tmp_path / "data", "--limit-stages", str(CHECKS_MAX), name="test_path_check_full").start()
    for _ in range(CHECKS_MAX):
        begin(server)

    def refusal():
        status, answer = call(server, "path-check")
        assert status in (402, 429), answer
        # The rate of CreateStage is another reason, which passes.
        return None if "setting rate-" in answer["message"] else answer["message"]

    assert "run already" in eventually(refusal, what="one too many is refused")
    server.stop()


def test_checks_are_bounded_and_leave_no_stage(server):
    checks = [begin(server) for _ in range(CHECKS_MAX)]
    assert len(listed(server)) == CHECKS_MAX

    def is_full():
        status, answer = call(server, "path-check")
        return status == 429 and "run already" in answer["message"]

    eventually(is_full, what="one too many is refused")
    assert len(listed(server)) == CHECKS_MAX, "its stage is gone"
    for check in checks:
        assert end(server, check["stageArn"])[0] == 204
    assert listed(server) == []


def test_what_a_server_that_was_killed_left_is_deleted_by_the_next_check(server):
    left = begin(server)["stageArn"]
    server.kill()
    server.start()
    assert listed(server) == [left]
    check = begin(server)
    assert listed(server) == [check["stageArn"]]
    assert end(server, check["stageArn"])[0] == 204
