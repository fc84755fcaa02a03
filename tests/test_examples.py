"""Every script of ``examples/`` and every code block of the README runs and says what it should."""

import contextlib
import io
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted((ROOT / "examples").glob("plot_*.py"))

# The largest RESULT each script may end with: an error, so smaller is better.
LARGEST = {
    "plot_bridge_jax": 0.02,
    "plot_bridge_torch": 0.02,
    "plot_discover_lorenz": 0.05,
    "plot_discoverer_structure": 0.05,
    "plot_factorizations": 1e-6,
    "plot_linear_ode": 1e-3,
    "plot_paper_damped_sine": 0.03,
    "plot_paper_kdv": 0.0002,
    "plot_paper_linear_odes": 1.0,
    "plot_paper_lorenz": 0.05,
    "plot_paper_orbit_growth": 0.005,
    "plot_paper_sea_surface": 0.9,
    "plot_regressor": 0.15,
    "plot_smoother": 0.06,
    "plot_solve_ivp": 0.02,
}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_example(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", [str(script)])
    result = runpy.run_path(str(script))["RESULT"]
    if result is None:
        pytest.skip(f"{script.stem} needs a package that is not installed")
    assert 0 <= result < LARGEST[script.stem]


def readme_blocks() -> list[tuple[str, str | None]]:
    """Return each Python block of the README with the text block right below it, or None."""
    text = (ROOT / "README.md").read_text()
    fenced = re.compile(r"```python\n(.*?)```(?:\s*```text\n(.*?)```)?", re.DOTALL)
    return [(match[1], match[2]) for match in fenced.finditer(text)]


def assert_same_text(got: str, wanted: str) -> None:
    """Compare words exactly, and numbers to 1 %: rounding differs between machines."""
    number = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")
    assert number.sub("#", got).split() == number.sub("#", wanted).split()
    values = [[float(each) for each in number.findall(text)] for text in (got, wanted)]
    np.testing.assert_allclose(*values, rtol=0.01)


def test_readme_blocks_print_what_stands_below_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = readme_blocks()
    assert len(blocks) >= 3
    namespace: dict[str, object] = {}
    for code, wanted in blocks:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(code, "README.md", "exec"), namespace)
        assert_same_text(printed.getvalue(), wanted or "")


def test_a_wrong_number_or_word_in_the_readme_is_found() -> None:
    assert_same_text("x' = 2.001 y\n", "x' = 2.0 y")
    for wrong in ("x' = 2.1 y", "x' = 2.0 z", "x' = -2.0 y", ""):
        with pytest.raises(AssertionError):
            assert_same_text("x' = 2.0 y", wrong)
