"""Pages of other sites in the browser of somebody who uses this server: requests that a browser sends for them by
itself, with cookies, change nothing and open nothing, and their answers cannot be read."""

import json

import pytest

from support import api
from test_door import answer as read_answer
from test_door import ask, connect, head
from test_sigv4 import signed

ELSEWHERE = ("Origin", "https://attacker.example")
# The first byte of a frame that closes a socket (RFC 6455 §5.5.1).
CLOSE = 0x88
# What a page can send without asking first: the types of forms.
SIMPLE = ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain")


def upgrade(*headers):
    """The headers with which a browser opens a WebSocket for a page of another site."""
    return [
        *(("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")),
        *(("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ELSEWHERE),
        *headers,
    ]


@pytest.fixture(scope="module")
def stage(stages):
    return stages.create()


@pytest.fixture(scope="module")
def everything(server, stages, stage):
    """A cookie with all that opens something where it belongs."""
    [_, token] = stages.token(stage)
    console = json.loads((server.data_dir / "server.json").read_text())["console"].split("#key=")[1]
    return ("Cookie", f"token={token}; access_token={token}; key={console}; Authorization={token}")


@pytest.mark.parametrize("content_type", SIMPLE)
@pytest.mark.parametrize("path", ["/CreateStage", "/DeleteStage", "/restage/ListRecordings"])
def test_a_form_of_another_site_calls_nothing(server, stages, stage, everything, path, content_type):
    body = json.dumps({"arn": stage}).encode()
    before = stages.ivs.list_stages()["stages"]
    with connect(server) as connection:
        headers = [ELSEWHERE, everything, ("Content-Type", content_type)]
        connection.sendall(head("POST", path, headers, host=server.address, length=len(body)) + body)
        status, told, _ = read_answer(connection)
    assert status == 403 and "access-control-allow-credentials" not in told, told
    assert stages.ivs.list_stages()["stages"] == before


def test_cookies_open_nothing(server, stages, stage, everything):
    participant, _ = stages.token(stage)
    offer = ("Content-Type", "application/sdp")
    for method, path, headers, refused in (
        ("POST", "/whip", [offer], 401),
        ("POST", f"/whep/{participant}", [offer], 401),
        ("GET", "/console/api/state", [], 403),
        ("DELETE", f"/console/api/stages/{api.stage_id(stage)}", [], 403),
    ):
        for origin in ([ELSEWHERE], []):
            status, _, body = ask(server, method, path, [*headers, *origin, everything], host=server.address)
            own = 401 if not origin and path.startswith("/console") else refused
            assert status in (own, 404, 405), (path, origin, status, body)


@pytest.mark.parametrize("path", ["/events/{stage}", "/connection"])
def test_a_socket_of_another_site_needs_a_token(server, stage, everything, path):
    """A WebSocket is opened across origins without a question, and with cookies."""
    path = path.format(stage=api.stage_id(stage))
    for headers in ([], [everything]):
        status, _, body = ask(server, "GET", path, upgrade(*headers), host=server.address)
        assert status == 401, (headers, body)


@pytest.mark.parametrize("path", ["/events/{stage}", "/connection"])
def test_a_socket_without_a_good_token_is_closed_before_anything_is_told(server, stage, path):
    path = path.format(stage=api.stage_id(stage))
    with connect(server) as connection:
        connection.sendall(head("GET", path, upgrade(("Sec-WebSocket-Protocol", "chat")), host=server.address))
        stream = connection.makefile("rb")
        status = int(stream.readline().split()[1])
        while stream.readline().strip():
            pass
        # Pages cannot read the status of a handshake: a socket may be opened only to say why it is closed.
        assert status == 401 or (status == 101 and stream.read(1)[0] == CLOSE)


def test_the_token_alone_opens_the_socket_whatever_the_site(server, stages, stage):
    path = f"/events/{api.stage_id(stage)}"
    _, token = stages.token(stage)
    with connect(server) as connection:
        headers = upgrade(("Sec-WebSocket-Protocol", token))
        connection.sendall(head("GET", path, headers, host=server.address))
        assert read_answer(connection)[0] == 101


def test_answers_are_read_without_credentials_of_the_browser_or_not_at_all(server):
    """Answers of the API may be read by every page, as those of the service; a page needs a key of its own for them. No
    answer is for requests to which the browser adds credentials, and the console and metrics are for no other page."""
    body = b'{"maxResults":10}'
    with connect(server) as connection:
        headers = [*signed(server).items(), ELSEWHERE]
        connection.sendall(head("POST", "/ListStages", headers, host=server.address, length=len(body)) + body)
        status, told, _ = read_answer(connection)
    assert status == 200 and "access-control-allow-credentials" not in told, told
    asks = [ELSEWHERE, ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "authorization")]
    for path in ("/ListStages", "/whip", "/console/api/state", "/metrics"):
        told = ask(server, "OPTIONS", path, asks, host=server.address)[1]
        assert "access-control-allow-credentials" not in told, (path, told)
    for path in ("/console/api/state", "/console/", "/metrics"):
        for method in ("GET", "OPTIONS"):
            told = ask(server, method, path, asks, host=server.address)[1]
            assert not [name for name in told if name.startswith("access-control-")], (path, told)


def test_the_console_is_shown_in_no_frame_and_runs_nothing_but_its_own(server):
    status, told, _ = ask(server, "GET", "/console/", host=server.address)
    policy = dict(part.strip().partition(" ")[::2] for part in told["content-security-policy"].split(";"))
    assert status == 200 and policy["frame-ancestors"] == "'none'", policy
    assert "'unsafe-inline'" not in policy.get("script-src", policy["default-src"]), policy
    assert told["x-content-type-options"] == "nosniff" and told["referrer-policy"] == "no-referrer", told
