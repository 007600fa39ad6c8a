"""The HTTP side of WHIP (RFC 9725) and WHEP: status codes, headers, error bodies, CORS."""

import json

import aiortc
import pytest

from support import api
from support.wait import eventually

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
ORIGIN = "https://studio.example"


@pytest.fixture(scope="module")
def arn(stages):
    return stages.create("whip")


@pytest.fixture
def token(stages, arn):
    return stages.token(arn)[1]


def bearer(token, **more):
    return {"Authorization": f"Bearer {token}", **{name.replace("_", "-"): value for name, value in more.items()}}


def make_offer(media, kinds=("audio", "video"), direction="sendonly"):
    """A real offer that nothing stands behind."""

    async def make():
        pc = aiortc.RTCPeerConnection(aiortc.RTCConfiguration(iceServers=[]))
        for kind in kinds:
            pc.addTransceiver(kind, direction=direction)
        await pc.setLocalDescription(await pc.createOffer())
        sdp = pc.localDescription.sdp
        await pc.close()
        return sdp

    return media.run(make())


def post(media, url, token, offer):
    return media.request("POST", url, data=offer, headers=bearer(token, Content_Type=SDP))


def assert_error(answer, status, code):
    got, headers, text = answer
    assert got == status, text
    assert headers["Content-Type"].startswith("application/json")
    body = json.loads(text)
    # For a session that has ended, the answer includes the reason.
    assert set(body) - {"ended"} == {"code", "message"}
    assert body["code"] == code
    assert len(body["message"]) > 10
    return body["message"]


def test_the_answer_to_an_offer(server, media, token):
    status, headers, answer = post(media, f"{server.url}/whip", token, make_offer(media))
    assert status == 201
    assert headers["Content-Type"] == SDP
    assert headers["Location"].startswith("/whip/sessions/")
    assert headers["ETag"].startswith('"') and headers["ETag"].endswith('"')
    lines = answer.splitlines()
    assert lines[0] == "v=0"
    assert "a=ice-lite" in lines
    assert any(line.startswith("a=group:BUNDLE 0 1") for line in lines)
    assert sum(line.startswith("m=") for line in lines) == 2
    assert "a=setup:passive" in lines
    assert "a=rtcp-mux" in lines
    assert "a=recvonly" in lines and "a=sendonly" not in lines and "a=sendrecv" not in lines
    candidates = [line for line in lines if line.startswith("a=candidate:")]
    udp, tcp = ([line for line in candidates if f" {protocol} " in line] for protocol in ("udp", "tcp"))
    assert udp and all(line.endswith(f" {server.media_port} typ host") for line in udp)
    assert all(line.endswith(f" {server.http_port} typ host tcptype passive") for line in tcp)
    assert len(candidates) == len(udp) + len(tcp)
    assert " 127.0.0.1 " in candidates[0]
    assert any(line.startswith("a=fingerprint:sha-256 ") for line in lines)


def test_delete_ends_the_session_once(server, media, token):
    _, headers, _ = post(media, f"{server.url}/whip", token, make_offer(media))
    url = server.url + headers["Location"]
    assert media.request("DELETE", url, headers=bearer(token))[0] == 200
    assert_error(media.request("DELETE", url, headers=bearer(token)), 404, "NO_SESSION")
    answer = media.request(
        "PATCH", url, data="a=end-of-candidates\r\n", headers=bearer(token, Content_Type=FRAGMENT, If_Match="*")
    )
    assert_error(answer, 404, "NO_SESSION")


def test_another_token_cannot_touch_the_session(server, media, stages, arn, token):
    _, headers, _ = post(media, f"{server.url}/whip", token, make_offer(media))
    url = server.url + headers["Location"]
    stranger = stages.token(arn)[1]
    status, _, _ = media.request("DELETE", url, headers=bearer(stranger))
    assert status in (403, 404)
    assert media.request("DELETE", url)[0] == 401
    assert media.request("DELETE", url, headers=bearer(token))[0] == 200


