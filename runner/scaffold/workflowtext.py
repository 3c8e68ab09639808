"""The text of a first workflow: GitHub's, by gate.yml, and GitLab's."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runner.scaffold.yamltext import commented, flow

GITHUB = ".github/workflows/kernel-matrix.yml"
GITLAB = ".gitlab-ci.yml"
# Where there is one already: it can be included.
GITLAB_OTHER = ".gitlab/kernel-matrix.yml"

_CHECKOUT = "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2"
_UPLOAD = "actions/upload-artifact@b7c566a772e6b6bfb58ed0dc250532a479d7789f # v6.0.0"
_ARTIFACT = "bpf-objects"


@dataclass(frozen=True, kw_only=True)
class RunnerOrigin:
    """Where a workflow gets this program from."""

    # "OWNER/bpf-kernel-matrix" on GitHub.
    repository: str
    # A commit, or a tag.
    ref: str
    # Whether both are those that this program came from, and not to be filled in.
    is_known: bool

    @property
    def address(self) -> str:
        """Return what git clones."""
        return f"https://github.com/{self.repository}.git"


@dataclass(frozen=True, kw_only=True)
class WorkflowSubject:
    """What a workflow does."""

    origin: RunnerOrigin
    # Objects that a build makes, relative to the top; none if all are committed.
    built: Sequence[str] = ()
    # What builds them, as far as a build file shows.
    build: str = "make"


def github(subject: WorkflowSubject) -> str:
    """Return the text of a workflow for GitHub."""
    return "\n".join([*_github(subject), ""])


def _github(subject: WorkflowSubject) -> Iterator[str]:
    yield from commented(
        0,
        "Written by `bpf-kernel-matrix init`: each pull request runs the suites of "
        "this repository on the kernels of matrix.yaml. docs/ci.md has all inputs.",
    )
    yield "name: Kernel matrix"
    yield ""
    yield "on:"
    yield "  pull_request:"
    yield "  push:"
    yield "    branches: [main]   # your default branch"
    yield ""
    yield "permissions: {}"
    yield ""
    yield "concurrency:   # a newer push ends the run of the one before"
    yield "  group: ${{ github.workflow }}-${{ github.ref }}"
    yield "  cancel-in-progress: true"
    yield ""
    yield "jobs:"
    if subject.built:
        yield from _github_build(subject)
    yield "  kernels:"
    yield "    name: Kernels"
    if subject.built:
        yield "    needs: build"
    yield from _origin(subject.origin, "    ")
    repository, ref = subject.origin.repository, subject.origin.ref
    yield f"    uses: {repository}/.github/workflows/gate.yml@{ref}"
    yield "    permissions:"
    yield "      contents: read"
    yield "      actions: read # to find the baseline"
    yield "      pull-requests: write # for the job that comments"
    yield "      security-events: write # to show failures as code scanning alerts"
    yield "    with:"
    yield "      # Which rows of matrix.yaml: all, an id, a range, or a tag: @lts."
    yield "      kernels: all"
    yield "      # The largest number of jobs that run kernels at once."
    yield "      shards: 4"
    if subject.built:
        yield f"      objects-artifact: {_ARTIFACT}"
    yield "      # Fail only for what the last run of your default branch did not have:"
    yield "      # baseline: main"
    yield "      # gate: regressions"


def _origin(origin: RunnerOrigin, indent: str) -> Iterator[str]:
    if origin.is_known:
        yield f"{indent}# The commit that wrote this file. Move it on to update."
    else:
        yield f"{indent}# Write where you have bpf-kernel-matrix from, and its commit."


def _github_build(subject: WorkflowSubject) -> Iterator[str]:
    yield "  build:"
    yield "    name: Build"
    yield "    runs-on: ubuntu-latest"
    yield "    timeout-minutes: 15"
    yield "    permissions:"
    yield "      contents: read"
    yield "    steps:"
    yield "      - name: Get the files"
    yield f"        uses: {_CHECKOUT}"
    yield "        with:"
    yield "          persist-credentials: false"
    yield "      - name: Install what the build needs"
    yield "        run: |"
    yield "          sudo apt-get update"
    yield "          sudo apt-get install -y clang llvm libbpf-dev"
    yield "      - name: Build the objects   # the command that builds yours"
    yield f"        run: {flow(subject.build)}"
    yield "      - name: Keep the objects"
    yield f"        uses: {_UPLOAD}"
    yield "        with:"
    yield f"          name: {_ARTIFACT}"
    yield "          include-hidden-files: true"
    yield "          if-no-files-found: error"
    yield "          # matrix.yaml is among them so that the paths begin at the top."
    yield "          path: |"
    yield "            matrix.yaml"
    yield from (f"            {it}" for it in subject.built)


def gitlab(subject: WorkflowSubject) -> str:
    """Return the text of a pipeline for GitLab."""
    return "\n".join([*_gitlab(subject), ""])


def _gitlab(subject: WorkflowSubject) -> Iterator[str]:
    yield from commented(
        0,
        "Written by `bpf-kernel-matrix init`: each merge request runs the suites of "
        "this repository on the kernels of matrix.yaml. docs/ci.md has the commands.",
    )
    yield "stages: [build, kernels, verdict]"
    yield ""
    yield ".kernel-matrix:"
    yield "  image: debian:12"
    yield "  variables:"
    yield from _origin(subject.origin, "    ")
    yield f"    RUNNER_REPOSITORY: {subject.origin.address}"
    yield f"    RUNNER_REF: {flow(subject.origin.ref)}"
    yield "  before_script:"
    yield "    - apt-get update && apt-get install -y git python3-venv"
    yield '    - git clone "$RUNNER_REPOSITORY" .kernel-matrix'
    yield '    - git -C .kernel-matrix checkout "$RUNNER_REF"'
    yield "    - .kernel-matrix/dev setup"
    yield ""
    if subject.built:
        yield from _gitlab_build(subject)
    yield "kernels:"
    yield "  extends: .kernel-matrix"
    yield "  stage: kernels"
    yield "  parallel: 4   # how many jobs share the kernels"
    yield "  script:"
    yield "    # Which rows of matrix.yaml: all, an id, a range or a tag such as @lts."
    yield (
        "    - .kernel-matrix/.venv/bin/bpf-kernel-matrix --kernels all "
        '--shard "$CI_NODE_INDEX/$CI_NODE_TOTAL" --reports "parts/$CI_NODE_INDEX"'
    )
    yield "  artifacts:"
    yield "    when: always"
    yield "    paths: [parts]"
    yield "    reports:"
    yield '      junit: "parts/*/*/junit.xml"'
    yield ""
    yield "verdict:"
    yield "  extends: .kernel-matrix"
    yield "  stage: verdict"
    yield "  when: always   # a part that failed has reports, too"
    yield "  script:"
    yield (
        "    - .kernel-matrix/.venv/bin/bpf-kernel-matrix merge parts "
        "--out reports/latest"
    )
    yield "    # `--gate regressions --baseline FILE` would fail for regressions only."
    yield (
        "    - .kernel-matrix/.venv/bin/bpf-kernel-matrix report reports/latest "
        "--gate all"
    )
    yield "  artifacts:"
    yield "    when: always"
    yield "    paths: [reports/latest]"


def _gitlab_build(subject: WorkflowSubject) -> Iterator[str]:
    yield "build:"
    yield "  stage: build"
    yield "  image: debian:12"
    yield "  script:"
    yield "    - apt-get update && apt-get install -y clang llvm libbpf-dev make"
    yield "    # The command that builds yours:"
    yield f"    - {flow(subject.build)}"
    yield "  artifacts:"
    yield "    paths:"
    yield from (f"      - {flow(it)}" for it in subject.built)
    yield ""
