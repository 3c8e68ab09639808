"""Does on this machine what GitHub does with action.yml and workflows.

Steps that run something are run, each in its own shell, with exactly the environment
that the file gives them. Of the actions that they use, artifacts are kept in a folder,
the runner's own action is run likewise, and nothing is done for others.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
# Actions for which there is nothing to do here.
_DONE_ELSEWHERE = (
    "actions/attest-build-provenance",
    "actions/cache",
    "actions/checkout",
    "actions/deploy-pages",
    "actions/upload-pages-artifact",
)
_EXPRESSION = re.compile(r"\$\{\{ *(.*?) *\}\}")
_OWN = ("./", "./.kernel-matrix")
# A bash for `run`, as GitHub starts it.
_SHELLS = {
    "bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"],
    "sh": ["bash", "-e"],
}


def load(path: Path) -> Any:
    """Read a YAML file; `on` is text there."""
    return yaml.load(path.read_text(), yaml.BaseLoader)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A runner of workflows: folders, and programs that stand before all others."""

    # What a job begins with: the user's checkout, and whatever is written there.
    workspace: Path
    # For artifacts of the whole workflow run.
    artifacts: Path
    temp: Path
    # A checkout of the runner.
    action: Path
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Done:
    """What became of a job or an action."""

    failed: bool = False
    # By the step's id, or its name where it has none.
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    # Those that ran, in order.
    ran: list[str] = field(default_factory=list)
    # What the steps showed on the workflow's page.
    summary: str = ""
    # Of a job, for those that need it.
    of_job: dict[str, str] = field(default_factory=dict)


