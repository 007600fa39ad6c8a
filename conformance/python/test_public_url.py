"""A public URL with a path: the proxy in front takes it off, and every client works through it."""

import json
import subprocess
import urllib.error
import urllib.request

import pytest

from support import api
from support.proxy import StrippingProxy
from support.server import Server, binary, clean_environment
from support.wait import eventually
from test_sigv4 import BODY, assert_refused, send, signed
from test_whip import SDP, bearer, make_offer

PREFIX = "/video/v1.0"


@pytest.fixture(scope="module")
def proxy():
    made = StrippingProxy(PREFIX)
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(proxy, tmp_path_factory):
    """A server that clients know by the proxy's URL alone."""
    made = Server(tmp_path_factory.mktemp("proxied") / "data", "--public-url", proxy.url, name="test_public_url")
    proxy.target = made.http_port
    made.url = proxy.url
    yield made.start()
    made.stop()


@pytest.fixture(scope="module")
def direct(server):
    """The same server, asked without the proxy."""

    class Direct:
        url = f"http://127.0.0.1:{server.http_port}"
        credentials = server.credentials

    return Direct


def test_boto3_signs_the_path_it_sees(server, stages, proxy):
    arns = {stages.create(f"s{number}") for number in range(3)}
    assert "/CreateStage" in proxy.passed, "the proxy takes the path off"
    assert arns <= {stage["arn"] for stage in stages.ivs.list_stages(maxResults=100)["stages"]}
    pages = stages.ivs.get_paginator("list_participant_replicas").paginate(
        sourceStageArn=min(arns), participantId="nobody", PaginationConfig={"PageSize": 1}
    )
    assert pages.build_full_result()["replicas"] == []
    arn = arns.pop()
    stages.ivs.tag_resource(resourceArn=arn, tags={"a b": "c/d"})
    assert stages.ivs.list_tags_for_resource(resourceArn=arn)["tags"] == {"a b": "c/d"}
    stages.ivs.untag_resource(resourceArn=arn, tagKeys=["a b"])
    assert stages.ivs.list_tags_for_resource(resourceArn=arn)["tags"] == {}
    endpoints = stages.ivs.get_stage(arn=arn)["stage"]["endpoints"]
    assert endpoints["whip"] == f"{proxy.url}/whip"
    assert endpoints["events"] == f"{proxy.url.replace('http', 'ws', 1)}/events"
    said = api.payload(stages.token(arn)[1])
    assert (said["whip_url"], said["events_url"]) == (endpoints["whip"], endpoints["events"])


def test_who_does_not_pass_the_proxy_signs_what_arrives(direct):
    assert send(direct, signed(direct))[0] == 200
    assert api.client(direct).list_stages()["stages"]


def test_a_signature_for_another_path_is_none(server, direct):
    class Elsewhere:
        credentials = server.credentials

    for url, operation in (
        (direct.url + "/other", "ListStages"),
        (direct.url + "/video", "ListStages"),
        (server.url + PREFIX, "ListStages"),
        (server.url, "ListPublicKeys"),
    ):
        Elsewhere.url = url
        answer = send(direct, signed(Elsewhere, operation=operation))
        assert_refused(answer, "InvalidSignatureException")


def test_media_and_events_through_the_proxy(stages, media, proxy):
    arn = stages.create("media")
    ann, token = stages.token(arn)
    publisher = media.publish(token, identity=5)
    assert publisher.location.startswith(f"{proxy.url}/whip/sessions/")
    eventually(lambda: stages.participants(arn)[ann]["published"], what="published")
    events = media.events(stages.token(arn)[1])
    eventually(lambda: events.publishing() == {ann}, what="the events socket tells")
    watcher = media.watch(stages.token(arn)[1], ann)
    watcher.wait_for(5)
    assert watcher.leave() == 200
    assert publisher.leave() == 200
    eventually(lambda: events.publishing() == set(), what="ann is gone")


def test_a_session_is_patched_through_the_proxy(media, stages, proxy):
    _, token = stages.token(stages.create("patched"))
    offer = make_offer(media)
    status, headers, _ = media.request(
        "POST", f"{proxy.url}/whip/", data=offer, headers=bearer(token, Content_Type=SDP)
    )
    assert status == 201 and headers["Location"].startswith(f"{PREFIX}/whip/sessions/")
    url = proxy.url.removesuffix(PREFIX) + headers["Location"]
    assert media.request("DELETE", url, headers=bearer(token, If_Match=headers["ETag"]))[0] == 200


def test_programs_go_by_the_public_url_and_the_command_line_on_this_machine_does_not_need_it(server, proxy):
    assert server.environment()["AWS_ENDPOINT_URL_IVS_REALTIME"] == proxy.url
    data_dir = ("--data-dir", str(server.data_dir))
    listed = server.command("stages", "list", "--output", "json", *data_dir)
    assert isinstance(json.loads(listed.stdout), (list, dict))
    before = len(proxy.passed)
    server.command("stages", "list", *data_dir)
    assert "/ListStages" not in proxy.passed[before:]


def test_the_console_is_reached_by_every_way(server, proxy):
    for path in ("", "/", "/console", "/console/"):
        with urllib.request.urlopen(proxy.url + path, timeout=10) as page:
            assert page.url == f"{proxy.url}/console/"
            assert f"{proxy.url}/whip" in page.headers["Content-Security-Policy"]
    address = json.loads((server.data_dir / "server.json").read_text())["console"]
    base, key = address.split("#key=")
    assert base == f"{proxy.url}/console/"
    request = urllib.request.Request(base + "api/state", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert "stages" in json.load(answer)


@pytest.mark.parametrize(
    ("method", "path", "member"),
    [
        ("POST", "/whip", "code"),
        ("POST", "", "code"),
        ("GET", "/events/x", "code"),
        ("GET", "/console/", "code"),
        ("POST", "/ListStages", "exceptionMessage"),
    ],
)
def test_a_proxy_that_passes_the_path_on_is_told_of(direct, method, path, member):
    data = BODY if method == "POST" else None
    request = urllib.request.Request(direct.url + PREFIX + path, method=method, data=data)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    assert refused.value.code == 404
    said = json.load(refused.value)
    assert member in said
    assert "proxy" in said["message"] and PREFIX in said["message"]


@pytest.mark.parametrize(
    "url", ["http://x/a//b", "http://x/a/../b", "http://x/?a=b", "http://ann:secret@x/", "ftp://x", "http://x/a b"]
)
def test_a_public_url_that_cannot_work_is_refused_at_the_start(tmp_path, url):
    ended = subprocess.run(
        [str(binary()), "serve", "--data-dir", str(tmp_path / "data"), "--public-url", url],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert "public-url must" in ended.stderr, ended.stderr
    assert "secret" not in ended.stderr
