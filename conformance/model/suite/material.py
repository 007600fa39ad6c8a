"""Public keys in the form that the model requires, but not usable for signing tokens."""

import base64
import textwrap

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x25519

from .case import Case, accepted, refused
from .spot import spots

POINT_BYTES = 97


def der(key, form=serialization.PublicFormat.SubjectPublicKeyInfo):
    return key.public_key().public_bytes(serialization.Encoding.DER, form)


def block(data, label="PUBLIC KEY", width=64):
    """One PEM block."""
    lines = textwrap.wrap(base64.b64encode(data).decode(), width)
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def good():
    return der(ec.generate_private_key(ec.SECP384R1()))


def off_curve():
    """A point with a changed last bit."""
    data = bytearray(good())
    data[-1] ^= 1
    return bytes(data)


def compressed():
    """The compressed form of a point, which SEC 1 allows and the service's keys do not use."""
    point = ec.generate_private_key(ec.SECP384R1()).public_key()
    short = point.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    # SEQUENCE, the algorithm as in any such key, BIT STRING.
    inner = good()[2:20] + bytes([0x03, len(short) + 1, 0]) + short
    return bytes([0x30, len(inner)]) + inner


# The end of the refusal's message for each, after the name of the member.
NEAR_MISSES = {
    "curve-p256": (lambda: block(der(ec.generate_private_key(ec.SECP256R1()))), "P-256"),
    "curve-p521": (lambda: block(der(ec.generate_private_key(ec.SECP521R1()))), "P-521"),
    "curve-p224": (lambda: block(der(ec.generate_private_key(ec.SECP224R1()))), "P-224"),
    "curve-secp256k1": (lambda: block(der(ec.generate_private_key(ec.SECP256K1()))), "secp256k1"),
    "curve-brainpool": (lambda: block(der(ec.generate_private_key(ec.BrainpoolP384R1()))), "P-384"),
    "rsa": (lambda: block(der(rsa.generate_private_key(65537, 2048))), "RSA"),
    "dsa": (lambda: block(der(dsa.generate_private_key(1024))), "DSA"),
    "ed25519": (lambda: block(der(ed25519.Ed25519PrivateKey.generate())), "Ed25519"),
    "x25519": (lambda: block(der(x25519.X25519PrivateKey.generate())), "X25519"),
    "point-off-the-curve": (lambda: block(off_curve()), "not a point"),
    "point-compressed": (lambda: block(compressed()), "uncompressed"),
    "point-at-infinity": (lambda: block(good()[:-POINT_BYTES] + bytes(POINT_BYTES)), "not a point"),
    "bytes-after": (lambda: block(good() + b"\0"), "DER"),
    "bytes-missing": (lambda: block(good()[:-1]), "DER"),
    "no-der": (lambda: block(b"this is no key at all"), "DER"),
    "text-for-base64": (lambda: "-----BEGIN PUBLIC KEY-----\nAAA\n-----END PUBLIC KEY-----\n", "base64"),
    "two-keys": (lambda: block(good()) + block(good()), "several"),
    "private": (lambda: block(good(), "PRIVATE KEY"), "private key"),
    "ec-private": (lambda: block(good(), "EC PRIVATE KEY"), "private key"),
    "certificate": (lambda: block(good(), "CERTIFICATE"), "BEGIN PUBLIC KEY"),
}


def cases(operation):
    for spot in spots(operation):
        if spot.shape.name != "PublicKeyMaterial":
            continue
        for name, (make, word) in NEAR_MISSES.items():
            yield Case(f"{operation.name}/{spot}/{name}", near_miss(spot, make, word))
        yield Case(f"{operation.name}/{spot}/twice", twice(spot))


def near_miss(spot, make, word):
    def run(world):
        answer = world.call(spot.operation, spot.request(world, make()))
        refused(spot.operation, answer, "ValidationException", naming=spot.member)
        refused(spot.operation, answer, "ValidationException", naming=word)

    return run


def twice(spot):
    """The same key again, with different line breaks."""

    def run(world):
        data = good()
        with world.keeping_keys():
            first = accepted(spot.operation, world.call(spot.operation, spot.request(world, block(data))))
            arn = first.json()["publicKey"]["arn"]
            again = world.call(spot.operation, spot.request(world, block(data).replace("\n", "\r\n")))
        refused(spot.operation, again, "ConflictException", naming=arn)
        world.must("DeletePublicKey", {"arn": arn})

    return run
