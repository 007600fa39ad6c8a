"""Public keys, the tokens their owners sign, and the exchange of one token for another.

Tokens are signed here with an ordinary crypto library, as a customer's backend would.
"""

import json
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from support import api
from support.api import ACCOUNT, REGION, refused
from support.tokens import HOUR_S, KeyPair, public_pem
from support.wait import eventually, stays
from test_whip import SDP, assert_error, bearer, make_offer

DAY_S = 24 * HOUR_S
BOTH = {"allow_publish": True, "allow_subscribe": True}
WATCH = {"allow_subscribe": True}
SHOW = {"allow_publish": True}


@pytest.fixture(scope="module")
def key(ivs):
    return KeyPair().import_into(ivs, name="backend")


@pytest.fixture
def stage(ivs):
    """A stage as CreateStage answers it, deleted after the test."""
    made = ivs.create_stage(name="self-signed")["stage"]
    yield made
    ivs.delete_stage(arn=made["arn"])


def names(stages, stage, participant, session=None):
    return [event["name"] for event in stages.events(stage["arn"], participant, session)]


# Public keys.


def test_import_get_list_delete(ivs):
    pair = KeyPair()
    made = ivs.import_public_key(publicKeyMaterial=pair.public_pem, name="rotation-1", tags={"team": "blue"})[
        "publicKey"
    ]
    assert made["arn"].startswith(f"arn:aws:ivs:{REGION}:{ACCOUNT}:public-key/")
    assert len(made["arn"].rsplit("/", 1)[1]) == 12
    assert made == {
        "arn": made["arn"],
        "name": "rotation-1",
        "publicKeyMaterial": pair.public_pem,
        "fingerprint": pair.fingerprint,
        "tags": {"team": "blue"},
    }
    assert ivs.get_public_key(arn=made["arn"])["publicKey"] == made
    summary = {"arn": made["arn"], "name": "rotation-1", "tags": {"team": "blue"}}
    assert summary in ivs.list_public_keys()["publicKeys"]
    ivs.delete_public_key(arn=made["arn"])
    assert summary not in ivs.list_public_keys()["publicKeys"]
    for call in (ivs.get_public_key, ivs.delete_public_key):
        with refused("ResourceNotFoundException", 404, made["arn"]):
            call(arn=made["arn"])
    # Gone, it may come back, as another.
    again = pair.import_into(ivs).arn
    assert again != made["arn"]
    ivs.delete_public_key(arn=again)


def test_material_comes_back_as_it_was_sent(ivs):
    pair = KeyPair()
    for material in (pair.public_pem.rstrip("\n"), pair.public_pem.replace("\n", "\r\n")):
        made = ivs.import_public_key(publicKeyMaterial=material)["publicKey"]
        assert made["publicKeyMaterial"] == material
        assert made["name"] == ""
        assert made["fingerprint"] == pair.fingerprint
        ivs.delete_public_key(arn=made["arn"])


def indented(pem, by="  "):
    return "".join(f"{by}{line}\n" for line in pem.splitlines())


# What editors, shells and configuration files do to a PEM text.
WHITE_SPACE = {
    "blank lines around": lambda pem: f"\n \n{pem}\n\t\n",
    "a byte order mark": lambda pem: "\ufeff" + pem,
    "spaces at line ends": lambda pem: pem.replace("\n", " \t\n"),
    "indented by spaces": indented,
    "indented by tabs": lambda pem: indented(pem, "\t\t"),
    "blank lines within": lambda pem: pem.replace("\n", "\n\n"),
    "old line ends": lambda pem: pem.replace("\n", "\r"),
    "all of it": lambda pem: (
        "\ufeff\r\n" + indented(pem.rstrip("\n").replace("\n", "\n\n"), "\t ").replace("\n", " \r\n")
    ),
}


