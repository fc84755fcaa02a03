"""The measuring command: tables come out whole, and what they compare is the same problem.

Times themselves are not tested: the machine that runs this may be busy.
"""

import csv
import io
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.linalg import solveh_banded

import smnn_np as smnn
from smnn_np import _rival, bench, dense
from smnn_np._cases import (
    Case,
    Problem,
    banded_matrix,
    make_oscillator,
    make_problem,
    normal_matrix,
    reference_solution,
)
from smnn_np._ceilings import count, lower_bounds, measure_ceilings
from smnn_np._measure import Table, fresh_process, interleaved, peak_memory, show
from smnn_np._resources import exponent
from smnn_np.testing import assert_close

SMALL = Case(2, 7, 2, 2, 3)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Run every section once, in the small setting, and a rival that is not there."""
    folder = tmp_path_factory.mktemp("bench")
    out = io.StringIO()
    json_file = folder / "all.json"
    files = ["--json", str(json_file), "--rst", str(folder)]
    with redirect_stdout(out):
        status = bench.main(["--quick", "--all", "--rival", str(folder), *files])
    report = json.loads(json_file.read_text())
    return SimpleNamespace(status=status, text=out.getvalue(), report=report, folder=folder)


def problem_with_uneven_steps(case: Case) -> Problem:
    """A problem whose steps differ, so that a misplaced one shows."""
    problem = make_problem(case)
    steps = np.random.default_rng(1).uniform(0.1, 0.5, problem.steps.shape)
    return problem._replace(steps=steps)


def test_every_section_has_tables_with_positive_numbers(output: SimpleNamespace) -> None:
    assert output.status == 0
    sections = output.report["sections"]
    assert list(sections) == [*bench.SECTIONS, "rival"]
    for name, tables in sections.items():
        for table in tables:
            assert table["rows"] or name in ("rival", "gpu")
            for row in table["rows"]:
                assert len(row) == len(table["columns"])
                # The exponent of a run this short may be anything.
                numbers = [x for x in row if isinstance(x, float) and row[0] != "exponent of T"]
                assert all(x > 0 for x in numbers)


def test_the_text_names_machine_threads_and_every_table(output: SimpleNamespace) -> None:
    for word in ("processor", "NUMBA_NUM_THREADS = ", "numpy", "scipy", "numba", "torch"):
        assert word in output.text
    for tables in output.report["sections"].values():
        for table in tables:
            assert table["title"] in output.text
            assert table["note"] in output.text


def test_solutions_measured_are_right(output: SimpleNamespace) -> None:
    table = output.report["sections"]["speed"][0]
    column = table["columns"].index("error of y")
    assert all(row[column] < 1e-9 for row in table["rows"])


def test_page_parts_are_tables_of_equal_rows(output: SimpleNamespace) -> None:
    for name, tables in output.report["sections"].items():
        text = (output.folder / f"{name}.inc").read_text()
        assert text.count(".. csv-table::") == sum(bool(table["rows"]) for table in tables)
        assert "Measured 20" in text
        rows = csv.reader(line.strip() for line in text.splitlines() if line.startswith('   "'))
        widths = [len(row) for row in rows]
        wanted = [len(t["columns"]) for t in tables if t["rows"] for _ in range(len(t["rows"]) + 1)]
        assert widths == wanted


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--json", "nowhere/x.json"], "--json: nowhere/x.json cannot be written; name a file"),
        (["--json", "."], "--json: . cannot be written; name a file in a folder that exists"),
        (["--rst", "nowhere"], "--rst: there is no folder nowhere; make it first"),
    ],
)
def test_a_bad_path_is_one_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench.main(["--quick", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert sentence in err


def test_the_rival_is_skipped_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = _rival.compare(str(tmp_path), [SMALL], 0.01).note
    assert note == (
        f"Skipped: there is no smnn.py in {tmp_path}; name a checkout of IST-DASLab/ScalableMNN."
    )
    (tmp_path / "smnn.py").touch()
    monkeypatch.setattr(_rival, "find_spec", lambda name: None)
    table = _rival.compare(str(tmp_path), [SMALL], 0.01)
    assert table.rows == []
    assert table.note == "Skipped: torch is not installed; install it with: pip install torch"


class FakeTensor:
    """As much of a tensor as the comparison touches."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def requires_grad_(self) -> "FakeTensor":
        return self

    def detach(self) -> "FakeTensor":
        return self

    def numpy(self) -> np.ndarray:
        return self.array


PUBLISHED = """
import smnn_np
mnn = "the extension"
def ode_forward(*leaves):
    y, pullback = smnn_np.ode_solve_vjp(*(leaf.array for leaf in leaves))
    out = type(leaves[0])(y * (1 + 1e-3 * (mnn is None)))
    out.pullback = pullback
    return out
"""


def fake_gradients(y: Any, leaves: list[FakeTensor], y_bar: FakeTensor) -> list[FakeTensor]:
    """What torch.autograd.grad would return."""
    grads = y.pullback(y_bar.array)
    return [FakeTensor(x) for x in (grads.coefficients, grads.rhs, grads.initial, grads.steps)]


