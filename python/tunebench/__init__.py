"""tunebench for Python: tuned models as functions, results as data frames, and the statistics of its reports.

* :class:`Classifier` labels texts with a local model that the program tuned.
* :func:`metrics` and :func:`compare` compute the figures of a report for answers from anywhere.
* :func:`load_results` reads a results folder.
* :mod:`tunebench.provider` makes a provider for the program of a Python class.

``docs/python.md`` is the page to begin with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .classifier import Classifier as Classifier
    from .figures import Comparison as Comparison
    from .figures import Metrics as Metrics
    from .figures import compare as compare
    from .figures import metrics as metrics
    from .results import Results as Results
    from .results import load_results as load_results

__all__ = ["Classifier", "Comparison", "Metrics", "Results", "compare", "load_results", "metrics"]

_HOMES = {
    "Classifier": "classifier",
    "Comparison": "figures",
    "Metrics": "figures",
    "compare": "figures",
    "metrics": "figures",
    "Results": "results",
    "load_results": "results",
}


def __getattr__(name: str) -> Any:
    # A provider is started as a child for each run: it should not wait for what it does not need.
    if name not in _HOMES:
        raise AttributeError(f"module 'tunebench' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
