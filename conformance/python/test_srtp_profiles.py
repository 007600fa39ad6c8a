"""A WebRTC stack without AES-GCM can publish and watch, and the operator sees which profile is used."""

import subprocess

import aiortc.rtcdtlstransport
import pytest

from support.server import binary, clean_environment
from support.wait import eventually
from test_observability import value

AGREED = "restage_media_srtp_connections_total"
AES_CM = "AES128_CM_SHA1_80"


@pytest.fixture
def offers(monkeypatch):
    """Called with names of profiles: what connections made from then on offer."""
    known = {profile.openssl_profile.decode(): profile for profile in aiortc.rtcdtlstransport.SRTP_PROFILES}

    def offer(*names):
        profiles = [known[f"SRTP_{name}"] for name in names]
        monkeypatch.setattr(aiortc.rtcdtlstransport, "SRTP_PROFILES", profiles)

    return offer


def test_media_passes_between_profiles_and_is_counted(server, stages, media, offers):
    stage = stages.create("profiles")
    before = {name: value(server, AGREED, profile=name) for name in (AES_CM, "AEAD_AES_256_GCM")}
    for identity, profiles in ((31, (AES_CM,)), (32, ("AEAD_AES_256_GCM", AES_CM))):
        offers(*profiles)
        participant, token = stages.token(stage)
        media.publish(token, identity=identity)
        eventually(
            lambda who=participant: stages.participants(stage).get(who, {}).get("published"), what="it publishes"
        )
        for other in ((AES_CM,), ("AEAD_AES_256_GCM",)):
            offers(*other)
            media.watch(stages.token(stage)[1], participant).wait_for(identity)
    assert {name: value(server, AGREED, profile=name) - count for name, count in before.items()} == {
        AES_CM: 3,
        "AEAD_AES_256_GCM": 3,
    }
    doctor = subprocess.run(
        [binary(), "doctor", "--data-dir", server.data_dir, "--http", f"127.0.0.1:{server.http_port}"],
        capture_output=True,
        text=True,
        env=clean_environment(),
        timeout=30,
    )
    (line,) = [line for line in doctor.stdout.splitlines() if "Connections so far" in line]
    assert AES_CM in line and "without AES-GCM" in line, doctor.stdout
