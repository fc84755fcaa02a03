"""What a long fit says while it runs, and how it is stopped.

With scikit-learn 1.9 or newer a fit calls the callbacks of ``set_callbacks``, one task a stage; a
callback that returns True stops it as Ctrl-C does. ``verbose`` writes the same stages to stderr.
"""

import sys
from collections.abc import Callable
from typing import Any

try:
    from sklearn.callback import CallbackSupportMixin, with_callbacks

    CALLER = 3  # frames from a warning in `fit` to the line that called it
except ImportError:  # before scikit-learn 1.9
    CALLER = 2

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in for scikit-learn's, which has callbacks."""

    def with_callbacks(method: Callable[..., Any]) -> Callable[..., Any]:
        """Return the method as it is."""
        return method


INTERRUPTED = (
    "the fit was interrupted: this is the best model until then; fit again for the best of all."
)


class Progress:
    """Reports the stages of a fit.

    Parameters
    ----------
    estimator : SMNNDiscoverer
        The estimator that is fitted.
    X, y : array-like
        What it is fitted to.
    """

    def __init__(self, estimator: Any, X: Any, y: Any) -> None:
        self._estimator, self._data = estimator, {"X": X, "y": y}
        self._context = None
        if hasattr(estimator, "_init_callback_context"):
            self._context = estimator._init_callback_context(max_subtasks=None)
            self._context.call_on_fit_task_begin(estimator=estimator, **self._data)

    def __call__(self, line: str) -> None:
        """Report a stage; KeyboardInterrupt if a callback wants to stop."""
        if self._estimator.verbose:
            sys.stderr.write(f"[SMNNDiscoverer] {line}\n")
            sys.stderr.flush()
        if self._context is not None:
            task: Any = self._context.subcontext(task_name=line)
            task.call_on_fit_task_begin(estimator=self._estimator, **self._data)
            if task.call_on_fit_task_end(estimator=self._estimator, **self._data):
                raise KeyboardInterrupt

    def end(self) -> None:
        """Say that the fit is over."""
        if self._context is not None:
            self._context.call_on_fit_task_end(estimator=self._estimator, **self._data)
