"""The packages for pip and npm, installed from the files of a release into a project, as their users do it."""

import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile

import pytest

from conftest import ROOT, binary, only

RUN_S = 120


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
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(dist, version):
    return only(dist, f"restage_testing-{version}-*.whl")


def test_the_wheel_is_typed_and_has_a_licence(wheel, dist, version):
    with zipfile.ZipFile(wheel) as file:
        names = file.namelist()
        metadata = file.read(f"restage_testing-{version}.dist-info/METADATA").decode()
    assert "restage_testing/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert "License-Expression: Apache-2.0" in metadata
    with tarfile.open(only(dist, f"restage_testing-{version}.tar.gz")) as file:
        assert f"restage_testing-{version}/tests/test_plugin.py" in file.getnames()


def test_pytest_finds_the_fixtures_of_the_installed_wheel(wheel, tmp_path):
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", site, wheel]
    assert run(install, tmp_path)[0] == 0
    project = tmp_path / "project"
    project.mkdir()
    readme = (ROOT / "python/restage-testing/README.md").read_text(encoding="utf-8")
    examples = re.findall(r"(?ms)^```python\n(.*?)^```$", readme)
    tests, conftest, script = examples
    (project / "test_example.py").write_text(tests, encoding="utf-8")
    (project / "conftest.py").write_text(conftest, encoding="utf-8")
    code, out = run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider"], project, PYTHONPATH=str(site))
    assert code == 0, out
    assert "1 passed" in out
    # Without pytest.
    (project / "script.py").write_text(script, encoding="utf-8")
    code, out = run([sys.executable, "script.py"], project, PYTHONPATH=str(site))
    assert code == 0, out
    assert "http://127.0.0.1:" in out and ":eu-west-1:" in out
    # The program by its place in PATH.
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "restage").symlink_to(binary())
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    code, out = run([sys.executable, "script.py"], project, PYTHONPATH=str(site), RESTAGE_BINARY="", PATH=path)
    assert code == 0, out


SCRIPT = """
import { RestageServer, startServer } from "@restage/testing";
const server = await startServer();
if (!(server instanceof RestageServer)) throw new Error("no server");
console.log(JSON.stringify(server.clientConfig));
await server.stop();
"""


def test_npm_installs_the_package_for_node(dist, version, tmp_path):
    package = only(dist, f"restage-testing-{version}.tgz")
    (tmp_path / "package.json").write_text('{ "type": "module", "private": true }\n', encoding="utf-8")
    install = ["npm", "install", "--offline", "--no-audit", "--no-fund", "--loglevel=error", package]
    code, out = run(install, tmp_path)
    assert code == 0, out
    installed = tmp_path / "node_modules" / "@restage" / "testing"
    assert (installed / "types" / "index.d.ts").exists()
    assert sorted(path.name for path in installed.iterdir()) == ["LICENSE", "README.md", "package.json", "src", "types"]
    (tmp_path / "main.js").write_text(SCRIPT, encoding="utf-8")
    code, out = run(["node", "main.js"], tmp_path)
    assert code == 0, out
    assert json.loads(out)["endpoint"].startswith("http://127.0.0.1:")
