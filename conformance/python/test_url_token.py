"""Participant tokens in URLs, for players without other means: accepted everywhere, and never logged."""

import json
import socket
import urllib.error
import urllib.request

import aiohttp
import pytest

from support import api
from support.server import Server
from support.tokens import KeyPair
from support.wait import eventually
from test_observability import Collector
from test_whip import SDP, assert_error, bearer, make_offer


@pytest.fixture(scope="module")
def arn(stages):
    return stages.create("url-token")


def offered(media, url, headers=None):
    """The answer to an offer whose token is in the URL, or in these headers."""
    return media.request("POST", url, data=make_offer(media), headers={"Content-Type": SDP, **(headers or {})})


@pytest.mark.parametrize("parameter", ["token", "access_token"])
def test_a_url_is_all_that_is_needed(stages, media, parameter):
    """Publishing, watching and listening, and leaving by the Location alone."""
    arn = stages.create("url-only")
    ann, token = stages.token(arn)
    publisher = media.publish(token, identity=3, in_url=parameter)
    eventually(lambda: stages.participants(arn)[ann]["published"], what="published")
    events = media.events(stages.token(arn)[1], in_url=parameter)
    eventually(lambda: events.publishing() == {ann}, what="the events socket tells")
    assert events.protocol is None
    watcher = media.watch(stages.token(arn)[1], ann, in_url=parameter)
    watcher.wait_for(3)
    assert watcher.leave() == 200
    assert publisher.leave() == 200
    eventually(lambda: events.publishing() == set(), what="ann is gone")


def test_a_location_has_the_token_only_if_the_url_had(server, media, stages, arn):
    _, token = stages.token(arn)
    status, headers, _ = offered(media, f"{server.url}/whip?token={token}")
    assert status == 201
    assert headers["Location"].endswith(f"?token={token}")
    status, headers, _ = offered(media, f"{server.url}/whip?token={token}", bearer(token))
    assert status == 201
    assert "?" not in headers["Location"]


def test_a_token_can_be_exchanged_at_such_a_location(server, media, ivs):
    """The session's URL has the old token, the header the new one, and the header wins."""
    key = KeyPair().import_into(ivs)
    stage = ivs.create_stage(name="exchange")["stage"]
    old, new = (key.token(stage, "ann", user_id=name) for name in ("old", "new"))
    status, headers, _ = offered(media, f"{server.url}/whip?token={old}")
    assert status == 201
    url = server.url + headers["Location"]
    assert media.request("PATCH", url, headers=bearer(new))[0] == 204
    assert media.request("DELETE", url)[0] == 200


def test_answers_are_kept_from_caches_and_referrers(server, media, stages, arn):
    _, token = stages.token(arn)
    for answer in (offered(media, f"{server.url}/whip?token={token}"), offered(media, f"{server.url}/whip?token=x")):
        assert answer[1]["Cache-Control"] == "no-store"
        assert answer[1]["Referrer-Policy"] == "no-referrer"


def test_two_tokens_that_differ_are_refused(server, media, stages, arn):
    (_, one), (_, other) = stages.token(arn), stages.token(arn)
    for url, headers in (
        (f"/whip?token={one}", bearer(other)),
        (f"/whip?token={one}&token={other}", None),
        (f"/whep/x?token={one}&access_token={other}", None),
    ):
        answer = offered(media, server.url + url, headers)
        message = assert_error(answer, 400, "TOKEN_AMBIGUOUS")
        assert one not in message and other not in message
        assert 'error="invalid_request"' in answer[1]["WWW-Authenticate"]
    assert offered(media, f"{server.url}/whip?token={one}&access_token={one}", bearer(one))[0] == 201


def test_bad_tokens_in_a_url(server, media, stages, arn):
    _, token = stages.token(arn)
    for query, status, code in (
        ("", 401, "TOKEN_MISSING"),
        ("?", 401, "TOKEN_MISSING"),
        ("?token=", 401, "TOKEN_MISSING"),
        ("?jwt=a", 401, "TOKEN_MISSING"),
        ("?token=abc", 401, "TOKEN_MALFORMED"),
        (f"?token={token[:-8]}AAAAAAAA", 401, "TOKEN_MALFORMED"),
    ):
        assert_error(offered(media, f"{server.url}/whip{query}"), status, code)


def test_a_capability_that_is_missing(server, media, stages, arn):
    _, watching = stages.token(arn, capabilities=["SUBSCRIBE"])
    answer = offered(media, f"{server.url}/whip?token={watching}")
    assert_error(answer, 403, "TOKEN_NOT_ALLOWED")
    assert 'error="insufficient_scope"' in answer[1]["WWW-Authenticate"]


