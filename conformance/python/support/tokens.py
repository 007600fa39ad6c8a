"""Key pairs, and participant and connection tokens signed with them, as a customer's backend makes them."""

import base64
import hashlib
import json
import secrets
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

HOUR_S = 3600


def encode(data):
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def public_pem(key):
    """The public key as SubjectPublicKeyInfo in PEM."""
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


class KeyPair:
    """A P-384 key pair; `arn` is set once its public key is imported."""

    def __init__(self):
        self.private = ec.generate_private_key(ec.SECP384R1())
        self.public_pem = public_pem(self.private)
        self.arn = None

    @property
    def private_pem(self):
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    @property
    def fingerprint(self):
        """MD5 over the DER, in pairs."""
        der = self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return hashlib.md5(der, usedforsecurity=False).digest().hex(":")

    def import_into(self, ivs, **more):
        """Imports the public key and returns the pair."""
        self.arn = ivs.import_public_key(publicKeyMaterial=self.public_pem, **more)["publicKey"]["arn"]
        return self

    def jws(self, payload, **header):
        """Signs any payload; `header` replaces members, None removes one."""
        header = {"alg": "ES384", "typ": "JWT", "kid": self.arn, **header}
        header = {name: value for name, value in header.items() if value is not None}
        signed = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(payload).encode())}"
        r, s = decode_dss_signature(self.private.sign(signed.encode(), ec.ECDSA(hashes.SHA384())))
        return f"{signed}.{encode(r.to_bytes(48, 'big') + s.to_bytes(48, 'big'))}"

    def token(self, stage, participant=None, **claims):
        """A participant token for a stage as GetStage shows it; `claims` replace some, None removes one."""
        now = int(time.time())
        said = {
            "iat": now,
            "exp": now + 12 * HOUR_S,
            "jti": participant or secrets.token_hex(6),
            "resource": stage["arn"],
            "topic": stage["arn"].rsplit("/", 1)[1],
            "events_url": stage["endpoints"]["events"],
            "whip_url": stage["endpoints"]["whip"],
            "capabilities": {"allow_publish": True, "allow_subscribe": True},
            "version": "1.0",
            **claims,
        }
        return self.jws({name: value for name, value in said.items() if value is not None})

    def connection_token(self, stage, token_id=None, header=None, **claims):
        """A connection token of the account and Region of this key; `stage` only says the events URL, which all have.

        `claims` replace some, None removes one; `header` likewise.
        """
        now = int(time.time())
        _, _, _, region, account, _ = self.arn.split(":")
        said = {
            "iat": now,
            "exp": now + 12 * HOUR_S,
            "jti": token_id or secrets.token_hex(6),
            "account_id": account,
            "region": region,
            "events_url": stage["endpoints"]["events"],
            "version": "1.0",
            **claims,
        }
        return self.jws({name: value for name, value in said.items() if value is not None}, **(header or {}))
