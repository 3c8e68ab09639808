"""Logs are cut from what 6.12 said of the kernel's own selftests."""

import pytest

from runner.failures.classify import classify
from runner.failures.origin import origin

VOID = """\
; data = bpf_dynptr_data(&ptr, 0, 8); @ slices.bpf.c:15
8: (bf) r1 = r10                      ; R1_w=fp0 R10=fp0
9: (85) call bpf_dynptr_data#203      ; R0_w=mem_or_null(id=3,ref_obj_id=2,sz=8) refs=2
10: (bf) r6 = r0                      ; R0_w=mem_or_null(id=3) R6_w=mem_or_null(id=3)
; if (!data) @ slices.bpf.c:16
11: (15) if r6 == 0x0 goto pc+3       ; R6_w=mem(ref_obj_id=2,sz=8) refs=2
; bpf_ringbuf_submit_dynptr(&ptr, 0); @ slices.bpf.c:19
12: (85) call bpf_ringbuf_submit_dynptr#199   ;
; *data = 1; @ slices.bpf.c:20
13: (7b) *(u64 *)(r6 +0) = r1
R6 invalid mem access 'scalar'
processed 13 insns (limit 1000000)
"""
CALLBACK = """\
; bpf_loop(4, step, NULL, 0); @ loop.bpf.c:9
3: (b7) r2 = 0                        ; R2_w=0
4: (85) call bpf_loop#181
; *(int *)ctx = 1; @ loop.bpf.c:4
7: frame1: R1=scalar() R2=0 R10=fp0 cb
7: (62) *(u32 *)(r2 +0) = 1
R2 invalid mem access 'scalar'
processed 7 insns (limit 1000000)
"""
CALLED = """\
; p = bpf_map_lookup_elem(&m, &key); @ call.bpf.c:3
3: (85) call bpf_map_lookup_elem#1    ; R0=map_value_or_null(id=1,map=m,ks=4,vs=4)
4: (bf) r6 = r0                       ; R0=map_value_or_null(id=1) R6_w=map_value
5: (85) call pc+3
caller:
 R6_w=map_value_or_null(id=1) R10=fp0
callee:
 frame1: R10=fp0
9: frame1: R10=fp0
; return 0; @ call.bpf.c:20
9: (b7) r6 = 0                        ; frame1: R6_w=0
10: (95) exit
returning from callee:
 frame1: R0_w=0 R10=fp0
to caller at 6:
 R0_w=0 R6=map_value_or_null(id=1) R10=fp0
; return *p; @ call.bpf.c:5
6: (61) r0 = *(u32 *)(r6 +0)
R6 invalid mem access 'map_value_or_null'
processed 8 insns (limit 1000000)
"""
ADDED = """\
; i = random(); @ index.bpf.c:6
5: (85) call bpf_get_prandom_u32#7    ; R0_w=scalar()
6: (bf) r8 = r0                       ; R0_w=scalar(id=1) R8_w=scalar(id=1)
; values[i]++; @ index.bpf.c:8
7: (bf) r1 = r9                       ; R1_w=map_value(map=m,ks=4,vs=8)
8: (0f) r1 += r8
math between map_value pointer and register with unbounded min value is not allowed
processed 9 insns (limit 1000000)
"""
LEAKED = """\
; sk = bpf_sk_lookup_tcp(skb, &t, sizeof(t), -1, 0); @ leak.bpf.c:31
12: (85) call bpf_sk_lookup_tcp#84    ; R0_w=sock_or_null(id=2,ref_obj_id=2) refs=2
; return 0; @ leak.bpf.c:35
13: (b7) r0 = 0                       ; R0_w=0 refs=2
14: (95) exit
Unreleased reference id=2 alloc_insn=12
processed 13 insns (limit 1000000)
"""
TRUSTED = """\
; mask = bpf_cpumask_create(); @ mask.bpf.c:4
0: (85) call bpf_cpumask_create#5      ; R0_w=ptr_or_null_bpf_cpumask(id=1)
; bpf_cpumask_release(mask); @ mask.bpf.c:5
1: (bf) r1 = r0                       ; R0_w=ptr_or_null_ R1_w=ptr_or_null_(id=1)
2: (85) call bpf_cpumask_release#6
Possibly NULL pointer passed to trusted arg0
processed 3 insns (limit 1000000)
"""


def said(log: str) -> str:
    verdict = log.splitlines()[-2]
    return str(origin(verdict, log) or "")


@pytest.mark.parametrize(
    ("log", "words"),
    [
        (
            VOID,
            "R6 comes from `data = bpf_dynptr_data(&ptr, 0, 8);` at slices.bpf.c:15, "
            "and a later call made it void",
        ),
        (
            CALLED,
            "R6 comes from `p = bpf_map_lookup_elem(&m, &key);` at call.bpf.c:3",
        ),
        (ADDED, "R8 comes from `i = random();` at index.bpf.c:6"),
        (
            LEAKED,
            "what is not released comes from `sk = bpf_sk_lookup_tcp(skb, &t, "
            "sizeof(t), -1, 0);` at leak.bpf.c:31",
        ),
        (TRUSTED, "R1 comes from `mask = bpf_cpumask_create();` at mask.bpf.c:4"),
    ],
)
def test_a_value_is_followed_to_what_made_it(log: str, words: str) -> None:
    assert said(log) == words


def test_registers_of_a_callback_are_not_those_of_its_caller() -> None:
    assert said(CALLBACK) == ""


def test_a_log_without_instructions_says_nothing() -> None:
    assert origin("R1 invalid mem access 'scalar'", "") is None
    assert origin("the program is not to my liking", VOID) is None


def test_a_register_without_a_value_comes_from_nowhere() -> None:
    assert origin("R6 !read_ok", VOID) is None


def test_a_pointer_that_a_call_made_void_is_no_number() -> None:
    assert classify(VOID, "load", "EACCES").name == "pointer_void"
    assert classify(CALLBACK, "load", "EACCES").name == "pointer_lost"
