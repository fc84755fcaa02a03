"""The kernels of a solve: factorize, substitute, refine, decide.

With many series one thread does all of it for one series (`series_kernel`); for larger nodes it is
the threads of a warp, which is a block of its own. With few series, a correction
is four kernels: chunks down, separators, chunks up, verdict (`ChunkKernels`). All kernels of a
solve take the same arguments: the arena, the places in it, the number of the correction (0 for the
first solution), and how many there may be.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from .._cuda_import import device
from ..trust import REJECTED
from .bridge import bridge_substitution, factor_bridge
from .chunk import factor_function, substitution, work_size
from .lanes import lane_functions
from .layout import Sizes
from .verdict import CHOLESKY_WANTED, QR_WANTED, verdict_function
from .work import WorkKernel, with_work


@cache
def state_functions(sizes: Sizes, by_qr: bool, prove: bool) -> tuple[Any, Any, Any]:
    """Functions on the state of a series: begin a solve, note a bad pivot, end it."""
    wanted = QR_WANTED if by_qr else CHOLESKY_WANTED
    open_solve, _ = verdict_function(sizes, prove)

    @device
    def begin(data, where, b):
        """Whether the series takes part; what was found before is forgotten."""
        state = data[where.state + b]
        mine = wanted <= state < wanted + 2.0 and not data[where.failed + b] >= 0.0
        if mine:
            open_solve(data, where, b)
        else:
            data[where.share + b] = 0.0

    @device
    def note(data, where, b, failed):
        """Take in the result of a factorization."""
        data[where.state + b] = wanted + 1.0
        data[where.failed + b] = failed
        if failed >= 0.0:
            data[where.share + b] = 0.0

    @device
    def end(data, where, b):
        """Give to QR what Cholesky could not do."""
        if not prove or data[where.state + b] >= QR_WANTED:
            return
        if data[where.failed + b] >= 0.0 or data[where.verdict + b] == REJECTED:
            data[where.state + b], data[where.failed + b] = QR_WANTED, -1.0

    return begin, note, end


@cache
def series_kernel(sizes: Sizes, by_qr: bool, prove: bool) -> WorkKernel:
    """A thread or warp for each series: all of its solve."""
    lane, sync = lane_functions(sizes.lanes)
    wanted = QR_WANTED if by_qr else CHOLESKY_WANTED
    factor = factor_function(sizes, by_qr)
    descend, ascend = substitution(sizes)
    begin, note, end = state_functions(sizes, by_qr, prove)
    _, judge = verdict_function(sizes, prove)

    @device
    def body(work, b, data, where, correction, n_corrections):
        if b >= where.n_series:
            return
        if lane() == 0:
            begin(data, where, b)
        sync()
        for each in range(n_corrections + 1):
            if data[where.share + b] == 0.0:
                break
            if each == 0 and data[where.state + b] == wanted:
                failed = factor(work, data, where, b, 0)
                if lane() == 0:
                    note(data, where, b, failed)
                sync()
            else:
                descend(work, data, where, b, 0, each == 0)
            if data[where.share + b] != 0.0:
                ascend(work, data, where, b, 0, each == 0)
                sync()
                if lane() == 0:
                    judge(data, where, b, each, n_corrections)
                sync()
        if lane() == 0:
            end(data, where, b)

    return with_work(body, work_size(sizes.n, sizes.m, sizes.lanes), sizes.lanes)


class ChunkKernels(NamedTuple):
    """The kernels of a solve in chunks, in the order in which they are started."""

    begin: WorkKernel  # B threads
    down: WorkKernel  # B K threads or warps
    bridge: WorkKernel  # B threads or warps
    up: WorkKernel  # B K threads or warps
    judge: WorkKernel  # B threads
    end: WorkKernel  # B threads


@cache
def chunk_kernels(sizes: Sizes, by_qr: bool, prove: bool) -> ChunkKernels:
    """A thread or warp for each chunk of each series, and one for what is between the chunks."""
    lane, sync = lane_functions(sizes.lanes)
    wanted = QR_WANTED if by_qr else CHOLESKY_WANTED
    factor, factor_separators = factor_function(sizes, by_qr), factor_bridge(sizes, by_qr)
    descend, ascend = substitution(sizes)
    descend_separators, ascend_separators = bridge_substitution(sizes)
    begin_series, note, end_series = state_functions(sizes, by_qr, prove)
    _, judge_series = verdict_function(sizes, prove)

    @device
    def begin(work, b, data, where, correction, n_corrections):
        if b < where.n_series:
            begin_series(data, where, b)

    @device
    def down(work, thread, data, where, correction, n_corrections):
        chunk, b = thread // where.n_series, thread % where.n_series
        if chunk >= where.n_chunks or data[where.share + b] == 0.0:
            return
        if correction == 0 and data[where.state + b] == wanted:
            failed = factor(work, data, where, b, chunk)
            if lane() == 0:
                data[where.failures + chunk * where.n_series + b] = failed
        else:
            descend(work, data, where, b, chunk, correction == 0)

    @device
    def bridge(work, b, data, where, correction, n_corrections):
        if b >= where.n_series or data[where.share + b] == 0.0:
            return
        if correction == 0 and data[where.state + b] == wanted:
            failed = factor_separators(work, data, where, b, 0)
            for back in range(where.n_chunks):
                chunk = where.n_chunks - 1 - back
                inside = data[where.failures + chunk * where.n_series + b]
                if inside >= 0.0:  # found before what depends on it failed too
                    failed = inside
            if lane() == 0:
                note(data, where, b, failed)
            sync()
        else:
            descend_separators(work, data, where, b, 0, correction == 0)
        if data[where.share + b] != 0.0:
            ascend_separators(work, data, where, b, 0, correction == 0)

    @device
    def up(work, thread, data, where, correction, n_corrections):
        chunk, b = thread // where.n_series, thread % where.n_series
        if chunk < where.n_chunks and data[where.share + b] != 0.0:
            ascend(work, data, where, b, chunk, correction == 0)

    @device
    def judge(work, b, data, where, correction, n_corrections):
        if b < where.n_series and data[where.share + b] != 0.0:
            judge_series(data, where, b, correction, n_corrections)

    @device
    def end(work, b, data, where, correction, n_corrections):
        if b < where.n_series:
            end_series(data, where, b)

    lanes, m = sizes.lanes, sizes.m
    n_chunk, n_bridge = work_size(sizes.n, m, lanes), work_size(2 * sizes.w, m, lanes)
    n_up = 1 if lanes == 1 else n_chunk
    return ChunkKernels(
        with_work(begin),
        with_work(down, n_chunk, lanes),
        with_work(bridge, n_bridge, lanes),
        with_work(up, n_up, lanes),
        with_work(judge),
        with_work(end),
    )
