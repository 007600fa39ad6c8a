"""Certificates of one's own: what the AWS CLI takes, `restage` takes, for the API, WHIP, WHEP and the events socket."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import pytest

from support import api
from support.ports import free_port
from support.server import Server, binary, clean_environment
from support.tls import TlsProxy, self_signed

COMMAND_S = 120
AWS = pathlib.Path(sys.executable).with_name("aws")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """(server, its address over TLS, the certificate): everything the server names is behind the proxy."""
    directory = tmp_path_factory.mktemp("tls")
    port = free_port(socket.SOCK_STREAM)
    certificate, key = self_signed(directory / "good")
    url = f"https://localhost:{port}"
    server = Server(directory / "data", "--public-url", url, name="test_cli_tls").start()
    with TlsProxy(port, server.http_port, certificate, key):
        yield server, url, certificate
    server.stop()


@pytest.fixture
def run(place, tmp_path):
    """Runs a program against the server's keys: (exit code, standard output, standard error)."""
    server, _, _ = place
    access_key, secret_key = server.credentials()
    keys = {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": secret_key, "AWS_REGION": api.REGION}

    def command(program, *arguments, **environment):
        done = subprocess.run(
            [str(program), *map(str, arguments)],
            env=clean_environment(**keys, AWS_DEFAULT_REGION=api.REGION, **environment),
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
        )
        return done.returncode, done.stdout, done.stderr

    return command


def both(run, url, *flags, **environment):
    """Whether the AWS CLI and restage list stages; they must agree."""
    theirs = run(AWS, "ivs-realtime", "list-stages", "--endpoint-url", url, *flags, **environment)
    ours = run(binary(), "stages", "list", "--endpoint-url", url, *flags, **environment)
    assert (theirs[0] == 0) == (ours[0] == 0), f"{theirs}\n{ours}"
    if ours[0] != 0:
        assert ours[0] == 4, ours
        assert "certificate" in ours[2] and "--ca-bundle or AWS_CA_BUNDLE" in ours[2], ours
    return ours[0] == 0


def test_the_aws_cli_and_restage_take_the_same_certificates(place, run, tmp_path):
    _, url, certificate = place
    assert not both(run, url), "nobody believes a stranger"
    assert both(run, url, AWS_CA_BUNDLE=str(certificate))
    assert both(run, url, "--ca-bundle", certificate)
    assert both(run, url, "--no-verify-ssl")
    other, _ = self_signed(tmp_path / "other")
    assert not both(run, url, AWS_CA_BUNDLE=str(other))
    assert both(run, url, "--ca-bundle", certificate, AWS_CA_BUNDLE=str(other)), "a flag goes first"

    config = tmp_path / "config"
    config.write_text(f"[default]\nca_bundle = {certificate}\n[profile other]\nca_bundle = {other}\n")
    assert both(run, url, AWS_CONFIG_FILE=str(config))
    assert not both(run, url, AWS_CONFIG_FILE=str(config), AWS_PROFILE="other")
    assert both(run, url, AWS_CONFIG_FILE=str(config), AWS_PROFILE="other", AWS_CA_BUNDLE=str(certificate))


@pytest.mark.parametrize(
    ("more", "is_good"),
    [
        ({"ends_in_days": -1}, False),
        ({"names": ("elsewhere.example.org",)}, False),
        ({"is_authority": False}, True),
    ],
    ids=["expired", "another name", "not marked as an authority"],
)
def test_name_and_time_still_count(place, run, tmp_path, more, is_good):
    server, _, _ = place
    port = free_port(socket.SOCK_STREAM)
    certificate, key = self_signed(tmp_path / "certificate", **more)
    with TlsProxy(port, server.http_port, certificate, key):
        url = f"https://localhost:{port}"
        assert both(run, url, AWS_CA_BUNDLE=str(certificate)) == is_good
        assert both(run, url, "--no-verify-ssl")


@pytest.mark.parametrize("how", ["AWS_CA_BUNDLE", "--no-verify-ssl"])
def test_media_and_events_go_the_same_way(place, run, how):
    _, url, certificate = place
    environment = {"AWS_CA_BUNDLE": str(certificate)} if how == "AWS_CA_BUNDLE" else {}
    flags = [] if how == "AWS_CA_BUNDLE" else [how]
    to = ["--endpoint-url", url, *flags]

    def ok(*arguments, **more):
        code, out, err = run(binary(), *arguments, **environment, **more)
        assert code == 0, f"{arguments}: {code}\n{err}"
        return out

    stage = json.loads(ok("stages", "create", f"tls{len(how)}", *to))["stage"]
    assert stage["endpoints"]["whip"].startswith("https://") and stage["endpoints"]["events"].startswith("wss://")
    publisher = subprocess.Popen(
        [str(binary()), "publish", "--output", "json", "--fps", "10", *flags],
        env=clean_environment(RESTAGE_TOKEN=ok("token", "create", stage["arn"], *to).strip(), **environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        participant = json.loads(publisher.stdout.readline())["participantId"]
        token = ok("token", "create", stage["arn"], *to).strip()
        lines = ok("watch", "--stop-after", "4", *flags, RESTAGE_TOKEN=token).splitlines()
        last = json.loads(lines[-1])
        assert last["participantId"] == participant
        assert {track["kind"] for track in last["tracks"]} == {"audio", "video"}
        assert "STAGE_STATE" in ok("events", "tail", "--no-follow", *flags, RESTAGE_TOKEN=token)
        if how == "AWS_CA_BUNDLE":
            code, _, err = run(binary(), "events", "tail", "--no-follow", RESTAGE_TOKEN=token)
            assert code == 4 and "--ca-bundle" in err, err
            code, _, err = run(binary(), "watch", participant, RESTAGE_TOKEN=token)
            assert code == 4 and "--ca-bundle" in err, err
    finally:
        publisher.terminate()
        assert publisher.wait(20) == 0
        publisher.stdout.close()


def test_a_bundle_that_cannot_be_used_is_named(run, tmp_path):
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing\n")
    for path, words in [(empty, "no certificate in it"), (tmp_path / "none.pem", "No such file")]:
        code, _, err = run(binary(), "stages", "list", "--endpoint-url", "https://localhost:1", AWS_CA_BUNDLE=str(path))
        assert code == 2, err
        assert f"AWS_CA_BUNDLE names {os.fspath(path)}" in err and words in err, err
