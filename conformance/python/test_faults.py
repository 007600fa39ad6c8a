"""Ports that are taken, descriptors and memory at their limits, disks that are full, slow or only read, a process that
stands still: the server says what to do, the others go on, and it goes on by itself where it can."""

import contextlib
import os
import pathlib
import resource
import signal
import socket
import subprocess
import time

import botocore.exceptions
import pytest

from support import api
from support.api import Stages
from support.cgroup import MemoryGroup
from support.faults import ended, fill, injected, loop_mounted, mounted, names, ready, refused_start, skip_unless
from support.ledger import everything
from support.live import live
from support.place import Place
from support.ports import free_port
from support.recording import check, recorded
from support.server import Server
from support.wait import eventually, stays

LIVE_S = 60
STOPPED_S = 20
MIB = 2**20
# Of one processor, beside a debug build that serves a publisher and two viewers.
BUSY_MOST = 0.8


@pytest.fixture
def place(tmp_path, request):
    """A server that records."""
    started = Place(tmp_path, name=request.node.name.partition("[")[0]).start()
    yield started
    if started.server.process is not None:
        started.server.stop()


def refusal(call):
    """The code of the error that a call is refused with, or None."""
    try:
        call()
    except botocore.exceptions.ClientError as error:
        return error.response["Error"]["Code"]
    except (botocore.exceptions.BotoCoreError, OSError) as error:
        return type(error).__name__
    return None


@pytest.mark.parametrize(
    ("setting", "kind"),
    [
        ("--http", socket.SOCK_STREAM),
        ("--media-port", socket.SOCK_DGRAM),
        ("--rtmp", socket.SOCK_STREAM),
        ("--metrics", socket.SOCK_STREAM),
    ],
)
def test_a_port_that_is_taken_is_named_with_its_setting(tmp_path, setting, kind):
    port = free_port(kind)
    server = Server(tmp_path / "data", name="test_faults_port")
    if setting == "--http":
        server.http_port, server.address, server.url = port, f"127.0.0.1:{port}", f"http://127.0.0.1:{port}"
    elif setting == "--media-port":
        server.media_port = port
    else:
        server.arguments = (setting, f"127.0.0.1:{port}")
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind(("127.0.0.1", port))
        if kind == socket.SOCK_STREAM:
            other.listen()
        refused_start(server, str(port), f"another {setting}")
    server.start()
    server.stop()


def processor_s(server):
    """The processor time that a server has used."""
    fields = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


@pytest.mark.timeout(240)
def test_without_descriptors_who_is_there_goes_on_and_newcomers_wait(place):
    server = place.server
    with live(place) as scene:
        most = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (descriptors(server) + 3, most[1]))
        waiting = []
        while len(waiting) < 20:
            waiting.append(socket.create_connection(("127.0.0.1", server.http_port), timeout=5))
        server.logged("no file descriptors are left", "LimitNOFILE")
        before, began = processor_s(server), time.monotonic()
        scene.flows()
        share = (processor_s(server) - before) / (time.monotonic() - began)
        assert share < BUSY_MOST, f"{share:.2f} of a processor"
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, most)
        for connection in waiting:
            connection.close()
        eventually(server.is_ready, 15, "new connections are served again")
        scene.flows()
        scene.is_recorded()
        scene.assert_single()


@pytest.mark.timeout(240)
def test_a_process_that_stood_still_goes_on(place):
    server, stages = place.server, place.stages
    with live(place) as scene:
        other = stages.create()
        _, short = stages.token(other, duration=60)
        server.process.send_signal(signal.SIGSTOP)
        time.sleep(STOPPED_S)
        server.process.send_signal(signal.SIGCONT)
        again = time.monotonic()
        scene.flows()
        print(f"pictures {time.monotonic() - again:.1f} s after a process that stood still for {STOPPED_S} s went on")
        server.logged("this process stood still for", "SIGSTOP")
        eventually(server.is_ready, 15, "ready")
        eventually(lambda: scene.assert_single() is None, 30, "everybody is there once")
        scene.is_recorded()
        assert place.names(scene.source, scene.participant) == ["Recording Start"]
        assert refusal(lambda: stages.create("after")) is None
        assert short
        scene.publisher.process.send_signal(signal.SIGINT)
        recorded(stages, scene.source, scene.participant, scene.session, "STOPPED")
        check(place.bucket, scene.prefix)


