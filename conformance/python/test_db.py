"""`restage db`: a backup of a running server, taken in elsewhere, checked, and refused where it must be."""

import subprocess

from support import api
from support.api import Stages
from support.server import Server, binary, clean_environment


def db(server, *words, check=True):
    """Runs a command on the server's database; (exit code, stdout, stderr)."""
    command = [str(binary()), "db", *words, "--data-dir", str(server.data_dir), *server.database]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done.returncode, done.stdout, done.stderr


def test_a_backup_of_a_running_server_is_restored_elsewhere(tmp_path):
    server = Server(tmp_path / "data", name="test_db").start()
    stages = Stages(api.client(server))
    names = {stages.create(f"stage-{n}"): f"stage-{n}" for n in range(120)}
    tokens = [stages.token(arn)[0] for arn in names]
    page = stages.ivs.list_stages(maxResults=50)
    file = tmp_path / "restage.backup"
    db(server, "backup", str(file))
    assert file.stat().st_mode & 0o777 == 0o600, "it holds keys"
    db(server, "check")

    code, _, told = db(server, "backup", str(file), check=False)
    assert code == 1 and "exists already" in told
    code, _, told = db(server, "restore", str(file), check=False)
    assert code == 1 and "in use" in told
    server.stop()
    code, _, told = db(server, "restore", str(file), check=False)
    assert code == 1 and "not empty" in told

    other = Server(tmp_path / "other", name="test_db_other")
    other.data_dir.mkdir()
    damaged = tmp_path / "damaged.backup"
    lines = file.read_bytes().splitlines(keepends=True)
    for bad in (lines[:-1], lines[:3] + lines[4:], [lines[0].replace(b"restage", b"another")]):
        damaged.write_bytes(b"".join(bad))
        code, _, told = db(other, "restore", str(damaged), check=False)
        assert code == 1 and "line" in told, told
    db(other, "restore", str(file))
    db(other, "check")
    for secret in ("tokens.key", "credentials"):
        (other.data_dir / secret).write_bytes((server.data_dir / secret).read_bytes())
        (other.data_dir / secret).chmod(0o600)
    other.start()
    stages = Stages(api.client(other))
    # The key of page tokens came along: a list begun before goes on.
    listed = page["stages"]
    while "nextToken" in page:
        page = stages.ivs.list_stages(maxResults=50, nextToken=page["nextToken"])
        listed += page["stages"]
    assert [(item["arn"], item["name"]) for item in listed] == list(names.items())
    for participant, arn in list(zip(tokens, names, strict=True))[:5]:
        stages.ivs.disconnect_participant(stageArn=arn, participantId=participant)
    other.stop()


def test_migrate_says_what_the_schema_is(tmp_path):
    server = Server(tmp_path / "data", name="test_db_migrate")
    server.data_dir.mkdir()
    _, _, told = db(server, "migrate")
    assert "has schema" in told
    _, _, again = db(server, "migrate")
    assert again == told
    server.start()
    server.stop()


def test_the_data_directory_to_restore_into_is_made(tmp_path):
    """As docs/operations.md has it: into a directory that is not there yet."""
    server = Server(tmp_path / "data", name="test_db_new").start()
    arn = Stages(api.client(server)).create("kept")
    file = tmp_path / "restage.backup"
    db(server, "backup", str(file))
    server.stop()

    new = Server(tmp_path / "new" / "data", name="test_db_new_other")
    if not new.database:
        for command in ("check", ("backup", str(tmp_path / "none"))):
            words = (command,) if isinstance(command, str) else command
            code, _, told = db(new, *words, check=False)
            assert code == 1 and f"there is no database {new.data_dir}" in told and "--config" in told
        assert not new.data_dir.exists(), "looking makes nothing"
    db(new, "restore", str(file))
    db(new, "check")
    new.start()
    assert Stages(api.client(new)).ivs.get_stage(arn=arn)["stage"]["name"] == "kept"
    new.stop()


def test_the_configuration_file_says_where_the_database_is(tmp_path):
    """Its webhook's secret may be in the server's own environment, which is not for these commands."""
    data = tmp_path / "data"
    file = tmp_path / "restage.toml"
    file.write_text(f'data-dir = "{data}"\nwebhook-url = "http://127.0.0.1:1/hook"\n')
    for command in (("db", "migrate"), ("db", "check"), ("events", "dead-letters")):
        words = [str(binary()), *command, "--config", str(file)]
        done = subprocess.run(words, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
    assert (data / "restage.db").is_file()
