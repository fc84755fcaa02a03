"""Pieces as elements, one for either direction of time, and the chains of these.

With the rows on the states at the ends of each piece, from all that comes before and from all that
comes after, pieces are smoothed side by side (``smoothing.py``), with the results of one pass. The
algebra is in ``element.py``.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

from numba import float64

from .._cuda_import import cuda, device
from ..element import cross, open_element, take_sample, take_step
from .series import Sizes, step_functions

AFTER, BEFORE = 0, 1  # what is chained: elements anchored on the left, and on the right


@cache
def element_kernel(sizes: Sizes) -> Any:
    """A thread for each piece, and with both directions asked for one more."""
    order, p, n, varying = sizes.order, sizes.n_effects, sizes.n_states, sizes.varying
    n_rows, n_element = sizes.rows, sizes.element
    mapped, square, sight, pairs = (
        (order, n + 1),
        (order, order),
        (n + 1, n + 1),
        (2 * order, order),
    )
    n_sight, n_design = n + 1, p + 1
    load_design, load_step = step_functions(sizes)

    @device
    def turn(move, root, drive, noise, backwards):
        """Noise of a step in the direction of the element."""
        for r in range(order):
            for c in range(order):
                total = root[r, c]
                if backwards:
                    total = 0.0
                    for k in range(order):
                        total += move[r, k] * root[k, c]
                noise[r, c] = drive * total

    @device
    def store(mapping, root, seen, log_determinant, squares, elements, at):
        for r in range(order):
            for c in range(n + 1):
                elements[at + r * (n + 1) + c] = mapping[r, c]
            for c in range(order):
                elements[at + order * (n + 1) + r * order + c] = root[r, c]
        at += order * (n + 1 + order)
        for i in range(n):
            for c in range(n + 1):
                elements[at + i * (n + 1) + c] = seen[i, c]
        elements[at + n_rows] = log_determinant
        elements[at + n_rows + 1] = squares

    @cuda.jit
    def kernel(series, elements, n_directions):
        thread, n_pieces = cuda.grid(1), series.run.shape[0]
        if thread >= n_directions * n_pieces:
            return
        backwards, piece = thread // n_pieces, thread % n_pieces
        run, low, high = series.run[piece], series.first[piece], series.first[piece + 1]
        end = series.first[series.opening[run + 1 - backwards]]  # no step beyond the run's last
        mapping = cuda.local.array(mapped, float64)
        root = cuda.local.array(square, float64)
        seen = cuda.local.array(sight, float64)
        ahead = cuda.local.array(square, float64)
        back = cuda.local.array(square, float64)
        spread = cuda.local.array(square, float64)
        noise = cuda.local.array(square, float64)
        pair = cuda.local.array(pairs, float64)
        keys = cuda.local.array(n_sight, float64)
        scratch = cuda.local.array(n_sight, float64)
        design = cuda.local.array(n_design, float64)[:p]
        move = back if backwards else ahead
        open_element(mapping, root, seen)
        log_determinant, squares, known = 0.0, 0.0, -1
        for i in range(high - low):
            k = high - 1 - i if backwards else low + i
            load_design(series, k, design)
            weight, value = series.weight[k], series.value[k]
            gained, left = take_sample(mapping, root, seen, design, weight, value, keys, scratch)
            log_determinant += gained
            squares += left * left
            into = k if backwards else k + 1
            if into == end:
                break
            if known < 0 or varying or series.steps[into] != series.steps[known]:
                load_step(series, run, into, ahead, back, spread)
                turn(back, spread, series.drives[run], noise, backwards)
                known = into
            take_step(mapping, root, move, noise, pair, scratch)
        store(mapping, root, seen, log_determinant, squares, elements, thread * n_element)

    return kernel


@cache
def chain_kernel(sizes: Sizes) -> Any:
    """A thread for each run, and with both directions asked for one more.

    Fills ends (2, K, S (S + 1)), rows on the first node after a piece and on the last one before
    it, and sums (n_runs, 2): sum of squares and log-determinant of a run.
    """
    order, n, n_rows, n_element = sizes.order, sizes.n_states, sizes.rows, sizes.element
    mapped, square, table = (order, n + 1), (order, order), (n, n + 1)
    n_tall, n_wide = order + 2 * n, order + n + 1
    crossing = (n_tall, n_wide)

    @device
    def load(elements, at, mapping, root, seen):
        for r in range(order):
            for c in range(n + 1):
                mapping[r, c] = elements[at + r * (n + 1) + c]
            for c in range(order):
                root[r, c] = elements[at + order * (n + 1) + r * order + c]
        at += order * (n + 1 + order)
        for i in range(n):
            for c in range(n + 1):
                seen[i, c] = elements[at + i * (n + 1) + c]

    @device
    def begin(rows, prior, known):
        for i in range(n):
            for c in range(n + 1):
                rows[i, c] = prior[i - order] if known and i == c and i >= order else 0.0

    @cuda.jit
    def kernel(series, elements, ends, sums, n_directions):
        thread, n_pieces, n_runs = cuda.grid(1), series.run.shape[0], sums.shape[0]
        if thread >= n_directions * n_runs:
            return
        direction, run = thread // n_runs, thread % n_runs
        rows = cuda.local.array(table, float64)
        seen = cuda.local.array(table, float64)
        mapping = cuda.local.array(mapped, float64)
        root = cuda.local.array(square, float64)
        block = cuda.local.array(crossing, float64)
        keys = cuda.local.array(n_tall, float64)
        scratch = cuda.local.array(n_wide, float64)
        # Each sample, and what is known of the effects, counts once where both ends meet.
        begin(rows, series.prior, direction == BEFORE or n_directions == 1)
        squares, log_determinant = 0.0, 0.0
        opening, closing = series.opening[run], series.opening[run + 1]
        for i in range(closing - opening):
            piece = closing - 1 - i if direction == AFTER else opening + i
            at = direction * n_pieces + piece
            for j in range(n):
                for c in range(n + 1):
                    ends[at * n_rows + j * (n + 1) + c] = rows[j, c]
            load(elements, at * n_element, mapping, root, seen)
            gained, left = cross(rows, mapping, root, seen, block, keys, scratch)
            squares += left + elements[(at + 1) * n_element - 1]
            log_determinant += gained + elements[(at + 1) * n_element - 2]
        if direction == AFTER:
            for i in range(n):
                size = abs(rows[i, i])
                log_determinant += 2.0 * math.log(size) if size > 0.0 else -math.inf
            sums[run, 0], sums[run, 1] = squares, log_determinant

    return kernel
