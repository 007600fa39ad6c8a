"""What an operator sees: metrics that a Prometheus parser takes, traces a collector gets, logs without secrets."""

import http.server
import json
import re
import socket
import subprocess
import threading
import urllib.request

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from support import api, stun
from support.media import Refused
from support.ports import free_port
from support.server import ROOT, Server, binary, clean_environment
from support.tls import self_signed
from support.wait import eventually
from test_whip import bearer, make_offer, post


def samples(url):
    """{(name, labels as a sorted tuple): value} of a /metrics."""
    with urllib.request.urlopen(url + "/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        text = answer.read().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(server, name, **labels):
    return samples(server.url).get((name, tuple(sorted(labels.items()))), 0)


def test_requests_are_counted_by_operation_and_error(server, ivs, stages):
    stages.create("metrics")
    with api.refused("ResourceNotFoundException", 404):
        ivs.get_stage(arn=f"arn:aws:ivs:{api.REGION}:{api.ACCOUNT}:stage/AbCdEfGhIjKl")
    with api.refused("ValidationException", 400):
        ivs.list_stages(nextToken="bm90IG9uZQ==")
    requests = "restage_api_requests_total"
    assert value(server, requests, operation="CreateStage", code="OK") == 1
    assert value(server, requests, operation="GetStage", code="ResourceNotFoundException") == 1
    assert value(server, requests, operation="ListStages", code="ValidationException") == 1
    took = "restage_api_request_duration_seconds"
    assert value(server, f"{took}_count", operation="CreateStage") == 1
    assert value(server, f"{took}_bucket", operation="CreateStage", le="+Inf") == 1
    assert value(server, "restage_store_commits_total") >= 1
    assert value(server, "restage_store_commit_duration_seconds_count") >= 1
    assert value(server, "restage_store_up") == 1


def test_live_sessions_participants_and_replicas(server, stages, media):
    source, destination = stages.create("near"), stages.create("far")
    ann, token = stages.token(source)
    publisher = media.publish(token)
    eventually(lambda: stages.participants(source).get(ann, {}).get("published"), what="ann publishes")
    stages.replicate(source, destination, ann)
    media.watch(stages.token(destination)[1], ann)

    def live():
        read = samples(server.url)
        names = ("stage_sessions", "participants", "replicas", "media_peers")
        counts = [read[f"restage_{name}", ()] for name in names]
        kinds = [read["restage_connections", (("kind", kind),)] for kind in ("publish", "subscribe", "events")]
        return counts + kinds

    eventually(lambda: live() == [2, 2, 1, 2, 1, 1, 0], what="two sessions, two participants, one replica")
    assert value(server, "restage_media_datagrams_sent_total") > 0
    assert value(server, "restage_http_requests_total", route="/whip", method="POST", status="201") == 1
    publisher.leave()
    eventually(lambda: value(server, "restage_replicas") == 0, what="the replica ended")


def test_the_page_for_operators_names_every_metric_and_no_other(tmp_path):
    # Sinks and operations have metrics once there is one, and TLS where it is served.
    certificate, key = self_signed(tmp_path / "tls")
    flags = ["--events-file", tmp_path / "events", "--tls-cert", certificate, "--tls-key", key]
    server = Server(tmp_path / "data", *map(str, flags), name="test_observability_named").start()
    api.client(server).list_stages()
    with urllib.request.urlopen(server.url + "/metrics", timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    server.stop()
    suffix = {"counter": "_total", "info": "_info"}
    shown = {family.name + suffix.get(family.type, "") for family in families}
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    _, _, section = page.partition("\n## Metrics\n")
    section, _, _ = section.partition("\n## ")
    assert shown == set(re.findall(r"restage_[a-z_]+", section))


def test_metrics_on_a_listener_of_their_own(tmp_path):
    port = free_port(socket.SOCK_STREAM)
    server = Server(tmp_path / "data", "--metrics", f"127.0.0.1:{port}", name="test_observability_metrics").start()
    try:
        assert ("restage_store_up", ()) in samples(f"http://127.0.0.1:{port}")
        # There it is an unknown operation.
        assert server.status("/metrics") == 404
    finally:
        server.stop()


class Collector:
    """Takes what an OpenTelemetry collector would."""

    def __init__(self):
        self.bodies = bodies = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                bodies.append((self.path, self.headers["Content-Type"], body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def test_traces_reach_a_collector(tmp_path):
    collector = Collector()
    server = Server(tmp_path / "data", "--otlp-endpoint", collector.url, name="test_observability_otlp").start()
    try:
        answer = api.client(server).create_stage(name="traced")
    finally:
        server.stop()
        collector.close()
    request_id = answer["ResponseMetadata"]["RequestId"].encode()
    assert {(path, kind) for path, kind, _ in collector.bodies} == {("/v1/traces", "application/x-protobuf")}
    sent = b"".join(body for _, _, body in collector.bodies)
    for word in (b"restage", b"api", b"CreateStage", b"command", request_id):
        assert word in sent, f"{word} is in no span"


def test_a_collector_that_is_away_stops_nothing(tmp_path):
    nowhere = f"http://127.0.0.1:{free_port(socket.SOCK_STREAM)}"
    server = Server(tmp_path / "data", "--otlp-endpoint", nowhere, name="test_observability_away").start()
    try:
        assert api.client(server).create_stage(name="untraced")["stage"]["arn"]
    finally:
        server.stop()


# Given to the server from outside.
HELD = {
    "the webhook address": "hook-path-4242424242",
    "the webhook secret": "webhook-secret-4242424242",
    "the database password": "database-password-4242424242",
    "the header of the collector": "collector-header-4242424242",
}


@pytest.fixture
def talkative(tmp_path):
    """A server that logs everything it can, as JSON, and gets secrets of every kind."""
    nowhere = f"http://127.0.0.1:{free_port(socket.SOCK_STREAM)}"
    server = Server(
        tmp_path / "data",
        *("--log-format", "json", "--webhook-url", f"{nowhere}/{HELD['the webhook address']}"),
        *("--webhook-secret", HELD["the webhook secret"], "--otlp-endpoint", nowhere),
        name="test_observability_secrets",
        environment={
            "RUST_LOG": "trace",
            "PGPASSWORD": HELD["the database password"],
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={HELD['the header of the collector']}",
        },
    )
    # Checks the whole log, not only its end.
    server.log = []
    yield server.start()
    if server.process is not None:
        server.stop()


def restarted(media, session, offer):
    """An ICE restart of a session that has no media yet (RFC 9725 §4.3.2): both sides' new credentials."""
    url, token = session
    ours = ("restarted-ufrag", "restarted-password-4242424242")
    fragment = (
        f"a=ice-ufrag:{ours[0]}\r\na=ice-pwd:{ours[1]}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
        "a=candidate:1 1 udp 2130706431 127.0.0.1 50000 typ host\r\na=end-of-candidates\r\n"
    )
    headers = bearer(token, Content_Type="application/trickle-ice-sdpfrag", If_Match="*")
    status, _, answer = media.request("PATCH", url, data=fragment, headers=headers)
    assert status == 200, answer
    assert stun.credentials(offer)[1] != ours[1]
    return [ours[1], stun.credentials(answer)[1]]


def test_no_secret_is_ever_logged(talkative, media):
    """A full run at the most detailed level: not one secret, and every line is JSON."""
    server = talkative
    stages = api.Stages(api.client(server))
    source, destination = stages.create("near"), stages.create("far")
    ann, token = stages.token(source)
    publisher = media.publish(token)
    eventually(lambda: stages.participants(source).get(ann, {}).get("published"), what="ann publishes")
    stages.replicate(source, destination, ann)
    watching = stages.token(destination)[1]
    watcher = media.watch(watching, ann)
    listening = stages.token(source)[1]
    events = media.events(listening)
    eventually(lambda: events.publishing() == {ann}, what="ann publishes, says the events socket")
    forged = token[:-8] + "AAAAAAAA"
    with pytest.raises(Refused):
        media.publish(forged)
    wrong = "wrong-secret-access-key-0123456789abcdef"
    access_key, secret_key = server.credentials()
    with api.refused("InvalidSignatureException", 403):
        api.client(server, keys=(access_key, wrong)).list_stages()
    made = server.command(
        *("keys", "create", "--account-id", "111122223333", "--output", "json"),
        *("--data-dir", str(server.data_dir)),
    )
    made = json.loads(made.stdout)
    api.client(server, keys=(made["accessKeyId"], made["secretAccessKey"])).list_stages()
    console = json.loads((server.data_dir / "server.json").read_text())["console"].split("#key=")[1]
    # Sessions that are opened and restarted by hand: what the client said is seen here, not only the answers.
    passwords = []
    for path, given, direction in ((f"/whep/{ann}", stages.token(source)[1], "recvonly"), ("/whip", token, "sendonly")):
        offer = make_offer(media, direction=direction)
        status, headers, answer = post(media, server.url + path, given, offer)
        assert status == 201, answer
        passwords += [stun.credentials(sdp)[1] for sdp in (offer, answer)]
        session = (server.url + headers["Location"], given)
        passwords.append(headers["Restage-Resumption"])
        passwords += restarted(media, session, offer)
        ufrag = f"{stun.credentials(answer)[0]}:{stun.credentials(offer)[0]}"
        for password in (passwords[-1], "a-wrong-ice-password-4242"):
            stun.ask("127.0.0.1", server.media_port, ufrag, password, wait_s=stun.SILENCE_S)
    passwords.append("a-wrong-ice-password-4242")
    refused = make_offer(media).replace("a=fingerprint", "a=finger")
    assert post(media, f"{server.url}/whip", token, refused)[0] == 400
    passwords.append(stun.credentials(refused)[1])
    publisher.leave()
    watcher.drop()
    server.stop()

    lines = list(server.log)
    told = [json.loads(line) for line in lines]
    # Our own code is logged in every detail, because otherwise this would prove nothing.
    assert {"INFO", "DEBUG"} <= {line["level"] for line in told if line["target"].startswith("restage")}
    messages = [line["fields"].get("message", "") for line in told]
    assert any(" ready on " in message for message in messages)
    everything = "\n".join(lines)
    secrets = {
        **HELD,
        "the secret access key": secret_key,
        "the secret of a key that was made": made["secretAccessKey"],
        "a wrong secret access key": wrong,
        "the publisher's token": token,
        "the subscriber's token": watching,
        "the listener's token": listening,
        "a forged token": forged,
    }
    for what, secret in secrets.items():
        assert secret not in everything, f"{what} is in the log"
    assert console not in everything, "the console's key is in the log"
    signatures = [given.split(".")[2] for given in (token, watching, listening)]
    assert not [given for given in signatures if given in everything], "a token's signature is in the log"
    assert not re.search(r"PRIVATE KEY", everything), "a private key is in the log"
    for peer in (publisher, watcher):
        for sdp in (peer.answer, peer.pc.localDescription.sdp):
            passwords += re.findall(r"^a=ice-pwd:(\S+)", sdp, re.MULTILINE)
    assert len(passwords) > 12
    assert not [password for password in passwords if password in everything], "an ICE password is in the log"


def test_the_consoles_key_and_colours_are_for_a_terminal(tmp_path):
    """Lines for people go to a journal too if standard error is no terminal."""
    server = Server(tmp_path / "data", name="test_observability_console").start()
    address = json.loads((server.data_dir / "server.json").read_text())["console"]
    path, key = address.split("#key=")
    server.stop()
    text = "\n".join(server.log)
    assert "server.json" in text and key not in text and path not in text
    assert "stopping" in text and "\x1b" not in text, "colours are for a terminal too"


def ended(tmp_path, *arguments, **environment):
    """(exit code, the lines on stderr) of a `serve` that does not start."""
    ran = subprocess.run(
        [str(binary()), "serve", "--data-dir", str(tmp_path / "data"), *arguments],
        env=clean_environment(**environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stdout == ""
    return ran.returncode, ran.stderr.splitlines()


def test_what_keeps_a_server_from_starting_is_json_too(tmp_path):
    """Whatever is wrong, and wherever JSON is asked for."""
    configured = tmp_path / "restage.toml"
    configured.write_text('log-format = "json"\nno-such-setting = 1\n')
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        cases = [
            (1, "listen on", ("--log-format", "json", "--http", address), {}),
            (1, "listen on", ("--http", address), {"RESTAGE_LOG_FORMAT": "json"}),
            (2, "--no-such-flag", ("--log-format=json", "--no-such-flag"), {}),
            (2, "invalid value", ("--log-format", "json", "--media-port", "x"), {}),
            (2, "no-such-setting", ("--config", str(configured)), {}),
            (2, "account-id", ("--log-format", "json", "--account-id", "7"), {}),
        ]
        for expected, words, arguments, environment in cases:
            code, lines = ended(tmp_path, *arguments, **environment)
            told = [json.loads(line) for line in lines]
            assert code == expected, lines
            assert all(set(line) == {"timestamp", "level", "fields", "target"} for line in told)
            assert words in " ".join(line["fields"]["message"] for line in told), lines
            assert {line["level"] for line in told} == {"ERROR"}
        code, lines = ended(tmp_path, "--http", address)
        assert code == 1 and lines and not lines[0].startswith("{"), "people get words"
