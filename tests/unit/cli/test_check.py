"""The verb check, as a user types it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runner.preflight import targets
from tests.unit.caches import with_programs
from tests.unit.preflight.made import HEAD, ROOT, build, compiled, kernel

SOURCE = """\
struct task { int pid; int gone; } CORE;
SEC("kprobe/a") int on_a(struct task *task)
{
	return bpf_core_field_offset(struct task, %s);
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build()
    for name in ("pid", "gone"):
        (tmp_path / f"{name}.bpf.o").write_bytes(compiled(HEAD + SOURCE % name))
    (tmp_path / "btf").mkdir()
    types = {
        "5.4": "struct task { long a; int pid; int gone; } x;",
        "6.1": "struct task { long a; int pid; int __gone; } x;",
        "6.2": "struct task { long a; int pid; int __gone; } x;",
    }
    for version, text in types.items():
        (tmp_path / f"btf/{version}.btf").write_bytes(kernel(text))
    with_programs(tmp_path / "cache")
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "120",
    }


def started(folder: Path, *words: str) -> subprocess.Popen[str]:
    """Start the verb; what it prints can be read meanwhile."""
    return subprocess.Popen(
        [sys.executable, "-m", "runner", "check", *words, "--btf", "btf"],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        text=True,
    )


def check(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "runner", "check", *words, "--btf", "btf"],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
    )


def test_what_loads_everywhere_is_status_0(folder: Path) -> None:
    done = check(folder, "pid.bpf.o")

    assert (done.returncode, done.stderr) == (0, "")
    assert "pid.bpf.o on 3 kernels, 1 way" in done.stdout


# Each has a member of its registers that no other has.
REGISTERS = {"x86_64": "orig_ax", "arm64": "syscallno", "s390x": "psw"}
OF_EACH = """\
#if defined(__TARGET_ARCH_x86)
struct pt_regs { long orig_ax; } CORE;
#define OWN orig_ax
#elif defined(__TARGET_ARCH_arm64)
struct pt_regs { long syscallno; } CORE;
#define OWN syscallno
#elif defined(__TARGET_ARCH_s390)
struct pt_regs { long psw; } CORE;
#define OWN psw
#endif
SEC("kprobe/a") int on_a(void *ctx)
{
	return bpf_core_field_offset(struct pt_regs, OWN);
}
"""


@pytest.fixture
def of_three(folder: Path) -> Path:
    """A folder with kernels of three architectures, and a source for all of them."""
    shutil.rmtree(folder / "btf")
    for arch, member in REGISTERS.items():
        target = "bpfeb" if arch == "s390x" else "bpfel"
        btf = kernel(f"struct pt_regs {{ long {member}; }} x;", "-target", target)
        # Not the name of a folder, as BTFHub has it: the BTF itself says it.
        path = folder / "btf" / f"6.1.0-{list(REGISTERS).index(arch)}.btf"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(btf)
    (folder / "regs.bpf.c").write_text(HEAD + OF_EACH)
    return folder


def test_a_source_is_compiled_for_each_architecture_of_the_kernels(
    of_three: Path,
) -> None:
    done = check(of_three, "regs.bpf.c")

    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "regs.bpf.o on 3 kernels" in done.stdout


def test_a_built_object_of_another_byte_order_does_not_load(of_three: Path) -> None:
    built = compiled(HEAD + OF_EACH)
    (of_three / "regs.bpf.o").write_bytes(built)

    done = check(of_three, "regs.bpf.o", "--json")

    assert done.returncode == 1
    kernels = json.loads(done.stdout)["kernels"]
    verdicts = {it["kernel"]: it["predictions"][0] for it in kernels}
    why = "the object is little-endian, and the kernel is big-endian"
    assert why in verdicts["6.1.0-2"]["reasons"]
    # It is for x86_64: on arm64 the member of its registers is missing.
    (missing,) = verdicts["6.1.0-1"]["reasons"]
    assert "pt_regs.orig_ax is missing" in missing


def test_a_source_that_fails_for_one_architecture_says_which(of_three: Path) -> None:
    text = '#ifdef __TARGET_ARCH_s390\n#error "not there"\n#endif\n'
    (of_three / "regs.bpf.c").write_text(text + HEAD + OF_EACH)

    done = check(of_three, "regs.bpf.c")

    assert done.returncode == 2
    assert "not there" in done.stderr
    assert "regs.bpf.c: compilation for s390x failed" in done.stderr


