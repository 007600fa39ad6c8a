"""Certificates, what a server shows as its own, and a TLS proxy in front of a server that has none."""

import asyncio
import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

START_S = 30
CHUNK = 64 << 10


def self_signed(directory, names=("localhost",), ends_in_days=30, is_authority=True):
    """(certificate, key) as PEM files, as of `openssl req -x509`: marked as an authority's, sent by a server."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    names = list(alternatives([*names, "127.0.0.1"]))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=60))
        .not_valid_after(now + datetime.timedelta(days=ends_in_days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    directory.mkdir(parents=True, exist_ok=True)
    files = directory / "certificate.pem", directory / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


def alternatives(names):
    """The names of a certificate: DNS names, or addresses."""
    for name in names:
        try:
            yield x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            yield x509.DNSName(name)


def issued(names, begins, ends):
    """(chain, key) as PEM texts: a certificate for these names, made by an authority of its own, between two times."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")])
    chain = b""
    for is_authority, key in zip([False, True], keys, strict=True):
        builder = (
            x509.CertificateBuilder()
            .subject_name(authority if is_authority else x509.Name([]))
            .issuer_name(authority)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[1].public_key()), critical=False)
        )
        if not is_authority:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(alternatives(names))), critical=True)
        chain += builder.sign(keys[1], hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    key = keys[0].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return chain.decode(), key.decode()


def certified(directory, names):
    """(root, chain, key) as PEM files: as `issued`, valid for a month, with the authority's certificate apart."""
    now = datetime.datetime.now(datetime.UTC)
    chain, key = issued(names, now - datetime.timedelta(days=1), now + datetime.timedelta(days=30))
    directory.mkdir(parents=True, exist_ok=True)
    files = directory / "root.pem", directory / "chain.pem", directory / "key.pem"
    root = chain[chain.rindex("-----BEGIN") :]
    for path, text in zip(files, (root, chain, key), strict=True):
        path.write_text(text)
    return files


def shown(port, name, trust=None, host="127.0.0.1", **limits):
    """The certificate that is shown to who asks for this name; verified by the certificates in `trust` if given."""
    context = ssl.create_default_context(cafile=trust)
    for limit, value in limits.items():
        setattr(context, limit, value)
    if trust is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    with (
        socket.create_connection((host, port), START_S) as plain,
        context.wrap_socket(plain, server_hostname=name) as stream,
    ):
        return x509.load_der_x509_certificate(stream.getpeercert(binary_form=True))


async def _copy(reader, writer):
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


class TlsProxy:
    """Forwards bytes from a TLS port to a plain one, in a thread of its own."""

    def __init__(self, port, to_port, certificate, key):
        self.port = port
        self.to_port = to_port
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        listening = asyncio.start_server(self._carry, "127.0.0.1", self.port, ssl=self.context)
        self.server = asyncio.run_coroutine_threadsafe(listening, self.loop).result(START_S)
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.server.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(START_S)

    async def _carry(self, reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
