"""`baseline`: in CI, the results of the last good run on the main branch."""

import argparse
import io
import json
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from runner.cli import github_output
from runner.errors import ExitStatus, InfrastructureError, UsageError
from runner.reports import RESULTS, resultsfile
from runner.reports.atomic import write_text

# Of artifacts, and of runs of which a look is taken.
_PAGE = 100
_MOST_RUNS = 20
# Bytes.
_MOST = 512 << 20
# Seconds, and tries with as many seconds between them.
_TIMEOUT = 60
_TRIES = (1, 4, 0)
# What a proxy or an overloaded server says.
_PASSING = (429, 500, 502, 503, 504)

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")

EPILOG = """\
Asks the API of GitHub or GitLab, where it runs, for the newest successful run on the
branch, and writes its results.json to FILE. If there is none yet, it says so and writes
nothing: without a baseline all failures are new. In a GitHub workflow it sets the
step's output `baseline` to FILE, or to nothing.

Artifacts of pull requests do not count, whatever their branch is called.

GitHub: GITHUB_REPOSITORY, GITHUB_API_URL, and GH_TOKEN with `actions: read`.
GitLab: CI_API_V4_URL, CI_PROJECT_ID and CI_JOB_TOKEN.

exit status: 0 also if there is none, 2 usage, 3 if the API can't be asked

examples:
  python -m runner baseline --branch main --out baseline/results.json
  python -m runner baseline --name my-gate --branch trunk --out baseline.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `baseline` takes."""
    parser.add_argument(
        "--name",
        default="kernel-matrix",
        help="the artifact of GitHub, or the job of GitLab (default: kernel-matrix)",
    )
    parser.add_argument("--branch", default="main", help="the branch (default: main)")
    parser.add_argument(
        "--path",
        default=f"reports/all/{RESULTS}",
        help="where the file is in the artifact of GitLab's job "
        f"(default: reports/all/{RESULTS})",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")


def main(arguments: argparse.Namespace) -> int:
    """Get it, if there is one.

    Raises UsageError outside of CI, and InfrastructureError when the API can't be asked
    or has no results where they should be.
    """
    if not _NAME.fullmatch(arguments.name):
        raise UsageError(f"--name {arguments.name!r}: use letters, digits, '_' and '-'")
    data, where = _found(arguments, os.environ)
    if data is None:
        print(
            f"there is no baseline yet: no successful run on {arguments.branch} has "
            f"results ({where}); all failures are new"
        )
        github_output.set_outputs({"baseline": ""})
        return ExitStatus.COMPATIBLE
    results = resultsfile.parse(data, Path(where))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    write_text(arguments.out, data.decode("utf-8", "replace"))
    about = results.provenance.commit[:12] or results.started
    print(f"the baseline is {where} of {arguments.branch}: {about}")
    github_output.set_outputs({"baseline": str(arguments.out)})
    return ExitStatus.COMPATIBLE


def _found(
    arguments: argparse.Namespace, variables: Mapping[str, str]
) -> tuple[bytes | None, str]:
    if "GITHUB_REPOSITORY" in variables:
        github = _GitHub(
            api=variables.get("GITHUB_API_URL", "https://api.github.com"),
            repository=variables["GITHUB_REPOSITORY"],
            token=variables.get("GH_TOKEN", ""),
        )
        return github.last(arguments.name, arguments.branch)
    if "CI_API_V4_URL" in variables:
        gitlab = _GitLab(
            api=variables["CI_API_V4_URL"],
            project=variables.get("CI_PROJECT_ID", ""),
            token=variables.get("CI_JOB_TOKEN", ""),
        )
        return gitlab.last(arguments.name, arguments.branch, arguments.path)
    raise UsageError(
        "baseline: this is neither a GitHub workflow nor a GitLab pipeline",
        hint="elsewhere, keep the results.json of a good run and use --baseline FILE",
    )


@dataclass(frozen=True, kw_only=True)
class _GitHub:
    """The artifacts of a repository.

    https://docs.github.com/en/rest/actions/artifacts
    """

    api: str
    repository: str
    token: str

    def last(self, name: str, branch: str) -> tuple[bytes | None, str]:
        """Return the results of a branch's newest good run, and what they are of."""
        for artifact in self._candidates(name, branch):
            run = artifact["workflow_run"]["id"]
            if self._is_good(run):
                where = f"artifact {name} of run {run}"
                data = self._get(f"actions/artifacts/{artifact['id']}/zip")
                return _results_in(data, where), where
        return None, f"artifact {name}"

    def _candidates(self, name: str, branch: str) -> Iterator[Any]:
        query = urllib.parse.urlencode({"name": name, "per_page": _PAGE})
        found = json.loads(self._get(f"actions/artifacts?{query}"))
        seen = 0
        # The newest comes first.
        for it in found.get("artifacts", ()):
            run = it.get("workflow_run") or {}
            # A fork may call its branch like ours.
            own = run.get("head_repository_id") == run.get("repository_id")
            if it.get("expired") or run.get("head_branch") != branch or not own:
                continue
            seen += 1
            if seen > _MOST_RUNS:
                return
            yield it

    def _is_good(self, run: int) -> bool:
        found = json.loads(self._get(f"actions/runs/{int(run)}"))
        is_own = not str(found.get("event", "")).startswith("pull_request")
        return is_own and found.get("conclusion") == "success"

    def _get(self, path: str) -> bytes:
        headers = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return _get(
            f"{self.api}/repos/{self.repository}/{path}",
            headers,
            hint="give the job `permissions: {actions: read}`, and the workflow that "
            "calls it the same",
        )


@dataclass(frozen=True, kw_only=True)
class _GitLab:
    """The artifacts of a project.

    https://docs.gitlab.com/api/job_artifacts/
    """

    api: str
    project: str
    token: str

    def last(self, job: str, branch: str, path: str) -> tuple[bytes | None, str]:
        """Return the results of a branch's newest good job, and what they are of."""
        quoted = urllib.parse.quote(branch, safe="")
        query = urllib.parse.urlencode({"job": job})
        address = (
            f"{self.api}/projects/{self.project}/jobs/artifacts/{quoted}/raw/"
            f"{urllib.parse.quote(path)}?{query}"
        )
        where = f"{path} of job {job}"
        try:
            return _get(address, {"JOB-TOKEN": self.token}, hint=""), where
        except _MissingError:
            return None, where


class _MissingError(InfrastructureError):
    """The server has no such thing, or does not show it."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Leaves it to the caller where to go next: not with the token."""

    def redirect_request(self, *_: object) -> None:
        """Follow none."""


def _get(address: str, headers: Mapping[str, str], *, hint: str) -> bytes:
    """Return what an address has. Raises InfrastructureError, _MissingError for 404."""
    for wait in _TRIES:
        try:
            return _once(address, headers)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in _PASSING and wait:
                time.sleep(wait)
                continue
            kind = _MissingError if error.code == 404 else InfrastructureError
            raise kind(
                f"{_shown(address)}: {error.code} {error.reason}", hint=hint
            ) from error
        except (OSError, HTTPException) as error:
            if wait:
                time.sleep(wait)
                continue
            raise InfrastructureError(
                f"{_shown(address)} can't be asked: {error}", hint="try again"
            ) from error
    raise AssertionError("the last try returns or raises")


def _once(address: str, headers: Mapping[str, str]) -> bytes:
    request = urllib.request.Request(address, headers=dict(headers))
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        answer = opener.open(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        target = error.headers.get("Location", "")
        if error.code not in (301, 302, 303, 307, 308) or not _is_web(target):
            raise
        error.close()
        # An address for once, on another machine.
        answer = urllib.request.urlopen(target, timeout=_TIMEOUT)
    with answer:
        data: bytes = answer.read(_MOST + 1)
    if len(data) > _MOST:
        raise InfrastructureError(f"{_shown(address)} is larger than {_MOST >> 20} MiB")
    return data


def _is_web(address: str) -> bool:
    return address.startswith(("https://", "http://"))


def _shown(address: str) -> str:
    """Return an address without what it asks for, which may be secret."""
    return address.partition("?")[0]


def _results_in(data: bytes, where: str) -> bytes:
    try:
        with (
            zipfile.ZipFile(io.BytesIO(data)) as archive,
            archive.open(RESULTS) as file,
        ):
            return file.read(_MOST)
    except (zipfile.BadZipFile, KeyError, OSError, RuntimeError) as error:
        raise InfrastructureError(f"{where}: no {RESULTS} in it: {error}") from error
