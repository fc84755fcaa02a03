"""Gradients of a scalar in all inputs, given the solution y and the adjoint solution a.

Every row is a weight w times ``l . y = beta``. With the unweighted residual
``rho = beta - l . y`` and ``lam = l . a`` (`smnn_np.adjoint`)::

    beta_bar = w^2 lam       l_bar = w^2 (rho a - lam y)       w_bar = 2 w rho lam

Nothing hangs on a neighbour: a thread works on a run of nodes of one series. What an input that is
the same at all nodes collects is summed over the run by its thread, over the runs later: the
order of additions never changes.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from numba import float64

from .._cuda_import import cuda, device
from .entries import entries, link_weight, node_scale, place, tables
from .layout import Sizes


@device
def put(out, bar, t, run, k, stride, b, value):
    """Write a node's part of a gradient, or add it to that of the run."""
    if bar.summed:
        out[bar.base + run * bar.t + k * stride + b] += value
    else:
        out[bar.base + t * bar.t + k * stride + b] = value


@cache
def load_function(n_dims: int, n_orders: int) -> Any:
    """Function that loads a node's y and a, both in the scale of another node."""
    m = n_dims * n_orders

    @device
    def load(data, where, bars, b, t, scale, y, a):
        """Fill y and a (m,) of node t, scaled with powers of `scale`."""
        ratio = scale / node_scale(data, where, b, t)
        for v in range(n_dims):
            of_y, of_a = 1.0, 1.0
            for r in range(n_orders):
                i = v * n_orders + r
                at = (t * m + i) * where.n_series + b
                y[i], a[i] = of_y * data[bars.y + at], of_a * data[bars.a + at]
                of_y *= scale
                of_a *= ratio

    return load


