"""The server without pytest's fixtures: its life, what it gives, and that nothing of it stays."""

import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
import time

import boto3
import pytest
from botocore.config import Config

from restage_testing import RestageServer, ServerError
from restage_testing.child import started_at, watch_command
from restage_testing.settings import toml

WAIT_S = 20
# Variables of AWS SDKs, for which "nope" is no value that works.
NO_NAMES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_RETRY_MODE", "AWS_MAX_ATTEMPTS", "AWS_SESSION_TOKEN")
SOURCES = pathlib.Path(__file__).resolve().parents[1] / "src"


def eventually(check, what):
    ends_at = time.monotonic() + WAIT_S
    while not check():
        assert time.monotonic() < ends_at, what
        time.sleep(0.02)


def is_running(pid):
    """Whether there is such a process, that has not ended yet."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def server():
    with RestageServer() as running:
        yield running


def test_boto3_uses_it_and_reset_empties_it(server):
    client = server.client()
    stage = client.create_stage(name="main")["stage"]["arn"]
    client.create_encoder_configuration(name="small", video={"width": 640, "height": 360})
    ingest = client.create_ingest_configuration(ingestProtocol="RTMPS", stageArn=stage)["ingestConfiguration"]
    assert ingest["stageArn"] == stage
    assert [found["arn"] for found in server.stages()] == [stage]
    assert server.stages("eu-west-1") == []
    server.reset()
    assert server.stages() == []
    assert client.list_encoder_configurations()["encoderConfigurations"] == []
    assert client.list_ingest_configurations()["ingestConfigurations"] == []


def test_more_stages_than_a_page_are_all_listed_and_removed(server):
    client = server.client()
    for number in range(120):
        client.create_stage(name=f"stage-{number}")
    assert len(server.stages()) == 120
    server.reset()
    assert server.stages() == []


def test_somebody_publishes_and_is_replicated(server):
    client = server.client()
    source, destination = (client.create_stage(name=name)["stage"]["arn"] for name in ("source", "destination"))
    with server.publish(source, user_id="ann") as publisher:
        assert publisher.stage_arn == source
        client.start_participant_replication(
            sourceStageArn=source, destinationStageArn=destination, participantId=publisher.participant_id
        )
        (replica,) = client.list_participant_replicas(sourceStageArn=source, participantId=publisher.participant_id)[
            "replicas"
        ]
        assert replica["destinationStageArn"] == destination
    assert not publisher.is_running()
    server.reset()


@pytest.mark.parametrize("user_id", ["--help", "-x", "-"])
def test_a_user_id_may_begin_with_a_hyphen(server, user_id):
    client = server.client()
    stage = client.create_stage(name="main")["stage"]["arn"]
    with server.publish(stage, user_id=user_id) as publisher:
        session = client.get_stage(arn=stage)["stage"]["activeSessionId"]
        found = client.get_participant(stageArn=stage, sessionId=session, participantId=publisher.participant_id)
        assert found["participant"]["userId"] == user_id
    server.reset()


def test_a_stage_may_begin_with_a_hyphen(server):
    with pytest.raises(RuntimeError, match="-nowhere"):
        server.publish("-nowhere")


def test_publishing_into_no_stage_says_why(server):
    with pytest.raises(RuntimeError, match="nowhere"):
        server.publish("nowhere")


def test_the_environment_leads_other_programs_to_it(server):
    server.client().create_stage(name="seen")
    code = "import boto3; print(boto3.client('ivs-realtime').list_stages()['stages'][0]['name'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "/usr/bin:/bin", **server.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "seen\n", done.stderr
    server.reset()


def test_data_outlives_a_restart_and_the_address_stays(server):
    server.client().create_stage(name="kept")
    address, pid = server.endpoint_url, server.pid
    server.restart(kill=True)
    assert server.endpoint_url == address
    assert server.pid != pid
    assert [stage["name"] for stage in server.stages()] == ["kept"]
    server.reset()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_that_has_ended_is_brought_back_with_its_data(how):
    with RestageServer() as server:
        server.client().create_stage(name="kept")
        address = server.endpoint_url
        os.kill(server.pid, how)
        eventually(lambda: server.exit_code is not None, "it ends")
        server.restart()
        assert server.endpoint_url == address
        assert [stage["name"] for stage in server.stages()] == ["kept"]


def test_a_restart_that_fails_keeps_the_data_for_the_next_one():
    with RestageServer() as server:
        server.client().create_stage(name="kept")
        place, address = server.directory, server.endpoint_url.rsplit(":", 1)
        os.kill(server.pid, signal.SIGKILL)
        eventually(lambda: server.exit_code is not None, "it ends")
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", int(address[1])))
            taken.listen()
            with pytest.raises(ServerError, match=r"(?s)did not start.*in use"):
                server.restart()
        assert not server.is_started
        server.start()
        assert [stage["name"] for stage in server.stages()] == ["kept"]
    assert not place.exists()


@pytest.fixture
def foreign_environment(monkeypatch):
    """What a developer's shell may have: a proxy, and an AWS configuration, neither of which is there."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in NO_NAMES:
        monkeypatch.setenv(name, "nope")
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/no/such/file")


