"""Mirrors of a repository: by a list, and by a metalink, as Fedora and CentOS do."""

import hashlib
from pathlib import Path

import pytest

from runner.files.cache import Cache
from runner.kernels import fetch
from runner.kernels.sources.rpm.provider import Rpm
from runner.matrix.matrix import Kernel, RpmSource
from tests.unit.kernels.rpm import kernels
from tests.unit.kernels.rpm.conftest import KERNEL, Maker, Refused, row
from tests.unit.kernels.rpm.made import RpmRepository
from tests.unit.kernels.silent import Silent


def metalink(*urls: tuple[int, str], repomds: list[bytes], algorithm: str) -> bytes:
    """Return a metalink as MirrorManager writes it: of now, and of an hour ago."""
    now, *before = (
        f'<size>{len(it)}</size><verification><hash type="md5">0</hash>'
        f'<hash type="{algorithm}">{hashlib.new(algorithm, it).hexdigest()}</hash>'
        "</verification>"
        for it in repomds
    )
    alternates = "".join(f"<mm0:alternate>{it}</mm0:alternate>" for it in before)
    resources = "".join(
        f'<url protocol="http" type="http" location="DE" preference="{preference}">'
        f"{base}/repodata/repomd.xml</url>"
        for preference, base in urls
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<metalink version="3.0" xmlns="http://www.metalinker.org/"'
        ' xmlns:mm0="http://fedorahosted.org/mirrormanager"><files>'
        f'<file name="repomd.xml"><mm0:timestamp>1</mm0:timestamp>{now}'
        f"<mm0:alternates>{alternates}</mm0:alternates>"
        '<resources maxconnections="1"><url protocol="rsync" preference="100">'
        f"rsync://example.org/x/repodata/repomd.xml</url>{resources}</resources></file>"
        "</files></metalink>"
    ).encode()


def repomd(repository: RpmRepository) -> bytes:
    return (repository.root / "repodata/repomd.xml").read_bytes()


def linked(
    repository: RpmRepository, key: Path, content: bytes, name: str = "metalink"
) -> RpmSource:
    """Return a source that has nothing but a metalink."""
    url = repository.server.put("/link-9", content).replace("-9", "-$releasever")
    return row(
        repository,
        baseurl=None,
        **{name: url},
        variables={"releasever": "9"},
        package="kernel",
        gpgkey=str(key),
    )


def release(source: RpmSource, cache: Cache) -> str:
    return fetch.obtain(
        Kernel(id="x", source=source, btf="kernel"), cache, Silent()
    ).release


# ---------------------------------------------------------------------------- lists


def test_first_mirror_that_works_is_used(
    repository: RpmRepository, signed: Path, key: Path, cache: Cache
) -> None:
    repository.publish(signed)
    url = repository.server.put(
        "/mirrors-9",
        f"# mirrors\n{repository.server.url}/gone/\n\n{repository.url}/\n".encode(),
    )
    source = row(
        repository,
        baseurl=None,
        mirrorlist=url.replace("-9", "-$v"),
        variables={"v": "9"},
        package="kernel",
        gpgkey=str(key),
    )

    found = fetch.obtain(Kernel(id="x", source=source, btf="kernel"), cache, Silent())

    assert repository.url in found.origin


def test_mirrors_that_all_fail_are_counted(
    repository: RpmRepository, key: Path, refused: Refused
) -> None:
    base = repository.server.url
    url = repository.server.put("/m", "".join(f"{base}/{n}\n" for n in "abc").encode())

    said = refused(row(repository, baseurl=None, mirrorlist=url, gpgkey=str(key)))

    assert f"there is no RPM repository at {base}/a" in said
    assert "2 other mirrors failed, too" in said


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "lists no mirror"),
        (b"Bad Request - invalid repo\n", "lists no mirror"),
        (b'<?xml version="1.0"?><metalink/>', "lists no mirror of repomd.xml"),
        (b"<!DOCTYPE html><html>Moved</html>", "not a list of mirrors"),
        (b"<html><p>Not well-formed</html>", "not a list of mirrors"),
        (b"https://example.org/$awsregion/\n", "$awsregion has no value"),
    ],
)
def test_something_else_than_a_list_of_mirrors_is_refused(
    body: bytes, message: str, repository: RpmRepository, key: Path, refused: Refused
) -> None:
    url = repository.server.put("/m", body)

    assert message in refused(
        row(repository, baseurl=None, mirrorlist=url, gpgkey=str(key))
    )


