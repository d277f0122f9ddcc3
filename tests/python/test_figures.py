"""The statistics: equal to the command line's on the same rows, and to scikit-learn's where the definitions are the same."""

import json

import numpy
import pandas
import polars
import pyarrow
import pytest
import sklearn.metrics
from conftest import tunebench

from tunebench import compare, load_results, metrics


@pytest.fixture(scope="module")
def results(project):
    return load_results(project / "results")


@pytest.fixture(scope="module")
def answers(results):
    """For each model the gold labels, its answers as they were given, and its rows."""
    found = {}
    for model, rows in results.predictions.groupby("model"):
        given = rows["prediction"].where(rows["outcome"] != "invalid", "no label")
        found[model] = rows["label"], given, rows
    return found


def same(one, other):
    """Equal, to the last digits of floats: rows are added up in another order here."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == pytest.approx(other, rel=1e-9, abs=1e-12) if isinstance(one, float) else one == other


def test_metrics_are_those_of_the_summary(results, answers):
    labels = results.summary["labels"]
    for model in results.summary["models"]:
        gold, given, rows = answers[model["model"]]
        probability = None if rows["probability"].isna().all() else rows["probability"]
        of_gold = None if rows["gold_probability"].isna().all() else rows["gold_probability"]
        found = metrics(
            gold, given, labels=labels, probabilities=probability, gold_probabilities=of_gold, ids=rows["id"]
        )  # fmt: skip
        for figure in ("n", "counts", "coverage", "complete", "scores", "intervals", "confusion", "calibration"):
            assert same(found[figure], model[figure]), (model["model"], figure)


def test_comparisons_are_those_of_the_command_line(project, results, answers, reference):
    (gold, base, _), (_, tuned, _) = answers["local/lexical"], answers[reference]
    for flags, arguments in [
        ([], {}),
        (["--non-inferior", "0.02"], {"non_inferior": 0.02}),
        (["--primary", "macro_f1"], {"primary": "macro_f1"}),
        (["--any-time"], {"any_time": True}),
        (["--primary", "recall:card_arrival", "--non-inferior", "0.1"], {"primary": "recall:card_arrival", "non_inferior": 0.1}),
    ]:
        told = json.loads(tunebench(project, "compare", "local/lexical", reference, "--json", *flags))
        found = compare(gold, base, tuned, labels=results.summary["labels"], names=["local/lexical", reference], **arguments)
        for figure in told.keys() - {"format_version", "not_common", "worse", "better", "doubts"}:
            assert same(found[figure], told[figure]), (flags, figure, found[figure], told[figure])


def test_several_models_share_the_error(answers, reference):
    gold = answers[reference][0]
    models = [answers[name][1] for name in ("local/majority", "local/lexical", reference)]
    found = compare(gold, *models)
    assert [pair["tuned"] for pair in found] == ["b", "c"] and all(pair["base"] == "a" for pair in found)
    assert all(pair["holm_p"] >= pair["score_p"] for pair in found)


def test_scores_are_scikit_learns():
    random = numpy.random.default_rng(7)
    gold, given = random.integers(0, 12, 500), random.integers(0, 12, 500)
    given = numpy.where(random.random(500) < 0.6, gold, given)
    found = metrics(gold, given)
    assert found["labels"] == [str(label) for label in range(12)]
    scores = found["scores"]
    assert scores["accuracy"] == pytest.approx(sklearn.metrics.accuracy_score(gold, given))
    assert scores["macro_average"]["f1"] == pytest.approx(sklearn.metrics.f1_score(gold, given, average="macro"))
    assert scores["weighted_average"]["recall"] == pytest.approx(sklearn.metrics.recall_score(gold, given, average="weighted"))
    assert scores["cohen_kappa"] == pytest.approx(sklearn.metrics.cohen_kappa_score(gold, given))
    for kind in (polars.Series, pandas.Series, pyarrow.array, list):
        assert metrics(kind(gold.tolist()), kind(given.tolist())) == found, kind
    assert scores["matthews_correlation"] == pytest.approx(sklearn.metrics.matthews_corrcoef(gold, given))


def test_columns_of_every_kind_give_the_same():
    gold, given = ["a", "b", "a", "b"] * 30, ["a", "b", "b", None] * 30
    expected = metrics(gold, given, min_coverage=0.5)
    assert expected["counts"] == {"correct": 60, "incorrect": 30, "invalid": 0, "unanswered": 30}
    for kind in (numpy.array, pandas.Series, polars.Series, tuple):
        column = kind(given, dtype=object) if kind is numpy.array else kind(given)
        assert metrics(kind(gold), column, min_coverage=0.5) == expected, kind


def test_below_the_coverage_there_is_no_score():
    found = metrics(["a", "b"] * 50, ["a", None] * 50)
    assert found["scores"] is None and not found["complete"] and found["coverage"] == 0.5


def test_groups_widen_what_is_said():
    gold, old, new = ["a", "b"] * 100, ["a", "a"] * 100, ["a", "b"] * 100
    alone = compare(gold, old, new)
    together = compare(gold, old, new, groups=[i // 20 for i in range(200)])
    assert alone["clusters"] == 200 and together["clusters"] == 10
    assert alone["score_p"] < together["score_p"]


def test_errors_say_what_is_wrong():
    for arguments, told in [
        ((["a"], ["a", "b"]), "gold 1, answers 2"),
        (([], []), "no rows"),
        (([None], ["a"]), "gold label 0 is missing"),
        (([1.5], [1.5]), "a text or a whole number"),
    ]:
        with pytest.raises((ValueError, TypeError), match=told):
            metrics(*arguments)
    with pytest.raises(ValueError, match="`c`, which is not among the labels"):
        metrics(["c"], ["a"], labels=["a", "b"])
    for ids, told in [(["x"], "not the id of a row"), (["00000000000000a1"] * 2, "two rows have the id 00000000000000a1")]:
        with pytest.raises(ValueError, match=told):
            metrics(["a"] * len(ids), ["a"] * len(ids), ids=ids)
    with pytest.raises(ValueError, match="probability 0 is 2"):
        metrics(["a"], ["a"], probabilities=[2.0])
    with pytest.raises(ValueError, match="margin"):
        compare(["a", "b"], ["a", "b"], ["a", "b"], non_inferior=2)
    with pytest.raises(ValueError, match="anytime-valid"):
        compare(["a", "b"], ["a", "b"], ["a", "b"], any_time=True, primary="macro_f1")
    with pytest.raises(ValueError, match="2 different ones"):
        compare(["a"], ["a"], ["a"], names=["x", "x"])
