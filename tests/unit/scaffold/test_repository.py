"""Where a workflow gets this program from, when it is installed."""

import json
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from runner.scaffold import repository
from runner.scaffold.workflowtext import RunnerOrigin

SHA = "0123456789abcdef0123456789abcdef01234567"
RELEASES = "https://github.com/them/bpf-kernel-matrix/releases/download"


class Installed:
    """A distribution, with what its installer noted."""

    def __init__(self, noted: object) -> None:
        self._noted = noted if isinstance(noted, str | None) else json.dumps(noted)

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self._noted


def origin(
    noted: object, folder: Path, monkeypatch: pytest.MonkeyPatch, version: str = "1.2.0"
) -> RunnerOrigin:
    monkeypatch.setattr(metadata, "distribution", lambda _: Installed(noted))
    monkeypatch.setattr(repository, "__version__", version)
    return repository.origin_of(folder)


@pytest.mark.parametrize(
    ("noted", "name", "ref"),
    [
        (
            {
                "url": "https://github.com/them/bpf-kernel-matrix.git",
                "vcs_info": {"vcs": "git", "commit_id": SHA},
            },
            *("them/bpf-kernel-matrix", SHA),
        ),
        (
            {
                "url": f"{RELEASES}/v1.2.0/bpf_kernel_matrix-1.2.0.whl",
                "archive_info": {},
            },
            *("them/bpf-kernel-matrix", "v1.2.0"),
        ),
    ],
)
def test_it_is_where_the_package_was_installed_from(
    noted: object, name: str, ref: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = origin(noted, tmp_path, monkeypatch)
    assert (found.repository, found.ref, found.is_known) == (name, ref, True)


def test_of_a_clone_it_is_what_git_says_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clone = tmp_path / "my clone"
    address = "git@github.com:them/bpf-kernel-matrix.git"
    author = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    for words in (
        ["init", "-q", str(clone)],
        ["-C", str(clone), "remote", "add", "origin", address],
        [*("-C", str(clone), *author), "commit", "-q", "--allow-empty", "-m", "first"],
    ):
        subprocess.run(["git", *words], check=True)

    noted = {"url": clone.as_uri(), "dir_info": {}}
    found = origin(noted, tmp_path, monkeypatch)
    assert found.repository == "them/bpf-kernel-matrix"
    assert len(found.ref) == 40
    assert found.is_known


@pytest.mark.parametrize(
    "noted",
    [
        None,
        *("not JSON", "[]", {}, {"url": 7}),
        {"url": "file:///there/is/none.whl", "archive_info": {}},
        {"url": "https://example.org/bpf-kernel-matrix.git", "vcs_info": 7},
    ],
)
@pytest.mark.parametrize(
    ("version", "ref"), [("1.2.0", "v1.2.0"), ("1.3.dev0", "COMMIT")]
)
def test_what_is_not_known_is_to_be_filled_in(
    noted: object,
    version: str,
    ref: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A version in development has no tag."""
    found = origin(noted, tmp_path, monkeypatch, version)
    assert (found.repository, found.ref) == ("OWNER/bpf-kernel-matrix", ref)
    assert not found.is_known
