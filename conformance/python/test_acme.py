"""`--tls auto`: certificates from an authority, for a name and for an address, their renewal, and what happens when
the authority refuses."""

import contextlib
import datetime
import http.client
import json
import os
import ssl
import time

import pytest
from cryptography import x509

from support import acme, namespace
from support.acme import Pebble, StandIn
from support.fetch import fetch
from support.server import Server
from support.tls import issued, shown
from support.wait import eventually, stays

NAME = "video.restage.test"
ISSUED_S = 60
# Long enough for pebble, which is slow on a busy machine, and short enough to see a renewal at two thirds.
SHORT_S = 45
HTTP_S = 20


@pytest.fixture
def pebble_here():
    lacking = acme.missing()
    if lacking is not None:
        assert not os.environ.get("CI"), f"CI has all that this needs, but {lacking}"
        print(f"skipped: certificates cannot be asked for here: {lacking}")
        pytest.skip(lacking)


@contextlib.contextmanager
def served(directory, host, challenge, validity_s=None, address="127.0.0.1"):
    """(server, authority): a server on all addresses that asks a pebble for a certificate for `host`."""
    server = Server(directory / "data", name="test_acme", host="0.0.0.0")
    # What the tests ask of it goes to loopback.
    server.url = f"http://127.0.0.1:{server.http_port}"
    with Pebble(directory, server.http_port, host, address, validity_s) as authority:
        shown_host = f"[{host}]" if ":" in host else host
        url = ["--public-url", f"https://{shown_host}:{server.http_port}"]
        server.arguments = (*authority.flags, *url, "--acme-challenge", challenge)
        try:
            yield server, authority
        finally:
            if server.process is not None:
                server.stop()


def certificate_of(server, name=NAME, host="127.0.0.1", trust=None):
    """The certificate that the server shows, None before there is one."""
    with contextlib.suppress(ssl.SSLError, OSError):
        return shown(server.http_port, name, trust=trust, host=host)
    return None


def check_kept(server):
    directory = server.data_dir / "tls"
    assert directory.stat().st_mode & 0o777 == 0o700
    files = {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()}
    assert files == {"account.json": 0o600, "certificate.pem": 0o600}, files


def doctor(server):
    arguments = ["--data-dir", str(server.data_dir), "--http", server.address, *server.arguments, "--output", "json"]
    found = json.loads(server.command("doctor", *arguments, check=False).stdout)
    first, *_ = [one for one in found if one["check"] == "tls"]
    return first["verdict"], first["sentence"]


@pytest.mark.parametrize("challenge", ["tls-alpn-01", "http-01"])
@pytest.mark.usefixtures("pebble_here")
def test_a_name_gets_a_certificate_which_is_kept(tmp_path, challenge):
    with served(tmp_path, NAME, challenge) as (server, authority):
        # It is ready once there is a certificate.
        server.start()
        root = tmp_path / "root.pem"
        root.write_text(authority.root())
        first = certificate_of(server, trust=root)
        (name,) = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert name.value == NAME
        check_kept(server)
        assert doctor(server)[0] == "ok", doctor(server)
        kept = (server.data_dir / "tls" / "certificate.pem").read_text()
        assert kept.startswith(f"Authority: {authority.url}\n") and "PRIVATE KEY" in kept
        # A restart asks for nothing.
        server.stop()
        server.start()
        assert certificate_of(server).serial_number == first.serial_number
        account = (server.data_dir / "tls" / "account.json").read_text()
        # A damaged file is as none, and the account is used again.
        server.stop()
        (server.data_dir / "tls" / "certificate.pem").write_text("half a fi")
        server.start()
        assert certificate_of(server).serial_number != first.serial_number
        assert (server.data_dir / "tls" / "account.json").read_text() == account


@pytest.mark.parametrize("challenge", ["tls-alpn-01", "http-01"])
@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.usefixtures("pebble_here")
def test_a_bare_address_gets_a_certificate(tmp_path, challenge, version):
    lacking = namespace.missing()
    if lacking is not None:
        assert not os.environ.get("CI"), f"CI has all that this needs, but {lacking}"
        print(f"skipped: an address besides loopback cannot be made here: {lacking}")
        pytest.skip(lacking)
    with namespace.other_host() as host:
        address = host.here if version == 4 else host.here6
        with served(tmp_path, address, challenge) as (server, _):
            if version == 6:
                server.arguments = (*server.arguments, "--http", f"[::]:{server.http_port}")
            server.start()
            found = certificate_of(server, address, address)
            (name,) = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            assert str(name.value) == address


@pytest.mark.usefixtures("pebble_here")
def test_a_certificate_is_renewed_while_connections_live(tmp_path):
    with served(tmp_path, NAME, "tls-alpn-01", validity_s=SHORT_S) as (server, authority):
        server.start()
        root = tmp_path / "root.pem"
        root.write_text(authority.root())
        first = certificate_of(server, trust=root)
        context = ssl.create_default_context(cafile=root)
        context.check_hostname = False
        open_one = http.client.HTTPSConnection("127.0.0.1", server.http_port, context=context, timeout=HTTP_S)

        def answers():
            open_one.request("GET", "/healthz")
            return open_one.getresponse().read() == b"ok\n"

        assert answers()
        mine = open_one.sock.getsockname()

        def renewed():
            assert answers() and open_one.sock.getsockname() == mine
            # Every new connection gets a certificate that is valid.
            return certificate_of(server, trust=root).serial_number != first.serial_number

        eventually(renewed, ISSUED_S + SHORT_S, "the certificate is renewed")
        life = (first.not_valid_after_utc - first.not_valid_before_utc).total_seconds()
        passed = (datetime.datetime.now(datetime.UTC) - first.not_valid_before_utc).total_seconds()
        assert life / 2 < passed < life, "at two thirds of its life"
        check_kept(server)
        open_one.close()


