"""Problems to measure the solver on, their normal matrix, and a reference in extended precision.

The normal matrix is written straight from the table of rows in `smnn_np.taylor`, not with its
code, so that it can serve as a rival's ready-made input and as an independent check.
"""

from __future__ import annotations

from math import factorial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .adjoint import ode_solve_vjp
from .ode import ode_factorize, ode_solve


class Case(NamedTuple):
    """Sizes of a problem: one that `make_problem` can draw."""

    batch: int
    n_steps: int
    n_equations: int
    n_dims: int
    n_orders: int
    smooth: bool = False

    @property
    def label(self) -> str:
        """The sizes as text."""
        kind = ", smooth" if self.smooth else ""
        return f"{self.batch:,} x {self.n_steps:,}, V = {self.n_dims}, R = {self.n_orders}{kind}"

    @property
    def n_unknowns(self) -> int:
        """Steps times series: what a time is divided by."""
        return self.batch * self.n_steps


# One long series, and four batches such as a network emits; then a few small ones.
CASES = (
    Case(1, 10_000, 1, 1, 3),
    Case(1536, 50, 1, 1, 3),
    Case(8192, 10, 1, 1, 5),
    Case(64, 1000, 3, 3, 3),
    Case(16, 1000, 10, 10, 3),
)
QUICK_CASES = (Case(1, 500, 1, 1, 3), Case(32, 20, 1, 1, 3), Case(8, 20, 3, 3, 3))


class Problem(NamedTuple):
    """Arguments of `smnn_np.ode_solve`, in order, and a gradient in y.

    Every series and every step has numbers of its own: nothing is broadcast.
    """

    coefficients: NDArray  # (batch, T, Q, V, R)
    rhs: NDArray  # (batch, T, Q)
    initial: NDArray  # (batch, 1, V, P)
    steps: NDArray  # (batch, T - 1)
    y_bar: NDArray  # (batch, T, V, R)

    @property
    def arguments(self) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """Without the gradient."""
        return self[:4]


def make_problem(case: Case, seed: int = 0) -> Problem:
    """Draw a problem: noise at a step of 0.1, or coupled damped oscillators at 0.01."""
    rng = np.random.default_rng(seed)
    batch, n_steps, n_equations, n_dims, n_orders = case[:5]
    lead = (batch, n_steps)
    y_bar = rng.standard_normal((*lead, n_dims, n_orders))
    if case.smooth:
        coefficients = _oscillators(case, rng)
        times = 0.01 * np.arange(n_steps)
        rhs = np.sin(times[:, None] + rng.uniform(0, 6, (batch, 1, n_equations)))
        initial = rng.standard_normal((batch, 1, n_dims, min(2, n_orders - 1)))
        return Problem(coefficients, rhs, initial, np.full((batch, n_steps - 1), 0.01), y_bar)
    coefficients = rng.standard_normal((*lead, n_equations, n_dims, n_orders))
    rhs = rng.standard_normal((*lead, n_equations))
    initial = rng.standard_normal((batch, 1, n_dims, n_orders - 1))
    return Problem(coefficients, rhs, initial, np.full((batch, n_steps - 1), 0.1), y_bar)


def _oscillators(case: Case, rng: np.random.Generator) -> NDArray:
    """``y_v'' + 0.1 y_v' + w_v^2 y_v`` and a weak coupling, with w that drifts in time."""
    batch, n_steps, n_equations, n_dims, n_orders = case[:5]
    coefficients = np.zeros((batch, n_steps, n_equations, n_dims, n_orders))
    coefficients[..., 0] = 0.1 * rng.standard_normal((batch, 1, n_equations, n_dims))
    drift = 1.0 + 0.1 * np.sin(0.01 * np.arange(n_steps))
    each = np.arange(n_dims)
    stiffness = drift[:, None] * rng.uniform(0.64, 1.44, (batch, 1, n_dims))
    coefficients[:, :, each, each, 0] = stiffness
    coefficients[:, :, each, each, 1] = 0.1
    coefficients[:, :, each, each, 2] = 1.0
    return coefficients


