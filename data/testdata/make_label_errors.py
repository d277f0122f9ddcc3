"""Writes label_errors.json, what cleanlab makes of recorded probabilities.

Needs cleanlab and scikit-learn; the versions used are recorded in the file.
Run it in this folder: `python make_label_errors.py`. The output depends on nothing but the versions: cleanlab leaves the
order of equal values to numpy's default sort, which is another one on other processors, so that a stable one takes its place.
"""

import csv
import functools
import json
import warnings
from pathlib import Path

import cleanlab
import numpy as np
import sklearn
from cleanlab.count import compute_confident_joint
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

VERSIONS = {"cleanlab": cleanlab.__version__, "scikit-learn": sklearn.__version__, "numpy": np.__version__}
NOTE = "probabilities in millionths, row by row, taken as 32-bit floats; issues are rows, ranked by self-confidence"

np.argsort = functools.partial(np.argsort, kind="stable")


def case(name, labels, probabilities):
    """What cleanlab finds."""
    millionths = np.rint(np.asarray(probabilities) * 1e6).astype(int)
    values = (millionths / 1e6).astype(np.float32).astype(np.float64)
    labels = np.asarray(labels)
    classes = values.shape[1]
    found = {"name": name, "classes": classes, "labels": labels.tolist()}
    found["probabilities"] = millionths.ravel().tolist()
    found["joint"] = compute_confident_joint(labels, values, calibrate=True).ravel().tolist()
    for short in ["by_noise_rate", "by_class", "both"]:
        filter_by = short if short == "both" else f"prune_{short}"
        ranked = find_label_issues(
            labels, values, filter_by=filter_by, return_indices_ranked_by="self_confidence", n_jobs=1
        )
        found[short] = ranked.tolist()
    margins = get_label_quality_scores(labels, values, method="normalized_margin")
    found["normalized_margin"] = [round(float(margin), 9) for margin in margins]
    return found


def noisy(rng, labels, classes, rate):
    """Labels of which a share is replaced by any other label."""
    labels = labels.copy()
    for row in np.flatnonzero(rng.random(len(labels)) < rate):
        labels[row] = (labels[row] + rng.integers(1, classes)) % classes
    return labels


def synthetic(name, rows, classes, rate, sharpness, seed, skew=0.0, absent=()):
    """Dirichlet probabilities around true labels, and given labels with errors."""
    rng = np.random.default_rng(seed)
    prior = np.exp(-skew * np.arange(classes))
    truth = rng.choice(classes, size=rows, p=prior / prior.sum())
    probabilities = np.array([rng.dirichlet(1 + sharpness * (np.arange(classes) == label)) for label in truth])
    given = noisy(rng, truth, classes, rate)
    for label in absent:
        given[given == label] = (label + 1) % classes
    return case(name, given, probabilities)


def sample(name, rate, seed, every):
    """Cross-validated probabilities of a linear classifier on every so-manieth row of a sample, with planted errors."""
    path = Path(__file__).parent.parent / "samples" / name / "train.tsv"
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t"))[1::every]
    names = sorted({row[1] for row in rows})
    truth = np.array([names.index(row[1]) for row in rows])
    labels = noisy(np.random.default_rng(seed), truth, len(names), rate)
    model = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(C=10, max_iter=1000))
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    texts = [row[0] for row in rows]
    probabilities = cross_val_predict(model, texts, labels, cv=folds, method="predict_proba")
    return case(f"{name}, {rate:.0%} wrong", labels, probabilities)


def cases():
    yield synthetic("two labels", 120, 2, 0.1, 4, 1)
    yield synthetic("two labels, much noise", 120, 2, 0.4, 2, 2)
    yield synthetic("three labels, one rare", 150, 3, 0.1, 5, 3, skew=1.5)
    yield synthetic("five labels, no noise", 150, 5, 0.0, 8, 4)
    yield synthetic("five labels, some noise", 150, 5, 0.2, 8, 5)
    yield synthetic("eight labels, weak classifier", 200, 8, 0.3, 1, 6)
    yield synthetic("a label without rows", 120, 4, 0.1, 5, 7, absent=[2])
    yield synthetic("labels with a row or two", 60, 8, 0.1, 6, 8, skew=0.9)
    yield synthetic("sixteen labels, few rows", 80, 16, 0.2, 10, 9)
    yield sample("definitions8", 0.1, 10, 4)
    yield sample("banking10", 0.3, 11, 5)


if __name__ == "__main__":
    warnings.simplefilter("ignore", UserWarning)
    with open("label_errors.json", "w", encoding="utf-8", newline="\n") as file:
        file.write('{"versions": ' + json.dumps(VERSIONS) + ',\n "note": ' + json.dumps(NOTE) + ',\n "cases": [\n')
        file.write(",\n".join(json.dumps(found, separators=(",", ":")) for found in cases()))
        file.write("\n]}\n")
