"""Which node, or gap between nodes, each lane is at: forwards, or from the end of a series back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .staged import Machine


class Course:
    """Which index in time each lane is at: its own count, or counted back from the end."""

    def __init__(self, machine: Machine, ends: Sequence[tuple[Any, Any]] = ()) -> None:
        self.machine = machine
        self.ends = ends  # what the first lane's count stops at, and where the second starts

    def at(self, t: Any) -> list[Any]:
        """Indices in time, one for all lanes or one for each."""
        if not self.ends:
            return [t]
        (stop, start), builder = self.ends, self.machine.builder
        return [self.machine.smaller(t, stop), builder.sub(start, t)]
