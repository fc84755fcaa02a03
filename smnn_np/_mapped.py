"""Large memory that the system may take while nobody uses it.

Gigabytes cannot be kept from other programs only because they may be wanted again. So pages that
nobody uses any more are given to the system lazily: they stay where they are and cost nothing to
use again, unless it needed memory meanwhile and took them.
"""

from __future__ import annotations

import mmap
import os
import weakref

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_SHARE = 4  # at most one part in so many of what a process may have is remembered
_NUMBER = 8  # bytes
_HUGE_PAGE = 2**18  # numbers; whole ones are found and given in a quarter of the time
_FREE = getattr(mmap, "MADV_FREE", None)  # no such thing on Windows
_HUGE = getattr(mmap, "MADV_HUGEPAGE", None)  # Linux only


class Mapping:
    """Memory of its own for one array at a time.

    Parameters
    ----------
    size : int
        How many numbers it has room for at least.

    Attributes
    ----------
    size : int
        How many it has room for.
    free : bool
        Whether neither the last array nor a view of it is left, and the system has been told.
    clear : bool
        Whether all numbers are zero, because nobody has had them.
    thread : int
        Who had it last.
    """

    __slots__ = ("_pages", "clear", "free", "size", "thread")

    def __init__(self, size: int) -> None:
        self.size = -(-size // _HUGE_PAGE) * _HUGE_PAGE
        self.thread, self.free, self.clear = 0, True, True
        try:
            self._pages = _map(_NUMBER * self.size)
        except OSError as error:
            raise MemoryError(f"no memory for {size} numbers") from error
        if _HUGE is not None:
            _advise(self._pages, _HUGE)

    def is_free(self) -> bool:
        """Whether nobody has it."""
        return self.free

    def lend(self, size: int) -> Array:
        """Return its first numbers; it is free again when they and their views are all gone."""
        self.free = self.clear = False
        # Views of an array refer to it, not to what is under it: it goes last.
        array = np.frombuffer(self._pages, count=size)
        weakref.finalize(array, self._take_back).atexit = False
        return array

    def _take_back(self) -> None:
        """Any thread may run this at any time: it waits for nobody.

        The system is told first: afterwards the pages may be another's.
        """
        if _advise(self._pages, _FREE):
            self.free = True
        else:  # as where a process locks its pages: they are not to be sat on
            self.size = 0
            del self._pages


def _map(n_bytes: int) -> mmap.mmap:
    """Pages of this process alone: what is shared cannot be given lazily."""
    return mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def _advise(pages: mmap.mmap, advice: int | None) -> bool:
    """Tell the system what pages are for; whether it listens."""
    try:
        pages.madvise(advice)  # type: ignore[arg-type]
    except OSError:
        return False
    return True


def most_numbers() -> int:
    """How many may be remembered, in use or not: none where pages cannot be given lazily."""
    if _FREE is None or not _advise(_map(mmap.PAGESIZE), _FREE):
        return 0
    import resource  # not on Windows

    all_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [resource.getrlimit(each)[0] for each in (resource.RLIMIT_AS, resource.RLIMIT_DATA)]
    bounded = [each for each in limits if each != resource.RLIM_INFINITY]
    return min([all_bytes, *bounded]) // (_SHARE * _NUMBER)