@cache
def gradient_kernel(sizes: Sizes) -> Any:
    """A thread for each run of nodes of each series: all but the initial rows."""
    (n_equations, n_dims, n_orders), m = sizes[:3], sizes.m
    n_kept, is_central = n_orders - 1 if sizes.central else n_orders, sizes.central
    _, _, fill_central = entries(sizes)
    load = load_function(n_dims, n_orders)
    plus, minus, *_ = tables(n_orders, sizes.central)

    @device
    def equations(data, out, where, bars, b, t, run, y, a):
        """Equation rows of node t."""
        stride, inverse = where.n_series, 1.0 / node_scale(data, where, b, t)
        for q in range(n_equations):
            weight = data[place(where.weight_equation, t, q, b)]
            rest, slope = data[place(where.rhs, t, q, b)], 0.0
            for v in range(n_dims):
                power = 1.0
                for r in range(n_orders):
                    i = v * n_orders + r
                    entry = power * data[place(where.coefficients, t, q * m + i, b)]
                    rest -= entry * y[i]
                    slope += entry * a[i]
                    power *= inverse
            square = weight * weight
            put(out, bars.rhs, t, run, q, stride, b, square * slope)
            put(out, bars.weight_equation, t, run, q, stride, b, 2.0 * weight * rest * slope)
            for v in range(n_dims):
                power = square
                for r in range(n_orders):
                    i = v * n_orders + r
                    value = power * (rest * a[i] - slope * y[i])
                    put(out, bars.coefficients, t, run, q * m + i, stride, b, value)
                    power *= inverse

    @device
    def links(data, out, where, bars, b, t, run, y, a, y_next, a_next):
        """Forward and backward rows from node t: the parts of its step and weight.

        An entry of order o carries ``s^o`` at either node, so ``s`` times the slope of a row in the
        step is the row applied to ``o`` times the unknowns.
        """
        factors, signed = cuda.const.array_like(plus), cuda.const.array_like(minus)
        of_step, of_weight = 0.0, 0.0
        for v in range(n_dims):
            at = v * n_orders
            for r in range(n_kept):
                f_y, f_a = -y_next[at + r], -a_next[at + r]
                b_y, b_a = -y[at + r], -a[at + r]
                df_y, df_a, db_y, db_a = r * f_y, r * f_a, r * b_y, r * b_a
                for o in range(r, n_orders):
                    ahead, back, i = factors[o - r], signed[o - r], at + o
                    f_y += ahead * y[i]
                    f_a += ahead * a[i]
                    df_y += o * ahead * y[i]
                    df_a += o * ahead * a[i]
                    b_y += back * y_next[i]
                    b_a += back * a_next[i]
                    db_y += o * back * y_next[i]
                    db_a += o * back * a_next[i]
                of_weight += f_y * f_a + b_y * b_a
                of_step += f_y * df_a + df_y * f_a + b_y * db_a + db_y * b_a
        weight = link_weight(data, where, b, t)
        in_step = -weight * weight * of_step / node_scale(data, where, b, t)
        in_weight = -2.0 * weight * of_weight
        if is_central and t + 2 < where.n_nodes:
            step, each = central_part(data, where, bars, b, t)
            in_step, in_weight = in_step + step, in_weight + each
        if is_central and t > 0:
            step, each = central_part(data, where, bars, b, t - 1)
            in_step, in_weight = in_step + step, in_weight + each
        put(out, bars.steps, t, run, 0, where.n_series, b, in_step)
        put(out, bars.weight_smooth, t, run, 0, where.n_series, b, in_weight)

    @device
    def central_part(data, where, bars, b, t):
        """What the central rows around node t + 1 give to each of their two steps and weights."""
        central = cuda.local.array(3, float64)
        y, a = cuda.local.array(m, float64), cuda.local.array(m, float64)
        outer_y, outer_a = cuda.local.array(n_dims, float64), cuda.local.array(n_dims, float64)
        inner_y, inner_a = cuda.local.array(n_dims, float64), cuda.local.array(n_dims, float64)
        weight = fill_central(data, where, b, t, central)
        for each in range(3):
            load(data, where, bars, b, t + each, node_scale(data, where, b, t + each), y, a)
            for v in range(n_dims):
                i = v * n_orders + n_orders - 2
                if each == 1:
                    inner_y[v], inner_a[v] = central[1] * y[i + 1], central[1] * a[i + 1]
                elif each == 0:
                    outer_y[v], outer_a[v] = central[0] * y[i], central[0] * a[i]
                else:
                    outer_y[v] += central[2] * y[i]
                    outer_a[v] += central[2] * a[i]
        of_step, of_weight = 0.0, 0.0
        for v in range(n_dims):
            slope_y = (n_orders - 3.0) * outer_y[v] + (n_orders - 2.0) * inner_y[v]
            slope_a = (n_orders - 3.0) * outer_a[v] + (n_orders - 2.0) * inner_a[v]
            row_y, row_a = outer_y[v] + inner_y[v], outer_a[v] + inner_a[v]
            of_step += row_y * slope_a + slope_y * row_a
            of_weight += row_y * row_a
        span = node_scale(data, where, b, t) + node_scale(data, where, b, t + 1)
        return -weight * weight * of_step / span, -weight * of_weight

    @cuda.jit
    def kernel(data, out, where, bars):
        y, a = cuda.local.array(m, float64), cuda.local.array(m, float64)
        y_next, a_next = cuda.local.array(m, float64), cuda.local.array(m, float64)
        thread = cuda.grid(1)
        run, b = thread // where.n_series, thread % where.n_series
        if run >= bars.n_runs:
            return
        for t in range(run * bars.run, min((run + 1) * bars.run, where.n_nodes)):
            scale = node_scale(data, where, b, t)
            load(data, where, bars, b, t, scale, y, a)
            equations(data, out, where, bars, b, t, run, y, a)
            if t + 1 < where.n_nodes:
                load(data, where, bars, b, t + 1, scale, y_next, a_next)
                links(data, out, where, bars, b, t, run, y, a, y_next, a_next)

    return kernel


@cache
def initial_gradient_kernel(sizes: Sizes) -> Any:
    """A thread for each series: the initial rows."""
    n_dims, n_orders, m = sizes.n_dims, sizes.n_orders, sizes.m
    load = load_function(n_dims, n_orders)

    @cuda.jit
    def kernel(data, out, where, bars):
        y, a = cuda.local.array(m, float64), cuda.local.array(m, float64)
        b = cuda.grid(1)
        if b >= where.n_series:
            return
        for t in range(where.n_initial_steps):
            scale = node_scale(data, where, b, t)
            load(data, where, bars, b, t, scale, y, a)
            for v in range(n_dims):
                power = 1.0
                for r in range(where.n_initial_orders):
                    i, k = v * n_orders + r, v * where.n_initial_orders + r
                    weight = data[place(where.weight_initial, t, k, b)]
                    slope = power * a[i]
                    rest = data[place(where.initial, t, k, b)] - power * y[i]
                    out[place(bars.initial, t, k, b)] += weight * weight * slope
                    out[place(bars.weight_initial, t, k, b)] += 2.0 * weight * rest * slope
                    power /= scale

    return kernel
