"""The figures of a report for answers from anywhere: same names, same definitions, same code as the command line.

Arguments stand in scikit-learn's order: the gold labels first. What the figures mean is told in ``docs/statistics.md`` and
``docs/reports.md``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypedDict, overload

from . import columns
from ._native import summary

__all__ = ["Comparison", "Metrics", "compare", "metrics"]

#: The program's own `evaluation.min_coverage`.
MIN_COVERAGE = 0.98


class Interval(TypedDict):
    """An interval at the level of 95 %, unless something else stands beside it."""

    low: float
    high: float


class Triple(TypedDict):
    """Shares of 1, or none where a figure is undefined."""

    precision: float | None
    recall: float | None
    f1: float | None


class Counts(TypedDict):
    """How rows came out."""

    correct: int
    incorrect: int
    invalid: int
    unanswered: int


class ClassScores(TypedDict):
    """The figures of one label."""

    support: int
    predicted: int
    true_positives: int
    scores: Triple
    precision_interval: Interval | None
    recall_interval: Interval | None


class Scores(TypedDict):
    """The scores over all labels. ``classes`` is in the order of ``labels``."""

    accuracy: float | None
    accuracy_interval: Interval | None
    macro_average: Triple
    micro_average: Triple
    weighted_average: Triple
    balanced_accuracy: float | None
    cohen_kappa: float | None
    matthews_correlation: float | None
    classes: list[ClassScores]


class Doubt(TypedDict):
    """What to know before believing the figures."""

    kind: str
    message: str
    advice: str


class Metrics(TypedDict):
    """The figures of one model: a member of ``models`` in ``summary.json``, with the labels and the doubts."""

    labels: list[str]
    n: int
    counts: Counts
    coverage: float | None
    complete: bool
    invalid_kinds: dict[str, int]
    unanswered_kinds: dict[str, int]
    scores: Scores | None
    intervals: dict[str, Interval | None] | None
    clustered: dict[str, Any] | None
    calibration: dict[str, Any] | None
    confusion: list[dict[str, Any]]
    doubts: list[Doubt]


class Comparison(TypedDict):
    """The figures of two models on the same rows: a member of ``comparisons`` in ``summary.json``, with the doubts."""

    base: str
    tuned: str
    n: int
    rows: dict[str, int]
    figure: str
    values: list[float] | None
    difference: float | None
    difference_interval: Interval | None
    confidence: float | None
    clustered_difference: Interval | None
    clusters: int
    design_effect: float | None
    repeats: list[int]
    score_p: float | None
    mcnemar_p: float | None
    mcnemar_mid_p: float | None
    holm_p: float | None
    macro_f1: dict[str, Any] | None
    non_inferiority: dict[str, Any] | None
    power: dict[str, Any] | None
    chances: dict[str, Any] | None
    price: float | None
    verdict: str
    missing: int
    withheld: str | None
    if_read: dict[str, Any] | None
    doubts: list[Doubt]


def metrics(
    gold: Any,
    answers: Any,
    *,
    labels: Sequence[Any] | None = None,
    groups: Any = None,
    probabilities: Any = None,
    gold_probabilities: Any = None,
    ids: Any = None,
    min_coverage: float = MIN_COVERAGE,
) -> Metrics:
    """The scores of a model's answers.

    ``None`` or NaN among the answers is a row that was not answered: it counts neither for nor against the model, but lowers its
    coverage, and below ``min_coverage`` there are no scores. ``labels`` is the closed list; an answer that is none of them is
    invalid, and counts as wrong. Without it all gold labels and answers make up the list, sorted, as in scikit-learn.
    ``groups`` names what each row belongs to, where rows are not independent; ``probabilities`` are those of the answers, and
    ``gold_probabilities`` those that the model gave to the gold labels, for the log loss over all labels.
    ``ids`` are the rows' ids in results: by them the rows are parted of which some choose a threshold and others judge it.
    """
    settings = {"min_coverage": min_coverage}
    given = [None if column is None else columns.numbers(column) for column in (probabilities, gold_probabilities)]
    told = _summary(gold, {"answers": answers}, labels, groups, settings, given[0], given[1], ids)
    found: Metrics = {**told["models"][0], "labels": told["labels"], "doubts": told["doubts"]}  # type: ignore[typeddict-item]
    return found


@overload
def compare(
    gold: Any,
    a: Any,
    b: Any,
    /,
    *,
    labels: Sequence[Any] | None = ...,
    groups: Any = ...,
    names: Sequence[str] | None = ...,
    non_inferior: float | None = ...,
    primary: str | None = ...,
    any_time: bool = ...,
    min_coverage: float = ...,
) -> Comparison: ...
@overload
def compare(
    gold: Any,
    a: Any,
    b: Any,
    c: Any,
    /,
    *more: Any,
    labels: Sequence[Any] | None = ...,
    groups: Any = ...,
    names: Sequence[str] | None = ...,
    non_inferior: float | None = ...,
    primary: str | None = ...,
    any_time: bool = ...,
    min_coverage: float = ...,
) -> list[Comparison]: ...
def compare(
    gold: Any,
    a: Any,
    b: Any,
    /,
    *more: Any,
    labels: Sequence[Any] | None = None,
    groups: Any = None,
    names: Sequence[str] | None = None,
    non_inferior: float | None = None,
    primary: str | None = None,
    any_time: bool = False,
    min_coverage: float = MIN_COVERAGE,
) -> Comparison | list[Comparison]:
    """The verdict on ``b`` measured by ``a``, from their answers to the same rows.

    With more models each is compared with ``a``, the p-values are adjusted for their number, and a list is returned.
    ``non_inferior`` is the loss within which a model counts as no worse; ``primary`` the figure that decides: ``accuracy``,
    ``macro_f1``, ``recall:LABEL`` or ``precision:LABEL``; ``any_time`` holds the verdict however often one looks while rows are
    added. These are the flags of ``tunebench compare``; the other arguments are those of :func:`metrics`.
    """
    answers = [a, b, *more]
    named = list(names) if names is not None else [_letters(i) for i in range(len(answers))]
    if len(named) != len(answers) or len(set(named)) != len(named):
        raise ValueError(f"names: {len(answers)} different ones are expected, got {named}")
    settings = {
        "against": named[0],
        "margin": non_inferior,
        "primary": primary,
        "any_time": any_time,
        "min_coverage": min_coverage,
    }
    told = _summary(gold, dict(zip(named, answers)), labels, groups, settings)
    found: list[Comparison] = [{**pair, "doubts": told["doubts"]} for pair in told["comparisons"]]  # type: ignore[typeddict-item]
    return found if more else found[0]


def _letters(i: int) -> str:
    return chr(ord("a") + i) if i < 26 else f"model {i + 1}"


def _summary(
    gold: Any,
    models: dict[str, Any],
    labels: Sequence[Any] | None,
    groups: Any,
    settings: dict[str, Any],
    probabilities: list[float | None] | None = None,
    gold_probabilities: list[float | None] | None = None,
    ids: Any = None,
) -> Any:
    found = {"gold": columns.texts(gold), **{name: columns.texts(answers) for name, answers in models.items()}}
    given = None if groups is None else columns.texts(groups)
    row_ids = None if ids is None else _whole(columns.texts(ids), "id")
    sizes = {name: len(values) for name, values in found.items()}
    further = {"groups": given, "probabilities": probabilities, "gold_probabilities": gold_probabilities, "ids": row_ids}
    sizes |= {name: len(values) for name, values in further.items() if values is not None}
    if len(set(sizes.values())) > 1:
        raise ValueError(f"all must have as many rows: {', '.join(f'{name} {size}' for name, size in sizes.items())}")
    gold_labels = _whole(found.pop("gold"))
    if not gold_labels:
        raise ValueError("there are no rows")
    closed = _closed(gold_labels, found) if labels is None else _whole(columns.texts(labels))
    rows = [(name, answers, probabilities, gold_probabilities) for name, answers in found.items()]
    given_settings = {name: value for name, value in settings.items() if value is not None}
    return json.loads(summary(closed, gold_labels, rows, given, row_ids, json.dumps(given_settings)))


def _whole(values: list[str | None], what: str = "gold label") -> list[str]:
    for row, value in enumerate(values):
        if value is None:
            raise ValueError(f"{what} {row} is missing; leave the row out of all columns")
    return [value for value in values if value is not None]


def _closed(gold: list[str], answers: dict[str, list[str | None]]) -> list[str]:
    known = set(gold).union(*(filter(None, given) for given in answers.values()))
    try:
        return sorted(known, key=int)
    except ValueError:
        return sorted(known)
