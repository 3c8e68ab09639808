"""Keys that are made for one guest."""

import base64
import subprocess
from pathlib import Path

import pytest

from runner.guest import keys


def test_dropbear_reads_the_host_key(tmp_path: Path) -> None:
    made = keys.generate()
    path = tmp_path / "host_key"
    path.write_bytes(made.files["etc/dropbear/host_key"])

    said = subprocess.run(
        ["dropbearkey", "-y", "-f", path], capture_output=True, text=True, check=True
    )

    assert base64.b64encode(made.host).decode() in said.stdout


def test_every_guest_gets_other_keys() -> None:
    assert keys.generate().client != keys.generate().client


def test_keys_are_not_shown() -> None:
    made = keys.generate()

    assert made.client.get_base64() not in repr(made)
    assert repr(made) == "GuestKeys()"
    assert repr(keys.of_saved_guest(made.kept)) == "GuestKeys()"


def test_a_saved_guests_keys_are_those_it_was_given() -> None:
    made = keys.generate()

    found = keys.of_saved_guest(made.kept)

    assert found.client == made.client
    assert found.client.can_sign()
    assert found.host == made.host


@pytest.mark.parametrize("kept", ["", "[]", "{}", '{"client": "x", "host": "zz"}'])
def test_what_are_no_keys_is_told(kept: str) -> None:
    with pytest.raises(ValueError, match=r".") as raised:
        keys.of_saved_guest(kept)

    assert "PRIVATE" not in str(raised.value)
