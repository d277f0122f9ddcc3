"""Labels texts with a model that the program tuned here, without the program."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

from . import columns
from ._native import Model, tuned_models

__all__ = ["Classifier"]


class Classifier:
    """A tuned local model: the label of a text, and the probability of each label.

    It has no state but the model, may be used by many threads at once, which run side by side, and pickles: so it goes where
    Spark, Ray, Dask or ``multiprocessing`` take it. Make one with :meth:`load`.
    """

    __slots__ = ("_model",)

    def __init__(self, model: Model) -> None:
        self._model = model

    @classmethod
    def load(
        cls,
        model: str | os.PathLike[str],
        *,
        state: str | os.PathLike[str] | None = None,
        encoder: str | os.PathLike[str] | None = None,
    ) -> Classifier:
        """The model of a file, or of a reference such as ``local/lexical-ft-431136b2c0eb``, as reports name it.

        ``state`` is where the program keeps local models (its ``--state``); by default ``TUNEBENCH_STATE``, else
        ``.tunebench``. ``encoder`` is the folder of the encoder below a model that was tuned from one, where it is not where it was.
        """
        path = Path(model)
        content = path.read_bytes() if path.is_file() else _find(os.fspath(model), state)
        return cls(Model(content, None if encoder is None else os.fspath(encoder)))

    @property
    def classes_(self) -> list[str]:
        """The labels, in the order of the probabilities; called as scikit-learn calls them."""
        return self._model.labels

    @overload
    def predict(self, texts: Sequence[str]) -> list[str]: ...
    @overload
    def predict(self, texts: Sequence[str | None]) -> list[str | None]: ...
    @overload
    def predict(self, texts: Any) -> Any: ...
    def predict(self, texts: Any) -> Any:
        """The most probable label of each text, and none for none.

        A list gives a list; a NumPy array, a Series of pandas or polars and an array of pyarrow give one of the same kind. Anything
        else that speaks the Arrow PyCapsule interface, or can be iterated over, gives a list.
        """
        found = [label for batch in columns.batches(texts) for label in self._model.predict(batch)]
        return columns.like(texts, found)

    def predict_proba(self, texts: Any) -> Any:
        """The probability of each label of :attr:`classes_` for each text, and NaN for none.

        A list of texts gives a list of lists; all else a NumPy array of 32-bit floats, a row for each text.
        """
        width = len(self.classes_)
        if isinstance(texts, (list, tuple)):
            batches = columns.batches(texts)
            numbers = [memoryview(self._model.predict_proba(batch)).cast("f").tolist() for batch in batches]
            return [all[i : i + width] for all in numbers for i in range(0, len(all), width)]
        import numpy

        parts = [self._model.predict_proba(batch) for batch in columns.batches(texts)]
        return numpy.frombuffer(b"".join(parts), dtype=numpy.float32).reshape(-1, width).copy()

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._model.file, self._model.encoder)

    def __repr__(self) -> str:
        return f"<tunebench.Classifier of {len(self.classes_)} labels>"


def _again(file: bytes, encoder: str | None) -> Classifier:
    return Classifier(Model(file, encoder))


def _find(reference: str, state: str | os.PathLike[str] | None) -> bytes:
    folder = Path(state if state is not None else os.environ.get("TUNEBENCH_STATE", ".tunebench"))
    provider, _, name = reference.rpartition("/")
    names, file = tuned_models(folder / (provider or "local"), name)
    if file is not None:
        return file
    if provider not in ("", "local") and not names:
        raise FileNotFoundError(
            f"there is no file `{reference}`, and no local model of that name in `{folder}`: only models that were tuned on this "
            "machine can be loaded; `tunebench predict` asks the others"
        )
    known = ", ".join(f"local/{name}" for name in names)
    cure = f"there is {known}" if names else "`tunebench tune` makes one; `state=` says where, if it is not here"
    raise FileNotFoundError(f"there is no tuned model `{reference}` in `{folder}`, nor a file of that name: {cure}")
