"""Releases: the scripts of release.yml, run as the workflow runs them."""

import hashlib
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from runner import __version__
from tests import workflow
from tests.workflow import ROOT, Machine, program

RELEASE = workflow.load(ROOT / ".github/workflows/release.yml")
CONTAINERFILE = (ROOT / "Containerfile").read_text()
# A command that says what it was called with.
TOLD = 'echo "${0##*/} $*" >>"$CALLS"\n'
CHANGES = """\
# Changelog

## Unreleased

- Later.

## 1.2.0, 2026-11-30

### Added
- A thing.

## 1.1.0

- An older thing.
"""


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with a checkout of version 1.2.0, a package, and fake tools."""
    folders = {
        name: tmp_path / name for name in ("workspace", "artifacts", "temp", "action")
    }
    for folder in folders.values():
        folder.mkdir()
    checkout = folders["workspace"]
    shutil.copytree(ROOT / ".github", checkout / ".github")
    (checkout / "runner").mkdir()
    version(checkout, "1.2.0")
    (checkout / "CHANGELOG.md").write_text(CHANGES)
    return Machine(
        **folders,
        environment={
            "CALLS": str(tmp_path / "calls"),
            "GITHUB_REPOSITORY": "Some/Project",
            "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
        },
    )


def version(checkout: Path, text: str) -> None:
    (checkout / "runner/__init__.py").write_text(f'__version__ = "{text}"\n')


def package(machine: Machine) -> None:
    """Put the files of a release where the job before keeps them."""
    folder = machine.artifacts / "package"
    folder.mkdir()
    name = "bpf_kernel_matrix-1.2.0-py3-none-any.whl"
    (folder / name).write_text("wheel\n")
    checksum = "2d0d9d6e4ef1c8ac4ea2f3e7e7d2d3f30a02ab7dd16a4d4c6ec8ac0e0ce6d0c8"
    (folder / "SHA256SUMS").write_text(f"{checksum}  {name}\n")
    notes = machine.artifacts / "notes"
    notes.mkdir()
    (notes / "NOTES.md").write_text("### Added\n")


def signed(machine: Machine) -> None:
    """Write the right checksums."""
    folder = machine.artifacts / "package"
    (wheel,) = folder.glob("*.whl")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (folder / "SHA256SUMS").write_text(f"{digest}  {wheel.name}\n")


def run(machine: Machine, job: str, *, tag: str = "v1.2.0") -> workflow.Done:
    known: dict[str, Any] = {
        "github": {
            "ref_name": tag,
            "repository": "Some/Project",
            "actor": "me",
            "token": "secret",
        }
    }
    steps = RELEASE["jobs"][job]["steps"]
    return workflow.run_steps(machine, steps, known)


def calls(machine: Machine) -> list[str]:
    path = Path(machine.environment["CALLS"])
    return path.read_text().splitlines() if path.exists() else []


# -------------------------------------------------------------------- package


def package_job(machine: Machine, tag: str = "v1.2.0") -> workflow.Done:
    # The build itself needs the network; `tests/unit/test_installed.py` builds.
    program(
        machine.workspace / ".github/scripts/build-package",
        'mkdir -p "$1" && touch "$1/x.whl"',
    )
    return run(machine, "package", tag=tag)


def test_the_notes_are_the_changelogs_section(machine: Machine) -> None:
    done = package_job(machine)

    assert not done.failed, done.said
    notes = (machine.workspace / "NOTES.md").read_text()
    assert notes == "### Added\n- A thing.\n\n"
    assert (machine.artifacts / "package/x.whl").exists()


@pytest.mark.parametrize(
    ("tag", "has", "told"),
    [
        (
            "v1.3.0",
            "1.2.0",
            "the tag is v1.3.0, and runner/__init__.py has the version",
        ),
        ("1.2.0", "1.2.0", "the tag is 1.2.0, and runner/__init__.py has the version"),
        ("v1.2.0.dev0", "1.2.0.dev0", "is not the version of a release"),
        ("v1.3.0", "1.3.0", "CHANGELOG.md has no section '## 1.3.0': rename"),
        ("v1.2", "1.2", "CHANGELOG.md has no section '## 1.2': rename"),
    ],
)
def test_a_tag_that_is_no_release_stops_at_once(
    machine: Machine, tag: str, has: str, told: str
) -> None:
    version(machine.workspace, has)

    done = package_job(machine, tag)

    assert done.failed
    assert told in "".join(done.said.values())
    assert not (machine.artifacts / "package").exists()


def test_the_version_has_one_place() -> None:
    text = (ROOT / "pyproject.toml").read_text()

    assert 'dynamic = ["version"]' in text
    assert not re.search(r'^version = "', text, re.MULTILINE)
    own = (ROOT / "runner/__init__.py").read_text()
    assert f'\n__version__ = "{__version__}"\n' in own


# ---------------------------------------------------------------------- image

PODMAN = TOLD + (
    'case "$*" in\n'
    '*--version) echo "${IMAGE_VERSION-1.2.0}" ;;\n'
    "login*) cat >/dev/null ;;\n"
    'push*--digestfile*) printf sha256:12ab >"$3" ;;\n'
    "esac\n"
)


def test_the_image_has_the_wheel_and_is_tried_before_it_is_pushed(
    machine: Machine, tmp_path: Path
) -> None:
    program(tmp_path / "bin/podman", PODMAN)
    package(machine)

    done = run(machine, "image")

    assert not done.failed, done.said
    image = "ghcr.io/some/project"
    found = [re.sub(r"/\S*/tmp\.\w+", "FILE", it) for it in calls(machine)]
    wheel = "dist/bpf_kernel_matrix-1.2.0-py3-none-any.whl"
    workspace = machine.workspace
    assert found == [
        f"podman build --build-arg PACKAGE={wheel} --tag {image}:1.2.0 {workspace}",
        f"podman run --rm --network none {image}:1.2.0 --version",
        f"podman run --rm --network none {image}:1.2.0 doctor",
        "podman login --username me --password-stdin ghcr.io",
        f"podman push --digestfile FILE {image}:1.2.0",
        f"podman push {image}:1.2.0 {image}:latest",
        "podman logout ghcr.io",
    ]
    assert done.outputs["image"] == {"image": image, "digest": "sha256:12ab"}


def test_an_image_of_another_version_is_not_pushed(
    machine: Machine, tmp_path: Path
) -> None:
    program(tmp_path / "bin/podman", f"IMAGE_VERSION=1.1.0\n{PODMAN}")
    package(machine)

    done = run(machine, "image")

    assert done.failed
    assert "the image does not have version 1.2.0" in done.said["image"]
    assert not any("push" in it for it in calls(machine))


# -------------------------------------------------------------------- publish


def test_what_was_built_is_published_with_its_checksums(
    machine: Machine, tmp_path: Path
) -> None:
    program(tmp_path / "bin/gh", TOLD)
    package(machine)
    signed(machine)

    done = run(machine, "publish")

    assert not done.failed, done.said
    assert calls(machine) == [
        "gh release create v1.2.0 --repo Some/Project --verify-tag --title v1.2.0 "
        "--notes-file notes/NOTES.md dist/SHA256SUMS "
        "dist/bpf_kernel_matrix-1.2.0-py3-none-any.whl"
    ]


def test_a_file_that_changed_on_its_way_is_not_published(
    machine: Machine, tmp_path: Path
) -> None:
    program(tmp_path / "bin/gh", TOLD)
    package(machine)

    done = run(machine, "publish")

    assert done.failed
    assert calls(machine) == []


def test_nothing_is_published_that_does_not_install() -> None:
    needs = {name: job.get("needs", []) for name, job in RELEASE["jobs"].items()}

    assert "install" in needs["publish"]
    assert needs["image"] == "install"
    suites = RELEASE["jobs"]["install"]["strategy"]["matrix"]["suite"]
    weekly = workflow.load(ROOT / ".github/workflows/install.yml")["jobs"]["install"]
    assert suites == weekly["strategy"]["matrix"]["suite"] == ["bookworm", "trixie"]


def test_all_that_is_published_is_attested() -> None:
    for job, subject in (
        ("image", ("subject-name", "${{ steps.image.outputs.image }}")),
        ("publish", ("subject-path", "dist/*")),
    ):
        (step,) = [
            it
            for it in RELEASE["jobs"][job]["steps"]
            if "attest-build-provenance" in it.get("uses", "")
        ]
        assert subject in step["with"].items()


def test_the_image_is_based_on_what_ci_tests() -> None:
    (base,) = re.findall(r"^ARG BASE=docker\.io/library/(\S+)$", CONTAINERFILE, re.M)
    ci = workflow.load(ROOT / ".github/workflows/ci.yml")["jobs"]["test"]

    assert base == ci["container"]["image"]


def test_the_image_runs_the_main_job_as_an_ordinary_user() -> None:
    steps = CONTAINERFILE.splitlines()

    assert steps[-1] == 'ENTRYPOINT ["bpf-kernel-matrix"]'
    assert [it for it in steps if it.startswith("USER")] == ["USER matrix"]
