"""docs/guides/install.md and ci.md as a reader pastes them."""

import json
import os
import re
import subprocess
import sys
import tarfile

import pytest

from conftest import ROOT, binary, only
from support import machine as machines
from support.wait import eventually

RUN_S = 120


def blocks(page, language):
    """The fenced blocks of a guide in a language, in order."""
    text = (ROOT / "docs" / "guides" / page).read_text(encoding="utf-8")
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", text)


def the(found, words):
    """The one block with these words."""
    (block,) = [block for block in found if words in block]
    return block


def run(command, directory, **environment):
    done = subprocess.run(
        command,
        cwd=directory,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=RUN_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def path_with_restage(directory):
    (directory / "bin").mkdir()
    (directory / "bin" / "restage").symlink_to(binary())
    return f"{directory / 'bin'}{os.pathsep}{os.environ['PATH']}"


def test_the_shell_recipe_starts_a_server_and_leaves_nothing(tmp_path):
    script = the(blocks("ci.md", "sh"), "mktemp")
    out = run(
        ["bash", "-euo", "pipefail", "-c", f'{script}\necho "$server $data"'],
        tmp_path,
        PATH=path_with_restage(tmp_path),
    )
    stage, last = out.strip().rsplit("\n", 1)
    assert json.loads(stage)["stage"]["name"] == "main"
    process, data = last.split()
    assert not os.path.exists(f"/proc/{process}") and not os.path.exists(data)


def test_the_tests_for_pytest_pass(dist, tmp_path):
    wheel = only(dist, "restage_testing-*.whl")
    site = tmp_path / "site"
    run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", site, wheel],
        tmp_path,
    )
    project = tmp_path / "project"
    project.mkdir()
    tests, conftest = blocks("ci.md", "python")
    (project / "test_hall.py").write_text(tests, encoding="utf-8")
    (project / "conftest.py").write_text(conftest, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--numprocesses=2"]
    assert "1 passed" in run(command, project, PYTHONPATH=str(site))


def test_the_test_for_node_passes(dist, tmp_path):
    modules = tmp_path / "node_modules"
    target = modules / "@restage"
    target.mkdir(parents=True)
    with tarfile.open(only(dist, "restage-testing-*.tgz")) as file:
        file.extractall(target, filter="data")
    (target / "package").rename(target / "testing")
    (modules / "@aws-sdk").symlink_to((ROOT / "conformance/sdk-js/node_modules/@aws-sdk").resolve())
    (tmp_path / "package.json").write_text('{ "type": "module" }\n', encoding="utf-8")
    (tmp_path / "stage.test.js").write_text(the(blocks("ci.md", "js"), "node:test"), encoding="utf-8")
    assert re.search(r"(?m)^# pass 1$", run(["node", "--test", "--test-reporter=tap", "stage.test.js"], tmp_path))


def test_what_is_installed_by_hand_from_the_archive_serves(dist, tmp_path):
    if reason := machines.missing():
        pytest.skip(reason)
    unpack, by_hand = (the(blocks("install.md", "sh"), words) for words in ("./bin/restage serve", "useradd"))
    script = "\n".join(line for line in unpack.splitlines() if "serve" not in line)
    # The machine has the same root, and no sudo.
    script += "\n" + by_hand.replace("sudo ", "")
    with machines.Machine(tmp_path / "machine", dist) as machine:
        machine.run("bash", "-euo", "pipefail", "-c", f"cd /tmp; cp /srv/packages/*.tar.gz .\n{script}")
        health = ("curl", "--silent", "http://127.0.0.1:4080/healthz")
        eventually(
            lambda: machine.beside(*health, check=False).stdout == "ok\n",
            what=lambda: machine.run("journalctl", "--unit", "restage", "--no-pager").stdout,
        )


@pytest.mark.parametrize("page", ["install.md", "ci.md"])
def test_files_of_a_release_are_called_as_the_guides_say(page, dist, version):
    text = (ROOT / "docs" / "guides" / page).read_text(encoding="utf-8")
    named = set(re.findall(r"restage[\w-]*[-_]\d+\.\d+\.\d+[\w.-]*\.(?:deb|whl|tgz|oci\.tar|tar\.gz)", text))
    assert named
    for name in named:
        assert version in name, name
        architecture = re.compile(r"amd64|x86_64")
        if os.uname().machine == "x86_64" or not architecture.search(name):
            assert (dist / name).exists(), name