def make_oscillator(step: float, duration: float = 10.0) -> dict[str, Any]:
    """Arguments of `ode_solve` for y'' + y = 0, y(0) = 1, y'(0) = 0, whose solution is cos t."""
    return {
        "coefficients": [[[[1.0, 0.0, 1.0]]]],
        "rhs": [[0.0]],
        "initial": [[[1.0, 0.0]]],
        "steps": step,
        "n_steps": round(duration / step) + 1,
    }


def forward(problem: Problem, factorization: str = "auto") -> object:
    """Solve."""
    return ode_solve(*problem.arguments, factorization=factorization)


def forward_backward(problem: Problem, factorization: str = "auto") -> object:
    """Solve, and differentiate in all inputs."""
    y, pullback = ode_solve_vjp(*problem.arguments, factorization=factorization)
    return y, pullback(problem.y_bar)


def share_by_qr(problem: Problem) -> float:
    """Share of the series that "auto" gives to QR."""
    given = problem.initial.shape[-1]
    factor = ode_factorize(problem.coefficients, problem.steps, n_initial_orders=given)
    factor.solve(problem.rhs, problem.initial)
    return float(np.mean(factor.by_qr))


def error_of_solution(problem: Problem) -> float:
    """Largest error of the first series' y, relative to its largest entry."""
    exact = reference_solution(problem)
    y = ode_solve(*problem.arguments)[: len(exact)]
    return float(np.abs(y - exact).max() / np.abs(exact).max())


class Normal(NamedTuple):
    """Rows of a batch of problems, unit weights, and the blocks of their normal matrix."""

    problem: Problem
    near: NDArray  # (batch, T - 1, 2 R, R) Taylor rows of one dimension, at node t
    far: NDArray  # the same rows' entries at node t + 1
    diagonal: NDArray  # (batch, T, m, m), m = V R
    above: NDArray  # (batch, T - 1, m, m) rows of node t, columns of node t + 1

    def residual(self, y: NDArray) -> NDArray:
        """``A^T (b - A y)``, by rows: y and the result (batch, T, V, R)."""
        c, rhs, initial = self.problem[:3]
        n_given = initial.shape[-1]
        out = np.einsum("btqvr,btq->btvr", c, rhs - np.einsum("btqvr,btvr->btq", c, y))
        out[:, 0, :, :n_given] += initial[:, 0] - y[:, 0, :, :n_given]
        gap = np.einsum("btkr,btvr->btvk", self.near, y[:, :-1])
        gap += np.einsum("btkr,btvr->btvk", self.far, y[:, 1:])
        out[:, :-1] -= np.einsum("btkr,btvk->btvr", self.near, gap)
        out[:, 1:] -= np.einsum("btkr,btvk->btvr", self.far, gap)
        return out


def normal_matrix(problem: Problem, dtype: DTypeLike = np.float64) -> Normal:
    """Form the rows and the normal matrix of a problem, in any precision."""
    problem = Problem(*(array.astype(dtype) for array in problem))
    c, _, initial, steps, _ = problem
    batch, n_steps, n_equations, n_dims, n_orders = c.shape
    m = n_dims * n_orders
    near, far = _taylor_rows(steps, n_orders)
    flat = c.reshape(batch, n_steps, n_equations, m)
    diagonal = np.einsum("btqi,btqj->btij", flat, flat)
    above = np.zeros((batch, n_steps - 1, m, m), dtype=dtype)
    products = [np.einsum("btki,btkj->btij", *p) for p in ((near, near), (far, far), (near, far))]
    for v in range(n_dims):
        own = slice(v * n_orders, (v + 1) * n_orders)
        diagonal[:, :-1, own, own] += products[0]
        diagonal[:, 1:, own, own] += products[1]
        above[:, :, own, own] = products[2]
        given = v * n_orders + np.arange(initial.shape[-1])
        diagonal[:, 0, given, given] += 1
    return Normal(problem, near, far, diagonal, above)


