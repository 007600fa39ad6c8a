"""A server with default settings serves media to this machine alone, and to every client on it."""

import json
import os
import socket

import pytest

from support import api, namespace, stun
from support.ports import free_port
from support.server import Server
from support.wait import eventually
from test_observability import samples, value
from test_whip import make_offer, post

# Addresses of the machine come and go, and every server offers those that are there.
pytestmark = pytest.mark.alone


def candidates(answer):
    """The addresses offered, in order, each once."""
    lines = (line.split(" ") for line in answer.splitlines() if line.startswith("a=candidate:"))
    return list(dict.fromkeys(words[4] for words in lines))


class Session:
    """A publishing session that has received no media yet."""

    def __init__(self, server, media, stages, arn):
        offer = make_offer(media)
        status, _, answer = post(media, f"{server.url}/whip", stages.token(arn)[1], offer)
        assert status == 201, answer
        self.port = server.media_port
        self.candidates = candidates(answer)
        ufrag, self.password = stun.credentials(answer)
        self.username = f"{ufrag}:{stun.credentials(offer)[0]}"

    def check(self, host):
        """What a check of this session to that address is made with."""
        return host, self.port, self.username, self.password


@pytest.fixture
def other_host():
    lacking = namespace.missing()
    if lacking is not None:
        assert not os.environ.get("CI"), f"CI has all that this needs, but {lacking}"
        print(f"skipped: a second network namespace cannot be made here: {lacking}")
        pytest.skip(lacking)
    with namespace.other_host() as host:
        yield host


def served(tmp_path, *arguments):
    server = Server(tmp_path / "data", *arguments, name="test_this_machine").start()
    return server, api.Stages(api.client(server))


def is_silent(other_host, session, host):
    """Whether a check from the other host gets no answer."""
    return other_host.stun(*session.check(host), "--wait", stun.SILENCE_S) == ""


def ready_line(server):
    return next(line for line in server.log if " ready on " in line)


def test_loopback_comes_first_and_every_client_here_reaches_what_is_offered(server, media, stages):
    session = Session(server, media, stages, stages.create("local"))
    assert session.candidates[0] == "127.0.0.1"
    assert len(session.candidates) <= 9
    for host in session.candidates:
        # From the address itself, as an agent does that gathers no loopback address, and from loopback.
        sources = [host] if ":" in host else [host, "127.0.0.1"]
        for source in sources:
            assert stun.ask(*session.check(host), source=source) == host, f"from {source} to {host}"
    assert value(server, "restage_media_datagrams_refused_total") == 0
    ready = ready_line(server)
    assert "for clients on this machine only" in ready
    for host in session.candidates:
        assert str(host) in ready


def test_a_named_address_is_the_only_one_and_for_everybody(tmp_path, media):
    server, stages = served(tmp_path, "--media-ip", "127.0.0.1")
    try:
        assert Session(server, media, stages, stages.create()).candidates == ["127.0.0.1"]
        assert "for whoever reaches it" in ready_line(server)
    finally:
        server.stop()


def test_nothing_from_another_host_is_heard_until_that_is_asked_for(tmp_path, media, other_host):
    server, stages = served(tmp_path)
    try:
        session = Session(server, media, stages, stages.create())
        assert {other_host.here, other_host.here6} <= set(session.candidates)
        refused = "restage_media_datagrams_refused_total"
        received = "restage_media_datagrams_received_total"
        # The same check is valid from this machine: over there only its source address is wrong.
        for count, host in enumerate([other_host.here, other_host.here6], start=1):
            assert stun.ask(*session.check(host), source=host) == host
            heard = value(server, received)
            assert is_silent(other_host, session, host)
            eventually(lambda count=count: value(server, refused) == count, what="it was dropped")
            assert value(server, received) == heard, "it went further than the socket"
        # The kernel takes no datagram from outside that says it comes from here.
        heard = value(server, received)
        other_host.stun(*session.check(other_host.here), "--forged", other_host.here)
        assert is_silent(other_host, session, other_host.here)
        eventually(lambda: value(server, refused) == 3, what="the one after it was dropped")
        assert value(server, received) == heard
        told = [line for line in server.log if "media from another machine was dropped" in line]
        assert len(told) == 1 and "--media-ip" in told[0], "once, with what to do, however many there are"
    finally:
        server.stop()
    server, stages = served(tmp_path, "--media-ip", other_host.here)
    try:
        session = Session(server, media, stages, stages.create())
        assert session.candidates == [other_host.here]
        assert other_host.stun(*session.check(other_host.here)) == other_host.here
        assert value(server, refused) == 0
    finally:
        server.stop()


def test_an_address_that_comes_while_the_server_runs_is_this_machines(tmp_path, media, other_host):
    server, stages = served(tmp_path)
    try:
        session = Session(server, media, stages, stages.create())
        late = str(namespace.NETWORKS_V4[int.from_bytes(os.urandom(2)) * 2 + 1])
        namespace.ip("address", "add", f"{late}/32", "dev", other_host.near)

        def answered():
            # A lost try is no failure: addresses are looked up at most once a second.
            wait = stun.SILENCE_S
            return stun.ask(*session.check(other_host.here), source=late, wait_s=wait) == other_host.here

        eventually(answered, what=f"an answer to {late}")
        # Over there it stays a stranger's.
        assert is_silent(other_host, session, other_host.here)
    finally:
        server.stop()


def test_doctor_says_what_is_offered_and_to_whom(tmp_path):
    server = Server(tmp_path / "data")
    ports = ("--http", f"127.0.0.1:{free_port(socket.SOCK_STREAM)}")
    ports += ("--media-port", str(free_port(socket.SOCK_DGRAM)), "--data-dir", str(tmp_path / "data"))

    def finding(*arguments):
        ran = server.command("doctor", "--output", "json", *ports, *arguments, check=False)
        found = json.loads(ran.stdout)
        return next(item["sentence"] for item in found if item["check"] == "candidates")

    local = finding()
    assert "127.0.0.1" in local and "clients on this machine only" in local and "--media-ip" in local
    named = finding("--media-ip", "127.0.0.1")
    assert "whoever reaches it" in named and "--media-ip" not in named


def test_an_ipv6_listener_offers_ipv6_loopback_first(tmp_path, media):
    if not socket.has_ipv6:
        pytest.skip("no IPv6")
    server = Server(tmp_path / "data", name="test_this_machine_v6", host="[::1]").start()
    try:
        stages = api.Stages(api.client(server))
        session = Session(server, media, stages, stages.create())
        assert session.candidates[0] == "::1"
        assert stun.ask(*session.check("::1"), source="::1") == "::1"
        assert samples(server.url)["restage_media_datagrams_refused_total", ()] == 0
    finally:
        server.stop()
