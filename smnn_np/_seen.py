"""Values that are not looked at before they are used.

To read a large array only to see that its values are finite takes long beside computing with them.
Of the arrays that a solve takes nothing has to be seen: whatever is not finite there spoils the
solution of its series, be it multiplied by a weight of zero, no factorization proves such a
solution, and the last one refuses it. Steps are looked at by the kernel that reads them. A failed
solve is the time to look for the cause.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._arrays import is_cupy

LATER = 2**12  # numbers: arrays of fewer are looked at before they are used
_PROVEN = ("coefficients", "rhs", "initial", "steps")


def large_of(given: Mapping[str, Any]) -> set[str]:
    """Names of the host's arrays, of those whose values a solve shows to be bad, that are large."""
    named = {name: given.get(name) for name in _PROVEN}
    large = {name: each for name, each in named.items() if getattr(each, "size", 0) >= LATER}
    return {name for name, each in large.items() if not is_cupy(each)}
