"""Container images in a registry: manifests by tag, and layers by digest.

By oras, which knows the distribution API and how registries ask for tokens.
"""

import gzip
import hashlib
import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import oras.oci
import requests
from oras.auth import AuthenticationException, TokenAuth, utils
from oras.container import Container
from oras.provider import Registry

from runner.arch import Architecture
from runner.errors import ArtifactError, NotOnServerError
from runner.kernels import hosts, http
from runner.kernels.sources import imagemanifest
from runner.kernels.sources.imagemanifest import Image, ImageManifest
from runner.text.progress import Progress

_LOCAL = re.compile(r"(localhost|127\.\d+\.\d+\.\d+)(:\d+)?/")
# Of one image, and of several for a choice of platforms; OCI's names and Docker's.
_ACCEPTED = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_SOURCE = "the source's keys image and tag"


class _Session(http.DirectToHere):
    """A session that waits no longer for a registry than for any other server."""

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs.setdefault("timeout", http.TIMEOUT)
        answer = super().request(*args, **kwargs)
        if answer.status_code in (401, 403):
            # oras looks at its headers only, and would leave its connection open.
            answer.close()
        return answer


class _Auth(TokenAuth):  # type: ignore[misc]
    """What a registry is told about who asks: a token, or the login itself.

    oras (0.2) takes each challenge for Bearer's. Of Basic it would ask a token from a
    server with the realm's name. And it prints a line of its own when it gets none.
    """

    _scheme = "Bearer"
    # What `docker login` left: user and password in Base64.
    _basic_auth: str | None = None

    @property
    def has_login(self) -> bool:
        """Whether somebody logged in to the registry."""
        return self._basic_auth is not None

    def get_auth_header(self) -> dict[str, str]:
        """Return the header of all requests, once the registry wants one."""
        return {"Authorization": f"{self._scheme} {self.token}"} if self.token else {}

    def authenticate_request(
        self,
        original: requests.Response,
        headers: dict[str, str],
        refresh: bool = False,
    ) -> tuple[dict[str, str], bool]:
        """Return the headers that a refused request needs, and whether there are any.

        Source: RFC 9110, 11.6.1, and the distribution's "Token Authentication".
        """
        challenge = original.headers.get("WWW-Authenticate", "")
        if challenge.lower().startswith("basic"):
            self._scheme, self.token = "Basic", self._basic_auth
        else:
            asked = utils.parse_auth_header(challenge)
            self._scheme, self.token = "Bearer", None
            if asked.realm and self.has_login:
                self.token = self.request_token(asked)
            elif asked.realm:
                self.token = self.request_anonymous_token(asked)
        return {**headers, **self.get_auth_header()}, self.token is not None


class _Registry(Registry):  # type: ignore[misc]
    def __init__(self, repository: str) -> None:
        super().__init__(insecure=_LOCAL.match(repository) is not None)
        self.session = _Session()
        self.auth = _Auth()
        self.auth.session, self.auth.prefix = self.session, self.prefix
        self.auth._tls_verify = self._tls_verify

    # oras tries five times, with pauses of 160 seconds in all, also what no waiting
    # fixes.
    do_request = Registry.do_request.__wrapped__


