"""The published PyTorch code beside this package: same numbers in, same process, taking turns."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._cases import Case, Problem, make_problem, reference_solution
from ._measure import Cell, Table, interleaved, n_threads
from .adjoint import ode_solve_vjp

EXTENSION = "mnn"  # the module that the published code's optional C++ part installs
TITLE = "The published PyTorch code beside ours: ns per step and series, forward plus backward"
COLUMNS = (
    "batch x T", "ours", "published", "published / ours", "with extension", "with extension / ours",
    "our error", "published error", "gradients differ by",
)  # fmt: skip
Run = Callable[[], Sequence[NDArray]]  # y, then the gradients that both sides have


def compare(folder: str, cases: Sequence[Case], seconds: float) -> Table:
    """Time both on every case; a table without rows and a note that says why if that cannot be."""
    missing = _why_not(folder)
    if missing:
        return Table(TITLE, COLUMNS, [], f"Skipped: {missing}")
    import torch

    torch.set_num_threads(n_threads())
    published = {"published": _load(folder, extension=False)}
    if find_spec(EXTENSION):
        published["with extension"] = _load(folder, extension=True)
    note = (
        f"torch {torch.__version__}, {torch.get_num_threads()} of its threads. Gradients in "
        f"coefficients, right-hand side, initial values and steps. Errors of y are those of the "
        f"first two series against extended precision, relative to the largest entry. "
    )
    if len(published) == 1:
        note += f"The compiled extension is left out: no module {EXTENSION!r} is installed."
    return Table(TITLE, COLUMNS, [_row(case, published, seconds) for case in cases], note.strip())


def with_graphs(folder: str, problem: Problem) -> Callable[[], None] | str:
    """The published code with its CUDA graphs: forward and backward on the GPU, until it is done.

    Its tensors are made here. Where that cannot be, the end of a sentence that says why.
    """
    missing = _why_not(folder)
    if missing:
        return missing
    import torch

    if not torch.cuda.is_available():
        return "torch finds no GPU; install a build of it for CUDA."
    module = _load(folder, extension=False)
    leaves = [torch.from_numpy(each).cuda().requires_grad_() for each in problem.arguments]
    y_bar = torch.from_numpy(problem.y_bar).cuda()

    def run() -> None:
        torch.autograd.grad(module.ode_forward(*leaves), leaves, y_bar)
        torch.cuda.synchronize()

    return run


def _why_not(folder: str) -> str:
    """What is missing, as the end of a sentence; nothing if nothing is."""
    if not Path(folder, "smnn.py").is_file():
        return f"there is no smnn.py in {folder}; name a checkout of IST-DASLab/ScalableMNN."
    if not find_spec("torch"):
        return "torch is not installed; install it with: pip install torch"
    return ""


def _load(folder: str, *, extension: bool) -> ModuleType:
    """Import a copy of the published file of our own, with or without its compiled part."""
    name = f"published_smnn_{'with' if extension else 'without'}_extension"
    spec = spec_from_file_location(name, Path(folder, "smnn.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    if not extension:
        module.mnn = None  # type: ignore[attr-defined]
    return module


def _row(case: Case, published: dict[str, ModuleType], seconds: float) -> list[Cell]:
    """Times, ratios, errors and the largest difference of one case."""
    problem = make_problem(case)
    runs: dict[str, Run] = {"ours": lambda: _ours(problem)}
    runs |= {name: _theirs(module, problem) for name, module in published.items()}
    times = interleaved(runs, seconds)
    ns = {name: 1e9 * each / case.n_unknowns for name, each in times.items()}
    ours, theirs = runs["ours"](), runs["published"]()
    exact = reference_solution(problem)
    errors = [_difference(each[0][: len(exact)], exact) for each in (ours, theirs)]
    differs = max(_difference(b, a) for a, b in zip(ours[1:], theirs[1:], strict=True))
    cells: list[Cell] = [case.label, ns["ours"]]
    for name in ("published", "with extension"):
        cells += [ns[name], ns[name] / ns["ours"]] if name in ns else [None, None]
    return [*cells, *errors, differs]


def _ours(problem: Problem) -> Sequence[NDArray]:
    """Solve with default arguments and differentiate."""
    y, pullback = ode_solve_vjp(*problem.arguments)
    gradients = pullback(problem.y_bar)
    assert gradients.initial is not None
    return y, gradients.coefficients, gradients.rhs, gradients.initial, gradients.steps


def _theirs(module: Any, problem: Problem) -> Run:
    """The same by the published code, on tensors made beforehand."""
    import torch

    leaves = [torch.from_numpy(array).requires_grad_() for array in problem.arguments]
    y_bar = torch.from_numpy(problem.y_bar)

    def run() -> Sequence[NDArray]:
        y = module.ode_forward(*leaves)
        gradients = torch.autograd.grad(y, leaves, y_bar)
        return y.detach().numpy(), *(each.numpy() for each in gradients)

    return run


def _difference(a: NDArray, b: NDArray) -> float:
    """Largest difference relative to the largest entry."""
    return float(np.abs(a - b).max() / np.abs(b).max())
