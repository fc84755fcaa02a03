"""Waves of the Korteweg-de Vries equation, made by a pseudospectral method."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from sklearn.utils import Bunch

_N_WAVES, _LARGEST_NUMBER = 10, 2  # of the sum of sine waves that a trajectory starts from
_LONGEST_STEP = 0.028  # error 1e-7 of the power at the end, on average


def make_kdv(
    n_trajectories: int = 8,
    random_state: int | Generator | None = 0,
    *,
    n_points: int = 256,
    n_frames: int = 250,
    n_kept: int = 140,
) -> Bunch:
    """Make periodic waves u_t + u u_x + u_xxx = 0 from random smooth starts.

    A trajectory starts from a sum of ten sine waves A sin(2 pi l x / L + phi), A ~ U(-0.5, 0.5),
    l from {1, 2}, on a ring of length L ~ U(115.2, 140.8), and lasts T ~ U(45, 55). It steepens
    and breaks up into solitons; only its last frames are kept. These are the "easy" settings of
    Brandstetter, Welling and Worrall.

    Parameters
    ----------
    n_trajectories : int, default=8
        Number of trajectories.
    random_state : int, Generator or None, default=0
        Seed of lengths, durations and starts.
    n_points : int, default=256
        Points around the ring.
    n_frames : int, default=250
        Frames from time 0 to T.
    n_kept : int, default=140
        How many of them, the last ones, are returned.

    Returns
    -------
    Bunch
        ``u`` (n_trajectories, n_kept, n_points); ``step`` (n_trajectories,), the time between two
        frames; ``length`` (n_trajectories,) of the ring; ``description``.

    References
    ----------
    J. Brandstetter, M. Welling, D. E. Worrall, "Lie Point Symmetry Data Augmentation for Neural PDE
    Solvers", ICML 2022.

    Examples
    --------
    >>> from smnn_np.datasets import make_kdv
    >>> waves = make_kdv(2, n_frames=20, n_kept=15)
    >>> waves.u.shape
    (2, 15, 256)
    >>> bool(abs(waves.u.mean(axis=2)).max() < 1e-12)  # what is in the ring stays in it
    True
    """
    rng = np.random.default_rng(random_state)
    duration = rng.uniform(45.0, 55.0, n_trajectories)
    length = rng.uniform(0.9 * 128.0, 1.1 * 128.0, n_trajectories)
    size = (n_trajectories, _N_WAVES, 1)
    amplitude, phase = rng.uniform(-0.5, 0.5, size), rng.uniform(0.0, 2 * np.pi, size)
    number = rng.integers(1, _LARGEST_NUMBER, size, endpoint=True)
    place = 2 * np.pi * np.arange(n_points) / n_points
    start = (amplitude * np.sin(number * place + phase)).sum(axis=1)
    step = duration / (n_frames - 1)
    return Bunch(
        u=_evolve(start, length, step, n_frames)[:, n_frames - n_kept :],
        step=step,
        length=length,
        description=f"{n_trajectories} waves of the Korteweg-de Vries equation",
    )


def _evolve(
    u: NDArray[np.float64], length: NDArray[np.float64], step: NDArray[np.float64], n_frames: int
) -> NDArray[np.float64]:
    """Follow waves (n, n_points) for frames `step` (n,) apart: (n, n_frames, n_points).

    The linear part is integrated exactly (an integrating factor), the rest by Runge and Kutta's
    method of order four; products are dealiased by leaving out the upper third of the wave numbers.
    """
    n_points = u.shape[-1]
    number = np.arange(n_points // 2 + 1)
    wave = 2 * np.pi / length[:, None] * number
    slope = np.where(number < n_points / 3, -0.5j * wave, 0.0)
    n_substeps = int(np.ceil(step.max() / _LONGEST_STEP))
    h = step[:, None] / n_substeps
    half = np.exp(0.5j * h * wave**3)

    def rate(spectrum: NDArray[np.complex128]) -> NDArray[np.complex128]:
        return slope * np.fft.rfft(np.fft.irfft(spectrum, n_points) ** 2)

    spectrum = np.fft.rfft(u)
    frames = [u]
    for _ in range(n_frames - 1):
        for _ in range(n_substeps):
            moved = half * spectrum
            k1 = half * rate(spectrum)
            k2 = rate(moved + 0.5 * h * k1)
            k3 = rate(moved + 0.5 * h * k2)
            k4 = rate(half * (moved + h * k3))
            spectrum = half * (moved + h / 6.0 * (k1 + 2.0 * (k2 + k3))) + h / 6.0 * k4
        frames.append(np.fft.irfft(spectrum, n_points))
    return np.stack(frames, axis=1)
