"""Key pairs of a guest, made for it or for those that come of its saved state."""

import io
import json
import struct
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from runner.guest.sshlibrary import paramiko

_KIND = "ssh-ed25519"


@dataclass(frozen=True, kw_only=True)
class GuestKeys:
    """The runner's key pair and the guest's host key; neither is ever shown."""

    client: paramiko.Ed25519Key = field(repr=False)
    # The public half of what the guest must prove to hold, as SSH sends it.
    host: bytes = field(repr=False)
    # What goes into the guest: path without leading slash → content.
    files: dict[str, bytes] = field(repr=False)
    # Both, for whoever logs in to a guest that was saved; a secret.
    kept: str = field(repr=False)


def generate() -> GuestKeys:
    """Make new Ed25519 keys for a guest that runs dropbear."""
    client, host = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    client_text = _openssh(client)
    client_key = _paramiko(client_text)
    host_public = _paramiko(_openssh(host)).asbytes()
    return GuestKeys(
        client=client_key,
        host=host_public,
        files={
            "root/.ssh/authorized_keys": (
                f"{_KIND} {client_key.get_base64()}\n".encode()
            ),
            "etc/dropbear/host_key": _dropbear(host),
        },
        kept=json.dumps({"client": client_text, "host": host_public.hex()}),
    )


def of_saved_guest(kept: str) -> GuestKeys:
    """Return the keys to log in to a guest whose `kept` this is.

    Raises ValueError when it is nothing of that kind.
    """
    try:
        found = json.loads(kept)
        return GuestKeys(
            client=_paramiko(found["client"]),
            host=bytes.fromhex(found["host"]),
            files={},
            kept=kept,
        )
    except (KeyError, TypeError, AttributeError, paramiko.SSHException) as error:
        # Without the cause's words, which may hold some of the key.
        raise ValueError(f"not a guest's keys ({type(error).__name__})") from None


def _openssh(key: Ed25519PrivateKey) -> str:
    return key.private_bytes(
        Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()
    ).decode()


def _paramiko(text: str) -> paramiko.Ed25519Key:
    return paramiko.Ed25519Key(file_obj=io.StringIO(text))


def _dropbear(key: Ed25519PrivateKey) -> bytes:
    # The form that `dropbearkey -t ed25519` writes (2020.79 and later): the kind and
    # the key, each behind its length; the key is the seed, then the public half.
    seed = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return _counted(_KIND.encode()) + _counted(seed + public)


def _counted(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data
