"""Standard deviations of the states that a fitted law predicts, at any times.

What a fit leaves uncertain is one joint distribution of all nodes and coefficients. Given the
coefficients the nodes are a chain: elimination leaves rows R y_t + N y_(t+1) + C xi = noise of unit
variance, which carry the spread from the last node back to the first. A time between the nodes is
a node without data. Beyond the span the links alone carry the spread on, from the edge outwards:
their rows are the linearized flow along the simulated trajectory.
"""

from dataclasses import dataclass, replace

import numpy as np

from ._kernels.spread import carry_spread
from .border import inverse_root
from .dynamics import Law
from .optimize import Measurements, border_triangle, eliminate, link_weight
from .simulate import FittedLaw

_STEPS_PER_UNIT = 12.0  # of time, at least, where the spread is carried beyond the span


@dataclass(frozen=True)
class _Chain:
    """Nodes of one run: times (n,), controls (n, n_controls), states (n, S) in the user's units."""

    times: np.ndarray
    controls: np.ndarray
    states: np.ndarray


@dataclass(frozen=True)
class _Spread:
    """Factors of nodes' covariances: their own (n, S, S) and from the coefficients (n, S, q)."""

    own: np.ndarray
    shared: np.ndarray

    @property
    def std(self) -> np.ndarray:
        """Standard deviations (n, S) in scaled units; infinite where they overflow."""
        with np.errstate(over="ignore", invalid="ignore"):
            variance = (self.own**2).sum(axis=2) + (self.shared**2).sum(axis=2)
        return np.sqrt(np.where(np.isnan(variance), np.inf, variance))


def spread_run(law: FittedLaw, run: int, inputs: np.ndarray) -> np.ndarray:
    """Standard deviations of the states of one run at inputs (m, 1 + n_controls): (m, S)."""
    root = _coefficient_root(law)
    nodes = np.flatnonzero(law.record.run == run)
    span, wanted = law.record.times[nodes], inputs[:, 0]
    inside = np.clip(wanted, span[0], span[-1])
    chain, place = _with_nodes(law, run, nodes, inside)
    spread = _smoothed(law, chain, place, nodes, root)
    std = spread.std[np.searchsorted(chain.times, inside)]
    for edge, beyond in ((0, wanted < span[0]), (-1, wanted > span[-1])):
        if beyond.any():
            path, there = _path(law, nodes[edge], inputs[beyond])
            start = _Spread(spread.own[edge], spread.shared[edge])
            std[beyond] = _carried(law, path, start, root).std[there - 1]
    return std * law.problem.scales.state


def _coefficient_root(law: FittedLaw) -> np.ndarray:
    """Root (p, r) of the coefficients' covariance: none in directions that rules do not leave."""
    triangle = border_triangle(law.problem.law, law.problem.data, law.fit)
    basis = law.fit.basis
    return inverse_root(triangle) if basis is None else basis @ inverse_root(triangle @ basis)


def _with_nodes(
    law: FittedLaw, run: int, nodes: np.ndarray, inside: np.ndarray
) -> tuple[_Chain, np.ndarray]:
    """Insert nodes at times inside a run's span; return also the places of the fitted nodes."""
    span = law.record.times[nodes]
    times = np.union1d(span, inside)
    columns = [np.interp(times, span, column) for column in law.record.controls[nodes].T]
    controls = np.stack(columns, axis=1) if columns else np.empty((len(times), 0))
    states = law.predict_run(run, np.column_stack([times, controls]))
    return _Chain(times, controls, states), np.searchsorted(times, span)


def _law_along(law: FittedLaw, chain: _Chain) -> tuple[Law, np.ndarray]:
    """Return the law on a chain's links, and its states, in scaled units."""
    fitted, scales = law.problem.law, law.problem.scales
    step = np.diff(chain.times) / scales.time
    joined = np.ones(len(step), dtype=bool)
    along = Law(fitted.library, fitted.known, step, joined, chain.controls)
    return along, chain.states / scales.state


