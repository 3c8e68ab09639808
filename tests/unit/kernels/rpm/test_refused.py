"""What is wrong with a repository is said, and never gets into the cache."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from runner.errors import UsageError
from runner.files.cache import Cache
from runner.kernels import fetch
from runner.matrix.matrix import Kernel, RpmSource
from tests.unit.kernels.rpm import kernels
from tests.unit.kernels.rpm.conftest import KERNEL, Maker, Refused, row, trusting
from tests.unit.kernels.rpm.made import RpmRepository, RpmSigner, Spec
from tests.unit.kernels.server import Answer
from tests.unit.kernels.silent import Silent

# ----------------------------------------------------------------------- signatures


def test_package_that_nobody_signed_is_refused(
    repository: RpmRepository, make: Maker, key: Path, refused: Refused
) -> None:
    repository.publish(make(KERNEL))

    said = refused(trusting(repository, key))

    assert "kernel-4.14.355-1.amzn2.x86_64 is not signed" in said
    assert "gpgcheck: false" in said


def test_package_that_nobody_signed_is_taken_if_the_row_says_so(
    repository: RpmRepository, make: Maker, cache: Cache
) -> None:
    repository.publish(make(KERNEL))
    source = row(repository, package="kernel", gpgcheck=False)

    kernel = Kernel(id="x", source=source, btf="kernel")
    assert fetch.obtain(kernel, cache, Silent()).release == KERNEL.uname


def test_package_of_another_signer_is_refused(
    repository: RpmRepository,
    make: Maker,
    impostor: RpmSigner,
    vendor: RpmSigner,
    key: Path,
    refused: Refused,
) -> None:
    repository.publish(make(KERNEL, impostor))

    said = refused(trusting(repository, key))

    assert f"is signed by the key {impostor.fingerprint[-8:].lower()}" in said
    assert "which the row does not trust" in said
    assert f"the trusted keys are {vendor.fingerprint} of {key}" in said


def test_package_that_was_changed_after_it_was_signed_is_refused(
    repository: RpmRepository, signed: Path, key: Path, refused: Refused, tmp_path: Path
) -> None:
    content = bytearray(signed.read_bytes())
    # In the header, which is signed: the path of a file.
    at = content.index(b"modules.builtin")
    content[at] ^= 1
    changed = tmp_path / "changed/kernel.rpm"
    changed.parent.mkdir()
    changed.write_bytes(content)
    repository.publish(changed)

    said = refused(trusting(repository, key))

    assert re.search("is damaged or truncated|has a wrong signature", said)


def test_package_signed_by_a_key_that_expired_is_refused(
    repository: RpmRepository,
    make: Maker,
    expired: RpmSigner,
    vendor: RpmSigner,
    key: Path,
    refused: Refused,
) -> None:
    repository.publish(make(KERNEL, expired))
    key.write_bytes(vendor.public + expired.public)

    said = refused(trusting(repository, key))

    assert f"the key {expired.fingerprint}, which expired on 2020-12-31" in said


def test_key_file_whose_only_key_expired_is_refused(
    repository: RpmRepository,
    signed: Path,
    expired: RpmSigner,
    key: Path,
    refused: Refused,
) -> None:
    repository.publish(signed)
    key.write_bytes(expired.public)

    said = refused(trusting(repository, key))

    assert f"{key}: the key {expired.fingerprint} expired on 2020-12-31" in said
    assert "get the vendor's current key" in said


def test_metadata_of_another_signer_is_refused(
    repository: RpmRepository,
    signed: Path,
    impostor: RpmSigner,
    key: Path,
    refused: Refused,
) -> None:
    repository.publish(signed, signer=impostor)

    said = refused(trusting(repository, key))

    assert "repomd.xml was made by a key that the row does not trust" in said
    assert impostor.fingerprint[-16:] in said


def test_metadata_that_was_changed_after_it_was_signed_is_refused(
    repository: RpmRepository,
    signed: Path,
    vendor: RpmSigner,
    key: Path,
    refused: Refused,
) -> None:
    repository.publish(signed, signer=vendor)
    repository.edit_repomd("<revision>", "<revision>1")

    assert "does not match the file" in refused(trusting(repository, key))


def test_metadata_signed_by_a_key_that_expired_is_refused(
    repository: RpmRepository,
    signed: Path,
    expired: RpmSigner,
    vendor: RpmSigner,
    key: Path,
    refused: Refused,
) -> None:
    repository.publish(signed, signer=expired)
    key.write_bytes(vendor.public + expired.public)

    assert "was made by a key that expired" in refused(trusting(repository, key))


def test_metadata_without_a_signature_is_refused_if_the_row_asks_for_one(
    repository: RpmRepository, signed: Path, key: Path, refused: Refused
) -> None:
    repository.publish(signed)

    said = refused(trusting(repository, key, repo_gpgcheck=True))

    assert "repomd.xml is not signed: there is no repomd.xml.asc" in said


def test_something_else_than_a_signature_is_refused(
    repository: RpmRepository, signed: Path, key: Path, refused: Refused
) -> None:
    repository.publish(signed)
    repository.server.put(f"{repository.path}/repodata/repomd.xml.asc", b"<html>")

    assert "is not an OpenPGP signature" in refused(trusting(repository, key))


def test_key_of_the_repository_needs_the_fingerprint(
    repository: RpmRepository,
    signed: Path,
    vendor: RpmSigner,
    impostor: RpmSigner,
    cache: Cache,
    refused: Refused,
) -> None:
    repository.publish(signed, signer=vendor)
    spaced = " ".join(re.findall("....", vendor.fingerprint)).lower()

    said = refused(row(repository, package="kernel", fingerprint=impostor.fingerprint))
    source = row(repository, package="kernel", fingerprint=spaced, repo_gpgcheck=True)
    found = fetch.obtain(Kernel(id="x", source=source, btf="kernel"), cache, Silent())

    assert f"repomd.xml.key has not the key {impostor.fingerprint}" in said
    assert vendor.fingerprint in said
    assert found.release == KERNEL.uname


def test_key_at_an_address_needs_the_fingerprint(
    repository: RpmRepository, signed: Path, vendor: RpmSigner, cache: Cache
) -> None:
    repository.publish(signed)
    url = repository.server.put("/KEY-9", vendor.public).replace("-9", "-$releasever")

    source = row(
        repository,
        package="kernel",
        gpgkey=url.replace("127.0.0.1", "localhost"),
        fingerprint=(vendor.fingerprint,),
        variables={"releasever": "9"},
    )

    kernel = Kernel(id="x", source=source, btf="kernel")
    assert fetch.obtain(kernel, cache, Silent()).release == KERNEL.uname


def test_key_file_that_is_not_there_is_a_mistake_in_the_matrix(
    repository: RpmRepository, signed: Path, tmp_path: Path, cache: Cache
) -> None:
    repository.publish(signed)
    source = trusting(repository, tmp_path / "nothing")

    with pytest.raises(UsageError, match="nothing does not exist"):
        fetch.obtain(Kernel(id="x", source=source), cache, Silent())


def test_key_file_without_a_key_is_refused(
    repository: RpmRepository, signed: Path, key: Path, refused: Refused
) -> None:
    repository.publish(signed)
    key.write_text("<html>Not here</html>")

    assert f"{key} contains no OpenPGP key" in refused(trusting(repository, key))


# ------------------------------------------------------------------ damaged or moved


def test_package_with_another_checksum_than_the_metadata_says_is_refused(
    repository: RpmRepository, signed: Path, key: Path, refused: Refused
) -> None:
    repository.publish(signed)
    file = repository.file("Packages/*.rpm")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    repository.serve()

    assert "is another file: sha256" in refused(trusting(repository, key))


def test_metadata_with_another_checksum_than_repomd_says_is_refused(
    repository: RpmRepository, signed: Path, key: Path, refused: Refused
) -> None:
    repository.publish(signed)
    file = repository.file("repodata/*primary.xml.gz")
    content = bytearray(file.read_bytes())
    content[-9] ^= 1
    file.write_bytes(content)
    repository.serve()

    said = refused(trusting(repository, key))

    assert "primary.xml.gz is another file: sha256" in said
    assert "in the middle of an update" in said


def test_metadata_with_another_checksum_when_unpacked_is_refused(
    repository: RpmRepository, signed: Path, key: Path, refused: Refused
) -> None:
    repository.publish(signed)
    repository.edit_repomd(
        r'(?s)(type="primary".*?open-checksum type="sha256">)\w+', r"\g<1>" + "0" * 64
    )

    assert "is another file when unpacked" in refused(trusting(repository, key))


def test_truncated_payload_is_refused(
    repository: RpmRepository, signed: Path, key: Path, refused: Refused, tmp_path: Path
) -> None:
    cut = tmp_path / "cut/kernel.rpm"
    cut.parent.mkdir()
    cut.write_bytes(signed.read_bytes()[:-100])
    # The metadata fits: createrepo_c looks at the header only.
    repository.publish(cut)

    said = refused(trusting(repository, key))
    unchecked = refused(row(repository, package="kernel", gpgcheck=False))

    for text in (said, unchecked):
        assert "kernel-4.14.355-1.amzn2.x86_64 is damaged or truncated" in text


def test_download_that_ends_early_is_refused(
    repository: RpmRepository, signed: Path, key: Path, refused: Refused
) -> None:
    repository.publish(signed)
    path = f"{repository.path}/Packages/{signed.name}"
    body = repository.server.answers[path].body
    repository.server.answers[path] = Answer(body=body[:500], length=len(body))

    assert "500" in refused(trusting(repository, key))


def test_something_else_than_a_package_is_refused(
    repository: RpmRepository, make: Maker, refused: Refused
) -> None:
    url = repository.server.put("/kernel.rpm", b"<html>")
    digest = hashlib.sha256(b"<html>").hexdigest()
    source = RpmSource.model_validate(
        {"type": "rpm", "packages": ({"url": url, "sha256": digest},)}
    )

    assert "kernel.rpm is not an RPM package" in refused(source)


def test_moved_repository_is_an_error_that_says_where_to_look(
    repository: RpmRepository, key: Path, refused: Refused
) -> None:
    said = refused(trusting(repository, key))

    assert f"there is no RPM repository at {repository.url}" in said
    assert "HTTP 404" in said
    assert "may have moved it" in said


def test_store_that_says_forbidden_for_missing_files_is_a_repository(
    repository: RpmRepository, signed: Path, key: Path, cache: Cache
) -> None:
    repository.publish(signed)
    path = f"{repository.path}/repodata/repomd.xml"
    repository.server.answers[f"{path}.asc"] = Answer(status=403)
    kernel = Kernel(id="x", source=trusting(repository, key), btf="kernel")

    assert fetch.obtain(kernel, cache, Silent()).release == KERNEL.uname


def test_store_that_says_forbidden_has_no_repository(
    repository: RpmRepository, key: Path, refused: Refused
) -> None:
    path = f"{repository.path}/repodata/repomd.xml"
    repository.server.answers[path] = Answer(status=403)

    said = refused(trusting(repository, key))

    assert f"there is no RPM repository at {repository.url}" in said
    assert "HTTP 403" in said


def test_page_in_place_of_a_repository_is_refused(
    repository: RpmRepository, key: Path, refused: Refused
) -> None:
    path = f"{repository.path}/repodata/repomd.xml"
    for body in (b"<html><body>Moved</body></html>", b"<!DOCTYPE html><p>", b"Moved"):
        repository.server.put(path, body)

        said = refused(trusting(repository, key))
        assert re.search("not the metadata|not XML|document type", said)


def test_redirect_to_nowhere_names_both_addresses(
    repository: RpmRepository, key: Path, refused: Refused
) -> None:
    server = repository.server
    target = f"{server.url}/new/repodata/repomd.xml"
    server.answers[f"{repository.path}/repodata/repomd.xml"] = Answer(
        status=301, location=target
    )

    assert f"which redirects to {target}, does not exist" in refused(
        trusting(repository, key)
    )


def test_redirect_to_the_repository_is_followed(
    repository: RpmRepository, signed: Path, key: Path, cache: Cache
) -> None:
    repository.publish(signed)
    server = repository.server
    for path in list(server.answers):
        server.answers[f"/old{path}"] = Answer(status=302, location=server.url + path)
    source = trusting(repository, key, baseurl=f"{server.url}/old{repository.path}")

    kernel = Kernel(id="x", source=source, btf="kernel")
    assert fetch.obtain(kernel, cache, Silent()).release == KERNEL.uname


def test_repository_that_breaks_leaves_the_kernel_in_the_cache(
    repository: RpmRepository, signed: Path, key: Path, cache: Cache
) -> None:
    repository.publish(signed)
    kernel = Kernel(id="x", source=trusting(repository, key), btf="kernel")
    found = fetch.obtain(kernel, cache, Silent())
    repository.edit_repomd("<repomd", "<nothing")
    progress = Silent()

    again = fetch.obtain(kernel, cache, progress, refresh=True)

    assert again == found
    assert any("not updated" in it for it in progress.messages)


# ------------------------------------------------------------- what is not looked at


def test_modular_metadata_is_ignored(
    repository: RpmRepository, signed: Path, key: Path, cache: Cache, tmp_path: Path
) -> None:
    repository.publish(signed)
    modules = tmp_path / "modules.yaml"
    modules.write_text(
        "---\ndocument: modulemd\nversion: 2\ndata:\n  name: kernel\n  stream: '1'\n"
        "  summary: x\n  description: x\n  license: {module: [MIT]}\n...\n"
    )
    subprocess.run(
        [
            *("modifyrepo_c", "--mdtype", "modules", modules),
            repository.root / "repodata",
        ],
        check=True,
        capture_output=True,
    )
    repository.serve()
    assert 'type="modules"' in (repository.root / "repodata/repomd.xml").read_text()

    kernel = Kernel(id="x", source=trusting(repository, key), btf="kernel")
    assert fetch.obtain(kernel, cache, Silent()).release == KERNEL.uname
    assert not any("modules" in it for it in repository.server.asked)


def test_kernel_without_its_modules_is_refused(
    repository: RpmRepository,
    make: Maker,
    vendor: RpmSigner,
    key: Path,
    refused: Refused,
) -> None:
    core, _, _ = kernels.split()
    repository.publish(make(core, vendor))

    said = refused(row(repository, gpgkey=str(key)))

    assert (
        "kernel-core-5.14.0-1.el9.x86_64 requires kernel-modules-core-uname-r" in said
    )
    assert "the key modules sets other packages" in said


def test_package_without_a_kernel_is_refused(
    repository: RpmRepository,
    make: Maker,
    vendor: RpmSigner,
    key: Path,
    refused: Refused,
) -> None:
    repository.publish(make(Spec(name="kernel", files={"etc/x": b"x"}), vendor))

    assert "contains no kernel image" in refused(trusting(repository, key))


# ------------------------------------------------------------------- architectures


def test_kernel_of_this_architecture_is_fetched_out_of_a_repository_of_two(
    repository: RpmRepository, make: Maker, vendor: RpmSigner, key: Path, cache: Cache
) -> None:
    other = Spec(
        name="kernel",
        version="9.9.9",
        release=KERNEL.release,
        arch="aarch64",
        files={"boot/vmlinuz-9.9.9": b"of another machine"},
    )
    repository.publish(make(KERNEL, vendor), make(other, vendor))
    kernel = Kernel(id="x", source=trusting(repository, key), btf="kernel")

    assert fetch.obtain(kernel, cache, Silent()).release == KERNEL.uname
    assert not any("aarch64" in it for it in repository.server.asked)


def test_repository_of_another_architecture_is_refused(
    repository: RpmRepository,
    make: Maker,
    vendor: RpmSigner,
    key: Path,
    refused: Refused,
) -> None:
    other = Spec(name="kernel", arch="aarch64", files={"boot/vmlinuz-1": b"x"})
    repository.publish(make(other, vendor))

    said = refused(trusting(repository, key))

    assert "has kernel for aarch64 only, not for x86_64" in said
    assert "check the architecture in the address" in said


def test_system_without_the_programs_says_what_to_install(
    repository: RpmRepository,
    signed: Path,
    key: Path,
    refused: Refused,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    repository.publish(signed)
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    gpg = shutil.which("gpg", path="/usr/bin")
    assert gpg is not None

    said = refused(trusting(repository, key))
    (folder / "gpg").symlink_to(gpg)
    without_rpm = refused(trusting(repository, key))

    assert "gpg is not installed" in said
    assert "apt-get install gpg" in said
    assert "rpmkeys is not installed" in without_rpm
    assert "apt-get install rpm" in without_rpm
