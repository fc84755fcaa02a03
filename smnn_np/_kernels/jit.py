"""Compilation whose results are kept on disk, and that works where nothing can be kept.

Numba's own ``njit(cache=True)`` fails in four situations that users meet:

* no folder can be written (a read-only installation without a home): the import raises;
* the folder stops being writable, or the disk is full: the solve that had to compile raises;
* a package is upgraded and a kernel's own file stays as it was: its compiled code is reused with
  the old code of what it calls in other files, and the results are wrong without a word;
* two processes compile one kernel for two signatures at the same time: each lists its code under
  the same number, and later runs take the one for the other.

It also compiles everything anew for a user who may read but not write the folder in which an
administrator or a container's build has compiled already. `njit` here mends all five.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile

from .inner import KernelCompiler


def _stamp() -> str:
    """Digest of the CPU's kernels' source: what is compiled may hold code from any of them."""
    digest, here = sha256(), Path(__file__).parent
    for path in sorted(here.rglob("*.py")):
        if here / "cuda" not in path.parents:
            digest.update(path.read_bytes())
    return digest.hexdigest()


STAMP = _stamp()


class _Files(IndexDataCacheFile):
    """An index, and a file for each compiled signature, named by what is in it."""

    def save(self, key: Any, data: Any) -> None:
        """Save the code for a key, and only then list it."""
        name = sha256(self._dump((self._source_stamp, key))).hexdigest()[:20]
        file = self._index_name.removesuffix("nbi") + f"{name}.nbc"
        if Path(self._index_path).exists() and not self._load_index():
            self._remove_all()  # of other sources: it would never be looked for again
        self._save_data(file, data)
        self._save_index({**self._load_index(), key: file})

    def _remove_all(self) -> None:
        """Remove the code of all signatures."""
        for path in Path(self._cache_path).glob(f"{self._index_name.removesuffix('nbi')}*.nbc"):
            path.unlink(missing_ok=True)


class _Cache(FunctionCache):
    """Compiled code on disk: read where it can be read, written where it can be written."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        name = self._impl.filename_base
        beside = Path(function.__code__.co_filename).parent / "__pycache__"
        self._files = [_Files(str(self.cache_path), name, STAMP)]
        if beside != Path(self.cache_path):  # read-only, or passed over for NUMBA_CACHE_DIR
            self._files.append(_Files(str(beside), name, STAMP))
        self._cache_file = self._files[0]

    def _load_overload(self, signature: Any, target_context: Any) -> Any:
        """Load from the first folder that has it, under Numba's lock for compilation."""
        try:
            for file in self._files:
                self._cache_file = file
                with suppress(OSError):
                    found = super()._load_overload(signature, target_context)
                    if found is not None:
                        return found
        finally:
            self._cache_file = self._files[0]
        return None

    def save_overload(self, signature: Any, data: Any) -> None:
        """Keep it if possible; it works in this process either way."""
        with suppress(OSError):
            super().save_overload(signature, data)


def njit(*, cache: bool = True, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit`, with a cache on disk wherever there can be one.

    Parameters
    ----------
    cache : bool, default=True
        Whether to keep the compiled code.
    **options
        The other options of `numba.njit`.

    Returns
    -------
    callable
        The decorator.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        kernel = numba.njit(**{"pipeline_class": KernelCompiler, **options})(function)
        if cache:
            with suppress(RuntimeError):  # no folder can be written: compile in each process
                kernel._cache = _Cache(function)
        return kernel

    return decorate