def _smoothed(
    law: FittedLaw, chain: _Chain, place: np.ndarray, nodes: np.ndarray, root: np.ndarray
) -> _Spread:
    """Spread of the nodes of a run, given all its data."""
    along, states = _law_along(law, chain)
    mean, count = np.zeros((2, *states.shape))
    mean[place], count[place] = law.problem.data.mean[nodes], law.problem.data.count[nodes]
    data = Measurements(mean, count, law.problem.data.within)
    fit = replace(law.fit, nodes=states, defect=np.zeros((len(along.step), states.shape[1])))
    elimination = eliminate(along, data, fit)
    v, q = states.shape[1], root.shape[1]
    if elimination is None:
        return _Spread(*np.full((2, len(states), v, v), np.inf))
    kept = elimination.kept[::-1]
    rows = (kept[:, :, :v], kept[:, :, v : 2 * v], kept[:, :, 2 * v : -1])
    after_the_last = _Spread(np.zeros((v, v)), np.zeros((v, q)))
    spread = _chain_spread(*rows, after_the_last, root)
    return _Spread(spread.own[::-1], spread.shared[::-1])


def _path(law: FittedLaw, edge: int, inputs: np.ndarray) -> tuple[_Chain, np.ndarray]:
    """Nodes from an edge of the record to all inputs beyond it, and the places of the inputs."""
    first = np.append(law.record.times[edge], law.record.controls[edge])
    apart, place = np.unique(np.abs(inputs[:, 0] - first[0]), return_inverse=True)
    stations = np.empty((len(apart) + 1, len(first)))
    stations[0], stations[1 + place] = first, inputs
    longest = law.problem.scales.time / _STEPS_PER_UNIT
    pieces = np.ceil(np.diff(apart, prepend=0.0) / longest).astype(int)
    stop = np.concatenate([[0], np.cumsum(pieces)])
    index = np.arange(stop[-1] + 1)
    fine = np.stack([np.interp(index, stop, column) for column in stations.T], axis=1)
    fine[stop] = stations
    states = np.concatenate([law.states[[edge]], law.follow(law.states[edge], fine)[1:]])
    return _Chain(fine[:, 0], fine[:, 1:], states), stop[1 + place]


def _carried(law: FittedLaw, path: _Chain, start: _Spread, root: np.ndarray) -> _Spread:
    """Spread along a path that leaves the data: the linearized flow, and any process noise."""
    backwards = path.times[-1] < path.times[0]
    turn = slice(None, None, -1 if backwards else 1)
    along, states = _law_along(law, _Chain(*(each[turn] for each in vars(path).values())))
    ends = along.ends(states, law.fit.xi, curved=True)
    weight = link_weight(along, law.fit.slack)
    left, right, columns = along.link_rows(ends, weight, law.fit.term, law.fit.target)
    ahead, behind = (left, right) if backwards else (right, left)
    return _chain_spread(ahead[turn], behind[turn], columns[turn], start, root)


def _chain_spread(
    ahead: np.ndarray,
    behind: np.ndarray,
    columns: np.ndarray,
    start: _Spread,
    root: np.ndarray,
) -> _Spread:
    """Follow rows ahead @ next + behind @ last + columns @ xi = unit noise, node by node.

    ahead, behind (n, S, S), columns (n, S, p); the start is one node's factors, the result has
    those of the n nodes after it.
    """
    n, n_states, q = len(ahead), ahead.shape[1], root.shape[1]
    with np.errstate(over="ignore", invalid="ignore"):
        rows = np.concatenate([behind, columns @ root], axis=2)
        moved = -np.linalg.solve(ahead, rows)
        own, shared = np.empty((n + 1, n_states, n_states)), np.empty((n + 1, n_states, q))
        own[0], shared[0] = start.own, start.shared
        gain = np.ascontiguousarray(moved[:, :, :n_states])
        push = np.ascontiguousarray(moved[:, :, n_states:])
        carry_spread(gain, np.linalg.inv(ahead), push, own, shared)
    return _Spread(own[1:], shared[1:])
