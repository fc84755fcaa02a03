"""Compilation of kernels, and of functions that only compiled code calls.

Numba treats a function that another one calls as if it could also be called from outside: LLVM
optimizes it and makes machine code of it, then takes it into the caller and does both again there.
A function at the fourth level of calls is thus optimized four times, and three of its four machine
codes are never run. Those made with the options `INNER` are optimized once, in the kernel from
which the calls start. Kernels are as fast that way, and those for nodes of any size, made of fifty
small functions, compile in two thirds of the time.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import llvmlite.binding as llvm
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

FEW = 60  # functions; of more LLVM takes in so many that it takes a fifth longer, and gains nothing
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


class _Kernel(JITCodeLibrary):
    """A kernel's LLVM code, with that of all it calls.

    Nobody else calls that code, which LLVM does not know unless it is told. Then it takes in what
    is called once, and leaves out arguments that are not used, most numbers of an array's among
    them: to pass a kernel's arrays on took a tenth of the time of series of ten nodes.
    """

    def __init__(self, codegen: Any, name: str) -> None:
        super().__init__(codegen, name)
        self.enable_object_caching()  # as Numba does with those it makes

    def finalize(self) -> None:
        """Link what the kernel calls, optimize, make machine code."""
        self._own = self._defined()
        super().finalize()

    def _optimize_final_module(self) -> None:
        """Optimize all of it together."""
        linked = self._defined() - self._own
        own = sha256("".join(sorted(self._own)).encode()).hexdigest()[:16]
        for name in linked if len(linked) <= FEW else ():
            function = self._final_module.get_function(name)
            function.linkage = "internal"
            # Machine code is linked by name, internal or not: other kernels, whose functions are
            # not internal, would take one whose arguments were left out for theirs, and crash.
            function.name = f"{name}.{own}"
        super()._optimize_final_module()

    def _defined(self) -> set[str]:
        """Names of the functions whose code is here."""
        functions = self._final_module.functions
        return {function.name for function in functions if not function.is_declaration}


class KernelCompiler(Compiler):
    """Numba's compiler, with another place for what it makes."""

    library: type[JITCodeLibrary] = _Kernel

    def compile_extra(self, func: Callable[..., Any]) -> Any:
        """Compile a function."""
        codegen = self.state.targetctx.codegen()
        self.state.library = self.library(codegen, func.__qualname__)
        return super().compile_extra(func)


class _InnerCompiler(KernelCompiler):
    library = _Library

    def compile_extra(self, func: Callable[..., Any]) -> Any:
        """Compile a function; refuse arrays that change hands where nobody counts references.

        One that it returned would be freed while in use: the caller lets go of what nobody took.
        One that a function gave to it would never be freed.
        """
        compiled, state = super().compile_extra(func), self.state
        handed = [compiled.signature, *_calls(compiled)] if not state.flags.nrt else []
        for kind in (each.return_type for each in handed):
            if state.targetctx.data_model_manager[kind].contains_nrt_meminfo():
                name = func.__qualname__
                raise TypeError(f'{name} returns or is given {kind}: it needs "_nrt": True')
        return compiled


def _calls(compiled: Any) -> list[Any]:
    """Signatures of the calls in a compiled function."""
    calltypes = compiled.type_annotation.calltypes.items()
    return [each for what, each in calltypes if getattr(what, "op", "") == "call" and each]


# Options of `numba.njit`. There is no machine code to be kept on disk: the kernel's own is.
INNER: dict[str, Any] = {
    "pipeline_class": _InnerCompiler,
    "cache": False,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
