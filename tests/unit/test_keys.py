"""Keys that are made for one guest."""

import subprocess
from pathlib import Path

from runner import keys


def test_dropbear_reads_the_host_key(tmp_path: Path) -> None:
    made = keys.generate()
    path = tmp_path / "host_key"
    path.write_bytes(made.files["etc/dropbear/host_key"])

    said = subprocess.run(
        ["dropbearkey", "-y", "-f", path], capture_output=True, text=True, check=True
    )

    assert made.host.get_base64() in said.stdout


def test_every_guest_gets_other_keys() -> None:
    assert keys.generate().client != keys.generate().client


def test_keys_are_not_shown() -> None:
    made = keys.generate()

    assert made.client.get_base64() not in repr(made)
    assert repr(made) == "GuestKeys()"
