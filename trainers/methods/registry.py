"""The methods there are."""

from __future__ import annotations

from stanalysis.errors import BadInput
from trainers.methods.contract import Method
from trainers.methods.dcls.config import DENSE
from trainers.methods.delgrad.config import DELGRAD
from trainers.methods.eventprop.config import EVENTPROP
from trainers.methods.rewired.config import SPARSE

METHODS: dict[str, Method] = {}


def register(method: Method) -> None:
    """Add a method; from then on the command line trains it, and its runs can be resumed and operated on."""
    if method.name in METHODS or method.verb in {known.verb for known in METHODS.values()}:
        raise ValueError(f"there is a method {method.name} or a verb {method.verb} already")
    METHODS[method.name] = method


def method_named(name: str, where: str) -> Method:
    """The method of the run ``where``; `BadInput` if there is none of that name."""
    if name not in METHODS:
        raise BadInput(f"{where} holds a run of the method {name!r}; give one of {', '.join(METHODS)}.")
    return METHODS[name]


for built_in in (DENSE, SPARSE, EVENTPROP, DELGRAD):
    register(built_in)
