"""Packages that only some calls need: imported when used, or one sentence on how to get them."""

from importlib import import_module
from typing import Any


def import_optional(name: str, install: str) -> Any:
    """Import a package, or a module of one, that users may lack.

    Parameters
    ----------
    name : str
        The module.
    install : str
        What pip installs it by.

    Returns
    -------
    module

    Raises
    ------
    ImportError
        If it is not there.
    """
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ImportError(
            f"{package} is not installed; install it with: pip install {install}"
        ) from error