@pytest.mark.usefixtures("pebble_here")
def test_a_refused_check_is_told_and_tried_again_after_a_start(tmp_path):
    with served(tmp_path, NAME, "http-01") as (server, authority):
        # Nobody asks the network outside, where something may answer at every address.
        authority.lose()
        server.start_without_readiness()

        def ready():
            return fetch(f"{server.url}/readyz")

        eventually(lambda: "check by http-01 failed" in ready().text, ISSUED_S, "the refusal is told")
        assert ready().status == 503 and "next try at" in ready().text
        assert NAME not in ready().text, "everybody may ask"
        assert server.status("/healthz") == 200
        verdict, sentence = doctor(server)
        told = f"There is no certificate for {NAME}: the last try failed (the check of {NAME} by http-01 failed: "
        assert verdict == "fail" and sentence.startswith(told) and "next one is at" in sentence, sentence
        assert (server.data_dir / "tls" / "attempts.json").stat().st_mode & 0o777 == 0o600
        assert certificate_of(server) is None
        # An operator mends it and starts the server again.
        authority.find()
        server.stop()
        server.start()
        assert certificate_of(server) is not None
        check_kept(server)


def order_of(authority):
    return eventually(lambda: authority.orders and authority.orders[0], ISSUED_S, "an order")


def stand_in_for(tmp_path, authority, url):
    server = Server(tmp_path / "data", name="test_acme", host="0.0.0.0")
    server.url = f"http://127.0.0.1:{server.http_port}"
    server.arguments = (*authority.flags, "--public-url", url, "--acme-challenge", "http-01")
    return server


def test_an_address_is_ordered_with_its_profile_and_a_limit_is_kept(tmp_path):
    with StandIn(tmp_path, retry_after_s=7_200) as authority:
        server = stand_in_for(tmp_path, authority, "https://198.51.100.7")
        server.arguments = (*server.arguments, "--acme-email", "ops@example.org")
        server.start_without_readiness()
        order = order_of(authority)
        assert order == {"identifiers": [{"type": "ip", "value": "198.51.100.7"}], "profile": "shortlived"}
        assert authority.accounts == [{"contact": ["mailto:ops@example.org"], "termsOfServiceAgreed": True}]

        def told():
            return fetch(f"{server.url}/readyz").text

        eventually(lambda: "rateLimited" in told(), ISSUED_S, "the refusal is told")
        assert "192.0.2.77" not in told()
        attempts = json.loads((server.data_dir / "tls" / "attempts.json").read_text())
        assert attempts["again-at"] >= time.time() + 7_000
        # The wait that the authority asked for holds across a restart.
        server.stop()
        server.start_without_readiness()
        stays(lambda: len(authority.orders) == 1, 2, "no other order")
        assert doctor(server)[0] == "fail"
        server.stop()


def test_a_name_is_ordered_without_a_profile(tmp_path):
    with StandIn(tmp_path, retry_after_s=60) as authority:
        server = stand_in_for(tmp_path, authority, "https://video.example.org")
        server.start_without_readiness()
        assert order_of(authority) == {"identifiers": [{"type": "dns", "value": "video.example.org"}]}
        server.stop()


def test_an_authority_that_wants_a_renewal_gets_an_order_that_replaces(tmp_path):
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    past = {"start": (now - 2 * day).isoformat(), "end": (now - day).isoformat()}
    with StandIn(tmp_path, retry_after_s=3_600, suggests=past) as authority:
        server = stand_in_for(tmp_path, authority, "https://video.example.org")
        chain, key = issued(["video.example.org"], now - day, now + 89 * day)
        kept = server.data_dir / "tls"
        kept.mkdir(parents=True, mode=0o700)
        (kept / "certificate.pem").write_text(f"Authority: {authority.url}\n{key}\n{chain}")
        server.start()
        order = order_of(authority)
        assert order["replaces"] == authority.asked[0], order
        # It is served all the same, and the server stays ready.
        served_now = certificate_of(server, "video.example.org")
        assert served_now == x509.load_pem_x509_certificate(chain.encode())
        ready = eventually(lambda: fetch(f"{server.url}/readyz").text.splitlines()[1:], ISSUED_S, "it is told")
        assert "valid until" in ready[0] and "rateLimited" in ready[0]
        assert server.is_ready() and doctor(server)[0] == "warn"
        server.stop()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--http", "127.0.0.1:443"], "every http is on loopback"),
        (["--http", "0.0.0.0:4080"], "port 443 or at port 80 only"),
        (["--http", "0.0.0.0:443", "--public-url", "https://localhost"], "no authority certifies localhost"),
        (["--http", "0.0.0.0:443", "--public-url", "https://10.0.0.7"], "does not certify 10.0.0.7"),
        (["--http", "0.0.0.0:443", "--public-url", "http://video.example.org"], "must begin with https://"),
        (["--http", "0.0.0.0:443", "--acme-accept-terms", "false"], "--acme-accept-terms"),
    ],
)
def test_what_cannot_work_is_refused_at_the_start(tmp_path, flags, words):
    url = [] if "--public-url" in flags else ["--public-url", "https://video.example.org"]
    terms = [] if "--acme-accept-terms" in flags else ["--acme-accept-terms"]
    server = Server(tmp_path / "data", name="test_acme")
    serve = ["serve", "--data-dir", str(tmp_path / "data"), "--tls", "auto"]
    done = server.command(*serve, *url, *terms, *flags, check=False)
    assert done.returncode != 0 and words in done.stderr, done.stderr
