"""Full disks, locks, deleted files, damaged logs, a database that goes silent, a receiver that takes its time.

The server says what is wrong, loses nothing it acknowledged, goes on when it can, and ends non-zero when it cannot.
"""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

import botocore.exceptions
import pytest

from support import api
from support.api import Stages
from support.faults import ended, fill, injected, metric, mounted, names, ready, refused_start, skip_unless
from support.receiver import Receiver
from support.server import Server, database_arguments
from support.silent import SilentProxy
from support.wait import eventually
from test_whip import make_offer

POSTGRES = os.environ.get("RESTAGE_TEST_POSTGRES")
SECRET = "a secret only these tests know"
TMPFS = "16m"

on_sqlite = pytest.mark.skipif(bool(POSTGRES), reason="it is about SQLite's file")
on_postgres = pytest.mark.skipif(not POSTGRES, reason="it is about PostgreSQL: RESTAGE_TEST_POSTGRES is not set")


@pytest.fixture
def small_disk(tmp_path):
    with mounted(tmp_path / "disk", TMPFS) as place:
        yield place


@on_sqlite
def test_a_full_disk_is_said_and_passes(small_disk):
    server = Server(small_disk / "data", name="test_bad_days_full").start()
    ivs = api.client(server)
    stages = Stages(ivs)
    kept = {f"before-{n}" for n in range(5)}
    for name in kept:
        stages.create(name)
    assert metric(server, "restage_store_up") == 1
    filler = fill(small_disk)

    def is_refused():
        name = f"during-{uuid.uuid4()}"
        try:
            stages.create(name)
        except botocore.exceptions.ClientError as error:
            return error.response["Error"]["Code"] == "InternalServerException"
        # What still fits is acknowledged, and must be there later.
        kept.add(name)
        return False

    eventually(is_refused, 30, "a call is refused")
    found = eventually(lambda: (seen := ready(server))[0] == 503 and seen, 15, "not ready")
    assert found[1] == "the disk of the database is full"
    assert metric(server, "restage_store_up") == 0
    assert names(stages) == kept, "reading goes on"
    assert server.logged("the disk is full: free some space")
    filler.unlink()
    eventually(lambda: ready(server) == (200, "ready"), 15, "ready again")
    stages.create("after")
    assert names(stages) == kept | {"after"}
    server.kill()
    server.start()
    assert names(Stages(api.client(server))) == kept | {"after"}
    server.stop()