@pytest.mark.parametrize(
    ("query", "protocols", "status", "code"),
    [
        ("", [], 401, "TOKEN_MISSING"),
        ("?token=abc", [], 401, "TOKEN_MALFORMED"),
        ("?token=a.b.c", ["d.e.f"], 400, "TOKEN_AMBIGUOUS"),
    ],
)
def test_events_sockets_that_are_refused(server, media, arn, query, protocols, status, code):
    async def attempt():
        await media.http.ws_connect(f"{server.url}/events/{api.stage_id(arn)}/{query}", protocols=protocols)

    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        media.run(attempt())
    assert refused.value.status == status
    # The library keeps the body to itself.
    more = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    more |= {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    more |= {"Sec-WebSocket-Protocol": protocols[0]} if protocols else {}
    answer = media.request("GET", f"{server.url}/events/{api.stage_id(arn)}{query}", headers=more)
    assert_error(answer, status, code)


def test_an_events_socket_takes_the_header_of_programs(server, media, stages, arn):
    _, token = stages.token(arn)

    async def first():
        url = f"{server.url}/events/{api.stage_id(arn)}/"
        async with media.http.ws_connect(url, headers={"Authorization": f"Bearer {token}"}) as opened:
            return await opened.receive_json()

    assert media.run(first())["type"] == "STAGE_STATE"


def ask_raw(server, target, method="POST"):
    """The status of a request whose target no library would send."""
    head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.http_port), 10) as connection:
        connection.sendall(head.encode("latin-1"))
        first = connection.makefile("rb").readline()
    return int(first.split()[1])


@pytest.mark.parametrize(
    "target",
    [
        "/whip?%",
        "/whip?token=%",
        "/whip?token=%ff%fe%00",
        "/whip?%74%6fken=%zz",
        "/whip?" + "&" * 30_000,
        "/whip?" + "token=a&" * 7_000,
        "/whip?token=" + "a" * 60_000,
        "/whep/%ff?token=a",
        "/whep/%00/?token=a",
        "/whep/%2F%2e%2e/?token=a.b.c",
        "/whip/sessions/%zz?token=" + "%61" * 10_000,
        "/events/%ff?token=a",
        "/whip" + "/" * 30_000,
        "//////?token=a",
        "/%77hip?token=a",
        "http://other.example/whip/?token=a.b.c",
        "*",
    ],
    ids=lambda target: target[:24],
)
def test_hostile_targets(server, target):
    for method in ("POST", "GET", "OPTIONS", "PATCH", "DELETE"):
        assert ask_raw(server, target, method) < 500
    assert server.is_alive()


def test_a_url_too_long_for_anybody(server):
    assert ask_raw(server, "/whip?token=" + "a" * 200_000) in (414, 431)
    assert server.is_alive()


def test_no_token_of_a_url_is_told_to_anybody(tmp_path, media):
    """A run at the most detailed level: not in the log, not in a trace, not in the metrics, not in an error."""
    collector = Collector()
    server = Server(
        tmp_path / "data",
        *("--log-format", "json", "--otlp-endpoint", collector.url),
        name="test_url_token_logged",
        environment={"RUST_LOG": "trace,restage_server=trace,hyper=trace,axum=trace,tower_http=trace"},
    )
    server.log = []
    server.start()
    stages = api.Stages(api.client(server))
    arn = stages.create("logged")
    ann, token = stages.token(arn)
    publisher = media.publish(token, in_url="token")
    eventually(lambda: stages.participants(arn)[ann]["published"], what="published")
    watching, listening, refused, spare = (stages.token(arn)[1] for _ in range(4))
    watcher = media.watch(watching, ann, in_url="access_token")
    events = media.events(listening, in_url="token")
    eventually(lambda: events.publishing() == {ann}, what="the events socket tells")
    forged = refused[:-8] + "AAAAAAAA"
    told = []
    for path in (
        f"/whip?token={forged}",
        f"/whip/?access_token={forged}&x=1",
        f"/whep/nobody?token={spare}",
        f"/whip?jwt={spare}",
        f"/nothing/here?token={spare}",
        f"/whip/nothing/here?token={spare}",
        f"/whip/sessions/none?token={spare}",
        f"/events/none?token={spare}",
        f"/whip?token={spare.replace('.', '%2E')}&access_token={forged}",
        f"/console/?token={spare}",
        f"/CreateStage?token={spare}",
        f"/tags/none?token={spare}",
    ):
        for method in ("POST", "GET", "DELETE"):
            status, headers, body = media.request(
                method, server.url + path, data=make_offer(media) if method == "POST" else None
            )
            # A page of the console is the page.
            told += [body, str(headers)] if status >= 400 else []
    with urllib.request.urlopen(server.url + "/metrics", timeout=10) as answer:
        told.append(answer.read().decode())
    assert watcher.leave() == 200
    assert publisher.leave() == 200
    events.close()
    server.stop()
    collector.close()
    lines = list(server.log)
    assert len(lines) > 50, "the log is too short to prove anything"
    assert any("/whep/{participant}" in line for line in lines), "requests are logged by their route"
    assert all(json.loads(line) for line in lines)
    traced = b"".join(body for _, _, body in collector.bodies).decode("latin-1")
    assert "/whip" in traced, "requests are traced by their route"
    for place, text in (("the log", "\n".join(lines)), ("a trace", traced), ("an answer", "\n".join(told))):
        for secret in (token, watching, listening, spare, forged):
            _, payload, signature = secret.split(".")
            assert signature not in text, f"a token is in {place}"
            assert payload not in text, f"what a token says is in {place}"


def test_no_token_in_what_is_said_when_the_server_is_asked_wrongly(server, stages, arn):
    """A signed operation's query is the client's own business, and not repeated either."""
    _, token = stages.token(arn)
    request = urllib.request.Request(f"{server.url}/ListStages?token={token}", data=b"{}", method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert token not in refused.value.read().decode()