def test_a_folder_of_btfhub_tells_the_architecture(tmp_path: Path) -> None:
    path = tmp_path / "ubuntu/20.04/arm64/5.4.0-42-generic.btf"
    path.parent.mkdir(parents=True)
    # Cut to some objects: it has no registers.
    path.write_bytes(kernel("struct task { int pid; } x;"))
    (found,) = targets.of_path(str(tmp_path))

    assert targets.with_architecture(found).architecture == "arm64"
    path.rename(tmp_path / "5.4.btf")
    (found,) = targets.of_path(str(tmp_path))
    assert targets.with_architecture(found).architecture == ""


def test_a_libbpf_that_is_none_is_status_2(folder: Path) -> None:
    done = check(folder, "pid.bpf.o", "--libbpf", "btf")

    assert done.returncode == 2
    assert "--libbpf btf: there is no libbpf in it" in done.stderr


def test_another_libbpf_predicts_the_same(folder: Path) -> None:
    done = check(folder, "gone.bpf.o", "--libbpf", "/usr")

    assert done.returncode == 1
    assert "from /usr: done" in done.stderr
    assert "6.1, 6.2: rejected" in done.stdout


def test_a_gap_is_status_1_and_told_with_what_is_near(folder: Path) -> None:
    # From the index, too.
    for _ in range(2):
        done = check(folder, "gone.bpf.o")

        assert done.returncode == 1
        assert "gone.bpf.o on 3 kernels, 2 ways" in done.stdout
        assert "6.1, 6.2: rejected" in done.stdout
        assert (
            "made.bpf.c:10 (on_a, instruction 0): task.gone is missing" in done.stdout
        )
        assert (
            "the kernel has no task.gone; similar: task.__gone (renamed, int)"
            in done.stdout
        )
        assert "\x1b" not in done.stdout


def test_json_tells_all(folder: Path) -> None:
    found = json.loads(check(folder, "gone.bpf.o", "--json").stdout)

    assert [it["kernel"] for it in found["kernels"]] == ["5.4", "6.1", "6.2"]
    (relocation,) = found["kernels"][1]["predictions"][0]["relocations"]
    assert relocation["guard"] == "reachable"
    assert relocation["candidates"][0]["access"] == "task.__gone"


def test_a_damaged_kernel_is_told_beside_the_others(folder: Path) -> None:
    (folder / "btf/6.3.btf").write_bytes(kernel("int x;")[:60])
    done = check(folder, "pid.bpf.o")

    assert done.returncode == 2
    assert "error: 6.3: is truncated or malformed" in done.stderr
    assert "pid.bpf.o on 3 kernels" in done.stdout


def test_an_object_of_no_use_does_not_stop_the_others(folder: Path) -> None:
    (folder / "broken.bpf.o").write_bytes(b"\x7fELF" + b"\0" * 100)
    (folder / "source.bpf.c").write_text("int broken(")
    # libbpf itself refuses to open this one.
    (folder / "extern.bpf.o").write_bytes(
        compiled(HEAD + 'extern int gone(void); SEC("tc") int f() { return gone(); }')
    )
    words = ["broken.bpf.o", "source.bpf.c", "extern.bpf.o", "pid.bpf.o"]

    done = check(folder, *words)
    told = json.loads(check(folder, *words, "--json").stdout)

    assert done.returncode == 2
    assert "pid.bpf.o on 3 kernels, 1 way" in done.stdout
    assert "broken.bpf.o: is a truncated" in done.stderr
    assert "source.bpf.c: compilation failed" in done.stderr
    assert "extern.bpf.o: libbpf can't open it" in done.stderr
    assert told["objects"] == ["pid.bpf.o"]
    assert [it["object"] for it in told["unusable"]] == words[:3]


def test_only_objects_of_no_use_are_all_told(folder: Path) -> None:
    for name in ("one", "two"):
        (folder / f"{name}.bpf.o").write_bytes(b"nothing")

    done = check(folder, "one.bpf.o", "two.bpf.o")

    assert done.returncode == 2
    assert "one.bpf.o: not an ELF file" in done.stderr
    assert "two.bpf.o: not an ELF file" in done.stderr


def test_what_is_needed_on_some_kernels_only_is_shown(folder: Path) -> None:
    source = """\
        struct task { int gone; } CORE;
        SEC("kprobe/a") int on_a(struct task *task)
        {
            return bpf_core_field_exists(task->gone) ? bpf_get_current_task() != 0 : 0;
        }
        """
    (folder / "some.bpf.o").write_bytes(compiled(HEAD + source))

    done = check(folder, "some.bpf.o", "-v")

    rows = [line.split() for line in done.stdout.splitlines() if "helper" in line]
    assert done.returncode == 0
    assert rows == [["get_current_task", "helper", "?", "-"]]


