"""TLS in the listener, with a certificate from files: real clients, exchanges of the certificate, plain requests."""

import contextlib
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess

import botocore.exceptions
import pytest
from cryptography import x509

from support import api, namespace
from support.fetch import fetch
from support.media import Media
from support.server import Server, binary, clean_environment
from support.tls import self_signed, shown
from support.wait import eventually, stays

NAME = "restage.localhost"
HTTP_S = 20
# The server looks at the files every two seconds, and twice before it calls them faulty.
EXCHANGED_S = 20


def serial(certificate):
    return x509.load_pem_x509_certificate(certificate.read_bytes()).serial_number


class Encrypted:
    """A server with a certificate from files, and what its clients need."""

    def __init__(self, directory, *arguments, **more):
        self.directory = directory
        self.certificate, self.key = self_signed(directory / "served", (NAME, "localhost"))
        flags = ["--tls-cert", str(self.certificate), "--tls-key", str(self.key)]
        self.server = Server(directory / "data", *flags, *arguments, name="test_tls", **more).start()
        self.port = self.server.http_port
        self.url = f"https://localhost:{self.port}"

    def exchange(self, made):
        """Puts another certificate and its key into the files, one after the other."""
        for new, old in zip(made, (self.certificate, self.key), strict=True):
            beside = old.with_suffix(".new")
            shutil.copyfile(new, beside)
            os.replace(beside, old)

    def serial(self):
        """The serial number of the certificate that a new connection is shown."""
        return shown(self.port, "localhost").serial_number


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory):
    made = Encrypted(tmp_path_factory.mktemp("tls"))
    yield made
    made.server.stop()


@pytest.fixture(scope="module")
def trust(encrypted):
    """The certificate that clients accept, which tests do not exchange."""
    kept = encrypted.directory / "trust.pem"
    shutil.copyfile(encrypted.certificate, kept)
    return kept


@pytest.fixture(scope="module")
def stages(encrypted, trust):
    return api.Stages(api.client(encrypted.server, url=encrypted.url, trust=trust))


@pytest.fixture(scope="module")
def encrypted_media(trust):
    made = Media(trust)
    yield made
    made.close()


def test_everything_that_is_told_begins_with_https(encrypted, stages):
    arn = stages.create("told")
    endpoints = stages.ivs.get_stage(arn=arn)["stage"]["endpoints"]
    here = f"127.0.0.1:{encrypted.port}"
    assert endpoints["whip"].startswith(f"https://{here}/") and endpoints["events"].startswith(f"wss://{here}/")
    said = api.payload(stages.token(arn)[1])
    assert said["whip_url"].startswith(f"https://{here}/") and said["events_url"].startswith(f"wss://{here}/")


def test_boto3_verifies_the_certificate(encrypted):
    with pytest.raises(botocore.exceptions.SSLError):
        api.client(encrypted.server, url=encrypted.url).list_stages()


def test_peers_publish_watch_and_listen_over_tls(stages, encrypted_media):
    arn = stages.create("media")
    ann, token = stages.token(arn, userId="ann")
    events = encrypted_media.events(stages.token(arn, userId="ear")[1])
    publisher = encrypted_media.publish(token, 7)
    eventually(lambda: events.publishing() == {ann}, what="ann publishes")
    watcher = encrypted_media.watch(stages.token(arn)[1], ann)
    watcher.wait_for(7)
    publisher.leave()
    eventually(lambda: events.publishing() == set(), what="ann is gone")


