"""The command: what it prints and writes, and one sentence with exit code 2 for a bad input."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import smnn_np
from smnn_np.__main__ import main
from smnn_np.datasets import load_hare_lynx, make_damped_oscillator, make_lorenz

KEYS = ["targets", "terms", "coef", "coef_std", "noise_std", "r2", "equations", "dropped"]
GOOD = "t,x,y,label\n" + "".join(f"{i},{i * i},{-i},a{i}\n" for i in range(8))


def run_process(folder, *arguments):
    """Run the command in a process of its own, in a folder from which it must not matter."""
    command = [sys.executable, "-m", "smnn_np", "discover", *arguments]
    env = {**os.environ, "PYTHONPATH": str(Path(smnn_np.__file__).parents[1])}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Run in an empty folder, where the default plot goes."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """Run the command as a user does, without FILE, once."""
    folder = tmp_path_factory.mktemp("demo")
    done = run_process(folder, "--json", "out.json")
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads((folder / "out.json").read_text()), folder


def test_demo_prints_all_that_a_reader_wants(demo):
    printed, summary, _ = demo
    assert "21 rows, 2 states (hare, lynx)" in printed
    assert "Hudson's Bay Company" in printed
    assert re.search(r"hare' = -?\(", printed)
    assert "±" in printed
    assert "the criterion's choice" in printed
    assert "Noise (standard deviation): hare " in printed
    assert f"R^2 of the smoothed states: {summary['r2']:.4f}" in printed
    assert "R^2 of the trajectory simulated from the first state: " in printed


def test_demo_writes_a_plot(demo):
    _, _, folder = demo
    assert (folder / "discover.png").read_bytes().startswith(b"\x89PNG")


def test_json_holds_exactly_the_keys_and_fits_together(demo):
    _, summary, _ = demo
    assert list(summary) == KEYS
    assert summary["targets"] == ["hare", "lynx"]
    assert summary["terms"] == ["1", "hare", "lynx", "hare^2", "hare lynx", "lynx^2"]
    coef, coef_std = np.array(summary["coef"]), np.array(summary["coef_std"])
    assert coef.shape == coef_std.shape == (2, 6)
    assert np.all(coef_std[coef != 0] > 0)
    assert len(summary["noise_std"]) == 2
    assert 0.5 < summary["r2"] <= 1
    gone = {(each["target"], each["term"]) for each in summary["dropped"]}
    zero = {(summary["targets"][i], summary["terms"][j]) for i, j in np.argwhere(coef == 0)}
    assert gone == zero
    assert all(list(each) == ["target", "term", "delta_bic"] for each in summary["dropped"])


def test_hare_and_lynx_obey_lotka_and_volterra(here, capsys):
    assert main(["discover", "--json", "-", "--plot", "none"]) == 0
    summary = json.loads(capsys.readouterr().out)
    found = {
        (summary["targets"][i], summary["terms"][j]): summary["coef"][i][j]
        for i, j in np.argwhere(np.array(summary["coef"]))
    }
    signs = {key: np.sign(value) for key, value in found.items()}
    assert signs == {
        ("hare", "hare"): 1,
        ("hare", "hare lynx"): -1,
        ("lynx", "lynx"): -1,
        ("lynx", "hare lynx"): 1,
    }
    assert list(here.iterdir()) == []


def test_another_number_of_terms_is_compared_with_the_choice(here, capsys):
    assert main(["discover", "--terms", "5", "--plot", "none"]) == 0
    out = capsys.readouterr().out
    assert "The criterion chose 4 terms, not 5" in out
    assert "odds ratio" in out


def test_terms_that_the_path_does_not_hold(here, capsys):
    assert main(["discover", "--terms", "99", "--plot", "none"]) == 2
    assert "99" in one_sentence(capsys)


def test_columns_by_name_and_dates(here, capsys):
    series = make_damped_oscillator(120, step=0.1)
    rate = np.gradient(series.y[:, 0], 0.1)
    lines = [f"2024-01-{1 + i // 24:02d}T{i % 24:02d}:00,x,{v},{p}" for i, (p, v) in
             enumerate(zip(series.y[:, 0], rate, strict=True))]  # fmt: skip
    (here / "spring.csv").write_text("\n".join(["day;note;The rate;Pos", *lines]).replace(",", ";"))
    arguments = ["spring.csv", "--states", "pos,The rate", "--degree", "1", "--plot", "spring.svg"]
    assert main(["discover", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "120 rows, 2 states (Pos, The_rate)" in printed
    assert "time (days since 2024-01-01) from 0 to 4.958" in printed
    assert "Pos' = " in printed
    assert "The_rate' = " in printed
    assert "<svg" in (here / "spring.svg").read_text()


def test_shipped_record_as_a_file_gives_the_same(here, demo, capsys):
    record = load_hare_lynx()
    rows = [f"{t},{h},{x}" for t, (h, x) in zip(record.t, record.y, strict=True)]
    (here / "pelts.csv").write_text("\n".join(["year,hare,lynx", *rows]))
    assert main(["discover", "pelts.csv", "--json", "-", "--plot", "none"]) == 0
    assert json.loads(capsys.readouterr().out) == demo[1]


def one_sentence(capsys):
    """Return what was printed on stderr: one line, no traceback, nothing on stdout but data."""
    lines = capsys.readouterr().err.splitlines(keepends=True)
    # On a slow machine the fit before has shown its progress.
    err = "".join(line for line in lines if not line.startswith("[SMNNDiscoverer]"))
    assert err.startswith("smnn_np discover: ")
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.csv"], "cannot read none.csv: no such file"),
        (["good.csv"], "--states: column 'label' of good.csv has 'a0' in line 2; wanted a finite"),
        (["good.csv", "--time", "when"], "--time: good.csv has no column 'when'; its columns are"),
        (["good.csv", "--states", "x,z"], "--states: good.csv has no column 'z'"),
        (["good.csv", "--states", "x", "t"], "column 't' has two roles"),
        (
            ["good.csv", "--time", "label", "--states", "x"],
            "--time: column 'label' of good.csv has",
        ),
        (["good.csv", "--states", "x", "--plot", "x.docx"], "--plot: x.docx ends in none of"),
        (["good.csv", "--states", "x", "--plot", "no/x.png"], "--plot: there is no folder no"),
        (["good.csv", "--states", "x", "--json", "no/x"], "--json: there is no folder no"),
        (["good.csv", "--example", "chemostat"], "give FILE or --example, not both"),
        (["--states", "x"], "name columns of a FILE: give one"),
        (["few.csv"], "few.csv holds 2 rows; wanted at least 5"),
        (["twice.csv"], "--states: column 'x' is ambiguous in twice.csv"),
        (["alike.csv"], "several columns of alike.csv read as 'x_1'; rename them"),
        (["gap.csv"], "--states: column 'y' of gap.csv holds no number at all"),
        (
            ["gap.csv", "--states", "x", "--controls", "y"],
            "--controls: column 'y' of gap.csv has a",
        ),
        (["one.csv"], "one.csv has no column left for --states"),
    ],
)
def test_bad_inputs_get_one_sentence(here, capsys, arguments, message):
    rows = "".join(f"{i},{i},\n" for i in range(8))
    files = {
        "good.csv": GOOD,
        "few.csv": "t,x\n0,1\n1,2\n",
        "twice.csv": "t,x,x\n" + rows,
        "alike.csv": "t,x 1,x-1\n" + rows.replace(",\n", ",1\n"),
        "gap.csv": "t,x,y\n" + rows,
        "one.csv": "t\n1\n2\n",
    }
    for name, content in files.items():
        (here / name).write_text(content)
    assert main(["discover", *arguments]) == 2
    assert message in one_sentence(capsys)


@pytest.mark.parametrize("value", ["0", "-1", "two"])
def test_counts_are_checked(capsys, value):
    with pytest.raises(SystemExit) as stopped:
        main(["discover", "--terms", value])
    assert stopped.value.code == 2
    assert "is not a whole number above zero" in capsys.readouterr().err


def test_a_bad_file_ends_the_process_with_2_and_no_traceback(tmp_path):
    done = run_process(tmp_path, "none.csv")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "no such file" in done.stderr


def test_without_matplotlib_the_fit_is_printed_and_the_remedy_named(here, capsys, monkeypatch):
    monkeypatch.setattr("smnn_np.__main__.find_spec", lambda name: None)
    assert main(["discover", "--terms", "4"]) == 0
    out, err = capsys.readouterr()
    assert "hare' = " in out
    assert "pip install 'smnn-np[plot]'" in err
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(("seconds", "shown"), [(0.0, True), (1e9, False)])
def test_only_a_long_run_shows_its_progress(here, capsys, monkeypatch, seconds, shown):
    monkeypatch.setattr("smnn_np.__main__._QUIET_SECONDS", seconds)
    assert main(["discover", "--degree", "1", "--plot", "none"]) == 0
    assert ("terms  criterion" in capsys.readouterr().err) == shown


def test_several_runs_and_a_control(here, capsys, rng):
    t = np.linspace(0, 4, 60)
    lines = ["run,t,force,x"]
    for run, start in (("slow", 0.2), ("fast", 2.0)):
        # x' = -x + force, force = t: x = t - 1 + (start + 1) exp(-t)
        x = t - 1 + (start + 1) * np.exp(-t) + 1e-3 * rng.standard_normal(60)
        lines += [f"{run},{a},{a},{b}" for a, b in zip(t, x, strict=True)]
    (here / "runs.csv").write_text("\n".join(lines))
    arguments = ["--time", "t", "--groups", "run", "--controls", "force", "--degree", "1"]
    assert main(["discover", "runs.csv", *arguments, "--json", "out.json"]) == 0
    printed = capsys.readouterr().out
    assert "120 rows, 1 state (x), 1 control (force), 2 runs" in printed
    summary = json.loads((here / "out.json").read_text())
    assert summary["terms"] == ["1", "x", "force"]
    np.testing.assert_allclose(summary["coef"], [[0, -1, 1]], atol=5e-3)
    assert (here / "discover.png").exists()


@pytest.mark.parametrize(
    ("columns", "roles", "named"),
    [
        (["hot", "cold"], [], "the states hot and cold are the same up to a factor"),
        (["hot", "valve"], ["--controls", "valve"], "the candidate terms 1, valve are linearly"),
    ],
)
def test_warnings_speak_of_the_columns(here, capsys, columns, roles, named):
    hot = np.exp(-np.linspace(0, 4, 40))
    other = np.ones(40) if roles else 2 * hot
    table = np.column_stack([np.linspace(0, 4, 40), hot, other])
    header = ",".join(["t", *columns])
    np.savetxt(here / "oven.csv", table, delimiter=",", header=header, comments="")
    assert main(["discover", "oven.csv", *roles, "--degree", "1", "--plot", "none"]) == 0
    assert f"note: {named}" in capsys.readouterr().err


def test_a_chaotic_trajectory_is_explained(here, capsys):
    lorenz = make_lorenz(3000, step=0.02)
    table = np.column_stack([lorenz.t, lorenz.y])
    np.savetxt(here / "lorenz.csv", table, delimiter=",", header="t,x,y,z", comments="")
    assert main(["discover", "lorenz.csv", "--plot", "none"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"x' = -\((10\.0+|9\.99\d+) ± ", printed)
    assert "leaves the data: sooner or later any does if the law is chaotic" in printed


def test_equations_that_explain_little_are_called_that(here, capsys):
    """The chemostat's predators age: no quadratic law of two states follows 374 days of it."""
    assert main(["discover", "--example", "chemostat", "--plot", "none"]) == 0
    printed = capsys.readouterr().out
    assert float(re.search(r"smoothed states: (\S+)", printed)[1]) < 0.5
    assert "these equations explain little" in printed


def test_a_cell_too_long_for_a_table_is_one_sentence(here, capsys):
    Path("big.csv").write_text("t,x\n0,1\n1," + "1" * 200_000 + "\n")
    assert main(["discover", "big.csv"]) == 2
    assert "is no line of a table" in capsys.readouterr().err