@pytest.mark.parametrize("change", WHITE_SPACE.values(), ids=WHITE_SPACE)
def test_white_space_in_material_does_not_count(server, ivs, media, stage, tmp_path, change):
    pair = KeyPair()
    material = change(pair.public_pem)
    made = ivs.import_public_key(publicKeyMaterial=material)["publicKey"]
    # As it was sent where the model's pattern allows that, else as openssl writes it.
    assert made["fingerprint"] == pair.fingerprint
    assert made["publicKeyMaterial"] == (material if material == "\ufeff" + pair.public_pem else pair.public_pem)
    with refused("ConflictException", 409, made["arn"]):
        ivs.import_public_key(publicKeyMaterial=pair.public_pem)
    pair.arn = made["arn"]
    assert post(media, stage, pair.token(stage))[0] == 201
    # The commands read it from the server, and both halves from files.
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    private.write_text(change(pair.private_pem), newline="")
    public.write_text(material, newline="")
    common = ("--data-dir", str(server.data_dir), "--endpoint-url", server.url)
    signed = server.command("token", "sign", *common, "--private-key", str(private), "--stage-arn", stage["arn"])
    token = signed.stdout.strip()
    assert api.payload(token)["resource"] == stage["arn"]
    for more in ((), ("--public-key", str(public))):
        inspected = server.command("token", "inspect", token, *common, *more)
        assert "accepted" in inspected.stdout
    ivs.delete_public_key(arn=made["arn"])


@pytest.mark.parametrize(
    ("material", "words"),
    [
        (lambda: public_pem(ec.generate_private_key(ec.SECP256R1())), ("P-384", "P-256")),
        (lambda: public_pem(ec.generate_private_key(ec.SECP521R1())), ("P-384", "P-521")),
        (lambda: public_pem(rsa.generate_private_key(65537, 2048)), ("P-384", "RSA")),
        (lambda: public_pem(ed25519.Ed25519PrivateKey.generate()), ("P-384", "Ed25519")),
        (lambda: KeyPair().private_pem, ("private key",)),
        (lambda: KeyPair().public_pem + KeyPair().public_pem, ("several",)),
        (lambda: KeyPair().public_pem.replace("PUBLIC KEY", "CERTIFICATE"), ("BEGIN PUBLIC KEY",)),
        (lambda: "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", ("DER",)),
        (lambda: "garbage", ("PEM",)),
        (lambda: "", ("publicKeyMaterial",)),
    ],
)
def test_material_that_is_no_p384_key(ivs, material, words):
    with refused("ValidationException", 400, "publicKeyMaterial", *words):
        ivs.import_public_key(publicKeyMaterial=material())


def test_the_same_key_twice_is_a_conflict(server, ivs, key):
    with refused("ConflictException", 409, key.arn):
        ivs.import_public_key(publicKeyMaterial=key.public_pem.rstrip("\n"), name="again")
    # In another region it is another key.
    elsewhere = api.client(server, region="us-east-1")
    arn = elsewhere.import_public_key(publicKeyMaterial=key.public_pem)["publicKey"]["arn"]
    assert ":us-east-1:" in arn
    with refused("ResourceNotFoundException", 404):
        elsewhere.get_public_key(arn=key.arn)
    elsewhere.delete_public_key(arn=arn)


def test_another_accounts_key_is_not_shown(ivs):
    arn = f"arn:aws:ivs:{REGION}:999988887777:public-key/AAAAbbbb1234"
    for call in (ivs.get_public_key, ivs.delete_public_key):
        with refused("AccessDeniedException", 403):
            call(arn=arn)