def test_no_proxy_and_no_profile_of_the_environment_is_used(foreign_environment):
    with RestageServer(start_timeout_s=10) as server:
        server.client(config=Config(retries={"total_max_attempts": 1})).create_stage(name="seen")
        assert [stage["name"] for stage in server.stages()] == ["seen"]


def test_the_environment_asks_the_server_without_a_proxy(foreign_environment, monkeypatch):
    monkeypatch.setenv("no_proxy", "example.org")
    with RestageServer() as server:
        for name in (*NO_NAMES, "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"):
            monkeypatch.delenv(name)
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        assert os.environ["no_proxy"] == os.environ["NO_PROXY"] == "example.org,127.0.0.1"
        assert boto3.session.Session().client("ivs-realtime").list_stages()["stages"] == []


def test_settings_reach_the_server():
    with RestageServer({"limit-stages": 1}, region="eu-west-1", workers=2) as server:
        client = server.client()
        arn = client.create_stage(name="one")["stage"]["arn"]
        assert ":eu-west-1:" in arn
        with pytest.raises(client.exceptions.ServiceQuotaExceededException):
            client.create_stage(name="two")
        assert "2 workers" in server.log()


def test_settings_are_written_as_toml():
    assert toml({"limit_stages": 1, "turn": True, "http": ["a", 'b"']}) == (
        'limit-stages = 1\nturn = true\nhttp = ["a", "b\\""]\n'
    )
    assert toml({"access-keys": [{"account-id": "1", "x": 1.5}]}) == 'access-keys = [{"account-id" = "1", "x" = 1.5}]\n'