def test_if_match_is_a_list(server, media, token):
    """RFC 9110 section 13.1.1: any of several, `*` for whatever there is, and weak tags never match."""
    offer = make_offer(media)
    _, headers, _ = post(media, f"{server.url}/whip", token, offer)
    url, tag = server.url + headers["Location"], headers["ETag"]
    ufrag, pwd = credentials(offer)
    fragment = f"a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=end-of-candidates\r\n"

    def patch(*if_match):
        lines = [("If-Match", value) for value in if_match]
        given = [*bearer(token, Content_Type=FRAGMENT).items(), *lines]
        return media.request("PATCH", url, data=fragment, headers=given)

    for fits in ([tag], [f'"other", {tag}'], ['"other"', tag], [f', W/"x" ,{tag},'], ["*"], ['"*"']):
        assert patch(*fits)[0] == 204, fits
    for stale in ([f"W/{tag}"], ['"other", "another"'], [tag.upper()], [""]):
        assert_error(patch(*stale), 412, "ENTITY_TAG")
    for wrong in ([tag.strip('"')], [f'{tag} "x"'], ["*", tag], [tag[:-1]]):
        assert "If-Match" in assert_error(patch(*wrong), 400, "INVALID")

    def delete(value):
        return media.request("DELETE", url, headers=bearer(token, If_Match=value))

    assert_error(delete('"other"'), 412, "ENTITY_TAG")
    assert_error(delete(f"W/{tag}"), 412, "ENTITY_TAG")
    assert_error(delete("other"), 400, "INVALID")
    assert delete(f'"other", {tag}')[0] == 200


def test_trickle(server, media, token):
    offer = make_offer(media)
    _, headers, _ = post(media, f"{server.url}/whip", token, offer)
    url = server.url + headers["Location"]
    ufrag, pwd = credentials(offer)
    fragment = (
        f"a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
        "a=candidate:1 1 udp 2130706431 127.0.0.1 50000 typ host\r\na=end-of-candidates\r\n"
    )

    def patch(text, **more):
        return media.request("PATCH", url, data=text, headers=bearer(token, Content_Type=FRAGMENT, **more))

    assert patch(fragment, If_Match=headers["ETag"])[0] == 204
    assert_error(patch(fragment), 428, "PRECONDITION_REQUIRED")
    assert_error(patch(fragment, If_Match='"stale"'), 412, "ENTITY_TAG")
    answer = media.request(
        "PATCH", url, data=fragment, headers=bearer(token, Content_Type="text/plain", If_Match=headers["ETag"])
    )
    assert_error(answer, 415, "CONTENT_TYPE")
    assert patch("nonsense", If_Match=headers["ETag"])[0] == 400


def test_ice_restart(server, media, token):
    offer = make_offer(media)
    _, headers, answer = post(media, f"{server.url}/whip", token, offer)
    url = server.url + headers["Location"]
    restart = (
        "a=ice-ufrag:newufrag\r\na=ice-pwd:newpasswordnewpasswordnewpw\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
    )
    status, restarted, fragment = media.request(
        "PATCH", url, data=restart, headers=bearer(token, Content_Type=FRAGMENT, If_Match="*")
    )
    assert status == 200, fragment
    assert restarted["Content-Type"] == FRAGMENT
    assert restarted["ETag"] != headers["ETag"]
    assert credentials(fragment) != credentials(answer)
    assert all(credentials(fragment))


def credentials(sdp):
    """(ufrag, pwd), the first of each."""
    found = {}
    for line in sdp.splitlines():
        for name in ("ice-ufrag", "ice-pwd"):
            if line.startswith(f"a={name}:"):
                found.setdefault(name, line.split(":", 1)[1])
    return found.get("ice-ufrag"), found.get("ice-pwd")


