"""Media for clients that UDP does not reach: TCP, and the relay (TURN) over UDP, TCP and TLS; on one TCP port."""

import os
import re
import resource
import shutil
import socket
import ssl
import struct
import subprocess
import time

import aioice.ice
import aioice.stun
import pytest
from aiortc import RTCIceServer

from support import api, stun
from support.server import Server, clean_environment
from support.tls import self_signed
from support.wait import eventually
from test_observability import value
from test_whip import make_offer, post

LINK = re.compile(
    r'<(?P<url>[^>]+)>; rel="ice-server"; username="(?P<username>[^"]+)"; credential="(?P<credential>[^"]+)"'
)
ANSWER_S = 10
HALF_OPEN = 10_000
# Fewer than `connections-per-address` permits.
HALF_OPEN_PER_ADDRESS = 900
# Of this process, for everything else that it has open.
DESCRIPTORS_SPARED = 256
HALF_OPEN_S = 20


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """A server with TLS, and so with a relay."""
    directory = tmp_path_factory.mktemp("paths")
    certificate, key = self_signed(directory, names=("localhost", "127.0.0.1"))
    # coturn's client also binds channels to the port after its peer's, which is the second worker's.
    arguments = ("--tls-cert", str(certificate), "--tls-key", str(key), "--workers", "2")
    server = Server(directory / "data", *arguments, name="test_paths_tls")
    server.arguments += ("--public-url", f"https://localhost:{server.http_port}")
    server.start()
    server.certificate = certificate
    yield server
    server.stop()


@pytest.fixture(scope="module")
def secured_stages(secured):
    return api.Stages(api.client(secured))


@pytest.fixture
def relay_only(monkeypatch, media):
    """Peers have no address of their own, so only those of a relay are left."""
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: [])
    yield media
    media.ice_servers = []


def links(headers):
    """The relay's URLs and credentials."""
    found = [LINK.fullmatch(value.split("; credential-type")[0]) for value in headers.getall("Link", [])]
    return [match.groupdict() for match in found]


def ice_server(link):
    return RTCIceServer(urls=link["url"], username=link["username"], credential=link["credential"])


def options(media, server, token):
    headers = {"Authorization": f"Bearer {token}"}
    status, headers, _ = media.request("OPTIONS", f"{server.url}/whip", headers=headers)
    assert status == 200
    return links(headers)


def frame(datagram):
    return struct.pack("!H", len(datagram)) + datagram


def read_exactly(client, length):
    data = b""
    while len(data) < length:
        piece = client.recv(length - len(data))
        assert piece, f"the connection ended after {len(data)} bytes"
        data += piece
    return data


def over_tcp(client, session):
    """The mapped address of the answer to a check on this connection (RFC 4571)."""
    client.settimeout(ANSWER_S)
    client.sendall(frame(stun.check(session.username, session.password)))
    while True:
        (length,) = struct.unpack("!H", read_exactly(client, 2))
        answer = aioice.stun.parse_message(read_exactly(client, length))
        # The server may send a check of its own meanwhile.
        if answer.message_class == aioice.stun.Class.RESPONSE:
            assert answer.attributes["XOR-MAPPED-ADDRESS"] == client.getsockname()
            return


class Session:
    """A publishing session that has received no media yet."""

    def __init__(self, server, media, stages, name):
        offer = make_offer(media)
        token = stages.token(stages.create(name))[1]
        status, self.headers, self.answer = post(media, f"http://{server.address}/whip", token, offer)
        assert status == 201, self.answer
        ufrag, self.password = stun.credentials(self.answer)
        self.username = f"{ufrag}:{stun.credentials(offer)[0]}"


def test_tcp_is_offered_after_udp_and_served_by_the_http_listener(server, media, stages):
    session = Session(server, media, stages, "tcp")
    # Of the first section; the others repeat them.
    section = session.answer.partition("a=end-of-candidates")[0]
    candidates = [line.split() for line in section.splitlines() if line.startswith("a=candidate:")]
    protocols = [words[2] for words in candidates]
    assert protocols == sorted(protocols, reverse=True) and protocols[0] == "udp", "UDP comes first"
    tcp = next(words for words in candidates if words[2] == "tcp")
    assert tcp[4:6] == ["127.0.0.1", str(server.http_port)] and tcp[-2:] == ["tcptype", "passive"]
    assert all(int(words[3]) > int(tcp[3]) for words in candidates if words[2] == "udp")
    with socket.create_connection(("127.0.0.1", server.http_port)) as client:
        over_tcp(client, session)
        # A second connection of the same session, as after a change of address.
        with socket.create_connection(("127.0.0.1", server.http_port)) as other:
            over_tcp(other, session)
        over_tcp(client, session)
    # Without TLS there is no relay, unless it is asked for.
    assert links(session.headers) == []