def test_every_text_is_a_string_of_toml():
    tomllib = pytest.importorskip("tomllib")
    texts = [
        *(chr(code) for code in range(0x20)),
        "\x7f",
        "\x80",
        "\u2028",
        "\ud7ff",
        "\ue000",
        "\uffff",
        "😀",
        "\\\"'",
    ]
    settings = {"all": "".join(texts), "list": texts, "table": {text: text for text in texts}}
    assert tomllib.loads(toml(settings)) == settings
    assert tomllib.loads(toml({"path": pathlib.Path("/a b/😀")})) == {"path": "/a b/😀"}


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where temporary directories are made. Its name is not easy to write down."""
    place = tmp_path / "a 😀 \x7f \"'$x"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def test_the_temporary_directory_may_have_any_name(temporary):
    with RestageServer({"webhook-url": "http://127.0.0.1:9/", "webhook-secret": "sé😀\x7f" * 10}) as server:
        assert server.directory.parent == temporary
        server.client().create_stage(name="main")
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("limits", None, "'limits' is None: give text"),
        ("limits", b"aws", "'limits' is b'aws'"),
        ("http_log", [1, {"a": None}], "'http-log' is None"),
        ("workers", float("nan"), "'workers' is nan"),
        ("webhook-secret", "\ud83d", "'webhook-secret' has text that is not Unicode"),
        ('limits = "aws"\nworkers', 2, "is not the name of a setting"),
        ("data_dir", "/tmp/elsewhere", "'data-dir' is made by restage-testing: give `directory`"),
        ("http", "127.0.0.1:80", "'http' is made by restage-testing: .*`endpoint_url`"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_and_nothing_stays(temporary, name, value, why):
    with pytest.raises(ServerError, match=why):
        RestageServer({name: value}).start()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("content", [b"#!/no/such/interpreter\n", b"\x7fELFgarbage"])
def test_a_program_that_does_not_run_is_an_error_and_nothing_stays(temporary, tmp_path, content):
    program = tmp_path / "restage"
    program.write_bytes(content)
    program.chmod(0o755)
    with pytest.raises(ServerError, match=f"cannot run {program}: "):
        RestageServer(binary=program).start()
    assert list(temporary.iterdir()) == []


def test_a_temporary_directory_that_cannot_be_made_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(ServerError, match=r"cannot use the directory .*missing.*set TMPDIR"):
        RestageServer().start()
    (tmp_path / "file").write_text("")
    with pytest.raises(ServerError, match=r"cannot use the directory .*file.*another `directory`"):
        RestageServer(directory=tmp_path / "file").start()


def test_a_public_url_that_leads_nowhere_is_no_hindrance():
    with RestageServer(public_url="https://video.invalid", start_timeout_s=10) as server:
        stage = server.client().create_stage(name="main")["stage"]
        assert stage["endpoints"]["whip"].startswith("https://video.invalid")
        assert server.environment["AWS_ENDPOINT_URL_IVS_REALTIME"] == server.endpoint_url
        address = server.endpoint_url
        server.restart()
        assert server.endpoint_url == address


def test_it_says_why_it_does_not_start(tmp_path):
    server = RestageServer({"no-such-setting": True})
    with pytest.raises(ServerError, match=r"(?s)did not start: exit code 2.*command: .*serve.*no-such-setting"):
        server.start()
    assert not server.is_started
    with pytest.raises(ServerError, match="was not started"):
        _ = server.endpoint_url
    with pytest.raises(ServerError, match=r"there is no program '/no/such/program'.*RESTAGE_BINARY"):
        RestageServer(binary="/no/such/program").start()
    # A program that never becomes a server.
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\necho waiting for nothing >&2\nexec sleep 60\n")
    sleeper.chmod(sleeper.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(ServerError, match=r"(?s)not ready within 0.5 s.*waiting for nothing"):
        RestageServer(binary=sleeper, start_timeout_s=0.5).start()


def test_a_server_that_has_ended_is_noticed():
    with RestageServer() as server:
        subprocess.run(["kill", "-KILL", str(server.pid)], check=True)
        eventually(lambda: server.exit_code is not None, "it ends")
        with pytest.raises(ServerError, match="ended by itself: exit code -9"):
            server.client()


def test_a_directory_of_ones_own_is_kept(tmp_path):
    with RestageServer(directory=tmp_path) as server:
        server.client().create_stage(name="first")
    assert (tmp_path / "server.log").read_text()
    with RestageServer(directory=tmp_path) as server:
        assert [stage["name"] for stage in server.stages()] == ["first"]


def test_a_temporary_directory_is_removed():
    with RestageServer() as server:
        place, pid = server.directory, server.pid
        assert place.exists()
    assert not place.exists()
    assert not is_running(pid)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_stays_when_the_process_of_the_tests_is_ended(how, tmp_path):
    script = tmp_path / "tests.py"
    script.write_text(
        textwrap.dedent("""
            import signal
            import time
            from restage_testing import RestageServer
            # A script may start the tests in the background, where this signal is ignored.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            server = RestageServer().start()
            stage = server.client().create_stage(name="main")["stage"]["arn"]
            publisher = server.publish(stage)
            print(server.pid, publisher._child.pid, server.directory, flush=True)
            time.sleep(600)
        """)
    )
    process = subprocess.Popen(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
        stdout=subprocess.PIPE,
        text=True,
    )
    server, publisher, place = process.stdout.readline().split()
    assert is_running(server)
    assert is_running(publisher)
    process.send_signal(how)
    process.wait()
    process.stdout.close()
    eventually(lambda: not is_running(server), "the server ends")
    eventually(lambda: not is_running(publisher), "the publisher ends")
    eventually(lambda: not pathlib.Path(place).exists(), "its directory is removed")


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
@pytest.mark.parametrize("further", [{}, {"public-url": "https://video.invalid"}])
def test_a_server_with_tls_starts_and_starts_again(tmp_path, further):
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=trial"
    names = ("-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate, "-keyout", key)
    subprocess.run([*made.split(), *names], check=True, capture_output=True)
    with RestageServer({"tls-cert": certificate, "tls-key": key, **further}, start_timeout_s=10) as server:
        address = server.endpoint_url
        server.restart()
        assert server.endpoint_url == address
        if not further:
            assert server.client(verify=str(certificate)).list_stages()["stages"] == []


FORKS = """
    import os, sys, time
    from restage_testing import RestageServer

    with RestageServer() as server:
        stage = server.client().create_stage(name="main")["stage"]["arn"]
        publisher = server.publish(stage)
        child = os.fork()
        if child == 0:
            server.client().create_stage(name="of-the-child")
            own = server.publish(stage)
            print(server.exit_code, own._child.pid, flush=True)
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        print(server.exit_code, publisher.is_running(), sorted(stage["name"] for stage in server.stages()), flush=True)
"""


def script_of(text, directory):
    """A program with that text, and its environment."""
    script = directory / "script.py"
    script.write_text(textwrap.dedent(text))
    return [sys.executable, script], {**os.environ, "PYTHONPATH": str(SOURCES)}


def test_a_forked_process_uses_the_server_and_leaves_it_running(tmp_path):
    command, environment = script_of(FORKS, tmp_path)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    child, parent = done.stdout.splitlines()
    code, publisher = child.split()
    assert code == "None"
    assert not is_running(publisher)
    assert parent == "None True ['main', 'of-the-child']"


LIVES_ON = """
    import os, time
    from restage_testing import RestageServer

    server = RestageServer().start()
    child = os.fork()
    if child == 0:
        time.sleep(600)
        os._exit(0)
    print(server.pid, child, server.directory, flush=True)
    time.sleep(600)
"""


def test_a_forked_process_that_lives_on_keeps_nothing(tmp_path):
    command, environment = script_of(LIVES_ON, tmp_path)
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    server, child, place = process.stdout.readline().split()
    try:
        process.kill()
        process.wait()
        process.stdout.close()
        eventually(lambda: not is_running(server), "the server ends")
        eventually(lambda: not pathlib.Path(place).exists(), "its directory is removed")
        assert is_running(child)
    finally:
        os.kill(int(child), signal.SIGKILL)


def test_the_watcher_kills_nobody_who_got_the_id_of_a_program_that_ended(tmp_path):
    place = tmp_path / "removed"
    other = subprocess.Popen(["sleep", "600"])
    try:
        started = started_at(other.pid)
        place.mkdir()
        subprocess.run(watch_command(other.pid, str(int(started) - 1), place), stdin=subprocess.DEVNULL, check=True)
        assert not place.exists()
        assert is_running(other.pid)
        subprocess.run(watch_command(other.pid, started, None), stdin=subprocess.DEVNULL, check=True)
        assert other.wait(WAIT_S) == -signal.SIGKILL
    finally:
        other.kill()
        other.wait()