@pytest.mark.parametrize(
    "path", ["/whip", "/whip/", "/", "", "/whip/publish/{id}", "/whip/publish/{id}/", "/publish/{id}", "/whip//"]
)
def test_the_publishing_paths(server, media, stages, arn, path):
    participant, token = stages.token(arn)
    status, _, _ = post(media, server.url + path.format(id=participant), token, make_offer(media))
    assert status == 201


def test_the_publishing_path_must_name_the_token_s_participant(server, media, stages, arn, token):
    other, _ = stages.token(arn)
    answer = post(media, f"{server.url}/whip/publish/{other}", token, make_offer(media))
    assert "another participant" in assert_error(answer, 401, "TOKEN_MALFORMED")


@pytest.mark.parametrize("path", ["/whep/{id}", "/whep/{id}/", "/whip/subscribe/{id}", "/subscribe/{id}/"])
def test_the_subscribing_paths(server, media, stages, arn, path):
    participant, publishing = stages.token(arn)
    media.publish(publishing)
    eventually(lambda: stages.participants(arn)[participant]["published"], what="published")
    offer = make_offer(media, direction="recvonly")
    watching = stages.token(arn)[1]
    status, headers, answer = post(media, server.url + path.format(id=participant), watching, offer)
    assert status == 201, answer
    assert headers["Location"] and headers["ETag"]
    assert "a=sendonly" in answer.splitlines()
    session = server.url + headers["Location"] + "/"
    assert media.request("DELETE", session, headers={"Authorization": f"Bearer {watching}"})[0] == 200


def test_watching_nobody(server, media, token):
    offer = make_offer(media, direction="recvonly")
    assert_error(post(media, f"{server.url}/whep/AAAAbbbb1234", token, offer), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Content-Type": SDP}, 401, "TOKEN_MISSING"),
        ({"Content-Type": SDP, "Authorization": "Bearer "}, 401, "TOKEN_MISSING"),
        ({"Content-Type": SDP, "Authorization": "Basic YTpi"}, 401, "TOKEN_MISSING"),
        ({"Content-Type": SDP, "Authorization": "Bearer abc"}, 401, "TOKEN_MALFORMED"),
        ({"Content-Type": SDP, "Authorization": "Bearer a.b.c"}, 401, "TOKEN_MALFORMED"),
    ],
)
def test_bad_tokens(server, media, headers, status, code):
    answer = media.request("POST", f"{server.url}/whip", data=make_offer(media), headers=headers)
    assert_error(answer, status, code)
    assert answer[1]["WWW-Authenticate"].startswith("Bearer")


def test_a_token_changed_in_any_part_is_refused(server, media, token):
    offer = make_offer(media)
    header, payload, signature = token.split(".")
    swap = str.maketrans("AB", "BA")
    for changed in (
        f"{header.translate(swap)}x.{payload}.{signature}",
        f"{header}.{payload[:-2]}.{signature}",
        f"{header}.{payload}.{signature[:-4]}",
        f"{header}.{payload}.",
        f"{header}.{payload}.{signature[::-1]}",
        # {"alg":"none"}
        f"eyJhbGciOiJub25lIn0.{payload}.",
    ):
        assert_error(post(media, f"{server.url}/whip", changed, offer), 401, "TOKEN_MALFORMED")


def test_wrong_content_type(server, media, token):
    answer = media.request(
        "POST", f"{server.url}/whip", data=make_offer(media), headers=bearer(token, Content_Type="text/plain")
    )
    assert_error(answer, 415, "CONTENT_TYPE")


@pytest.mark.parametrize("offer", ["", "v=0", "nonsense\r\n", "v=0\r\n" * 200, "{}", "\x00\x01"])
def test_bad_offers(server, media, token, offer):
    status, _, text = post(media, f"{server.url}/whip", token, offer)
    assert status == 400, text
    assert json.loads(text)["code"] == "INVALID_SDP"


