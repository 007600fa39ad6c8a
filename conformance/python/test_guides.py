"""docs/guides as a reader pastes them: the blocks marked `run`, against a server that was just started."""

import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import pytest

from support.server import ROOT, Server, binary, clean_environment

GUIDES = ROOT / "docs" / "guides"
SCRIPT_S = 180
# Enough for several pages of replicas; the guide itself says a thousand.
STAGES = 50
PUBLISHING = '"participantId"'


def marked(guide):
    """The blocks of a guide that are marked `run`: (language, text), in order."""
    text = (GUIDES / f"{guide}.md").read_text(encoding="utf-8")
    found = re.findall(r"^```(\w+) run\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert found, f"{guide} has no block to run"
    return found


@pytest.fixture
def run(tmp_path):
    """Runs a script of bash in a directory with a fresh server's ./data; gives what it prints."""
    server = Server(tmp_path / "data", name="test_guides").start()
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "restage").symlink_to(binary())
    path = os.pathsep.join(map(str, (tools, pathlib.Path(sys.executable).parent, os.environ["PATH"])))

    def run(script, **environment):
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env=clean_environment(PATH=path, **environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            out, err = process.communicate(timeout=SCRIPT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(f"not within {SCRIPT_S} s: {script}\n{out}\n{err}") from None
        assert process.returncode == 0, f"{process.returncode}: {script}\n{out}\n{err}\n{server.tail(10)}"
        return out

    yield run
    server.stop()


def python(guide):
    """The Python of a guide as one program, for bash."""
    program = "\n".join(text for language, text in marked(guide) if language == "python")
    return f"eval \"$(restage env)\"\npython - <<'PROGRAM'\n{program}\nPROGRAM\n"


def stages(run):
    return json.loads(run("restage stages list --output json"))["stages"]


def test_quick_start(run):
    # Job control as in a terminal, and the reader's own waiting for the line that says that the publisher is there.
    script = ["set -m"]
    for language, text in marked("quick-start"):
        if language == "python":
            script.append(f"python - <<'PROGRAM'\n{text}\nPROGRAM")
        elif "restage publish" in text:
            script.append(text.rstrip().removesuffix("&") + " >published &")
            script.append(f"until grep -q '{PUBLISHING}' published; do sleep 0.1; done")
        else:
            script.append(text)
    out = run("\n".join(script))
    lines = out.splitlines()
    assert sum(re.fullmatch(r"(lobby|hall)\tarn:aws:ivs:\S+:stage/\S+", line) is not None for line in lines) == 2, out
    # The paginator of boto3 sees the replica that the command line has started, and it has ended in the list after it.
    assert any(re.fullmatch(r"arn:aws:ivs:\S+:stage/\S+ ACTIVE", line) for line in lines), out
    assert '"replicationState": "STOPPED"' in out, out
    watched = [json.loads(line) for line in lines if line.startswith("{") and '"tracks"' in line]
    assert any(track["frames"] > 30 for seen in watched for track in seen["tracks"]), out
    assert stages(run) == [], "the guide takes down what it has put up"


def test_vs_mode(run):
    out = run(python("vs-mode"))
    # What the guide shows is what the program prints, apart from the hosts' own lines.
    shown = [
        "red ann SOURCE ACTIVE",
        "red bob REPLICA ACTIVE",
        "blue bob SOURCE ACTIVE",
        "blue ann REPLICA ACTIVE",
        "ACTIVE",
        "['ann'] ['bob']",
        "['JOINED', 'PUBLISH_STARTED', 'REPLICATION_STARTED', 'REPLICATION_STOPPED']",
        "['JOINED', 'PUBLISH_STARTED', 'PUBLISH_STOPPED', 'PUBLISH_STARTED', 'PUBLISH_STOPPED', 'LEFT']",
    ]
    lines = [line for line in out.splitlines() if not line.startswith("{")]
    assert lines == shown, out
    guide = (GUIDES / "vs-mode.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in shown if line not in guide] == [], "the guide shows other lines"
    assert '"keyFrames":' in out, out
    assert stages(run) == []


def test_fan_out(run):
    out = run(python("fan-out"), STAGES=str(STAGES))
    for line in (
        f"{STAGES} stages created",
        f"{STAGES} replications started",
        f"{STAGES} replicas listed, 50 a page",
        f"20 and {STAGES - 20}",
        f"{STAGES} replications stopped",
        f"{STAGES + 1} stages deleted",
    ):
        assert re.search(rf"^{line}( |$)", out, re.MULTILINE), f"{line}: {out}"
    assert stages(run) == []


def test_the_deployment_step_of_the_move_may_run_again(run):
    script = python("move-from-ivs")
    first, second = run(script), run(script)
    assert first == second and len(first.splitlines()) == 2, f"{first}\n{second}"
    assert {stage["name"]: stage.get("tags") for stage in stages(run)} == {"lobby": {"team": "live"}, "hall": {}}


def test_the_endpoints_of_publish(run):
    (block,) = [text for language, text in marked("publish") if language == "sh"]
    out = run(f'eval "$(restage env)"\n{block}')
    assert re.search(r'"whip": "http://127\.0\.0\.1:\d+/whip"', out), out
