"""Compilation of functions that only compiled code calls.

Numba treats a function that another one calls as if it could also be called from outside: LLVM
optimizes it and makes machine code of it, then takes it into the caller and does both again there.
A function at the fourth level of calls is thus optimized four times, and three of its four machine
codes are never run. Those made with the options `INNER` are optimized once, in the kernel from
which the calls start. Kernels are as fast that way, and those for nodes of any size, made of fifty
small functions, compile in two thirds of the time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

_ENVIRONMENT = "_ZN08NumbaEnv"  # what Numba's names of an environment begin with


class _Library(JITCodeLibrary):
    """A function's LLVM code, to be linked into its callers' and nothing else."""

    def _optimize_final_module(self) -> None:
        """Leave that to the callers, who optimize what they link."""

    def _finalize_final_module(self) -> None:
        """Keep the code for callers; have machine code made of a module without functions.

        It holds the variable alone to which Numba will write the address of the function's
        environment, without asking whether it is there.
        """
        self._finalized = True  # or Numba would first do so
        code: Any = self._get_module_for_linking()  # and keeps it
        variables = [v for v in code.global_variables if v.name.startswith(_ENVIRONMENT)]
        lines = [self._codegen._create_empty_module(self.name), *variables]
        self._final_module = llvm.parse_assembly("\n".join(map(str, lines)))
        super()._finalize_final_module()


class _Compiler(Compiler):
    """Numba's compiler, with another place for what it makes."""

    def compile_extra(self, func: Callable[..., Any]) -> Any:
        """Compile a function."""
        codegen = self.state.targetctx.codegen()
        self.state.library = _Library(codegen, func.__qualname__)
        return super().compile_extra(func)


# Options of `numba.njit`. There is no machine code to be kept on disk: the kernel's own is.
INNER: dict[str, Any] = {
    "pipeline_class": _Compiler,
    "cache": False,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