def test_restage_commands_take_the_certificate(encrypted, trust, tmp_path):
    access_key, secret_key = encrypted.server.credentials()
    keys = {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key, "AWS_REGION": api.REGION}

    def run(*arguments, **environment):
        return subprocess.run(
            [str(binary()), *arguments],
            env=clean_environment(**keys, **environment),
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    listing = ["stages", "list", "--data-dir", str(encrypted.server.data_dir)]
    assert run(*listing, AWS_CA_BUNDLE=str(trust)).returncode == 0
    refused = run(*listing)
    assert refused.returncode == 4 and "--ca-bundle" in refused.stderr, refused


def test_doctor_looks_at_the_certificate_and_shakes_hands(encrypted, tmp_path):
    def doctor(certificate, key):
        server = encrypted.server
        flags = ["--http", server.address, "--tls-cert", str(certificate), "--tls-key", str(key), "--output", "json"]
        done = server.command("doctor", "--data-dir", str(server.data_dir), *flags, check=False)
        found = [one for one in json.loads(done.stdout) if one["check"] == "tls"]
        return [(one["verdict"], one["sentence"]) for one in found]

    of_files, of_server = doctor(encrypted.certificate, encrypted.key)
    assert of_files[0] == "ok" and NAME in of_files[1]
    assert of_server[0] == "ok" and "shows this certificate" in of_server[1]
    _, of_server = doctor(*self_signed(tmp_path / "other", (NAME,)))
    assert of_server[0] == "warn" and "another certificate" in of_server[1]


def test_old_versions_of_tls_are_refused(encrypted):
    def ask(version):
        limits = {"minimum_version": version, "maximum_version": version}
        return shown(encrypted.port, "localhost", **limits)

    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        assert ask(version).serial_number == encrypted.serial()
    with pytest.raises((ssl.SSLError, OSError)):
        ask(ssl.TLSVersion.TLSv1_1)


def test_a_new_certificate_is_for_new_connections_and_open_ones_go_on(encrypted, trust, tmp_path):
    first = serial(encrypted.certificate)
    context = ssl.create_default_context(cafile=trust)
    before = http.client.HTTPSConnection("localhost", encrypted.port, context=context, timeout=HTTP_S)

    def answers():
        before.request("GET", "/healthz")
        answer = before.getresponse()
        return answer.status, answer.read()

    assert answers() == (200, b"ok\n")
    address = before.sock.getsockname()
    other = self_signed(tmp_path / "other", (NAME, "localhost"))
    encrypted.exchange(other)
    eventually(lambda: encrypted.serial() == serial(other[0]), EXCHANGED_S, "the new certificate")
    assert answers() == (200, b"ok\n") and before.sock.getsockname() == address
    assert encrypted.server.is_ready()

    # Files that do not belong together, and then none: the last certificate is served, and it is told.
    third = self_signed(tmp_path / "third", (NAME, "localhost"))
    shutil.copyfile(third[0], encrypted.certificate)

    def ready():
        return fetch(f"http://127.0.0.1:{encrypted.port}/readyz")

    eventually(lambda: "does not belong" in ready().text, EXCHANGED_S, "the fault is told")
    assert ready().status == 200 and encrypted.serial() == serial(other[0])
    encrypted.key.unlink()
    eventually(lambda: "cannot be read" in ready().text, EXCHANGED_S, "the missing file is told")
    assert encrypted.serial() == serial(other[0])
    encrypted.exchange(self_signed(tmp_path / "fourth", (NAME, "localhost")))
    eventually(lambda: ready().text == "ready\n", EXCHANGED_S, "all is well again")
    assert encrypted.serial() not in (first, serial(other[0]))
    assert answers() == (200, b"ok\n") and before.sock.getsockname() == address
    before.close()


def test_a_certificate_that_cannot_be_used_stops_the_start(tmp_path):
    certificate, _ = self_signed(tmp_path / "one")
    _, key = self_signed(tmp_path / "two")
    server = Server(tmp_path / "data", "--tls-cert", str(certificate), "--tls-key", str(key), name="test_tls_refused")
    with pytest.raises(AssertionError, match="does not belong to the certificate"):
        server.start()
    with pytest.raises(AssertionError, match="tls-cert and tls-key go together"):
        Server(tmp_path / "data", "--tls-cert", str(certificate), name="test_tls_refused").start()


@pytest.fixture(scope="module")
def reached(tmp_path_factory):
    """A server with TLS on all addresses, two listeners, and an address of this host that is not loopback."""
    lacking = namespace.missing()
    if lacking is not None:
        assert not os.environ.get("CI"), f"CI has all that this needs, but {lacking}"
        print(f"skipped: an address besides loopback cannot be made here: {lacking}")
        pytest.skip(lacking)
    with contextlib.ExitStack() as stack:
        host = stack.enter_context(namespace.other_host())
        directory = tmp_path_factory.mktemp("reached")
        with socket.socket() as probe:
            probe.bind((host.here, 0))
            second = probe.getsockname()[1]
        made = Encrypted(directory, "--http", f"{host.here}:{second}", "--public-url", f"https://{NAME}")
        stack.callback(made.server.stop)
        yield made, f"{host.here}:{second}"


def test_plain_requests_are_sent_to_the_public_url(reached):
    encrypted, there = reached
    plain = f"http://{there}"

    def ask(method, path, **more):
        return fetch(plain + path, method, **more)

    for method, path, status in [
        ("GET", "/console/?a=b", 308),
        ("HEAD", "/console/", 308),
        ("POST", "/whip?token=x", 307),
        ("POST", "/ListStages", 307),
        ("DELETE", "/whip/x", 307),
    ]:
        answer = ask(method, path, body="{}" if method == "POST" else None)
        assert answer.status == status, (method, path)
        assert answer.headers["Location"] == f"https://{NAME}{path}"
        assert "Strict-Transport-Security" not in answer.headers
        assert answer.headers["x-amzn-RequestId"]
    # A forged Host header changes nothing.
    assert ask("GET", "/", headers={"Host": "attacker.example"}).headers["Location"] == f"https://{NAME}/"
    for path in ("/healthz", "/readyz"):
        assert ask("GET", path).status == 200
    assert ask("GET", "/.well-known/acme-challenge/x").status == 404
    # Loopback, on the other listener.
    assert fetch(f"http://127.0.0.1:{encrypted.port}/console/").status == 200


def test_an_sdk_that_asks_without_tls_is_told(reached):
    encrypted, there = reached
    ivs = api.client(encrypted.server, checked=False, url=f"http://{there}")
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        ivs.list_stages()
    assert refused.value.response["Error"]["Code"] == "TLS_REQUIRED"
    assert "TLS" in refused.value.response["Error"]["Message"]


def test_a_name_of_its_own_is_kept_with_tls(tmp_path):
    made = Encrypted(tmp_path, "--public-url", "https://video.example.org")
    try:
        context = ssl.create_default_context(cafile=made.certificate)
        for name, stays_with_tls in [("video.example.org", True), ("localhost", False)]:
            connection = http.client.HTTPSConnection("localhost", made.port, context=context, timeout=HTTP_S)
            connection.request("GET", "/healthz", headers={"Host": name})
            answer = connection.getresponse()
            answer.read()
            connection.close()
            assert (answer.getheader("Strict-Transport-Security") is not None) == stays_with_tls, name
    finally:
        made.server.stop()


def test_a_thousand_idle_handshakes_leave_room_for_others(encrypted, trust):
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    with contextlib.ExitStack() as stack:
        for _ in range(1_000):
            idle = stack.enter_context(socket.create_connection(("127.0.0.1", encrypted.port), HTTP_S))
            idle.sendall(hello)
        assert fetch(f"{encrypted.url}/healthz", trust=encrypted.certificate).text == "ok\n"
        stays(encrypted.server.is_alive, 0.5)


def test_what_breaks_off_is_no_harm(encrypted):
    for noise in (b"\x16", b"\x16\x03", b"\x16\x03\x01\xff\xff" + b"\xff" * 70_000, b"\x16\x03GET / HTTP/1.1\r\n\r\n"):
        with (
            socket.create_connection(("127.0.0.1", encrypted.port), HTTP_S) as stream,
            contextlib.suppress(OSError),
        ):
            stream.sendall(noise)
            stream.shutdown(socket.SHUT_WR)
            while stream.recv(4096):
                pass
    assert encrypted.server.is_alive()
    assert not [line for line in encrypted.server.log if "panicked" in line]