def test_frames_inside_tls_are_served_too(secured, media, secured_stages):
    session = Session(secured, media, secured_stages, "tcp-in-tls")
    trust = ssl.create_default_context(cafile=secured.certificate)
    with (
        socket.create_connection(("127.0.0.1", secured.http_port)) as plain,
        trust.wrap_socket(plain, server_hostname="localhost") as client,
    ):
        over_tcp(client, session)


def test_the_relay_is_told_with_the_answer_and_before_the_offer(secured, media, secured_stages):
    arn = secured_stages.create("links")
    participant, token = secured_stages.token(arn)
    status, headers, _ = post(media, f"http://{secured.address}/whip", token, make_offer(media))
    assert status == 201
    told = links(headers)
    # Not over UDP, which would keep browsers from the same port without the relay.
    assert [link["url"] for link in told] == [
        f"turn:127.0.0.1:{secured.http_port}?transport=tcp",
        f"turns:localhost:{secured.http_port}?transport=tcp",
    ]
    expiry, _, name = told[0]["username"].partition(":")
    assert int(expiry) == api.payload(token)["exp"] and name.endswith(f"/{participant}")
    plain = f"http://{secured.address}/whip"
    before = [{**told[0], "url": f"turn:127.0.0.1:{secured.media_port}?transport=udp"}, *told]
    for sent, expected in [
        ({"Authorization": f"Bearer {token}"}, before),
        ({"Authorization": "Bearer x"}, []),
        ({}, []),
    ]:
        status, headers, _ = media.request("OPTIONS", plain, headers=sent)
        assert status == 200 and links(headers) == expected
        assert (headers.get("Access-Control-Expose-Headers") == "link") == bool(expected)


@pytest.mark.parametrize("way", ["udp", "tcp", "tls"])
def test_picture_and_sound_go_through_the_relay_alone(secured, relay_only, secured_stages, monkeypatch, way):
    # What OpenSSL trusts by default, in this process.
    monkeypatch.setenv("SSL_CERT_FILE", str(secured.certificate))
    media = relay_only
    arn = secured_stages.create(f"relay-{way}")
    ann, token = secured_stages.token(arn)
    plain = f"http://{secured.address}"
    status, headers, _ = media.request("OPTIONS", f"{plain}/whip", headers={"Authorization": f"Bearer {token}"})
    assert status == 200
    media.ice_servers = [ice_server(links(headers)[["udp", "tcp", "tls"].index(way)])]
    publisher = media.publish(token, identity=21, url=f"{plain}/whip")
    watcher = media.watch(secured_stages.token(arn)[1], ann, url=f"{plain}/whep")
    watcher.wait_for(21, frames=15)
    destination = secured_stages.create(f"relay-{way}-destination")
    secured_stages.replicate(arn, destination, ann)
    beside = media.watch(secured_stages.token(destination)[1], ann, url=f"{plain}/whep")
    beside.wait_for(21, frames=15)
    assert value(secured, "restage_turn_allocations") >= 3
    # Disconnected participants lose their allocations, too.
    publisher_allocations = value(secured, "restage_turn_allocations")
    secured_stages.ivs.disconnect_participant(stageArn=arn, participantId=ann)
    eventually(
        lambda: value(secured, "restage_turn_allocations") < publisher_allocations, what="the allocation is ended"
    )
    publisher.drop()
    beside.drop()


@pytest.fixture(scope="module")
def uclient():
    """coturn's client."""
    found = shutil.which("turnutils_uclient")
    if found is None:
        print("skipped: there is no turnutils_uclient (Debian package coturn)")
        pytest.skip("no turnutils_uclient")
    return found