def test_verdicts_of_several_objects_stand_beside_each_other(folder: Path) -> None:
    done = check(folder, "pid.bpf.o", "gone.bpf.o")

    assert [line.split() for line in done.stdout.splitlines()[-3:]] == [
        ["all", "objects", "5.4", "6.1", "6.2"],
        ["pid.bpf.o", "loads", "loads", "loads"],
        ["gone.bpf.o", "loads", "rejected", "rejected"],
    ]


def test_results_are_printed_as_they_come(folder: Path) -> None:
    for number in range(40):
        shutil.copy(folder / "gone.bpf.o", folder / f"gone{number}.bpf.o")
    words = [f"gone{number}.bpf.o" for number in range(40)]

    with started(folder, *words) as process:
        assert process.stdout is not None
        seen = []
        for line in process.stdout:
            seen.append(line)
            if "gone0.bpf.o on 3 kernels" in line:
                break
        # There is more to do, and Ctrl-C ends it.
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)

    assert not any("gone39.bpf.o" in line for line in seen)


def test_an_object_that_nobody_can_follow_costs_its_own_verdict(folder: Path) -> None:
    limit = "runner.preflight.reach._MOST_VISITS = 40"
    branches = "".join(f"if (skb->len == {n}) sink = {n};" for n in range(60))
    many = f"""\
        volatile int sink;
        SEC("tc") int f(struct __sk_buff *skb) {{ {branches} return 0; }}
        """
    (folder / "many.bpf.o").write_bytes(compiled(HEAD + many))
    program = (
        f"import sys, runner.preflight.reach, runner.cli; {limit}; "
        "sys.exit(runner.cli.main(sys.argv[1:]))"
    )

    def checked(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program, "check", *words, "--btf", "btf"],
            cwd=folder,
            env=environment(folder),
            capture_output=True,
            text=True,
        )

    done = checked("pid.bpf.o", "many.bpf.o")

    assert done.returncode == 3, done.stderr
    assert [line.split() for line in done.stdout.splitlines()[-2:]] == [
        ["pid.bpf.o", "loads", "loads", "loads"],
        ["many.bpf.o", "unknown", "unknown", "unknown"],
    ]
    assert (
        "not followed to its end: its programs take more than 40 steps" in done.stdout
    )
    assert checked("many.bpf.o", "gone.bpf.o").returncode == 1


def test_ctrl_c_ends_workers_at_once(folder: Path) -> None:
    # Kernels for two workers, each of which is busy for long.
    for number in range(20):
        text = f"struct task {{ long a{number}; int pid; int gone; }} x;"
        (folder / f"btf/6.{number + 3}.btf").write_bytes(kernel(text))
    slow = "lambda *_, **__: (Path('busy').touch(), time.sleep(300))"
    program = (
        "import sys, time, runner.preflight.check, runner.cli; "
        f"from pathlib import Path; runner.preflight.check.predict = {slow}; "
        "sys.exit(runner.cli.main(sys.argv[1:]))"
    )
    process = subprocess.Popen(
        [
            # A shell's background ignores SIGINT.
            *("env", "--default-signal=INT"),
            *(sys.executable, "-c", program),
            *("check", "pid.bpf.o", "--btf", "btf", "-n", "2"),
        ],
        cwd=folder,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while process.poll() is None and not (folder / "busy").exists():
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=120)

    assert process.returncode == 130
    assert errors.splitlines()[-1:] == ["interrupted"]
    assert "Traceback" not in errors, errors[-3000:]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no object to check"),
        (["nothing.bpf.o"], "nothing.bpf.o does not exist"),
        (["btf/5.4.btf"], "not an ELF file"),
        (["pid.bpf.o", "-n", "many"], 'must be a positive number or "auto"'),
        (["--explain", "7.0", "task.pid"], "there is no kernel 7.0"),
        (["--explain", "6.1", "task"], "'task' is not a field"),
    ],
)
def test_mistakes_are_told(folder: Path, words: list[str], said: str) -> None:
    done = check(folder, *words)

    assert done.returncode in (2, 3)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_explain_tells_a_fields_history(folder: Path) -> None:
    done = check(folder, "--explain", "6.1", "task.gone")

    assert done.returncode == 0
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["task.gone"],
        ["5.4", "int,", "4", "bytes", "at", "12"],
        [
            ">",
            "6.1,",
            "6.2",
            "missing;",
            "similar:",
            "task.__gone",
            "(renamed,",
            "int)",
        ],
    ]


