"""Texts that try to be more than text, and a run that is full of them."""

from runner.results import (
    CaseResult,
    KernelRun,
    MapUse,
    Mismatch,
    ObjectUse,
    Outcome,
    Printed,
    ProgramState,
    ProgramUse,
    RunResults,
    StructOpsState,
)

# Each calls alert() or loads something where it is taken for markup or script.
CORPUS = (
    "<script>alert(1)</script>",
    "</script><script>alert(2)</script>",
    "</SCRIPT ><script>alert(3)//",
    "<!--<script>alert(4)",
    "--><img src=x onerror=alert(5)>",
    '"><img src=http://192.0.2.1/x onerror=alert(6)>',
    "' onmouseover='alert(7)' x='",
    '" autofocus onfocus=alert(8) x="',
    "<svg onload=alert(9)><title></title></svg>",
    "</style><style>@import 'http://192.0.2.1/x';</style>",
    "</title></textarea></pre></table><iframe src=javascript:alert(10)>",
    "]]><script>alert(11)</script>",
    "{{ 7 * 7 }}{% raw %}${alert(12)}`${alert(13)}`",
    "javascript:alert(14)",
    "&lt;script&gt;alert(15)&lt;/script&gt;&#x3c;",
    "line\u2028separator\u2029paragraph",
    "\\u003c/script>\\",
    "right\u202eto left\u202c",
    "escape \x1b[31mred\x1b[0m bell \x07 nul \x00 csi \x9b1m",
    "half of a pair \udc80 and \ud83d",
    "__proto__",
    "constructor",
)


def run() -> RunResults:
    """Return a run in which every text that a guest or an object gives is hostile."""
    kernels = tuple(
        KernelRun(
            id=f"{number}{text}",
            release=text,
            image=text,
            image_sha256=text,
            btf_source=text,
            qemu=text,
            qemu_command=text,
            libbpf=text,
            bpftool=text,
            notes=(text,),
            error=text if number % 2 else "",
            cure=text,
            console=text,
            boots=(1.0,),
        )
        for number, text in enumerate(CORPUS)
    )
    cases = tuple(
        CaseResult(
            kernel=kernels[number].id,
            suite=text,
            case=text,
            outcome=outcome,
            message=text,
            failure_class=text,
            cure=text,
            source=f"{text}:3",
            mismatches=(
                Mismatch(
                    subject=text, key=text, field=text, expected=text, observed=text
                ),
            )
            if outcome is Outcome.FAILED
            else (),
            not_available=(text,),
            log=text,
            console=text,
            commands=(
                Printed(name=text, argv=(text,), exit=1, stdout=text, stderr=text),
            ),
            programs=(ProgramState(name=text, section=text, type=text, why=text),),
            struct_ops=(StructOpsState(name=text, why=text),),
            object_path=text,
            object_sha256=text,
            source_path=text,
            flaky=text,
        )
        for number, text in enumerate(CORPUS)
        for outcome in Outcome
    )
    objects = tuple(
        ObjectUse(
            path=text,
            sha256=text,
            programs=(ProgramUse(name=text, section=text, helpers=(text,)),),
            maps=(MapUse(name=text, type=text),),
        )
        for text in CORPUS
    )
    return RunResults(
        runner=CORPUS[0],
        started=CORPUS[1],
        duration=1.0,
        kernels=kernels,
        cases=cases,
        objects=objects,
    )
