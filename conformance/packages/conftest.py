"""What a release consists of, built once from the binary under test, as `make dist` builds it."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD_S = 280


def binary():
    """The `restage` under test."""
    path = pathlib.Path(os.environ.get("RESTAGE_BINARY") or ROOT / "target" / "debug" / "restage")
    assert path.is_file(), f"{path} is not there: cargo build --package restage"
    return path.resolve()


def build(directory, **environment):
    """Runs scripts/dist.sh into a directory."""
    done = subprocess.run(
        [ROOT / "scripts" / "dist.sh"],
        env=os.environ
        | {"RESTAGE_BINARY": str(binary()), "DIST_DIR": str(directory), "DIST_COMPRESSION": "fast"}
        | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return directory


def only(directory, pattern):
    """The one file of that name."""
    found = sorted(directory.glob(pattern))
    assert len(found) == 1, f"{pattern}: {found}"
    return found[0]


@pytest.fixture(scope="session")
def dist(tmp_path_factory):
    """The directory that `make dist` makes."""
    return build(tmp_path_factory.mktemp("release") / "dist")


@pytest.fixture(scope="session")
def version():
    text = subprocess.run([binary(), "--version"], capture_output=True, text=True, check=True).stdout
    return text.split()[1]
