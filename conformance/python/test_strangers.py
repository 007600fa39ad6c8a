"""Ten thousand connections of strangers to the one TCP port, which begin with nothing, a byte, or half a handshake."""

import contextlib
import select
import time

import pytest

from support import api
from support.media import Media
from support.namespace import missing, other_host
from support.server import Server
from support.tls import self_signed
from support.wait import eventually

CONNECTIONS = 10_000
# As in the server: connections of one address, and the time for a request's head or a handshake.
PER_ADDRESS = 1_000
HEAD_S = 10
# Unfinished TLS handshakes, as in the server.
HANDSHAKES = 2_048
STRANGERS_S = 60
# Between two requests of somebody else meanwhile, on a busy machine.
ANSWER_S = 5
KIB_PER_CONNECTION = 24

OPENINGS = {"nothing": b"", "one byte": b"\0", "half a handshake": bytes.fromhex("1603010200010001fc0303")}


@pytest.fixture(scope="module")
def host():
    if why := missing():
        print(f"skipped: a host of its own cannot be made here: {why}")
        pytest.skip(why)
    with other_host() as made:
        made.sources = made.neighbours(2 * CONNECTIONS // PER_ADDRESS)
        yield made


@pytest.fixture(scope="module")
def server(tmp_path_factory, host):
    directory = tmp_path_factory.mktemp("strangers")
    certificate, key = self_signed(directory, names=("localhost", "127.0.0.1"))
    arguments = ("--tls-cert", str(certificate), "--tls-key", str(key), "--media-ip", "127.0.0.1")
    started = Server(directory / "data", *arguments, name="test_strangers")
    started.arguments += ("--http", f"[{host.here6}]:{started.http_port}")
    started.start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def media():
    made = Media()
    yield made
    made.close()


def rss_kib(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


class Strangers:
    """The connections that are held from the other host."""

    def __init__(self, host, server, count, opening, sources):
        arguments = (host.here6, server.http_port, count, opening.hex(), *sources)
        self.process = host.start("strangers.py", *arguments)
        self._is_waiting = True

    def have_tried(self, within_s=0):
        """Whether all have been tried."""
        if self._is_waiting and select.select([self.process.stdout], [], [], within_s)[0]:
            assert self.process.stdout.readline() == "tried\n"
            self._is_waiting = False
        return not self._is_waiting

    def held(self):
        """How many the server has not closed."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@contextlib.contextmanager
def strangers(*given):
    held = Strangers(*given)
    try:
        yield held
    finally:
        held.process.stdin.close()
        held.process.kill()
        held.process.wait()


@pytest.mark.parametrize("opening", OPENINGS.values(), ids=OPENINGS)
def test_ten_thousand_strangers_hurt_nobody(host, server, media, opening):
    stages = api.Stages(api.client(server))
    arn = stages.create("strangers")
    ann, token = stages.token(arn)
    plain = f"http://{server.address}"
    publisher = media.publish(token, identity=27, url=f"{plain}/whip")
    watcher = media.watch(stages.token(arn)[1], ann, url=f"{plain}/whep")
    watcher.wait_for(27, frames=10)
    before = rss_kib(server)
    began, slowest = time.monotonic(), 0.0
    with strangers(host, server, CONNECTIONS, opening, host.sources) as held:
        while not held.have_tried():
            asked = time.monotonic()
            stages.ivs.list_stages(maxResults=1)
            slowest = max(slowest, time.monotonic() - asked)
            assert asked < began + STRANGERS_S
        grown = rss_kib(server) - before
        took = time.monotonic() - began
        # A join over the same port, and pictures, while they are all there.
        late = media.watch(stages.token(arn)[1], ann, url=f"{plain}/whep")
        late.wait_for(27, frames=10)
        left = held.held()
        print(
            f"{CONNECTIONS} tried in {took:.1f} s, {left} held: {grown / 1024:.0f} MiB more; slowest answer "
            f"{slowest * 1000:.0f} ms"
        )
        assert slowest < ANSWER_S
        assert grown < CONNECTIONS * KIB_PER_CONNECTION
        assert server.is_alive()
        if opening[:1] == b"\x16":
            eventually(lambda: held.held() <= HANDSHAKES, 2 * HEAD_S, what="handshakes are bounded")
        # Who says nothing is gone after a time, and costs nothing afterwards.
        eventually(lambda: held.held() == 0, 3 * HEAD_S, what="strangers are closed")
    late.leave()
    watcher.leave()
    publisher.leave()


def test_one_address_has_a_thousand(host, server):
    with strangers(host, server, CONNECTIONS, b"", host.sources[:1]) as held:
        assert held.have_tried(STRANGERS_S)
        # What is beyond the bound is accepted and closed at once.
        eventually(lambda: 0 < held.held() <= PER_ADDRESS, what="no more than one address may have")
        # Of the same address, one more; of another one, others.
        with strangers(host, server, 10, b"", host.sources[1:2]) as others:
            assert others.have_tried(STRANGERS_S)
            assert others.held() == 10
        assert server.is_alive()