def test_lists_hold_variables_and_packages_lie_beside_the_repository(
    repository: RpmRepository, signed: Path, key: Path, cache: Cache
) -> None:
    # As Amazon's: mirror.list names .../$basearch/HASH, primary.xml ../../blobstore/.
    placed = RpmRepository(
        root=repository.root, server=repository.server, path="/core/x86_64/1a2b"
    )
    placed.publish(signed)
    package = placed.server.answers.pop(f"{placed.path}/Packages/{signed.name}")
    placed.server.answers[f"/core/blobstore/{signed.name}"] = package
    unpacked = placed.primary().replace(b'href="Packages/', b'href="../../blobstore/')
    placed.replace_primary(unpacked)
    url = placed.server.put(
        "/mirror.list", f"{placed.server.url}/core/$basearch/1a2b\n".encode()
    )
    source = row(
        placed, baseurl=None, mirrorlist=url, package="kernel", gpgkey=str(key)
    )

    assert release(source, cache) == KERNEL.uname


def test_debug_repository_may_be_a_list_of_mirrors(
    repository: RpmRepository, make: Maker, cache: Cache
) -> None:
    other = RpmRepository(
        root=repository.root.parent / "debug", server=repository.server, path="/debug"
    )
    repository.publish(make(KERNEL))
    other.publish(make(kernels.debug("kernel-debuginfo", KERNEL)))
    url = other.server.put("/debug.list", f"{other.url}\n".encode())
    source = row(
        repository,
        package="kernel",
        gpgcheck=False,
        debug_package="kernel-debuginfo",
        debug_mirrorlist=url,
    )

    _, debug = Rpm().resolve(source, cache).items

    assert debug.location.startswith(f"{other.url}/Packages/kernel-debuginfo-4.14.355")


# ------------------------------------------------------------------------ metalinks


@pytest.mark.parametrize("name", ["metalink", "mirrorlist"])
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_best_mirror_of_a_metalink_is_used(
    name: str,
    algorithm: str,
    repository: RpmRepository,
    signed: Path,
    key: Path,
    cache: Cache,
) -> None:
    repository.publish(signed)
    content = metalink(
        (1, f"{repository.server.url}/never"),
        (99, repository.url),
        repomds=[repomd(repository)],
        algorithm=algorithm,
    )

    assert release(linked(repository, key, content, name), cache) == KERNEL.uname
    assert not any("never" in it for it in repository.server.asked)


def test_mirror_that_has_what_the_vendor_had_lately_is_used(
    repository: RpmRepository, signed: Path, key: Path, cache: Cache
) -> None:
    repository.publish(signed)
    content = metalink(
        (1, repository.url),
        repomds=[b"of now", repomd(repository)],
        algorithm="sha256",
    )

    assert release(linked(repository, key, content), cache) == KERNEL.uname


def test_mirror_with_another_repomd_than_the_metalink_says_is_passed_over(
    repository: RpmRepository, signed: Path, key: Path, cache: Cache
) -> None:
    repository.publish(signed)
    good = repomd(repository)
    repository.server.put(
        "/old/repodata/repomd.xml", good.replace(b"?>", b"?><!-- -->")
    )
    content = metalink(
        (100, f"{repository.server.url}/old"),
        (1, repository.url),
        repomds=[good],
        algorithm="sha256",
    )

    assert release(linked(repository, key, content), cache) == KERNEL.uname
    assert "/old/repodata/repomd.xml" in repository.server.asked


def test_metalink_of_which_no_mirror_has_the_file_is_refused(
    repository: RpmRepository, signed: Path, key: Path, refused: Refused
) -> None:
    repository.publish(signed)
    content = metalink((1, repository.url), repomds=[b"other"], algorithm="sha256")

    said = refused(linked(repository, key, content))

    assert f"{repository.url}/repodata/repomd.xml is not one of the files" in said
    assert "the mirror may be stale, or somebody changed it" in said


def test_metalink_without_a_strong_checksum_is_refused(
    repository: RpmRepository, signed: Path, key: Path, refused: Refused
) -> None:
    repository.publish(signed)
    content = metalink(
        (1, repository.url), repomds=[repomd(repository)], algorithm="sha1"
    )

    said = refused(linked(repository, key, content))

    assert "has no checksum of repomd.xml that can be trusted" in said


def test_other_files_of_a_metalink_do_not_count(
    repository: RpmRepository, signed: Path, key: Path, refused: Refused
) -> None:
    repository.publish(signed)
    content = metalink(
        (1, repository.url), repomds=[repomd(repository)], algorithm="sha256"
    ).replace(b'<file name="repomd.xml">', b'<file name="other.xml">')

    assert "lists no mirror of repomd.xml" in refused(linked(repository, key, content))
