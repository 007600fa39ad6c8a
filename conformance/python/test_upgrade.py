"""Data directories and backups that earlier versions left are opened with all that is in them; those of later versions
are refused. `conformance/fixtures/make.py` keeps them."""

import json
import os
import sqlite3

import pytest

from support import api
from support.api import Stages
from support.faults import refused_start
from support.place import Place
from support.recording import check
from support.server import Server
from support.upgrade import ask_everything, kept, unpack
from support.wait import eventually

on_sqlite = pytest.mark.skipif(bool(os.environ.get("RESTAGE_TEST_POSTGRES")), reason="it is about SQLite's file")
every_version = pytest.mark.parametrize("fixture", kept(), ids=lambda path: path.name)
# What is old stays, however long ago the fixture was made; its S3 is at another port now.
KEEPING = ("--retention-days", "0", "--spool-days", "0", "--accept-moved-buckets")


def assert_has(found, expected, where="the answer"):
    """Everything that was expected is there. Later versions may say more."""
    if isinstance(expected, dict):
        for name, value in expected.items():
            assert name in found, f"{where}: {name} is missing"
            assert_has(found[name], value, f"{where}: {name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), f"{where}: {len(found)} and not {len(expected)}"
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_has(one, other, f"{where}: {number}")
    else:
        assert found == expected, f"{where}: {found} and not {expected}"


def expected_of(fixture):
    return json.loads((fixture / "expected.json").read_text(encoding="utf-8"))


@on_sqlite
@every_version
@pytest.mark.timeout(240)
def test_a_data_directory_of_an_earlier_version_is_opened(tmp_path, s3, fixture):
    place = Place(tmp_path, *KEEPING, name="test_upgrade", s3=s3)
    unpack(fixture, place.server.data_dir)
    # The keys of callers are in it, too.
    place.start()
    assert_has(ask_everything(place.stages), expected_of(fixture))
    # What waited in the spool comes to its bucket.
    eventually(lambda: place.spooled() == [], 90, "the spool is empty")
    prefixes = recorded_prefixes(place)
    for prefix in prefixes:
        assert check(s3.copy(prefix, tmp_path / "copy"), prefix, has_pictures=False).segments
    assert prefixes
    place.server.stop()
    done = place.server.command("db", "check", "--data-dir", str(place.server.data_dir))
    assert done.returncode == 0, done.stderr


def recorded_prefixes(place):
    """The prefixes of all recordings."""
    found = set()
    for stage in ask_everything(place.stages)["stages"]:
        for session in stage["sessions"]:
            found |= {row["recordingS3Prefix"] for row in session["participants"] if row.get("recordingS3Prefix")}
    return found


@every_version
def test_a_backup_of_an_earlier_version_is_restored(tmp_path, fixture):
    server = Server(tmp_path / "data", *KEEPING, name="test_upgrade_restored")
    restored = server.command(
        *("db", "restore", str(fixture / "backup.jsonl"), "--data-dir", str(server.data_dir)), *server.database
    )
    assert restored.returncode == 0, restored.stderr
    # PostgreSQL's rows are elsewhere.
    server.data_dir.mkdir(mode=0o700, exist_ok=True)
    for secret in ("credentials", "tokens.key"):
        (server.data_dir / secret).write_bytes((fixture / "data" / secret).read_bytes())
        (server.data_dir / secret).chmod(0o600)
    server.start()
    assert_has(ask_everything(Stages(api.client(server))), expected_of(fixture))
    server.stop()


@on_sqlite
def test_a_database_of_a_later_version_is_refused_and_not_touched(tmp_path):
    server = Server(tmp_path / "data", name="test_upgrade_later").start()
    Stages(api.client(server)).create("kept")
    server.stop()
    file = server.data_dir / "restage.db"
    rows = sqlite3.connect(file)
    rows.execute(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)"
        " VALUES (9999, 'of tomorrow', 1, x'00', 1)"
    )
    rows.commit()
    rows.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    rows.close()
    before = file.read_bytes()
    told = refused_start(server)
    assert "was written by a newer restage" in told and "schema 9999" in told, told
    assert "run that version or a later one" in told and "backup" in told, told
    for words in (("db", "check"), ("db", "migrate"), ("db", "backup", str(tmp_path / "backup.jsonl"))):
        done = server.command(*words, "--data-dir", str(server.data_dir), check=False)
        assert done.returncode == 1 and "newer restage" in done.stderr, f"{words}: {done.stderr}"
    assert file.read_bytes() == before, "nothing was written"


def test_a_backup_of_a_later_version_is_refused(tmp_path):
    fixture = kept()[-1]
    first, rest = (fixture / "backup.jsonl").read_text(encoding="utf-8").split("\n", 1)
    head = json.loads(first)
    head["schema"] = 9999
    file = tmp_path / "later.jsonl"
    file.write_text(json.dumps(head) + "\n" + rest, encoding="utf-8")
    server = Server(tmp_path / "data", name="test_upgrade_later_backup")
    done = server.command(
        *("db", "restore", str(file), "--data-dir", str(server.data_dir)), *server.database, check=False
    )
    assert done.returncode == 1 and "newer restage" in done.stderr and "schema 9999" in done.stderr, done.stderr
