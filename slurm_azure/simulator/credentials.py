"""Secrets and certificates of principals: made once, kept in files that only their owner reads."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

Maker = Callable[[], bytes]


def read_or_make(file: Path, make: Maker | None) -> bytes:
    """A file's content; if there is no such file and `make` is given, it is made first, with mode 0600. Raises OSError."""
    if make is not None and not file.exists():
        write_private(file, make())
    return file.read_bytes()


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait until no other simulator makes files in `folder`: two that start in it together must not mix an authority's
    certificate and key. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def write_private(file: Path, content: bytes) -> None:
    """Write a file that only its owner can read, at no moment otherwise."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        os.fchmod(handle, 0o600)
        stream.write(content)


def new_secret() -> bytes:
    """A client secret."""
    return secrets.token_urlsafe(30).encode()


def random_bytes(size: int) -> bytes:
    """`size` random bytes."""
    return secrets.token_bytes(size)


def private_pem(key: rsa.RSAPrivateKey) -> bytes:
    """A private key in PEM, not encrypted."""
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def is_rsa_certificate(pem: bytes) -> bool:
    """Whether a PEM holds a certificate with an RSA key, as the assertions of service principals need."""
    try:
        return isinstance(x509.load_pem_x509_certificate(pem).public_key(), rsa.RSAPublicKey)
    except ValueError:
        return False


def issuer_keys(content: bytes) -> tuple[tuple[str, rsa.RSAPublicKey], ...]:
    """The RSA keys of an issuer with their ids: of a JSON Web Key Set, or the one of a PEM (id ''). Raises ValueError."""
    if content.lstrip().startswith(b"-----"):
        public = serialization.load_pem_public_key(content)
        found = [("", public)] if isinstance(public, rsa.RSAPublicKey) else []
    else:
        try:
            keys = jwt.PyJWKSet.from_dict(json.loads(content)).keys
        except (jwt.PyJWTError, AttributeError) as error:
            raise ValueError(str(error)) from None
        found = [(str(key.key_id or ""), key.key) for key in keys if isinstance(key.key, rsa.RSAPublicKey)]
    if not found:
        raise ValueError("there is no RSA key in it")
    return tuple(found)


def new_certificate(name: str) -> bytes:
    """A service principal's private RSA key and self-signed certificate, one PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )
    return private_pem(key) + certificate.public_bytes(serialization.Encoding.PEM)