def _taylor_rows(steps: NDArray, n_orders: int) -> tuple[NDArray, NDArray]:
    """Forward and backward rows (..., 2 R, R): their entries at node t and at node t + 1."""
    near = np.zeros((*steps.shape, 2 * n_orders, n_orders), dtype=steps.dtype)
    far = np.zeros_like(near)
    for r in range(n_orders):
        near[..., n_orders + r, r] = -((-steps) ** r)
        far[..., r, r] = -(steps**r)
        for o in range(r, n_orders):
            near[..., r, o] = steps**o / factorial(o - r)
            far[..., n_orders + r, o] = (-steps) ** o / factorial(o - r)
    return near, far


def banded_matrix(normal: Normal) -> tuple[NDArray, NDArray]:
    """One series' normal matrix in LAPACK's upper banded form (2 m, T m), and ``A^T b`` (T m,)."""
    n_steps, m = normal.diagonal.shape[1:3]
    banded = np.zeros((2 * m, n_steps, m))
    for i in range(m):
        for j in range(m):
            if i <= j:
                banded[2 * m - 1 + i - j, :, j] = normal.diagonal[0, :, i, j]
            banded[m - 1 + i - j, 1:, j] = normal.above[0, :, i, j]
    right = normal.residual(np.zeros_like(normal.problem.y_bar))
    return banded.reshape(2 * m, -1), right[0].reshape(-1)


def reference_solution(problem: Problem, n_series: int = 2) -> NDArray:
    """The first series' solution in extended precision, where the machine has one.

    Cholesky of the normal matrix, then refinement on the rows until the corrections are lost in
    the rounding of a double, or until they no longer shrink.
    """
    problem = Problem(*(array[:n_series] for array in problem))
    normal = normal_matrix(problem, np.longdouble)
    factor = _factorize(normal)
    y = np.zeros(problem.y_bar.shape, dtype=np.longdouble)
    before = np.inf
    for _ in range(20):
        correction = _solve(*factor, normal.residual(y))
        y += correction
        size = float(np.abs(correction).max() / np.abs(y).max())
        if size < 1e-18 or size > 0.5 * before:
            break
        before = size
    return y


def _factorize(normal: Normal) -> tuple[NDArray, NDArray]:
    """Block Cholesky: inverse transposed diagonal blocks of R, and its blocks above them."""
    diagonal, n_steps = normal.diagonal, normal.diagonal.shape[1]
    inverses, above = np.empty_like(diagonal), np.empty_like(normal.above)
    schur = diagonal[:, 0]
    for t in range(n_steps):
        inverses[:, t] = _inverse_lower(schur)
        if t + 1 < n_steps:
            above[:, t] = inverses[:, t] @ normal.above[:, t]
            schur = diagonal[:, t + 1] - above[:, t].swapaxes(1, 2) @ above[:, t]
    return inverses, above


def _inverse_lower(matrix: NDArray) -> NDArray:
    """Inverse of the lower Cholesky factor; NumPy's own knows no extended precision."""
    work, m = matrix.copy(), matrix.shape[-1]
    inverse = np.zeros_like(matrix)
    inverse[:, range(m), range(m)] = 1
    for j in range(m):  # eliminate below the pivot, in the identity beside as well
        root = np.sqrt(work[:, j, j])[:, None]
        ratio = work[:, j + 1 :, j] / work[:, j, j][:, None]
        work[:, j + 1 :, j:] -= ratio[:, :, None] * work[:, j, None, j:]
        inverse[:, j + 1 :, : j + 1] -= ratio[:, :, None] * inverse[:, j, None, : j + 1]
        inverse[:, j, : j + 1] /= root
    return inverse


def _solve(inverses: NDArray, above: NDArray, right: NDArray) -> NDArray:
    """Both substitutions, for a right side (batch, T, V, R)."""
    z = right.reshape(*right.shape[:2], -1).copy()
    n_steps = z.shape[1]
    for t in range(n_steps):
        if t > 0:
            z[:, t] -= np.einsum("bij,bi->bj", above[:, t - 1], z[:, t - 1])
        z[:, t] = np.einsum("bij,bj->bi", inverses[:, t], z[:, t])
    for t in reversed(range(n_steps)):
        if t + 1 < n_steps:
            z[:, t] -= np.einsum("bij,bj->bi", above[:, t], z[:, t + 1])
        z[:, t] = np.einsum("bij,bi->bj", inverses[:, t], z[:, t])
    return z.reshape(right.shape)