@on_sqlite
def test_a_lock_of_another_program_is_said_and_passes(tmp_path):
    server = Server(tmp_path / "data", name="test_bad_days_locked").start()
    other = sqlite3.connect(server.data_dir / "restage.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    wanted = (503, "the database is locked by another program")
    eventually(lambda: ready(server) == wanted, 30, "not ready")
    assert metric(server, "restage_store_up") == 0
    other.execute("ROLLBACK")
    other.close()
    eventually(lambda: ready(server)[0] == 200, 15, "ready again")
    assert metric(server, "restage_store_up") == 1
    server.stop()


@on_sqlite
@pytest.mark.parametrize("replaced", [False, True])
def test_a_database_that_was_deleted_ends_the_server(tmp_path, replaced):
    server = Server(tmp_path / "data", name="test_bad_days_deleted").start()
    Stages(api.client(server)).create("lost")
    file = server.data_dir / "restage.db"
    if replaced:
        (tmp_path / "other.db").write_bytes(file.read_bytes())
        (tmp_path / "other.db").rename(file)
    else:
        file.unlink()
    assert ended(server) == 1
    assert "was removed or replaced while restage used it; put the file back or restore a backup" in server.tail()


@on_sqlite
def test_a_disk_that_keeps_nothing_ends_the_server(tmp_path):
    skip_unless(shutil.which("strace"), "strace is not installed")
    server = Server(tmp_path / "data", name="test_bad_days_fsync").start()
    stages = Stages(api.client(server))
    kept = {f"kept-{n}" for n in range(5)}
    for name in kept:
        stages.create(name)

    def is_refused():
        try:
            name = f"maybe-{uuid.uuid4()}"
            stages.create(name)
            kept.add(name)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
            return True

    with injected(server, "fsync,fdatasync"):
        eventually(is_refused, 30, "a call is refused")
        assert ended(server) == 1
    assert "failed to keep what was written" in server.tail()
    server.start()
    assert names(Stages(api.client(server))) >= kept, "what was acknowledged is there"
    server.stop()


@on_sqlite
def test_a_damaged_log_is_refused_until_the_loss_is_accepted(tmp_path):
    server = Server(tmp_path / "data", name="test_bad_days_log").start()
    stages = Stages(api.client(server))
    for n in range(20):
        stages.create(f"stage-{n}")
    server.kill()
    log = server.data_dir / "restage.db-wal"
    content = bytearray(log.read_bytes())
    # In the page of a frame early in the log.
    place = 32 + (24 + 4096) + 24 + 2000
    assert len(content) > place * 4
    content[place] ^= 1
    log.write_bytes(content)
    told = refused_start(server)
    assert "is damaged at byte" in told and "--accept-data-loss" in told, told
    assert log.read_bytes() == bytes(content), "nothing was touched"
    # A caller that only reads must not make the engine discard what is behind the damage.
    for words in (("db", "check"), ("db", "backup", str(tmp_path / "b.jsonl")), ("events", "dead-letters")):
        looked = server.command(*words, "--data-dir", str(server.data_dir), check=False)
        assert looked.returncode != 0 and "is damaged at byte" in looked.stderr, looked
        assert log.read_bytes() == bytes(content), f"nothing was touched by {words}"
    accepting = Server(server.data_dir, "--accept-data-loss", name="test_bad_days_log_accepted").start()
    stages = Stages(api.client(accepting))
    left = names(stages)
    assert len(left) < 20
    assert accepting.logged("the log of the last run is damaged")
    assert len(list(server.data_dir.glob("restage.db-wal.damaged-*"))) == 1
    # What is left is complete: after a crash right now the flag is not needed again.
    for n in range(3):
        stages.create(f"after-{n}")
    accepting.kill()
    server.start()
    assert names(Stages(api.client(server))) == left | {f"after-{n}" for n in range(3)}
    server.stop()


@on_sqlite
def test_a_join_that_nobody_waits_for_is_ended(tmp_path, media):
    skip_unless(shutil.which("strace"), "strace is not installed")
    server = Server(tmp_path / "data", name="test_bad_days_abandoned").start()
    stages = Stages(api.client(server))
    arn = stages.create()
    participant, token = stages.token(arn)
    offer = make_offer(media).encode()
    head = (
        f"POST /whip HTTP/1.1\r\nHost: {server.address}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/sdp\r\nContent-Length: {len(offer)}\r\n\r\n"
    )
    # The disk takes two seconds for each commit, and the client does not wait for it.
    with injected(server, "fsync,fdatasync", "delay_enter=2000000"):
        with socket.create_connection(("127.0.0.1", server.http_port)) as client:
            client.sendall(head.encode() + offer)
            eventually(lambda: metric(server, "restage_media_peers") == 1, what="the join has begun")
        eventually(lambda: participant in stages.participants(arn), what="the join is written")
        # A client that never connects is given 15 seconds: this one is gone before.
        eventually(lambda: metric(server, "restage_media_peers") == 0, 12, "the peer is gone")
        eventually(lambda: stages.participants(arn)[participant]["state"] == "DISCONNECTED", what="nobody is there")
    server.stop()


@on_sqlite
def test_a_media_socket_that_receives_nothing_ends_the_server(tmp_path):
    skip_unless(shutil.which("strace"), "strace is not installed")
    server = Server(tmp_path / "data", name="test_bad_days_deaf").start()
    with injected(server, "recvmmsg,recvmsg"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anybody:

        def has_ended():
            # Something to be received.
            anybody.sendto(b"x", ("127.0.0.1", server.media_port))
            return server.process.poll() is not None

        eventually(has_ended, 40, "the server ends")
        assert ended(server) == 1
    assert "nothing could be received from its socket" in server.tail()
    assert sum("receiving on the media socket failed" in line for line in server.log) <= 5


@on_postgres
def test_another_database_than_before_is_begun_with_a_word(tmp_path):
    server = Server(tmp_path / "data", name="test_bad_days_moved")
    elsewhere, server.database = server.database, []
    server.start()
    Stages(api.client(server)).create("before")
    server.stop()
    server.database = elsewhere
    server.start()
    assert names(Stages(api.client(server))) == set()
    assert server.logged("was served with another database before")
    server.stop()


@on_postgres
def test_sigterm_during_the_start_is_heard(through_proxy):
    server, proxy = through_proxy("test_bad_days_start")
    proxy.silence()
    # While it waits for the database, which it does for longer.
    threading.Timer(2, lambda: server.process.send_signal(signal.SIGTERM)).start()
    with pytest.raises(AssertionError, match="ended with 0"):
        server.start()
    server.process = None


@on_sqlite
def test_a_damaged_database_is_refused(tmp_path):
    server = Server(tmp_path / "data", name="test_bad_days_damaged").start()
    stages = Stages(api.client(server))
    for n in range(40):
        stages.create(f"stage-{n}")
    server.stop()
    file = server.data_dir / "restage.db"
    content = bytearray(file.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xff" * 64
    file.write_bytes(content)
    told = refused_start(server)
    assert "it is damaged" in told and "restore a backup" in told, told


@pytest.mark.parametrize("what", ["deleted", "emptied"])
@on_sqlite
def test_an_empty_database_beside_keys_is_refused(tmp_path, what):
    server = Server(tmp_path / "data", name="test_bad_days_missing").start()
    Stages(api.client(server)).create("lost")
    server.stop()
    file = server.data_dir / "restage.db"
    aside = tmp_path / "aside.db"
    file.rename(aside)
    if what == "emptied":
        file.touch()
    told = refused_start(server)
    assert "is empty" in told and "put the database back" in told and "--accept-data-loss" in told, told
    refused_start(server)
    if what == "deleted":
        assert not file.exists(), "nothing was made"
    aside.rename(file)
    server.start()
    assert names(Stages(api.client(server))) == {"lost"}
    server.stop()
    file.unlink()
    accepting = Server(server.data_dir, "--accept-data-loss", name="test_bad_days_missing_accepted").start()
    assert names(Stages(api.client(accepting))) == set()
    accepting.stop()
    server.start()
    server.stop()


@on_sqlite
def test_the_log_is_cut_back_when_nobody_writes(tmp_path):
    server = Server(tmp_path / "data", name="test_bad_days_wal").start()
    stages = Stages(api.client(server))
    log = server.data_dir / "restage.db-wal"
    longest = 0
    for n in range(100):
        if log.stat().st_size > 2 * 2**20:
            break
        stages.create(f"stage-{n}")
        longest = max(longest, log.stat().st_size)
    print(f"the log was {longest / 2**20:.1f} MiB")
    eventually(lambda: log.stat().st_size <= 2**20, 60, "a short log")
    stages.create("after")
    server.stop()


def seed(server, stages, events_each):
    """Events for the webhook, as if they had been written before a restart."""
    rows = sqlite3.connect(server.data_dir / "restage.db")
    number = 0
    for _ in range(events_each):
        for stage in range(stages):
            number += 1
            event = {
                "id": str(uuid.uuid4()),
                "source": "aws.ivs",
                "resources": [f"arn:aws:ivs:us-east-1:000000000000:stage/stage{stage:04}"],
                "time": "2026-09-21T14:13:20Z",
                "detail": {"event_name": "Participant Published", "participant_id": f"p{number}", "number": number},
            }
            rows.execute(
                "INSERT INTO outbox (sink, seq, id, stage, at, body, attempts) VALUES ('webhook', ?, ?, ?, 1, ?, 0)",
                (number, event["id"], f"stage{stage:04}", json.dumps(event)),
            )
    rows.commit()
    rows.close()
    return number


def hook(receiver, *more):
    return ("--webhook-url", receiver.url, "--webhook-secret", SECRET, *more)


def prepared(tmp_path, name):
    """A data directory with a database in it and no server on it."""
    server = Server(tmp_path / "data", name=name).start()
    server.stop()
    return server


def in_order(events):
    """Whether each stage's events came in their order."""
    last = {}
    for event in events:
        stage, number = event["resources"][0], event["detail"]["number"]
        if last.get(stage, 0) >= number:
            return False
        last[stage] = number
    return True


@on_sqlite
def test_a_slow_stage_delays_no_other(tmp_path):
    release = threading.Event()
    slow = "stage0000"
    # The receiver takes its time for one stage: as long as a request may take, until it is released.
    delay = lambda event: event["resources"][0].endswith(slow) and release.wait(60)  # noqa: E731
    receiver = Receiver(SECRET, delay=delay)
    server = prepared(tmp_path, "test_bad_days_slow")
    total = seed(server, stages=20, events_each=20)
    server = Server(server.data_dir, *hook(receiver), name="test_bad_days_slow").start()
    began = time.monotonic()
    eventually(lambda: len(receiver.events()) >= total - 20, 30, "all events of the other stages")
    assert not [line for line in server.log if "an event was not taken" in line], "and the slow one still hangs"
    print(f"{total - 20} events of 19 stages in {time.monotonic() - began:.2f} s beside a stage that hangs")
    assert not [event for event in receiver.events() if event["resources"][0].endswith(slow)]
    release.set()
    eventually(lambda: len(receiver.events()) == total, 60, "those of the slow one too")
    assert in_order(receiver.events()) and not receiver.faults
    server.stop()
    receiver.close()


@on_sqlite
@pytest.mark.parametrize("lanes", ["16", "64"])
def test_how_many_events_a_second_a_distant_receiver_gets(tmp_path, lanes):
    receiver = Receiver(SECRET, delay=lambda event: time.sleep(0.1))
    server = prepared(tmp_path, f"test_bad_days_rate_{lanes}")
    total = seed(server, stages=200, events_each=8)
    server = Server(server.data_dir, *hook(receiver, "--webhook-lanes", lanes), name="test_bad_days_rate").start()
    began = time.monotonic()
    eventually(lambda: len(receiver.events()) == total, 120, "all events")
    took = time.monotonic() - began
    print(f"webhook: {total / took:.0f} events/s with {lanes} lanes and 100 ms an event")
    assert in_order(receiver.events())
    # Each lane does at most 10 a second; a busy machine does fewer.
    assert total / took > int(lanes) * 10 / 4
    server.stop()
    receiver.close()


@pytest.fixture
def through_proxy(tmp_path):
    """A server whose way to PostgreSQL can go silent."""
    proxies = []

    def make(name):
        server = Server(tmp_path / "data", name=name)
        flag, url = server.database
        parts = urllib.parse.urlsplit(url)
        proxy = SilentProxy((parts.hostname, parts.port))
        proxies.append(proxy)
        login = parts.netloc.rpartition("@")[0]
        url = urllib.parse.urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{proxy.port}"))
        server.database = [flag, url]
        return server, proxy

    yield make
    for proxy in proxies:
        proxy.close()


@on_postgres
def test_a_silent_database_is_said_and_passes(through_proxy):
    server, proxy = through_proxy("test_bad_days_silent")
    server.start()
    stages = Stages(api.client(server))
    stages.create("before")
    proxy.silence()
    eventually(lambda: ready(server)[0] == 503, 15, "not ready")
    assert ready(server)[1] == "the database does not answer"
    began = time.monotonic()
    with pytest.raises(botocore.exceptions.ClientError, match=r"InternalServer|ServiceUnavailable"):
        stages.create("during")
    print(f"a call was refused after {time.monotonic() - began:.1f} s")
    proxy.resume()
    eventually(lambda: ready(server)[0] == 200, 60, "ready again")
    stages.create("after")
    assert names(stages) == {"before", "after"}
    server.stop()


@on_postgres
def test_sigterm_beside_a_silent_database_ends_the_server(through_proxy):
    server, proxy = through_proxy("test_bad_days_silent_stop")
    server.start()
    Stages(api.client(server)).create("before")
    proxy.silence()
    eventually(lambda: ready(server)[0] == 503, 15, "not ready")
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert ended(server) == 0
    print(f"SIGTERM with a silent database: {time.monotonic() - began:.1f} s")


@on_postgres
def test_a_server_whose_database_was_taken_over_ends(through_proxy):
    server, proxy = through_proxy("test_bad_days_taken")
    server.start()
    Stages(api.client(server)).create("before")
    proxy.silence()
    eventually(lambda: ready(server)[0] == 503, 15, "not ready")
    # On another machine, with the same database.
    second = Server(server.data_dir.with_name("data-of-the-taker"), name="test_bad_days_taker")
    second.database = database_arguments(server.data_dir)
    # The session that owns this server's schema, as when its host is gone for good.
    schema = server.database[1].rpartition("%3D")[2]
    cut_off = (
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
        f"AND objid::bigint = hashtext('{schema}')::bigint & 4294967295"
    )
    subprocess.run(
        [os.environ["RESTAGE_TEST_PSQL"], "--quiet", POSTGRES, "-c", cut_off], check=True, capture_output=True
    )
    second.start()
    proxy.resume()
    assert ended(server, 60) == 1
    assert "was taken over by another restage; stop one of the two" in server.tail()
    assert names(Stages(api.client(second))) == {"before"}
    second.stop()
