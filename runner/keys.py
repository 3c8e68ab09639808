"""Key pairs of one guest, made for it and kept in memory only."""

import io
import struct
from dataclasses import dataclass, field

import paramiko
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

_KIND = "ssh-ed25519"


@dataclass(frozen=True, kw_only=True)
class GuestKeys:
    """The runner's key pair and the guest's host key; neither is ever shown."""

    client: paramiko.Ed25519Key = field(repr=False)
    # What the guest must prove to hold.
    host: paramiko.Ed25519Key = field(repr=False)
    # What goes into the guest: path without leading slash → content.
    files: dict[str, bytes] = field(repr=False)


def generate() -> GuestKeys:
    """Make new Ed25519 keys for a guest that runs dropbear."""
    client, host = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    client_key = _paramiko(client)
    return GuestKeys(
        client=client_key,
        host=_paramiko(host),
        files={
            "root/.ssh/authorized_keys": (
                f"{_KIND} {client_key.get_base64()}\n".encode()
            ),
            "etc/dropbear/host_key": _dropbear(host),
        },
    )


def _paramiko(key: Ed25519PrivateKey) -> paramiko.Ed25519Key:
    text = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return paramiko.Ed25519Key(file_obj=io.StringIO(text.decode()))


def _dropbear(key: Ed25519PrivateKey) -> bytes:
    # The form that `dropbearkey -t ed25519` writes (2020.79 and later): the kind and
    # the key, each behind its length; the key is the seed, then the public half.
    seed = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return _counted(_KIND.encode()) + _counted(seed + public)


def _counted(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
