"""The five SDKs: what each needs, and how to run its scenario and its part of the agreement."""

import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys

from support.server import ROOT, clean_environment

HERE = pathlib.Path(__file__).resolve().parent
CONFORMANCE = HERE.parent
GO, JAVA, JS = (CONFORMANCE / name for name in ("sdk-go", "sdk-java", "sdk-js"))
RUST = pathlib.Path(os.environ.get("RESTAGE_SDK_RUST") or ROOT / "target" / "debug" / "examples" / "sdk_agreement")

GO_MIN = (1, 24)
# The first run of a toolchain downloads and compiles the SDK.
RUN_S = 600

MAVEN = ["mvn", "--batch-mode", "--no-transfer-progress", "--quiet", "test"]


@functools.cache
def missing(sdk):
    """Why an SDK cannot be run here; empty if it can."""
    if sdk == "go":
        return no_go()
    if sdk == "java":
        lacking = [name for name in ("mvn", "javac") if not shutil.which(name)]
        return f"{' and '.join(lacking)} not installed, so the AWS SDK for Java is not tried" if lacking else ""
    if sdk == "rust" and not RUST.is_file():
        return f"{RUST} is not there: cargo build --package restage --example sdk_agreement"
    return ""


def no_go():
    wanted = f"Go {GO_MIN[0]}.{GO_MIN[1]} or newer"
    if not shutil.which("go"):
        return f"{wanted} is not installed, so the AWS SDK for Go is not tried"
    said = subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"go(\d+)\.(\d+)", said)
    if found and tuple(int(part) for part in found.groups()) >= GO_MIN:
        return ""
    return f"{wanted} is not installed ({said.strip()}), so the AWS SDK for Go is not tried"


def run(command, directory, **environment):
    """Runs a command to its end; a failure shows its output."""
    done = subprocess.run(
        command,
        cwd=directory,
        env=clean_environment(**environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_S,
    )
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-6000:]}"
    return done.stdout


def story(sdk, server, region):
    """Runs the scenario of Go or Java and returns the output of its test runner."""
    access_key, secret = server.credentials()
    environment = {
        "SDK_URL": server.url,
        "SDK_REGION": region,
        "SDK_ACCESS_KEY_ID": access_key,
        "SDK_SECRET_ACCESS_KEY": secret,
        "SDK_PYTHON": sys.executable,
        "SDK_PYTHON_DIR": str(CONFORMANCE / "python"),
    }
    if sdk == "go":
        return run(["go", "test", "-count=1", "-v", "-run", "TestStory", "./..."], GO, **environment)
    return run([*MAVEN, "-Dtest=StoryTest"], JAVA, **environment)


def agreement(sdk, task, report):
    """Makes an SDK outside Python do the task in one file and report into another."""
    command, directory = {
        "js": (["node", "agreement.js"], JS),
        "rust": ([str(RUST)], ROOT),
        "go": (["go", "test", "-count=1", "-run", "TestAgreement", "./..."], GO),
        "java": ([*MAVEN, "-Dtest=AgreementTest"], JAVA),
    }[sdk]
    run(command, directory, AGREEMENT_TASK=str(task), AGREEMENT_REPORT=str(report))