def checkout(folder: Path) -> Path:
    """Make what a checkout of the runner looks like once ./dev has set it up."""
    for name in (
        *(".github", "action.yml", "matrix.yaml", "matrices", "runner", "suites"),
        "images",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(ROOT / name)
    program(folder / "dev", 'echo "dev $*"')
    program(
        folder / ".venv/bin/python",
        f'PYTHONPATH="{ROOT}" exec "{sys.executable}" "$@"',
    )
    return folder


def program(path: Path, script: str) -> None:
    """Write a shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def run_action(
    machine: Machine, given: Mapping[str, str]
) -> tuple[Done, dict[str, str]]:
    """Run action.yml, and return what came of it with its outputs."""
    action = load(ROOT / "action.yml")
    inputs = {name: it["default"] for name, it in action["inputs"].items()}
    unknown = set(given) - set(inputs)
    assert not unknown, f"action.yml has no inputs {unknown}"
    known: dict[str, Any] = {"inputs": {**inputs, **given}}
    done = run_steps(machine, action["runs"]["steps"], known)
    outputs = {
        name: resolved(it["value"], known) for name, it in action["outputs"].items()
    }
    return done, outputs


def run_steps(machine: Machine, steps: list[Any], known: dict[str, Any]) -> Done:
    """Run the steps of a job; `known` is what expressions stand for."""
    done = Done()
    known["steps"] = {}
    for number, step in enumerate(steps):
        name = step.get("id") or step.get("name") or f"step {number}"
        if not _holds(step.get("if", ""), known, done):
            known["steps"][name] = {"outcome": "skipped", "outputs": {}}
            continue
        done.ran.append(name)
        if "run" in step:
            status = _run(machine, name, step, known, done)
        else:
            given = {
                key: resolved(value, known)
                for key, value in step.get("with", {}).items()
            }
            status = _use(machine, step["uses"], given, done)
        known["steps"][name] = {
            "outcome": "failure" if status else "success",
            "outputs": done.outputs.get(name, {}),
        }
        done.failed |= status != 0 and step.get("continue-on-error") != "true"
    return done


def outputs_of_job(job: Any, known: Mapping[str, Any]) -> dict[str, str]:
    """Return a job's outputs, once its steps have run with `known`."""
    return {name: resolved(it, known) for name, it in job.get("outputs", {}).items()}


def _holds(condition: str, known: Mapping[str, Any], done: Done) -> bool:
    """Whether a step runs; comparisons with && between are known."""
    terms = [term.strip() for term in condition.split("&&") if term.strip()]
    if done.failed and "always()" not in terms:
        return False
    return all(_is_true(term, known) for term in terms if term != "always()")


def _is_true(term: str, known: Mapping[str, Any]) -> bool:
    if " " not in term:
        return _literal(term, known).lower() not in ("", "false")
    left, operator, right = re.split(r" (==|!=) ", term)
    same = _literal(left, known) == _literal(right, known)
    return same if operator == "==" else not same


def _run(
    machine: Machine, name: str, step: Any, known: dict[str, Any], done: Done
) -> int:
    files = {
        variable: machine.temp / f"{variable}-{name}".replace(" ", "-")
        for variable in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_ENV")
    }
    for path in files.values():
        path.write_text("")
    given = {key: resolved(value, known) for key, value in step.get("env", {}).items()}
    finished = subprocess.run(
        [*_SHELLS[step.get("shell", "sh")], "-c", step["run"]],
        cwd=machine.workspace,
        env={
            **{key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ},
            "LC_ALL": "C.UTF-8",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(machine.action),
            "GITHUB_WORKSPACE": str(machine.workspace),
            **{variable: str(path) for variable, path in files.items()},
            **machine.environment,
            **given,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    done.said[name] = finished.stdout
    done.outputs[name] = outputs_of(files["GITHUB_OUTPUT"].read_text())
    done.summary += files["GITHUB_STEP_SUMMARY"].read_text()
    return finished.returncode


def _use(machine: Machine, uses: str, given: Mapping[str, str], done: Done) -> int:
    if uses in _OWN:
        inner, outputs = run_action(machine, given)
        done.said |= inner.said
        done.outputs["action"] = outputs
        return int(inner.failed)
    action = uses.partition("@")[0]
    if action == "actions/upload-artifact":
        source = machine.workspace / given["path"]
        if source.exists():
            target = machine.artifacts / given["name"]
            shutil.rmtree(target, ignore_errors=True)
            if source.is_dir():
                shutil.copytree(source, target)
            else:
                target.mkdir(parents=True)
                shutil.copy(source, target)
    elif action == "actions/download-artifact":
        target = machine.workspace / given.get("path", "")
        if "name" in given:
            shutil.copytree(
                machine.artifacts / given["name"], target, dirs_exist_ok=True
            )
        else:
            for found in machine.artifacts.glob(given["pattern"]):
                shutil.copytree(found, target / found.name)
    elif action == "github/codeql-action/upload-sarif":
        source = machine.workspace / given["sarif_file"]
        shutil.copyfile(source, machine.artifacts / f"{given['category']}.scanned")
    else:
        assert action in _DONE_ELSEWHERE, uses
    return 0


def outputs_of(text: str) -> dict[str, str]:
    """Read what steps wrote to $GITHUB_OUTPUT."""
    found, lines = {}, iter(text.splitlines())
    for line in lines:
        name, equals, value = line.partition("=")
        if "<<" in name or not equals:
            name, _, end = line.partition("<<")
            value = "\n".join(iter(lambda: next(lines), end))
        found[name] = value
    return found


def resolved(text: str, known: Mapping[str, Any]) -> str:
    """Return a text with its expressions replaced; paths and `||` are known."""
    return _EXPRESSION.sub(lambda it: _value(it[1], known), text)


def _value(expression: str, known: Mapping[str, Any]) -> str:
    for alternative in expression.split(" || "):
        found = _literal(alternative.strip(), known)
        if found:
            return found
    return ""


def _literal(word: str, known: Mapping[str, Any]) -> str:
    if word.startswith("'"):
        return word.strip("'")
    place: Any = known
    for name in word.split("."):
        place = place.get(name, "") if isinstance(place, Mapping) else ""
    return str(place)
