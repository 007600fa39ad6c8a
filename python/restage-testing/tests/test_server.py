"""The server without pytest's fixtures: its life, what it gives, and that nothing of it stays."""

import os
import pathlib
import signal
import stat
import subprocess
import sys
import textwrap
import time

import pytest

from restage_testing import RestageServer, ServerError
from restage_testing.settings import toml

WAIT_S = 20
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
            import time
            from restage_testing import RestageServer
            server = RestageServer().start()
            stage = server.client().create_stage(name="main")["stage"]["arn"]
            publisher = server.publish(stage)
            print(server.pid, publisher._child.pid, server.directory, flush=True)
            time.sleep(600)
        """)
    )
    process = subprocess.Popen(
        [sys.executable, script], env={**os.environ, "PYTHONPATH": str(SOURCES)}, stdout=subprocess.PIPE, text=True
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