def test_an_offer_without_a_codec_the_server_knows(server, media, token):
    offer = make_offer(media)
    for name in ("opus", "VP8", "H264", "H265", "PCMU", "PCMA", "rtx", "G722"):
        offer = offer.replace(f" {name}/", f" x-{name}/")
    offer = "\r\n".join(line for line in offer.splitlines() if not line.startswith("a=fmtp:")) + "\r\n"
    status, _, text = post(media, f"{server.url}/whip", token, offer)
    assert status in (400, 422), text


def test_get_is_not_a_method(server, media, token):
    status, headers, _ = media.request("GET", f"{server.url}/whip", headers=bearer(token))
    assert status == 405
    assert "POST" in headers["Allow"]


def test_options_names_what_may_be_posted(server, media):
    status, headers, _ = media.request("OPTIONS", f"{server.url}/whip")
    assert status in (200, 204)
    assert headers["Accept-Post"] == SDP


def test_the_root_is_whip_and_leads_browsers_to_the_console(server, media, token):
    answer = media.request("GET", f"{server.url}/", allow_redirects=False)
    assert (answer[0], answer[1]["Location"]) == (307, "/console/")
    assert_error(media.request("POST", f"{server.url}/", data="v=0"), 401, "TOKEN_MISSING")
    status, headers, _ = media.request("PUT", f"{server.url}/")
    assert status == 405 and {"GET", "POST"} <= set(headers["Allow"].split(","))
    assert media.request("OPTIONS", f"{server.url}/")[1]["Accept-Post"] == SDP


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "AWS4-HMAC-SHA256 Credential=A/20200101/eu-west-1/ivs/aws4_request, SignedHeaders=host"},
        {"X-Amz-Target": "AmazonInteractiveVideoService.ListStages"},
    ],
)
def test_the_root_is_no_operation(server, media, headers):
    status, answered, text = media.request("POST", f"{server.url}/", data="{}", headers=headers)
    assert (status, answered["x-amzn-ErrorType"]) == (404, "UnknownOperationException")
    assert set(json.loads(text)) == {"message", "exceptionMessage"}


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/", "POST"),
        ("/whip", "POST"),
        ("/whep/p", "POST"),
        ("/whep/p/", "POST"),
        ("/whip/sessions/x", "PATCH"),
        ("/whip/sessions/x", "DELETE"),
        ("/whip/nothing/here", "POST"),
    ],
)
def test_preflight_from_another_origin(server, media, path, method):
    status, headers, _ = media.request(
        "OPTIONS",
        server.url + path,
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization,content-type,if-match,traceparent,x-requested-with",
        },
    )
    assert status in (200, 204)
    assert headers["Access-Control-Allow-Origin"] in ("*", ORIGIN)
    methods = headers["Access-Control-Allow-Methods"]
    assert methods == "*" or method in methods
    allowed = {name.strip().lower() for name in headers["Access-Control-Allow-Headers"].split(",")}
    # A bare * would not cover Authorization (Fetch standard, CORS protocol).
    assert {"authorization", "content-type", "if-match", "traceparent", "tracestate", "x-requested-with"} <= allowed
    # What a page's libraries add besides.
    assert "*" in allowed


def test_a_page_on_another_origin_may_read_location_and_etag(server, media, token):
    status, headers, _ = media.request(
        "POST",
        f"{server.url}/whip",
        data=make_offer(media),
        headers=bearer(token, Content_Type=SDP, Origin=ORIGIN),
    )
    assert status == 201
    assert headers["Access-Control-Allow-Origin"] in ("*", ORIGIN)
    exposed = {name.strip().lower() for name in headers["Access-Control-Expose-Headers"].split(",")}
    assert {"location", "etag", "retry-after", "www-authenticate", "x-amzn-requestid"} <= exposed


def test_an_expired_token_is_refused(server, media, stages, arn):
    """The shortest token lasts a minute, too long to wait for: its payload says when it ends, and that is signed."""
    _, token = stages.token(arn, duration=1)
    said = api.payload(token)
    assert said["exp"] - said["iat"] == 60