def test_a_process_that_is_ended_for_lack_of_memory_loses_nothing(tmp_path):
    group = MemoryGroup()
    server = Server(tmp_path / "data", name="test_faults_memory")
    # It is in the group from its beginning, so that all its memory counts.
    server.prefix = ("sh", "-c", f'echo $$ > "{group.path}/cgroup.procs"; exec "$@"', "sh")
    try:
        server.start()
        stages = Stages(api.client(server))
        kept = {f"kept-{number}" for number in range(5)}
        for name in kept:
            stages.create(name)
        group.limit(group.used() + MIB // 4)
        waiting = []

        def is_over():
            # Each connection takes some memory.
            with contextlib.suppress(OSError):
                waiting.append(socket.create_connection(("127.0.0.1", server.http_port), timeout=5))
                waiting[-1].sendall(b"POST /GetStage HTTP/1.1\r\n")
            name = f"more-{time.monotonic_ns()}"
            if refusal(lambda: stages.create(name)) is None:
                kept.add(name)
            return server.process.poll() is not None

        eventually(is_over, 60, "the system ends it")
        for connection in waiting:
            connection.close()
        # What the system does is a kill; -6 is the program's own end when it gets no memory.
        assert ended(server) in (-signal.SIGKILL, -signal.SIGABRT)
        group.limit(None)
        server.start()
        assert names(Stages(api.client(server))) >= kept
        server.stop()
    finally:
        group.limit(None)
        if server.process is not None:
            server.kill()
        group.remove()


@pytest.mark.timeout(240)
def test_a_disk_that_fills_up_ends_recordings_and_nothing_else(tmp_path):
    with mounted(tmp_path / "disk", "112m") as disk:
        place = Place(disk, name="test_faults_nearly_full").start()
        with live(place) as scene:
            scene.is_recorded()
            # 64 MB are to stay free.
            filler = disk / "filler"
            filler.write_bytes(b"\0" * (60 * MIB))
            # The bucket is on the same disk, so what was recorded waits as well.
            recorded(place.stages, scene.source, scene.participant, scene.session, "STOPPING", "FAILED")
            scene.flows()
            assert refusal(lambda: place.stages.create("meanwhile")) is None
            assert place.server.is_ready()
            scene.assert_single()
            filler.unlink()
            recorded(place.stages, scene.source, scene.participant, scene.session, "FAILED")
        check(place.bucket, scene.prefix)
        place.server.stop()


@pytest.mark.timeout(240)
def test_a_full_disk_stops_calls_but_no_pictures(tmp_path):
    with mounted(tmp_path / "disk", "112m") as disk:
        place = Place(disk, name="test_faults_full").start()
        server, stages = place.server, place.stages
        with live(place) as scene:
            filler = fill(disk)
            eventually(lambda: refusal(lambda: stages.create("x" * 100)), 30, "a call is refused")
            eventually(lambda: ready(server) == (503, "the disk of the database is full"), 15, "not ready")
            scene.flows()
            filler.unlink()
            eventually(lambda: ready(server)[0] == 200, 15, "ready again")
            assert refusal(lambda: stages.create("after")) is None
            scene.flows()
            scene.assert_single()
            # What the events tell is written when there is room.
            told = lambda: "Participant Replication Start" in place.events.read_text()  # noqa: E731
            eventually(told, 30, "the events of before")
        server.stop()


def recorded_at_last(place, scene):
    """The prefix of a recording, once it is in its bucket."""
    states = ("STOPPED", "FAILED")
    return recorded(place.stages, scene.source, scene.participant, scene.session, *states)["recordingS3Prefix"]


@pytest.mark.timeout(240)
def test_a_file_system_that_became_read_only_is_said_and_nothing_is_lost_on_it(tmp_path):
    with loop_mounted(tmp_path / "disk", 160 * MIB) as disk:
        place = Place(disk, name="test_faults_aborted").start()
        server, stages = place.server, place.stages
        with live(place) as scene:
            scene.is_recorded()
            # As Linux does it when it finds an error: what is open cannot be written any more.
            subprocess.run(["mount", "-o", "remount,abort", str(disk)], check=False)
            wanted = (503, "the database is read-only")
            eventually(lambda: ready(server) == wanted, 30, "not ready")
            server.logged("check the mount")
            assert refusal(lambda: stages.create("during")) is not None
            scene.flows()
            scene.assert_single()
        server.kill()
        # The operator checks it and mounts it again.
        subprocess.run(["umount", str(disk)], check=True)
        subprocess.run(["e2fsck", "-p", str(disk.with_suffix(".img"))], check=False, capture_output=True)
        subprocess.run(["mount", "-o", "loop", str(disk.with_suffix(".img")), str(disk)], check=True)
        place.start()
        assert scene.source in everything(place.ivs)
        playlist = check(place.bucket, recorded_at_last(place, scene))
        assert len(playlist.segments) >= 2
        server.stop()


@pytest.mark.timeout(240)
def test_a_slow_disk_slows_calls_and_nothing_else(place):
    skip_unless(os.path.exists("/usr/bin/strace"), "strace is not installed")
    with live(place) as scene:
        with injected(place.server, "fsync,fdatasync", "delay_enter=300000"):
            began = time.monotonic()
            assert refusal(lambda: place.stages.create("slow")) is None
            assert time.monotonic() - began >= 0.3
            scene.flows()
            scene.is_recorded()
        stays(place.server.is_ready, 1, "ready")
        scene.assert_single()


def test_a_data_directory_that_cannot_be_written_is_named(tmp_path):
    with mounted(tmp_path / "disk", "16m") as disk:
        server = Server(disk / "data", name="test_faults_read_only").start()
        Stages(api.client(server)).create("kept")
        server.stop()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        told = refused_start(server)
        assert "read-only" in told.lower() and str(disk) in told, told
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        server.start()
        assert names(Stages(api.client(server))) == {"kept"}
        server.stop()