def test_the_paginator_walks_every_key_in_order_of_import(server):
    ivs = api.client(server, region="ap-south-1")
    arns = [KeyPair().import_into(ivs, name=f"k-{n}").arn for n in range(7)]
    paginator = ivs.get_paginator("list_public_keys")
    for size in (1, 3, 100):
        pages = list(paginator.paginate(PaginationConfig={"PageSize": size}))
        assert [key["arn"] for page in pages for key in page["publicKeys"]] == arns
        assert len(pages) == -(-len(arns) // size)
    first = paginator.paginate(PaginationConfig={"MaxItems": 4, "PageSize": 3}).build_full_result()
    rest = paginator.paginate(PaginationConfig={"StartingToken": first["NextToken"]}).build_full_result()
    assert [key["arn"] for key in first["publicKeys"] + rest["publicKeys"]] == arns
    # Keys that go meanwhile do not make it skip others.
    page = ivs.list_public_keys(maxResults=2)
    for arn in arns[:2]:
        ivs.delete_public_key(arn=arn)
    page = ivs.list_public_keys(maxResults=100, nextToken=page["nextToken"])
    assert [key["arn"] for key in page["publicKeys"]] == arns[2:]
    with refused("ValidationException", 400, "maxResults"):
        ivs.list_public_keys(maxResults=101)
    with refused("ValidationException", 400, "nextToken"):
        ivs.list_public_keys(nextToken="abc")


# Self-signed tokens.


def test_a_self_signed_token_publishes_and_watches(stages, media, key, stage):
    said = {"user_id": "ann", "attributes": {"role": "host"}}
    media.publish(key.token(stage, "host-1_A", **said), identity=3)
    eventually(lambda: stages.participants(stage["arn"]).get("host-1_A", {}).get("published"), what="published")
    shown = stages.participant(stage["arn"], "host-1_A")
    assert (shown["userId"], shown["attributes"]) == ("ann", {"role": "host"})
    watcher = media.watch(key.token(stage, "bob", capabilities=WATCH), "host-1_A")
    watcher.wait_for(3)
    # Participants with a token of the server see the same.
    media.watch(stages.token(stage["arn"])[1], "host-1_A").wait_for(3)


def test_two_stages_may_use_the_same_names(stages, media, key, ivs, stage):
    other = ivs.create_stage()["stage"]
    media.publish(key.token(stage, "host"), identity=1)
    media.publish(key.token(other, "host"), identity=2)
    media.watch(key.token(stage, "bob"), "host").wait_for(1)
    media.watch(key.token(other, "bob"), "host").wait_for(2)
    with refused("ConflictException", 409, "host"):
        stages.replicate(stage["arn"], other["arn"], "host")
    ivs.delete_stage(arn=other["arn"])


def test_its_participant_can_be_replicated_and_disconnected(stages, media, key, ivs, stage):
    destination = stages.create()
    with refused("ResourceNotFoundException", 404):
        ivs.disconnect_participant(stageArn=stage["arn"], participantId="ann")
    token = key.token(stage, "ann")
    media.publish(token, identity=4)
    eventually(lambda: stages.participants(stage["arn"]).get("ann", {}).get("published"), what="published")
    stages.replicate(stage["arn"], destination, "ann")
    media.watch(stages.token(destination)[1], "ann").wait_for(4)
    ivs.disconnect_participant(stageArn=stage["arn"], participantId="ann")
    refusal = post(media, stage, key.token(stage, "ann"))
    assert_error(refusal, 403, "PARTICIPANT_DISCONNECTED")
    ivs.delete_stage(arn=destination)


def post(media, stage, token):
    """Tries to publish."""
    headers = bearer(token, Content_Type=SDP)
    return media.request("POST", stage["endpoints"]["whip"], data=make_offer(media), headers=headers)


@pytest.mark.parametrize(
    ("claims", "word"),
    [
        ({"exp": None}, "exp"),
        ({"iat": None}, "iat"),
        ({"jti": None}, "jti"),
        ({"resource": None}, "resource"),
        ({"topic": None}, "topic"),
        ({"events_url": None}, "events_url"),
        ({"whip_url": None}, "whip_url"),
        ({"capabilities": None}, "capabilities"),
        ({"version": None}, "version"),
        ({"exp": "soon"}, "exp"),
        ({"exp": -0.5}, "exp"),
        ({"iat": 1e12}, "iat"),
        ({"exp": int(time.time()) + 15 * DAY_S}, "14 days"),
        ({"iat": int(time.time()) + HOUR_S}, "iat"),
        ({"jti": ""}, "jti"),
        ({"jti": "a" * 65}, "jti"),
        ({"jti": "a b"}, "jti"),
        ({"resource": f"arn:aws:ivs:{REGION}:{ACCOUNT}:channel/a"}, "resource"),
        ({"resource": f"arn:aws:ivs:us-east-1:{ACCOUNT}:stage/a", "topic": "a"}, "kid"),
        ({"resource": f"arn:aws:ivs:{REGION}:999988887777:stage/a", "topic": "a"}, "kid"),
        ({"topic": "AAAAbbbb1234"}, "topic"),
        ({"events_url": "wss://events.example.test"}, "events_url"),
        ({"whip_url": "https://whip.example.test"}, "whip_url"),
        ({"capabilities": ["PUBLISH"]}, "capabilities"),
        ({"capabilities": {"allow_publish": "true"}}, "allow_publish"),
        ({"version": "2.0"}, "version"),
        ({"version": 1.0}, "version"),
        ({"user_id": "a" * 129}, "user_id"),
        ({"user_id": 7}, "user_id"),
        ({"attributes": {"k": 7}}, "attributes"),
        ({"attributes": {"k": "v" * 1024}}, "attributes"),
    ],
)
def test_every_claim_has_its_rule(media, key, stage, claims, word):
    assert word in assert_error(post(media, stage, key.token(stage, **claims)), 401, "TOKEN_MALFORMED")


@pytest.mark.parametrize(
    ("header", "word"),
    [
        ({"alg": "none"}, "alg"),
        ({"alg": "ES256"}, "alg"),
        ({"typ": None}, "typ"),
        ({"kid": None}, "kid"),
        ({"kid": "restage-service"}, "signature"),
        ({"kid": f"arn:aws:ivs:{REGION}:{ACCOUNT}:public-key/AAAAbbbb1234"}, "no public key"),
        ({"kid": f"arn:aws:ivs:us-east-1:{ACCOUNT}:public-key/AAAAbbbb1234"}, "kid"),
        ({"crit": ["exp"]}, "crit"),
    ],
)
def test_the_header_has_its_rules(media, key, stage, header, word):
    said = api.payload(key.token(stage))
    assert word in assert_error(post(media, stage, key.jws(said, **header)), 401, "TOKEN_MALFORMED")


def test_another_keys_signature_is_refused(media, key, stage):
    stranger = KeyPair()
    stranger.arn = key.arn
    assert "signature" in assert_error(post(media, stage, stranger.token(stage)), 401, "TOKEN_MALFORMED")


def test_capabilities_and_expiry(stages, media, key, stage):
    assert_error(post(media, stage, key.token(stage, capabilities=WATCH)), 403, "TOKEN_NOT_ALLOWED")
    assert_error(post(media, stage, key.token(stage, capabilities={})), 403, "TOKEN_NOT_ALLOWED")
    past = int(time.time()) - HOUR_S
    assert_error(post(media, stage, key.token(stage, iat=past, exp=past + 60)), 401, "TOKEN_EXPIRED")
    ends = int(time.time()) + 14 * DAY_S
    assert post(media, stage, key.token(stage, iat=ends - 14 * DAY_S, exp=ends))[0] == 201


@pytest.mark.parametrize(
    "written",
    [lambda at: at + 0.0, lambda at: at + 0.25, lambda at: float(f"{at}e0")],
    ids=["1700000000.0", "1700000000.25", "a float"],
)
def test_times_may_be_any_json_number(server, media, key, stage, written):
    """RFC 7519 section 2: a NumericDate need not be whole; libraries of several languages write floats."""
    now = int(time.time())
    token = key.token(stage, iat=written(now - 60), exp=written(now + HOUR_S))
    assert "." in json.dumps(api.payload(token)["exp"])
    assert post(media, stage, token)[0] == 201
    inspected = server.command("token", "inspect", token, "--data-dir", str(server.data_dir))
    assert "expires" in inspected.stdout and "accepted" in inspected.stdout
    ended = key.token(stage, iat=written(now - 60), exp=written(now - 5))
    assert_error(post(media, stage, ended), 401, "TOKEN_EXPIRED")


def test_expiry_counts_when_joining_only(stages, media, key, stage):
    token = key.token(stage, "brief", exp=int(time.time()) + 3)
    events = media.events(token)
    eventually(lambda: events.states(), what="joined")
    eventually(lambda: time.time() > api.payload(token)["exp"] + 1, what="the token has expired")
    assert not events.is_closed
    # A participant that was admitted stays; the token alone opens nothing more (test_resumption.py).
    assert_error(post(media, stage, token), 401, "TOKEN_EXPIRED")


def test_a_deleted_key_refuses_new_joins_and_leaves_those_who_are_in(ivs, stages, media, stage):
    pair = KeyPair().import_into(ivs)
    token = pair.token(stage, "ann")
    publisher = media.publish(token, identity=5)
    events = media.events(token)
    assert post(media, stage, pair.token(stage, "carol"))[0] == 201
    ivs.delete_public_key(arn=pair.arn)
    assert pair.arn in assert_error(post(media, stage, pair.token(stage, "bob")), 401, "TOKEN_MALFORMED")
    assert stages.participants(stage["arn"])["ann"]["state"] == "CONNECTED"
    assert not events.is_closed
    media.watch(stages.token(stage["arn"])[1], "ann").wait_for(5)
    # Its bearer can still hang up.
    publisher.leave()
    eventually(lambda: "PUBLISH_STOPPED" in names(stages, stage, "ann"), what="PUBLISH_STOPPED")


def test_the_identity_of_a_token_the_server_made_is_taken(stages, media, key, stage):
    participant, _ = stages.token(stage["arn"])
    refusal = post(media, stage, key.token(stage, participant))
    assert participant in assert_error(refusal, 409, "CONFLICT")


# Token exchange.


def exchange(events, token):
    """Sends the frame and returns the answer."""
    count = len(answers(events))
    events.send(json.dumps({"type": "TOKEN_EXCHANGE", "payload": {"token": token}}))
    eventually(lambda: len(answers(events)) > count, what="an answer to TOKEN_EXCHANGE")
    return answers(events)[-1]


def answers(events):
    return [frame for frame in events.frames if frame["type"].startswith("TOKEN_EXCHANGE")]


def failed(events, token):
    """The code and the sentence of an exchange that must not work, on a socket that stays open."""
    answer = exchange(events, token)
    assert answer["type"] == "TOKEN_EXCHANGE_ERROR"
    assert set(answer["payload"]) == {"code", "message"}
    assert not events.is_closed
    return answer["payload"]["code"], answer["payload"]["message"]


def test_others_see_new_attributes_at_once_and_replicas_keep_their_overrides(stages, media, key, ivs, stage):
    destination = ivs.create_stage()["stage"]
    first = key.token(stage, "ann", user_id="ann", attributes={"role": "guest", "order": "1"})
    media.publish(first, identity=1)
    events = media.events(first)
    here, there = media.events(key.token(stage, "ear")), media.events(key.token(destination, "ear"))
    stages_replicated(stages, stage, destination, there)

    expires = int(time.time()) + HOUR_S
    second = key.token(stage, "ann", user_id="ann-2", attributes={"role": "host", "order": "2"}, exp=expires)
    answer = exchange(events, second)
    assert answer["type"] == "TOKEN_EXCHANGED"
    assert answer["payload"] == {
        "capabilities": ["PUBLISH", "SUBSCRIBE"],
        "attributes": {"role": "host", "order": "2"},
        "userId": "ann-2",
        "expirationTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires)),
    }
    for listener, attributes in ((here, {"role": "host", "order": "2"}), (there, {"role": "host", "order": "9"})):
        expected = ("ann-2", attributes)
        eventually(lambda listener=listener, expected=expected: shown(listener, "ann") == expected, what=str(expected))

    (event,) = [event for event in stages.events(stage["arn"], "ann") if event["name"] == "TOKEN_EXCHANGED"]
    previous, new = event["previousToken"], event["newToken"]
    assert previous["attributes"] == {"role": "guest", "order": "1"}
    assert (previous["userId"], new["userId"]) == ("ann", "ann-2")
    assert sorted(previous["capabilities"]) == sorted(new["capabilities"]) == ["PUBLISH", "SUBSCRIBE"]
    assert previous["expirationTime"].timestamp() == api.payload(first)["exp"]
    assert new["expirationTime"].timestamp() == expires
    assert new["attributes"] == {"role": "host", "order": "2"}
    participant = stages.participant(destination["arn"], "ann")
    assert (participant["userId"], participant["attributes"]) == ("ann-2", {"role": "host", "order": "9"})
    ivs.delete_stage(arn=destination["arn"])


def stages_replicated(stages, stage, destination, there):
    eventually(lambda: stages.participants(stage["arn"])["ann"]["published"], what="published")
    stages.replicate(stage["arn"], destination["arn"], "ann", attributes={"order": "9"})
    eventually(lambda: shown(there, "ann") == ("ann", {"role": "guest", "order": "9"}), what="the replica")


def shown(events, participant):
    """(user id, attributes) of a participant in the latest STAGE_STATE."""
    states = events.states()
    found = [item for item in states[-1]["participants"] if item["id"] == participant] if states else []
    return (found[0]["userId"], found[0]["attributes"]) if found else None


def test_a_viewer_is_promoted_and_demoted(stages, media, key, stage):
    arn = stage["arn"]
    viewer = key.token(stage, "ann", capabilities=WATCH)
    events = media.events(viewer)
    host = key.token(stage, "ann", capabilities=BOTH)
    assert exchange(events, host)["payload"]["capabilities"] == ["PUBLISH", "SUBSCRIBE"]
    publisher = media.publish(host, identity=6)
    watcher = media.watch(stages.token(arn)[1], "ann")
    watcher.wait_for(6)
    assert exchange(events, viewer)["payload"]["capabilities"] == ["SUBSCRIBE"]
    eventually(lambda: "PUBLISH_STOPPED" in names(stages, stage, "ann"), what="PUBLISH_STOPPED")
    eventually(
        lambda: publisher.state in ("closed", "failed", "disconnected"), 30, "the publisher's connection is gone"
    )
    assert names(stages, stage, "ann") == [
        "JOINED",
        "TOKEN_EXCHANGED",
        "PUBLISH_STARTED",
        "TOKEN_EXCHANGED",
        "PUBLISH_STOPPED",
    ]
    assert not events.is_closed


def test_lost_subscribe_ends_subscriptions(stages, media, key, stage):
    media.publish(key.token(stage, "bob"), identity=2)
    eventually(lambda: stages.participants(stage["arn"]).get("bob", {}).get("published"), what="published")
    first = key.token(stage, "ann")
    events = media.events(first)
    media.watch(first, "bob").wait_for(2)
    assert exchange(events, key.token(stage, "ann", capabilities=SHOW))["type"] == "TOKEN_EXCHANGED"
    eventually(lambda: "SUBSCRIBE_STOPPED" in names(stages, stage, "ann"), what="SUBSCRIBE_STOPPED")
    assert stages.participants(stage["arn"])["bob"]["state"] == "CONNECTED"


def test_what_may_not_change_is_named(stages, media, key, ivs, stage):
    other = ivs.create_stage()["stage"]
    events = media.events(key.token(stage, "ann"))
    assert failed(events, key.token(other, "ann")) == failed(events, key.token(other, "ann"))
    for token, code, word in (
        (key.token(other, "ann"), "INVALID", "resource"),
        (key.token(stage, "bob"), "INVALID", "jti"),
        (key.token(stage, "ann", topic="AAAAbbbb1234"), "TOKEN_MALFORMED", "topic"),
        (key.token(stage, "ann", whip_url="https://x.example"), "TOKEN_MALFORMED", "whip_url"),
        (key.token(stage, "ann", events_url="wss://x.example"), "TOKEN_MALFORMED", "events_url"),
        (key.token(stage, "ann", exp=int(time.time()) - 5), "TOKEN_EXPIRED", "expired"),
        (key.token(stage, "ann")[:-8] + "AAAAAAAA", "TOKEN_MALFORMED", "signature"),
        ("nonsense", "TOKEN_MALFORMED", "JWT"),
        (None, "TOKEN_MALFORMED", "payload.token"),
    ):
        got, message = failed(events, token)
        assert (got, word in message) == (code, True), message
    assert "TOKEN_EXCHANGED" not in names(stages, stage, "ann")
    ivs.delete_stage(arn=other["arn"])


def test_tokens_of_the_server_are_not_exchanged(stages, media, key, stage):
    participant, token = stages.token(stage["arn"])
    events = media.events(token)
    for new in (token, key.token(stage, participant)):
        code, message = failed(events, new)
        assert (code, "self-signed" in message) == ("CONFLICT", True)
    own = media.events(key.token(stage, "ann"))
    assert failed(own, stages.token(stage["arn"])[1])[0] == "INVALID"


def test_exchange_by_patch_of_the_session(server, stages, media, key, stage):
    first = key.token(stage, "ann", attributes={"role": "guest"})
    media.events(first)
    status, headers, _ = post(media, stage, first)
    assert status == 201
    assert "application/json" in headers["Accept-Patch"]
    location, tag = headers["Location"], headers["ETag"]
    second = key.token(stage, "ann", attributes={"role": "host"})
    for more in ({}, {"data": "{}", "headers": bearer(second, Content_Type="application/json")}):
        arguments = {"headers": bearer(second), **more}
        assert media.request("PATCH", server.url + location, **arguments)[0] == 204
    assert stages.participant(stage["arn"], "ann")["attributes"] == {"role": "host"}

    def patched(token, data=None, **more):
        return media.request("PATCH", server.url + location, data=data, headers=bearer(token, **more))

    assert patched(second, If_Match=tag)[0] == 204
    assert_error(patched(second, If_Match='"stale"'), 412, "ENTITY_TAG")
    assert_error(patched(second, data="[]", Content_Type="application/json"), 400, "INVALID")
    assert_error(patched(second, data="x", Content_Type="text/plain"), 415, "CONTENT_TYPE")
    assert "jti" in assert_error(patched(key.token(stage, "bob")), 400, "INVALID")
    assert_error(patched("abc"), 401, "TOKEN_MALFORMED")
    # Trickled candidates are accepted as before, with either token.
    fragment = {"data": "a=end-of-candidates\r\n", "Content_Type": "application/trickle-ice-sdpfrag"}
    for token in (first, second):
        assert patched(token, **fragment, If_Match=tag)[0] in (204, 400)
    # A token that may not publish ends the session it came through.
    assert patched(key.token(stage, "ann", capabilities=WATCH))[0] == 204
    assert_error(patched(second), 404, "NO_SESSION")
    assert names(stages, stage, "ann").count("TOKEN_EXCHANGED") == 4


def test_keys_can_be_rotated_under_a_running_connection(ivs, stages, media, stage):
    old, new = KeyPair().import_into(ivs), KeyPair().import_into(ivs)
    events = media.events(old.token(stage, "ann"))
    ivs.delete_public_key(arn=old.arn)
    assert old.arn in failed(events, old.token(stage, "ann"))[1]
    assert exchange(events, new.token(stage, "ann"))["type"] == "TOKEN_EXCHANGED"
    stays(lambda: not events.is_closed, 0.5, "the socket stays open")
    ivs.delete_public_key(arn=new.arn)


# The command line.


def test_token_sign_and_inspect(server, ivs, media, key, stage, tmp_path):
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    private.write_text(key.private_pem)
    public.write_text(key.public_pem)
    common = ("--data-dir", str(server.data_dir), "--endpoint-url", server.url)
    made = server.command(
        *("token", "sign", *common, "--private-key", str(private), "--stage-arn", stage["arn"]),
        *("--participant-id", "ann", "--user-id", "Ann", "--attribute", "role=host", "--capabilities", "publish"),
        *("--duration", "60", "--output", "json"),
    )
    made = json.loads(made.stdout)
    assert (made["participantId"], made["keyArn"]) == ("ann", key.arn)
    said = api.payload(made["token"])
    assert said["exp"] - said["iat"] == HOUR_S
    assert said["capabilities"] == {"allow_publish": True, "allow_subscribe": False}
    assert (said["user_id"], said["attributes"]) == ("Ann", {"role": "host"})
    assert post(media, stage, made["token"])[0] == 201

    def inspect(token, *more):
        done = server.command("token", "inspect", token, *common, "--output", "json", *more, check=False)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    code, seen = inspect(made["token"])
    assert (code, seen["refusedBecause"]) == (0, [])
    assert seen["claims"]["keyArn"] == key.arn
    assert inspect(made["token"], "--public-key", str(public))[0] == 0
    stranger = tmp_path / "stranger.pem"
    stranger.write_text(KeyPair().public_pem)
    code, seen = inspect(made["token"], "--public-key", str(stranger))
    assert code != 0
    assert any("signature" in reason for reason in seen["refusedBecause"])

    long_ago = int(time.time()) - HOUR_S
    bad = key.token(stage, topic="AAAAbbbb1234", whip_url="http://x.example", iat=long_ago, exp=long_ago + 1)
    code, seen = inspect(bad)
    reasons = " ".join(seen["refusedBecause"])
    assert code != 0
    for word in ("topic", "whip_url", "expired"):
        assert word in reasons
    unknown = KeyPair()
    unknown.arn = f"arn:aws:ivs:{REGION}:{ACCOUNT}:public-key/AAAAbbbb1234"
    code, seen = inspect(unknown.token(stage))
    assert code != 0
    assert "AAAAbbbb1234" in " ".join(seen["refusedBecause"])

    refusal = server.command(
        *("token", "sign", *common, "--private-key", str(private), "--stage-arn", stage["arn"]),
        *("--participant-id", "not allowed"),
        check=False,
    )
    assert refusal.returncode != 0
    assert "jti" in refusal.stderr
