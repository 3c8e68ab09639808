"""A case whose patterns of programs are replaced by the names that its object has."""

from runner.bpf import object as bpf_object
from runner.suites import programpatterns
from runner.suites.model import Case


def expanded(case: Case, data: bytes) -> Case:
    """Return the case; the object is read only if the case has patterns.

    Raises ObjectError for an object that can't be read.
    """
    if not programpatterns.has_any(case):
        return case
    names = [it.name for it in bpf_object.read(data).programs]
    return programpatterns.expanded(case, names)
