"""From a user's series to normalized runs, and from a fitted model back to the user's units."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from scipy.special import gammaln

from ._arrays import array_module
from ._asked import read_coefficients
from ._bands import widths
from ._cautious import expected_drive
from ._driven import EFFECT_STD, Law, Model, Run, effects, filter_runs, smooth_run
from ._knots import Knots
from ._learn import SHIFT, Learned, learn
from ._marginal import (
    CRITERIA,
    MANY,
    Given,
    Strength,
    choose_strength,
    count_nodes,
    evaluate,
    stretches,
)
from ._units import Units, choose_units

ORDERS = (3, 4, 5)  # candidates of order="auto"


@dataclass(frozen=True)
class Wish:
    """What is asked of the fit of a series, in the user's units.

    Attributes
    ----------
    order : int or None
        None to choose.
    coefficients : None, "constant", "varying", ndarray or callable
        None for x^(R) = white noise.
    n_knots : int
    criterion : str
    noise, drive : float or None
    """

    order: int | None
    coefficients: Any
    n_knots: int
    criterion: str
    noise: float | None
    drive: float | None


@dataclass(frozen=True)
class SeriesFit:
    """A fitted series.

    Attributes
    ----------
    runs : list of Run
    units : Units
    strength : Strength
    cautious : Strength
        The one that bands are taken at.
    learned : Learned or None
        Coefficients, if they were learned.
    width : ndarray of shape (R,) or None
        Factors of the posterior's standard deviations of x, x', ...; None for 1.
    """

    runs: Sequence[Run]
    units: Units
    strength: Strength
    cautious: Strength
    learned: Learned | None = None
    width: np.ndarray | None = None

    @property
    def order(self) -> int:
        """Order of the ODE."""
        return self.strength.model.order

    @property
    def noise(self) -> float:
        """Standard deviation of the noise."""
        return self.strength.noise * self.units.spread

    @property
    def drive(self) -> float:
        """Density of the driving white noise."""
        return self.strength.model.drive * self.noise * self.units.time ** (0.5 - self.order)

    def ask(
        self, run: int, t: np.ndarray, covariates: np.ndarray
    ) -> tuple[Run, np.ndarray, np.ndarray]:
        """A run with nodes at times (n,), slots of its nodes, and those of the times."""
        here, units = self.runs[run].at(array_module(t)), self.units
        asked, slot, question = here.ask(units.times(t), units.design(covariates))
        return *_refine(asked, slot, self.strength.model), question

    def answer(
        self,
        asked: tuple[Run, np.ndarray, np.ndarray],
        mean: np.ndarray,
        std: np.ndarray,
        derivative: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of a derivative at the times that were asked for (n,).

        From the mean of all at the strength (m, R), and the standard deviation at the cautious one.
        """
        (refined, slot, question), units = asked, self.units
        width = 1.0 if self.width is None else float(self.width[derivative])
        variance = (std[:, derivative] * self.cautious.noise * width) ** 2
        if self.learned is not None:
            variance += self._learning_variance(refined, slot)[:, derivative]
        scale = units.spread / units.time**derivative
        level = units.level if derivative == 0 else 0.0
        mean = mean[question, derivative] * scale + level
        return mean, np.sqrt(variance[question]) * scale

    def _learning_variance(self, run: Run, slot: np.ndarray) -> np.ndarray:
        """Variance of states that uncertain coefficients add, to first order (m, R)."""
        assert self.learned is not None
        pairs: Iterator[tuple[Law, Law]] = self.learned.shifted()
        if self.learned.law.ends_within(run.times):
            pairs = chain(pairs, self.learned.onward())
        total: Any = 0.0
        for pair in pairs:
            one, two = (
                smooth_run(run, replace(self.cautious.model, law=law), slot)[0] for law in pair
            )
            total = total + ((one - two) / (2 * SHIFT)) ** 2
        return total

    @property
    def is_cautious(self) -> bool:
        """Whether the bands have a drive of their own."""
        return self.cautious.model.drive != self.strength.model.drive

    @property
    def by_function(self) -> bool:
        """Whether the coefficients are a user's function of time."""
        return not isinstance(self.strength.model.law, Knots | None)

    def coefficients(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Knots (K,), coefficients and standard errors there (K, R), in the user's units.

        Coefficients that were not learned have errors of zero; a function of time has no knots.
        """
        law, powers = self.strength.model.law, self.units.powers(self.order)
        law = Knots(np.zeros(1), np.zeros((1, self.order))) if law is None else law
        assert isinstance(law, Knots)
        knots = law.times * self.units.time + self.units.origin
        std = np.zeros_like(law.values) if self.learned is None else self.learned.std
        return knots, law.values * powers, std * powers

    def effects(self) -> np.ndarray:
        """Effects of the covariates in each run (n_runs, p)."""
        found = np.stack([effects(run, self.strength.model) for run in self.runs])
        return found * self.units.spread / self.units.effect_spread


def fit_series(runs: Sequence[Run], wish: Wish) -> SeriesFit:
    """Fit one series, given as runs of samples in the user's units."""
    plain = wish.coefficients is None
    units = choose_units(runs, plain)
    runs = [units.normalize(run) for run in runs]
    if plain:
        strength, learned = _fit_spline(runs, wish, units), None
    elif isinstance(wish.coefficients, str):
        strength, learned = _fit_learned(runs, wish, units)
    else:
        strength, learned = _fit_given(runs, wish, units), None
    cautious = _cautious(runs, strength, wish, units)
    known = wish.noise is not None and wish.drive is not None
    width = None if known else widths(runs, strength)
    return SeriesFit(runs, units, strength, cautious, learned, width)


def _cautious(runs: Sequence[Run], strength: Strength, wish: Wish, units: Units) -> Strength:
    """Replace the likeliest drive by the expected one."""
    model, given = strength.model, _given(wish, units, strength.model.order)
    runs = _close(runs, model)
    drive = expected_drive(runs, model, given)
    if drive == model.drive:
        return strength
    return evaluate(runs, model.at(drive), given, CRITERIA[wish.criterion])


def _order(wish: Wish, runs: Sequence[Run]) -> int:
    """Return the order asked for, or the usual one if the runs allow it."""
    return wish.order or min(ORDERS[0], _most(runs))


def _most(runs: Sequence[Run]) -> int:
    """Highest order that the runs determine, with a sample to spare."""
    return max(min(len(np.unique(run.times)) for run in runs) - 1, 1)


def _fit_spline(runs: Sequence[Run], wish: Wish, units: Units) -> Strength:
    """Smooth by x^(R) = white noise; of several orders take the best."""
    criterion = CRITERIA[wish.criterion]
    most = _most(runs)
    orders = [wish.order] if wish.order else [each for each in ORDERS if each <= most] or [most]
    if len(orders) > 1:
        orders = [_best_order(stretches(runs, MANY), wish, units, orders)]
    model = Model(orders[0])
    return choose_strength(runs, model, _given(wish, units, model.order), criterion)


def _best_order(runs: Sequence[Run], wish: Wish, units: Units, orders: Sequence[int]) -> int:
    """Choose one of several orders."""
    criterion = CRITERIA[wish.criterion]
    found = [
        choose_strength(runs, Model(each), _given(wish, units, each), criterion) for each in orders
    ]
    if wish.criterion == "cross_validation":
        heights = [each.height for each in found]
    else:
        heights = [comparable(runs, each, max(orders)) for each in found]
    return orders[int(np.argmin(heights))]


def comparable(runs: Sequence[Run], strength: Strength, top: int) -> float:
    """Deviance of what no polynomial of degree below `top` touches, the same data for all orders.

    Restricted likelihoods of different orders are densities of different contrasts of the
    samples. With the missing powers of time as covariates of any size they are of the same ones.
    """
    model, level = strength.model, strength.noise**2
    degrees = np.arange(model.order, top)
    height = 0.0
    augmented = []
    for run in runs:
        span = float(np.ptp(run.times)) or 1.0
        place = 2.0 * (run.times - run.times[0]) / span - 1.0
        # Legendre polynomials: powers of time would be nearly collinear. The leading coefficients
        # say how much larger t^r / r! is.
        columns = np.polynomial.legendre.legvander(place, top - 1)[:, model.order :]
        augmented.append(replace(run, design=np.column_stack([run.design, columns])))
        height += 2.0 * float(
            (degrees * np.log(span) + gammaln(degrees + 1) - gammaln(2 * degrees + 1)).sum()
        )
    n_covariates = runs[0].design.shape[1]
    effect_std = np.repeat([EFFECT_STD, np.inf], [n_covariates, len(degrees)])
    total, log_determinant = filter_runs(augmented, model, effect_std)
    n_contrasts = sum(run.n_seen for run in runs) - top * len(runs)
    return height + total / level + log_determinant + n_contrasts * np.log(level)


def _fit_given(runs: Sequence[Run], wish: Wish, units: Units) -> Strength:
    """Choose the strength for given coefficients."""
    order = _order(wish, runs)
    model = Model(order, _given_law(wish.coefficients, units, order))
    given = _given(wish, units, order)
    return choose_strength(_close(runs, model), model, given, CRITERIA[wish.criterion])


def _fit_learned(runs: Sequence[Run], wish: Wish, units: Units) -> tuple[Strength, Learned]:
    """Learn the coefficients, then choose the strength on all samples."""
    order = _order(wish, runs)
    first = min(float(run.times[0]) for run in runs)
    last = max(float(run.times[-1]) for run in runs)
    n_knots = wish.n_knots if wish.coefficients == "varying" else 1
    knots = np.linspace(first, last, n_knots) if n_knots > 1 else np.array([(first + last) / 2])
    given = _given(wish, units, order)
    learned = learn(runs, order, knots, given)
    model = Model(order, learned.law)
    refined = _close(runs, model)
    # A short record is searched for the lowest of several valleys; of a long one that takes long.
    near = learned.drive if count_nodes(refined) > MANY else None
    strength = choose_strength(refined, model, given, CRITERIA[wish.criterion], near)
    return strength, learned


def _given(wish: Wish, units: Units, order: int) -> Given:
    """Normalize the noise and drive that the user fixes."""
    noise = None if wish.noise is None else wish.noise / units.spread
    drive = None if wish.drive is None else wish.drive / units.spread * units.time ** (order - 0.5)
    return Given(noise, drive)


def _given_law(coefficients: Any, units: Units, order: int) -> Law:
    """Turn given coefficients, numbers (R,) or a function of time, into a normalized law."""
    powers = units.powers(order)
    if not callable(coefficients):
        constant = np.asarray(coefficients, dtype=np.float64)[None] / powers
        return Knots(np.zeros(1), constant)

    def law(times: np.ndarray) -> np.ndarray:
        values = read_coefficients(coefficients(times * units.time + units.origin), order)
        xp = array_module(times)
        return np.broadcast_to(xp.asarray(values) / xp.asarray(powers), (len(times), order))

    return law


def _close(runs: Sequence[Run], model: Model) -> Sequence[Run]:
    """Cut steps that are long for the coefficients."""
    if model.law is None:
        return runs
    return [run.refine(model.longest_step(run))[0] for run in runs]


def _refine(run: Run, slot: np.ndarray, model: Model) -> tuple[Run, np.ndarray]:
    """Cut steps that are long for the coefficients; slots move with their nodes."""
    if model.law is None:
        return run, slot
    refined, origin = run.refine(model.longest_step(run))
    n = len(slot)
    return refined, np.where(origin < n, slot[np.minimum(origin, n - 1)], -1)