def test_changes_are_told_from_kernel_to_kernel(folder: Path) -> None:
    done = check(folder, "gone.bpf.o", "--changes")

    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(it.split()) for it in done.stdout.splitlines() if it]
    assert lines == [
        "gone.bpf.o, from kernel to kernel",
        "5.4 → 6.1",
        "task.gone renamed int, 4 bytes at 12 → now task.__gone, int",
        "6.1 → 6.2",
        "nothing changes",
    ]


def test_explain_knows_enumerators_and_takes_no_other_type_for_a_field(
    folder: Path,
) -> None:
    old = "struct lock { long owner; }; struct task { int pid; struct lock lock; } x;"
    new = "struct owner; struct task { int pid; struct owner *owner; } x;"
    enums = " enum kinds { KIND_FIRST, KIND_OTHER } k;"
    (folder / "btf/5.4.btf").unlink()
    (folder / "btf/6.1.btf").write_bytes(kernel(old + enums))
    (folder / "btf/6.2.btf").write_bytes(
        kernel(new + enums.replace(" KIND_FIRST,", ""))
    )

    def explained(field: str) -> list[str]:
        out = check(folder, "--explain", field).stdout
        return [" ".join(it.split()) for it in out.splitlines()[1:]]

    # `lock.owner` is a number, and what is looked for a pointer on 6.2.
    assert explained("task.owner") == [
        "6.1 missing",
        "6.2 struct owner *, 8 bytes at 8",
    ]
    assert explained("kinds.KIND_OTHER") == explained("KIND_OTHER")
    assert explained("KIND_OTHER") == [
        "6.1 an enumerator, 1",
        "6.2 an enumerator, 0",
    ]
    assert explained("kinds.KIND_FIRST")[0] == "6.1 an enumerator, 0"
    assert explained("kinds.KIND_FIRST")[1] == "6.2 missing"


def test_changes_are_told_in_json(folder: Path) -> None:
    done = check(folder, "gone.bpf.o", "--changes", "--json")

    (told,) = json.loads(done.stdout)
    first, second = told["steps"]
    (change,) = first["changes"]
    assert (first["before"], first["after"], second["changes"]) == ("5.4", "6.1", [])
    assert (change["difference"], change["became"]) == ("renamed", ["task.__gone"])


@pytest.mark.parametrize("name", ["nobtf.bpf.o", "empty.bpf.o"])
def test_an_object_that_can_not_be_used_is_status_2(folder: Path, name: str) -> None:
    data = compiled("int number = 1;", "-g0") if name == "nobtf.bpf.o" else b""
    (folder / name).write_bytes(data)

    done = check(folder, name)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {name}: ")


def test_an_empty_folder_does_not_stop_the_others(folder: Path) -> None:
    (folder / "nothing").mkdir()

    done = check(folder, "nothing", "pid.bpf.o")

    assert done.returncode == 2
    assert "error: nothing has no *.bpf.c and no *.bpf.o" in done.stderr
    assert "pid.bpf.o on 3 kernels, 1 way" in done.stdout


def test_explaining_what_no_kernel_has_is_a_mistake_told_with_near_names(
    folder: Path,
) -> None:
    done = check(folder, "--explain", "6.1", "task.pidd")

    assert (done.returncode, done.stdout) == (2, "")
    assert "error: --explain: none of these kernels has task.pidd" in done.stderr
    assert "similar: task.pid (renamed, int)" in done.stderr


def test_a_kernel_that_is_none_is_an_error_named_once(folder: Path) -> None:
    (folder / "matrix.yaml").write_text("kernels: []\n")
    done = check(folder, "pid.bpf.o", "--btf", "matrix.yaml")

    assert done.returncode == 2
    assert done.stderr.startswith("error: matrix.yaml: not BTF: ")


def test_tables_have_no_blanks_at_the_ends_of_lines(folder: Path) -> None:
    done = check(folder, "gone.bpf.o", "pid.bpf.o", "-v")

    assert [line for line in done.stdout.splitlines() if line != line.rstrip()] == []


def test_modules_are_those_of_the_matrix(folder: Path) -> None:
    done = check(folder, "pid.bpf.o", "--modules", "nf_conntrack")

    assert done.returncode == 2
    assert "--modules is about kernels of the matrix" in done.stderr
    assert "/sys/kernel/btf" in done.stderr