@pytest.mark.parametrize("extension", [False, True])
def test_the_rival_gets_the_same_problem(
    extension: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "smnn.py").write_text(PUBLISHED)
    torch = SimpleNamespace(
        __version__="0", set_num_threads=lambda n: None, get_num_threads=lambda: 1,
        from_numpy=FakeTensor, autograd=SimpleNamespace(grad=fake_gradients),
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setattr(_rival, "find_spec", lambda name: name == "torch" or extension)
    table = _rival.compare(str(tmp_path), [SMALL], 0.01)
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert row["published / ours"] > 0
    assert (row["with extension"] is None) is not extension
    assert ("left out" in table.note) is not extension
    assert row["our error"] < 1e-9
    assert row["published error"] == pytest.approx(1e-3, rel=0.01)  # without its extension
    assert row["gradients differ by"] == 0


@pytest.mark.parametrize("case", [SMALL, Case(1, 5, 1, 1, 4), Case(1, 6, 3, 3, 2)])
def test_normal_matrix_is_that_of_the_dense_rows(case: Case) -> None:
    problem = problem_with_uneven_steps(case)
    normal = normal_matrix(problem)
    m = case.n_dims * case.n_orders
    for k in range(case.batch):
        a, b = dense.ode_rows(*(array[k] for array in problem.arguments))
        whole = (a.T @ a).reshape(case.n_steps, m, case.n_steps, m)
        blocks = np.arange(case.n_steps)
        assert_close(normal.diagonal[k], whole[blocks, :, blocks])
        assert_close(normal.above[k], whole[blocks[:-1], :, blocks[1:]])
        y = problem.y_bar[k].reshape(-1)
        assert_close(normal.residual(problem.y_bar)[k].reshape(-1), a.T @ (b - a @ y))


def test_lapack_and_extended_precision_solve_the_same_problem() -> None:
    problem = problem_with_uneven_steps(SMALL)
    y = smnn.ode_solve(*problem.arguments)
    exact = reference_solution(problem)
    assert exact.dtype == np.longdouble
    assert_close(exact.astype(float), y)
    banded, right = banded_matrix(normal_matrix(problem))
    assert_close(solveh_banded(banded, right).reshape(y[0].shape), y[0])


def test_smooth_problems_and_the_oscillator_move_slowly() -> None:
    y = smnn.ode_solve(*make_problem(Case(2, 50, 2, 2, 3, smooth=True)).arguments)
    assert np.abs(np.diff(y[..., 0], axis=1)).max() < 0.1
    y = smnn.ode_solve(**make_oscillator(1e-2))
    assert np.abs(y[:, 0, 0] - np.cos(1e-2 * np.arange(1001))).max() < 1e-2


@pytest.mark.parametrize("case", [Case(1, 4, 1, 1, 3), Case(1, 4, 2, 2, 3), Case(1, 4, 3, 3, 2)])
def test_counted_triangle_is_that_of_a_dense_factorization(case: Case) -> None:
    a, _ = dense.ode_rows(*(array[0] for array in make_problem(case).arguments))
    m = case.n_dims * case.n_orders
    rows_of_a_node = np.linalg.cholesky(a.T @ a).T[m : 2 * m]
    counted = count(case).triangle_bytes / 8
    assert counted == np.sum(np.abs(rows_of_a_node) > 1e-12)


def test_bounds_follow_the_ceilings() -> None:
    ceilings = measure_ceilings(1, quick=True)
    assert set(ceilings.copy) == {"L2", "L3", "memory"}
    twice = ceilings._replace(flops=2 * ceilings.flops)
    case = Case(16, 1000, 3, 3, 3)
    slow, fast = (lower_bounds(case, each, 1e-3) for each in (ceilings, twice))
    assert slow["arithmetic"] == pytest.approx(2 * fast["arithmetic"])
    assert slow["call"] == pytest.approx(1e-3 / 16_000)
    assert "chain" not in slow
    slower = ceilings._replace(copy={at: rate / 2 for at, rate in ceilings.copy.items()})
    assert lower_bounds(case, slower, 1e-3)["memory"] == pytest.approx(2 * slow["memory"])
    assert lower_bounds(Case(1, 1000, 1, 1, 3), ceilings, 1e-3)["chain"] > 0


def test_measuring_tools() -> None:
    calls: list[str] = []
    times = interleaved({name: lambda name=name: calls.append(name) for name in "ab"}, 1e-4)
    assert set(times) == {"a", "b"}
    assert calls[:2] == ["a", "b"]  # once each before the clock starts
    assert exponent([1, 10, 100], [2.0, 20.0, 200.0]) == pytest.approx(1)
    assert peak_memory() > 1e6
    assert fresh_process("import smnn_np, sys; print(int('numba' in sys.modules))") == 0
    with pytest.raises(RuntimeError, match=r"a measuring process failed: .*no_such"):
        fresh_process("no_such_name")


def test_cells_and_tables_as_text() -> None:
    assert [show(x) for x in (None, "a", 3, 1234, 1234.5, 0.012345, 2e9)] == [
        "-", "a", "3", "1,234", "1,234", "0.0123", "2e+09",
    ]  # fmt: skip
    text = Table("Title", ("name", "value"), [["a", 1.0], ["long", 100.0]], "Note.").to_text()
    assert text == "Title\nname  value\na         1\nlong    100\nNote."