def run_uclient(uclient, secured, link, peer, *arguments):
    """What coturn's client says about an allocation with this peer."""
    command = [
        *(uclient, "-u", link["username"], "-w", link["credential"], "-p", str(secured.media_port)),
        *("-e", peer[0], "-r", str(peer[1]), "-n", "2", "-c", "-v", *arguments, "127.0.0.1"),
    ]
    ran = subprocess.run(
        ["timeout", "15", *command], capture_output=True, text=True, check=False, env=clean_environment()
    )
    return ran.stdout + ran.stderr


def test_coturns_client_allocates_refreshes_and_reaches_nobody_else(secured, media, secured_stages, uclient):
    token = secured_stages.token(secured_stages.create("uclient"))[1]
    headers = {"Authorization": f"Bearer {token}"}
    link = links(media.request("OPTIONS", f"http://{secured.address}/whip", headers=headers)[1])[0]
    # The only peer there is.
    said = run_uclient(uclient, secured, link, ("127.0.0.1", secured.media_port))
    assert "allocate response received: success" in said.replace(": \n", ": ") or "success" in said, said
    assert "channel bind: error" not in said and "403" not in said, said
    # Everybody else.
    for peer in [("127.0.0.1", 9), ("198.51.100.7", secured.media_port)]:
        said = run_uclient(uclient, secured, link, peer)
        assert "403" in said, said
    # Somebody else's credential.
    said = run_uclient(uclient, secured, {**link, "credential": "x"}, ("127.0.0.1", secured.media_port))
    assert "401" in said or "Cannot complete Allocation" in said, said


def test_who_was_disconnected_without_ever_joining_gets_no_allocation(secured, media, secured_stages, uclient):
    arn = secured_stages.create("uclient-out")
    participant, token = secured_stages.token(arn)
    headers = {"Authorization": f"Bearer {token}"}
    link = links(media.request("OPTIONS", f"http://{secured.address}/whip", headers=headers)[1])[0]
    assert "success" in run_uclient(uclient, secured, link, ("127.0.0.1", secured.media_port))
    secured_stages.ivs.disconnect_participant(stageArn=arn, participantId=participant)
    said = run_uclient(uclient, secured, link, ("127.0.0.1", secured.media_port))
    assert "success" not in said, said


@pytest.fixture
def descriptors():
    """The limit of open descriptors: the highest that there may be."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    yield most
    resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


def test_half_open_connections_hurt_nobody(secured, media, secured_stages, descriptors):
    session = Session(secured, media, secured_stages, "half-open")
    cookie = b"\x21\x12\xa4\x42"
    openings = [b"", b"\0", b"\0\x14", b"\0\x14\0\x01\0\0" + cookie, b"\0\x03\0\x08" + cookie, b"\xff" * 64]
    idle = []
    began = time.monotonic()
    for number in range(min(HALF_OPEN, descriptors - DESCRIPTORS_SPARED)):
        # What an address may have does not take anything from others.
        address = f"127.0.0.{2 + number // HALF_OPEN_PER_ADDRESS}"
        client = socket.create_connection(("127.0.0.1", secured.http_port), source_address=(address, 0))
        client.sendall(openings[number % len(openings)])
        idle.append(client)
    held = len(os.listdir(f"/proc/{secured.process.pid}/fd"))
    print(f"{len(idle)} connections in {time.monotonic() - began:.1f} s, of which the server holds {held}")
    # Those whose opening is nothing are ended at once, and the others after ten seconds.
    assert held > len(idle) / 3
    with socket.create_connection(("127.0.0.1", secured.http_port)) as client:
        over_tcp(client, session)
    assert media.request("GET", f"http://{secured.address}/healthz")[0] == 200
    for client in idle:
        client.close()
    assert time.monotonic() - began < HALF_OPEN_S


def test_a_server_can_offer_another_tcp_port_or_none(tmp_path, media):
    for port, offered in [("0", None), ("4443", "4443")]:
        server = Server(tmp_path / port, "--media-tcp-port", port, name="test_paths_port").start()
        session = Session(server, media, api.Stages(api.client(server)), "port")
        lines = [line.split() for line in session.answer.splitlines() if line.startswith("a=candidate:")]
        ports = {words[5] for words in lines if words[2] == "tcp"}
        assert ports == ({offered} if offered else set())
        server.stop()
