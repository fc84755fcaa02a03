"""Compiled code on disk: what numba alone gets wrong, on a package of two tiny kernels."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import smnn_np._kernels.inner as inner_options
import smnn_np._kernels.jit as jit

INNER = """
from .jit import njit
@njit(nogil=True)
def inner(x):
    return x + {number}
"""
INNER_ALONE = """
from numba import njit
from .inner import INNER
@njit(**INNER)
def inner(x):
    return x + 1
"""
OUTER = """
from .called import inner
from .jit import njit
@njit(nogil=True)
def outer(x):
    return 2 * inner(x)
"""
# Prints the value and how many functions were compiled. {before} may spoil what it likes.
SCRIPT = """
from numba.core import caching, event
def refuse(self):
    raise PermissionError(self.get_cache_path())
{before}
from tiny.outer import outer
{between}
with event.install_recorder("numba:compile") as compiled:
    value = outer(1)
print(value, sum(each[1].is_start for each in compiled.buffer))
"""
NOTHING_CAN_BE_WRITTEN = "caching._CacheLocator.ensure_cache_path = refuse"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return a package like `_kernels`, whose two kernels live in two files."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    for module in jit, inner_options:
        shutil.copy(module.__file__, folder)
    (folder / "__init__.py").write_text("")
    (folder / "called.py").write_text(INNER.format(number=1))
    (folder / "outer.py").write_text(OUTER)
    return folder


def run(package: Path, before: str = "", between: str = "") -> tuple[int, int]:
    """Call `outer(1)` in a new process: its value, and how many functions were compiled."""
    script = SCRIPT.format(before=before, between=between)
    home = package.parent / "home"  # no cache but the package's own
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=package.parent,
        env={"HOME": str(home), "XDG_CACHE_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    value, compiled = done.stdout.split()
    return int(value), int(compiled)


def test_a_second_process_compiles_nothing(package: Path) -> None:
    assert run(package) == (4, 2)
    assert run(package) == (4, 0)


def test_functions_of_kernels_alone_have_no_machine_code(package: Path) -> None:
    """Numba alone makes some for each, and none of it is ever run."""
    (package / "called.py").write_text(INNER_ALONE)
    none = """
from tiny.called import inner
outer(1)
(compiled,) = inner.overloads.values()
assert not list(compiled.library.get_defined_functions())
from tiny.outer import outer
"""
    assert run(package, between=none) == (4, 0)
    assert run(package) == (4, 0)  # what lies on disk has them inside
    assert len(list(package.rglob("*.nbc"))) == 1


_doubled = jit.njit(**inner_options.INNER)(lambda x: 2 * x)


@pytest.mark.parametrize("function", [lambda x: x, lambda x: (x, x), lambda x: len(_doubled(x))])
def test_arrays_change_hands_where_references_are_counted(function: Callable[..., Any]) -> None:
    """Only there, or memory in use would be freed, or memory would never be."""
    for counts in True, False:
        options = {**inner_options.INNER, "_nrt": counts}
        inner = jit.njit(**options)(function)
        outer = jit.njit(cache=False)(lambda x, inner=inner: inner(x) is not None)
        if counts:
            assert outer(np.ones(3))
        else:
            with pytest.raises(TypeError, match=r"is given .*array.* needs"):
                outer(np.ones(3))


def test_what_a_kernel_calls_is_known_to_be_called_by_nobody_else(package: Path) -> None:
    """LLVM then takes it in, or leaves out what it does not use.

    Under its old name other kernels, where it may have another set of arguments, would call it.
    """
    linkages = """
from tiny.called import inner
from numba.core.codegen import JITCodeLibrary
seen, optimize = {}, JITCodeLibrary._optimize_final_module
def look(self):
    defined = [each for each in self._final_module.functions if not each.is_declaration]
    seen.update((each.name, each.linkage.name) for each in defined)
    optimize(self)
JITCodeLibrary._optimize_final_module = look
outer(1)
JITCodeLibrary._optimize_final_module = optimize
assert {seen[name] for name in seen if "4tiny6called" in name} == {"internal"}, seen
assert {seen[name] for name in seen if "4tiny5outer" in name} == {"external"}, seen
(compiled,) = inner.overloads.values()
old = {each.name for each in compiled.library._get_module_for_linking().functions}
assert old and not old & {name for name in seen if seen[name] == "internal"}
"""
    (package / "called.py").write_text(INNER_ALONE)
    assert run(package, between=linkages) == (4, 0)


def test_a_change_in_another_file_is_seen(package: Path) -> None:
    """Numba alone returns 4 here: `outer.py` is as it was."""
    run(package)
    (package / "called.py").write_text(INNER.format(number=10))
    assert run(package) == (22, 2)


def test_nowhere_to_write(package: Path) -> None:
    """Numba alone raises at the import."""
    assert run(package, NOTHING_CAN_BE_WRITTEN) == (4, 2)
    assert not list(package.parent.rglob("*.nbc"))


def test_no_longer_writable(package: Path) -> None:
    """Numba alone raises from the call that compiles."""
    assert run(package, between=NOTHING_CAN_BE_WRITTEN) == (4, 2)


def test_code_compiled_by_someone_else_is_read(package: Path) -> None:
    """A folder that only an administrator may write; numba alone compiles anew for each user."""
    run(package)
    only_home = """
ensure = caching._CacheLocator.ensure_cache_path
def only_home(self):
    refuse(self) if self.get_cache_path().endswith("__pycache__") else ensure(self)
caching._CacheLocator.ensure_cache_path = only_home
"""
    assert run(package, only_home) == (4, 0)
    (package / "called.py").write_text(INNER.format(number=2))
    assert run(package, only_home) == (6, 2)
    assert run(package, only_home) == (6, 0)


def test_processes_that_save_at_once_keep_their_own(tmp_path: Path) -> None:
    """Numba alone loads the one's code for the other."""
    one, other = (jit._Files(str(tmp_path), "kernel", "source") for _ in range(2))
    about_to_write, may_write = threading.Event(), threading.Event()
    load, write = other._load_index, one._save_data

    def wait_and_write(name: str, data: str) -> None:
        about_to_write.set()
        may_write.wait()
        write(name, data)

    def load_while_the_other_saves() -> dict[str, str]:
        listed = load()
        about_to_write.wait()
        return listed

    one._save_data, other._load_index = wait_and_write, load_while_the_other_saves
    first = threading.Thread(target=one.save, args=("int64", "code for int64"))
    other_thread = threading.Thread(target=other.save, args=("float64", "code for float64"))
    other_thread.start()
    first.start()
    other_thread.join()
    may_write.set()
    first.join()
    for key in "int64", "float64":
        assert one.load(key) in (None, f"code for {key}")
    one.save("int64", "code for int64")
    assert one.load("int64") == "code for int64"


def test_code_of_another_source_is_removed(tmp_path: Path) -> None:
    for source in "before", "after":
        files = jit._Files(str(tmp_path), "kernel", source)
        for key in "int64", "float64":
            files.save(key, source)
        assert files.load("int64") == source
        assert len(list(tmp_path.glob("kernel.*.nbc"))) == 2