class Repository:
    """A repository of a registry: "ghcr.io/cilium/ci-kernels"."""

    def __init__(self, name: str, *, asked_by: str = _SOURCE) -> None:
        """`asked_by` ends a hint: "check …"."""
        self.name = name
        self._asked_by = asked_by
        self._registry = _Registry(name)
        self._container = Container(name)
        # What `docker login` left, for registries that ask for it.
        self._registry.auth.load_configs(self._container)

    def image(self, tag: str, architecture: Architecture) -> Image:
        """Return the image that a tag means, of an index that of an architecture.

        Raises ArtifactError.
        """
        where = f"{self.name}:{tag}"
        digest, manifest = self._manifest(tag, where)
        if manifest.manifests is not None:
            digest = imagemanifest.chosen(manifest.manifests, where, architecture)
            found, manifest = self._manifest(digest, f"{self.name}@{digest}")
            if found != digest:
                raise ArtifactError(f"{self.name}@{digest} is another image: {found}")
        if not manifest.layers:
            raise ArtifactError(
                f"{where} has no layers, so it is not a container image"
            )
        return Image(digest=digest, layers=manifest.layers)

    def download(
        self, digest: str, target: Path, progress: Progress, name: str
    ) -> None:
        """Write a layer to a file. Raises ArtifactError."""
        url = f"{self._registry.prefix}://{self._container.get_blob_url(digest)}"
        with self._asking(url, f"{self.name}@{digest}", {}) as answer:
            http.save(
                answer,
                url,
                target,
                checksums={"sha256": digest.removeprefix("sha256:")},
                progress=progress,
                name=name,
            )

    def push(
        self, tag: str, layer: Path, title: str, architecture: Architecture
    ) -> str:
        """Upload an image of one layer, a tar that is packed with gzip.

        `title` is for people, `architecture` is what the image says it is for. Returns
        where it is: NAME:TAG@DIGEST. Raises ArtifactError when the registry does not
        take it.
        """
        where = f"{self.name}:{tag}"
        container = Container(where)
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder, "config.json")
            config.write_text(json.dumps(_configuration(layer, architecture)))
            blobs = {
                config: oras.oci.NewLayer(str(config), _CONFIG),
                layer: oras.oci.NewLayer(str(layer), _LAYER),
            }
            manifest = {
                "schemaVersion": 2,
                "mediaType": _ACCEPTED[0],
                "config": blobs[config],
                "layers": [blobs[layer]],
                "annotations": {"org.opencontainers.image.title": title},
            }
            with self._pushing(where):
                for path, blob in blobs.items():
                    self._take(
                        self._registry.upload_blob(str(path), container, blob), where
                    )
                answer = self._registry.upload_manifest(manifest, container)
                self._take(answer, where)
        return f"{where}@{self.image(tag, architecture).digest}"

    def _take(self, answer: requests.Response, where: str) -> None:
        if answer.status_code in (401, 403):
            raise self._refused(where, "take")
        http.check(answer, answer.url or where)

    @contextmanager
    def _pushing(self, where: str) -> Iterator[None]:
        try:
            with http.translated(where), self._registry.session:
                yield
        except (AuthenticationException, ValueError) as error:
            raise self._refused(where, "take") from error

    def _manifest(self, reference: str, where: str) -> tuple[str, ImageManifest]:
        path = self._container.manifest_url(reference)
        url = f"{self._registry.prefix}://{path}"
        with self._asking(url, where, {"Accept": ", ".join(_ACCEPTED)}) as answer:
            data = http.body(answer, url)
        return f"sha256:{hashlib.sha256(data).hexdigest()}", imagemanifest.parse(
            data, url
        )

    @contextmanager
    def _asking(
        self, url: str, where: str, headers: dict[str, str]
    ) -> Iterator[requests.Response]:
        try:
            with (
                http.translated(url),
                hosts.turn(url),
                # Its connections are closed; it can be used again.
                self._registry.session,
                self._registry.do_request(
                    url, "GET", headers=headers, stream=True
                ) as answer,
            ):
                if answer.status_code in (401, 403):
                    raise self._refused(where, "give")
                http.check(answer, url)
                yield answer
        except NotOnServerError as error:
            raise NotOnServerError(
                f"{where} is not in the registry",
                hint=f"check {self._asked_by}",
            ) from error
        # What oras raises when a registry wants what it can't give.
        except (AuthenticationException, ValueError) as error:
            raise self._refused(where, "give") from error

    def _refused(self, where: str, does: str) -> ArtifactError:
        login = f"docker login {self._container.registry}"
        if not self._registry.auth.has_login:
            return ArtifactError(
                f"{where} needs a login", hint=f"{login}; or check {self._asked_by}"
            )
        way = "to" if does == "give" else "from"
        return ArtifactError(
            f"the registry does not {does} {where} {way} your login",
            hint=f"log in again: {login}; or check {self._asked_by}",
        )


def _configuration(layer: Path, architecture: Architecture) -> dict[str, object]:
    """Return the configuration of an image that only holds files."""
    whole = hashlib.sha256()
    with gzip.open(layer) as stream:
        while part := stream.read(1 << 20):
            whole.update(part)
    return {
        "os": imagemanifest.OS,
        "architecture": architecture.oci,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{whole.hexdigest()}"]},
        "config": {},
    }
