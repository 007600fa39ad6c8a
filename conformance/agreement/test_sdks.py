"""The scenarios of the AWS SDKs for Go and Java, and the results of all five SDKs for one task."""

import json
import os

import pytest

import boto
import sdks
import world
from support import api
from support.media import Media
from support.server import OUTPUT, Server

OTHERS = ["js", "rust", "go", "java"]


def wants(sdk):
    """Skips where the SDK cannot be run; in CI that is a failure."""
    missing = sdks.missing(sdk)
    if missing and os.environ.get("CI"):
        pytest.fail(f"{missing}; in CI nothing is skipped", pytrace=False)
    if missing:
        pytest.skip(missing)


@pytest.fixture(scope="module")
def story_server(tmp_path_factory):
    (OUTPUT / "sdk_story.log").unlink(missing_ok=True)
    started = Server(tmp_path_factory.mktemp("story") / "data", name="sdk_story").start()
    yield started
    started.stop()


@pytest.mark.parametrize("sdk", ["go", "java"])
def test_story(sdk, story_server):
    wants(sdk)
    sdks.story(sdk, story_server, api.REGION)


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """The task, with a server that has the resources it names."""
    (OUTPUT / "sdk_agreement.log").unlink(missing_ok=True)
    data = tmp_path_factory.mktemp("agreement") / "data"
    server = Server(data, *world.SERVER_ARGUMENTS, name="sdk_agreement").start()
    media = Media()
    try:
        yield {**world.make(server, media), "tokens": {}}
    finally:
        media.close()
        server.stop()


@pytest.fixture(scope="module")
def reports(task):
    """The results of each SDK; boto3 runs first, and the others are added by their tests."""
    seen = {"boto3": boto.report(task)}
    task["tokens"]["boto3"] = seen["boto3"]["tokens"]
    return seen


def test_boto3_sees_what_the_table_says(task, reports):
    for case in task["errors"]:
        got = reports["boto3"]["errors"][case["name"]]
        assert (got["code"], got["status"]) == (case["code"], case["status"]), f"{case['name']}: {got}"
        assert got["message"] and got["hasRequestId"], f"{case['name']}: {got}"
    for case in task["walks"]:
        whole = walked(reports["boto3"], case)
        assert len(whole) > max(case["maxItems"], 3), f"{case['name']} is too short to be walked in pages: {whole}"


@pytest.mark.parametrize("sdk", OTHERS)
def test_it_sees_what_boto3_sees(sdk, task, reports, tmp_path):
    wants(sdk)
    given, written = tmp_path / "task.json", tmp_path / "report.json"
    given.write_text(json.dumps(task), encoding="utf-8")
    sdks.agreement(sdk, given, written)
    seen = json.loads(written.read_text(encoding="utf-8"))
    reports[sdk] = seen
    for name, expected in reports["boto3"]["errors"].items():
        assert seen["errors"][name] == expected, f"{sdk}: {name}"
    assert set(seen["errors"]) == set(reports["boto3"]["errors"])
    assert seen["walks"] == reports["boto3"]["walks"]
    assert seen["token"] == reports["boto3"]["token"]
    check_resumed(sdk, task, reports)
    task["tokens"][sdk] = seen["tokens"]


def test_boto3_goes_on_from_the_others_tokens(task, reports):
    reports["boto3"]["resumed"] = boto.resumed(task)
    check_resumed("boto3", task, reports)


def check_resumed(sdk, task, reports):
    """After each token, every SDK must see the items after the first page of two."""
    for case in task["walks"]:
        rest = walked(reports["boto3"], case)[2:]
        found = reports[sdk]["resumed"][case["name"]]
        assert found == dict.fromkeys(task["tokens"], rest), f"{sdk}: {case['name']} from a token on"


def walked(report, case):
    whole = report["walks"][f"{case['name']} by 50"]
    for size in case["pageSizes"]:
        assert report["walks"][f"{case['name']} by {size}"] == whole, f"{case['name']} in pages of {size}"
    assert report["walks"][f"{case['name']} up to a limit"] == whole[: case["maxItems"]]
    return whole
