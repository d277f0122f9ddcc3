"""Writes the vectors that the tests compare with: all JSON files of this folder.

Needs scikit-learn, scipy, statsmodels and mpmath; the versions used are recorded in each file.
Run it in this folder: `python make_vectors.py`. The output depends on nothing but the versions.
"""

import json
import math
import random
import warnings

import mpmath
import numpy as np
import scipy
import scipy.integrate
import scipy.optimize
import scipy.stats
import sklearn
import sklearn.metrics as sk
import statsmodels
import statsmodels.api as sm
from sklearn.calibration import calibration_curve
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

INVALID, UNANSWERED = -1, -2
VERSIONS = {
    "scikit-learn": sklearn.__version__,
    "scipy": scipy.__version__,
    "statsmodels": statsmodels.__version__,
    "mpmath": mpmath.__version__,
    "numpy": np.__version__,
}


def plain(value):
    """JSON has no NaN: what is undefined becomes null."""
    value = float(value)
    return None if math.isnan(value) else value


def write(name, note, cases):
    with open(name, "w", encoding="utf-8", newline="\n") as file:
        file.write('{"versions": ' + json.dumps(VERSIONS) + ',\n "note": ' + json.dumps(note) + ',\n "cases": [\n')
        file.write(",\n".join(json.dumps(case, separators=(",", ":")) for case in cases))
        file.write("\n]}\n")


def metrics_case(name, labels, gold, answers):
    """`answers` holds label numbers, -1 for invalid and -2 for unanswered."""
    case = {"name": name, "labels": labels, "gold": gold, "answers": answers}
    kept = [(g, a) for g, a in zip(gold, answers) if a != UNANSWERED]
    true, pred = [g for g, _ in kept], [a for _, a in kept]
    # Macro averages are over the labels of the gold ones; sums, over all that occur.
    of_gold, occurring = sorted(set(true)), sorted(set(true) | (set(pred) - {INVALID}))

    def average(kind, zero_division):
        p, r, f, _ = sk.precision_recall_fscore_support(
            true, pred, labels=of_gold if kind == "macro" else occurring, average=kind, zero_division=zero_division
        )
        return [plain(p), plain(r), plain(f)]

    case["accuracy"] = plain(sk.accuracy_score(true, pred))
    case["macro"] = average("macro", 0)
    case["weighted"] = average("weighted", 0)
    case["micro"] = average("micro", np.nan)
    case["balanced_accuracy"] = plain(sk.balanced_accuracy_score(true, pred))
    # Undefined is 0.0 in scikit-learn's Matthews correlation, but not here.
    defined = len(set(true)) > 1 and len(set(pred)) > 1
    case["matthews_correlation"] = plain(sk.matthews_corrcoef(true, pred)) if defined else None
    same = set(true) == set(pred) and len(set(true)) == 1
    case["cohen_kappa"] = None if same else plain(sk.cohen_kappa_score(true, pred))
    p, r, f, s = sk.precision_recall_fscore_support(
        true, pred, labels=list(range(labels)), average=None, zero_division=np.nan
    )
    case["classes"] = [[plain(x), plain(y), plain(z), int(n)] for x, y, z, n in zip(p, r, f, s)]
    return case


def metrics_cases():
    rng = random.Random(20260102)
    yield metrics_case("perfect", 3, [0, 1, 2, 0], [0, 1, 2, 0])
    yield metrics_case("all wrong", 2, [0, 0, 1], [1, 1, 0])
    yield metrics_case("one class, all right", 1, [0, 0, 0], [0, 0, 0])
    yield metrics_case("one class, one invalid", 1, [0, 0, 0], [0, INVALID, 0])
    yield metrics_case("one gold class of two", 2, [1, 1, 1, 1], [1, 0, 1, 1])
    yield metrics_case("everything invalid", 3, [0, 1, 2], [INVALID] * 3)
    yield metrics_case("one row", 4, [2], [2])
    yield metrics_case("one row, wrong", 4, [2], [3])
    yield metrics_case("constant answers", 3, [0, 1, 2, 2], [1, 1, 1, 1])
    yield metrics_case("constant answers and invalid", 3, [0, 1, 2, 2], [1, INVALID, 1, 1])
    for i in range(120):
        labels = rng.randint(2, 20)
        rows = rng.choice([3, 10, 40, 200])
        gold_labels = rng.sample(range(labels), rng.randint(1, labels))
        answer_labels = rng.sample(range(labels), rng.randint(1, labels))
        skill, invalid, lost = rng.random(), rng.choice([0, 0, 0.05, 0.4]), rng.choice([0, 0, 0.1])
        weights = [rng.random() ** 3 + 0.01 for _ in gold_labels]
        gold = rng.choices(gold_labels, weights, k=rows)
        answers = []
        for g in gold:
            kind = rng.random()
            if kind < lost and len(answers) > 0:
                answers.append(UNANSWERED)
            elif kind < lost + invalid:
                answers.append(INVALID)
            elif rng.random() < skill:
                answers.append(g)
            else:
                answers.append(rng.choice(answer_labels))
        yield metrics_case(f"random {i}", labels, gold, answers)


def interval_cases():
    rng = random.Random(7)
    pairs = [(0, 1), (1, 1), (0, 10), (10, 10), (5, 10), (271, 400), (392, 400), (999_999, 1_000_000), (1, 10**6)]
    pairs += [(rng.randint(0, n), n) for n in (2, 3, 7, 30, 99, 400, 1511, 20_000, 10**6) for _ in range(3)]
    for successes, trials in pairs:
        for level in (0.8, 0.9, 0.95, 0.99, 0.999):
            low, high = proportion_confint(successes, trials, alpha=1 - level, method="wilson")
            yield {"successes": successes, "trials": trials, "level": level, "low": float(low), "high": float(high)}
    ps = [1e-300, 1e-100, 1e-20, 1e-12, 1e-9, 1e-5, 0.001, 0.01, 0.025, 0.05, 0.074, 0.075, 0.076, 0.1, 0.25, 0.4]
    ps += [0.5, 0.500001, 0.6, 0.75, 0.9, 0.924, 0.925, 0.926, 0.95, 0.975, 0.99, 0.995, 0.999, 0.999999]
    for p in ps + [rng.random() for _ in range(40)]:
        yield {"p": p, "quantile": float(scipy.stats.norm.ppf(p))}


def exact_p(b, c):
    """min(1, 2 P(X <= min(b, c))) with 60 digits."""
    few, n = min(b, c), b + c
    if n - 2 * few <= 1:
        return 1.0
    with mpmath.workdps(60):
        term = mpmath.exp(mpmath.loggamma(n + 1) - mpmath.loggamma(few + 1) - mpmath.loggamma(n - few + 1)) / mpmath.mpf(2) ** n
        total = mpmath.mpf(0)
        for k in range(few, -1, -1):
            total += term
            term = term * k / (n - k + 1)
            if term < total * mpmath.mpf(10) ** -50:
                break
        return float(min(mpmath.mpf(1), 2 * total))


def mid_p(b, c):
    """Fagerland, Lydersen and Laake (2013), with scipy's binomial distribution."""
    few, n = min(b, c), b + c
    if n == 0:
        return 1.0
    binomial = scipy.stats.binom(n, 0.5)
    return 1 - binomial.pmf(b) / 2 if b == c else 2 * binomial.cdf(few) - binomial.pmf(few)


def mcnemar_cases():
    rng = random.Random(11)
    pairs = [(0, 0), (0, 1), (1, 1), (0, 5), (0, 6), (1, 8), (3, 4), (2, 9), (8, 130), (10, 10), (10, 11), (40, 62)]
    pairs += [(0, 100), (0, 1000), (0, 1070), (3, 1050), (100, 1900), (15, 16), (15, 40), (16, 41), (17, 90)]
    for n in (50, 500, 5_000, 50_000, 500_000, 1_000_000):
        # Distances in standard deviations: from no difference to p-values near 1e-300.
        for z in (0.01, 0.5, 1.5, 2, 3, 6, 12, 25, 36):
            few = round(n / 2 - z * math.sqrt(n) / 2)
            if few >= 0:
                pairs.append((few, n - few) if rng.random() < 0.5 else (n - few, few))
    for b, c in pairs:
        theirs = float(mcnemar([[0, b], [c, 0]], exact=True).pvalue) if b + c else 1.0
        yield {"b": b, "c": c, "p": exact_p(b, c), "statsmodels": theirs, "mid_p": float(mid_p(b, c))}


def tango_score(n, lost, won, delta):
    """The score at a supposed difference, from the definition: the likelihood is maximised numerically.

    The probabilities of a won, a lost and any other row are q + delta, q and 1 - 2 q - delta.
    """
    low, high = max(mpmath.mpf(0), -delta), (1 - delta) / 2

    def slope(q):
        terms = [(won, q + delta, 1), (lost, q, 1), (n - won - lost, 1 - 2 * q - delta, -2)]
        return sum(sign * count / share for count, share, sign in terms if count)

    # The logarithm of the likelihood is concave in q, so its slope falls.
    for _ in range(120):
        q = (low + high) / 2
        low, high = (q, high) if slope(q) > 0 else (low, q)
    variance = n * (2 * q + delta - delta**2)
    distance = won - lost - n * delta
    return distance / mpmath.sqrt(variance) if distance else mpmath.mpf(0)


def tango_end(n, lost, won, end, z):
    """Where between the observed difference and `end` the score reaches `z`."""
    inside, outside = mpmath.mpf(won - lost) / n, mpmath.mpf(end)
    if inside == outside:
        return outside
    for _ in range(90):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if abs(tango_score(n, lost, won, middle)) <= z else (inside, middle)
    return inside


def tango_cases():
    rng = random.Random(13)
    # The examples of Fagerland, Lydersen and Laake (2014), and of the R package PropCIs.
    rows = [(21, 1, 7), (161, 6, 16), (160, 40, 20)]
    rows += [(1, 0, 0), (1, 1, 0), (1, 0, 1), (2, 1, 1), (3, 0, 2), (5, 5, 0), (10, 0, 0), (44, 0, 1), (50, 25, 25)]
    rows += [(100, 0, 6), (400, 8, 126), (400, 7, 7), (5000, 210, 190), (100_000, 3000, 2900), (1_000_000, 0, 1)]
    for n in (7, 30, 120, 1500, 50_000):
        for _ in range(4):
            discordant = rng.randint(0, n)
            won = rng.randint(0, discordant)
            rows.append((n, discordant - won, won))
    with mpmath.workdps(40):
        for n, lost, won in rows:
            for level in (0.95, 0.8) if n < 2000 else (0.95,):
                z = mpmath.sqrt(2) * mpmath.erfinv(mpmath.mpf(str(level)))
                margin = mpmath.mpf(rng.choice(["0.01", "0.02", "0.05", "0.1"]))
                p = mpmath.erfc(tango_score(n, lost, won, -margin) / mpmath.sqrt(2)) / 2
                yield {
                    "n": n,
                    "lost": lost,
                    "won": won,
                    "level": level,
                    "low": float(tango_end(n, lost, won, -1, z)),
                    "high": float(tango_end(n, lost, won, 1, z)),
                    "margin": float(margin),
                    "p": float(p),
                }


def power_cases():
    """Connor's equation as it stands in the paper, solved numerically for the difference; and for the rows."""
    a, b = scipy.stats.norm.ppf(0.975), scipy.stats.norm.ppf(0.8)
    for n in (4, 10, 100, 400, 5_000, 100_000):
        for discordance in (0.0, 0.01, 0.05, 0.3, 1.0):
            if n < 10 and discordance < 1:
                continue

            def short(d, s):
                return a * math.sqrt(s) + b * math.sqrt(max(s - d * d, 0)) - d * math.sqrt(n)

            d = None
            if discordance and short(discordance, discordance) <= 0:
                d = scipy.optimize.brentq(short, 0, discordance, args=(discordance,), xtol=1e-16, rtol=1e-14)
            else:
                # All rows that differ go one way.
                d = scipy.optimize.brentq(lambda d: short(d, d), 1e-9, 1, xtol=1e-16, rtol=1e-14)
            yield {"rows": n, "discordance": discordance, "difference": d}


def differences_case(name, clusters, differences):
    """The cluster score test from its definition: Tango's variance, found numerically, times how much the clusters inflate it."""
    won, lost = sum(max(d, 0) for d in differences), sum(max(-d, 0) for d in differences)
    n, sums, sizes = len(differences), {}, {}
    for cluster, difference in zip(clusters, differences):
        sums[cluster] = sums.get(cluster, 0) + difference
        sizes[cluster] = sizes.get(cluster, 0) + 1

    def score(delta):
        delta = mpmath.mpf(delta)
        distance = won - lost - n * delta
        if distance == 0:
            return mpmath.mpf(0)
        variance = (distance / tango_score(n, lost, won, delta)) ** 2
        together = sum((sums[c] - sizes[c] * delta) ** 2 for c in sums)
        # Each row by itself; of fractions, which repeats make, the sign is what is squared.
        alone = won + lost - 2 * delta * (won - lost) + n * delta**2
        inflation = together / alone if alone else mpmath.mpf(sum(s * s for s in sizes.values())) / n
        return distance / mpmath.sqrt(variance * inflation)

    def end(outside, z):
        inside, outside = mpmath.mpf(won - lost) / n, mpmath.mpf(outside)
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if abs(score(middle)) <= z else (inside, middle)
        return float(inside)

    z = float(score(0))
    telling = sum(1 for s in sums.values() if abs(s) > 1e-9)
    least = 2 * 0.5**telling
    p = min(1, max(2 * scipy.stats.norm.sf(abs(z)), least))
    a, b = scipy.stats.norm.ppf(0.975), scipy.stats.norm.ppf(0.8)
    low, high = end(-1, a), end(1, a)
    if least > 0.05:
        low, high = min(low, 0.0), max(high, 0.0)
    rows = None
    if abs(z) > b:

        def short(root):
            return (abs(z) * root - a) / math.sqrt(1 + root * root) - b

        rows = n * scipy.optimize.brentq(short, 1e-9, 1e5, xtol=1e-13, rtol=1e-14) ** 2
        rows = max(math.ceil(rows), n + 1) if rows < 1e12 else None
    scores = [[delta, float(score(delta))] for delta in (-0.3, -0.05, -0.01, 0.0, 0.02, 0.4)]
    return {
        "name": name,
        "clusters": clusters,
        "differences": differences,
        "scores": scores,
        "p": float(p),
        "low": low,
        "high": high,
        "rows_to_decide": rows,
    }


def differences_cases():
    rng = random.Random(29)
    with mpmath.workdps(30):
        yield differences_case("rows", list(range(30)), [1] * 8 + [-1] * 2 + [0] * 20)
        yield differences_case("each five times", [i % 12 for i in range(60)], [[1, -1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0][i % 12] for i in range(60)])
        yield differences_case("nothing tells them apart", [0, 0, 0, 1, 2, 2], [0] * 6)
        yield differences_case("all won", [i // 2 for i in range(20)], [1] * 20)
        for i in range(36):
            clusters, differences = [], []
            repeats = rng.choice([1, 1, 4])
            for cluster in range(rng.choice([3, 7, 20, 50])):
                common = rng.choice([-1, 0, 0, 1, 1])
                for _ in range(rng.choice([1, 2, 6])):
                    value = common if rng.random() < 0.6 else rng.choice([-1, 0, 0, 0, 1])
                    clusters.append(cluster)
                    differences.append(value if repeats == 1 else rng.randint(-repeats, repeats) / repeats)
            yield differences_case(f"random {i}", clusters, differences)


def jackknife_case(name, clusters, gold, answers):
    def score(kept):
        true, pred = [gold[i] for i in kept], [answers[i] for i in kept]
        return sk.f1_score(true, pred, labels=sorted(set(true)), average="macro", zero_division=0)

    every = range(len(gold))
    names = sorted(set(clusters))
    without = np.array([score([i for i in every if clusters[i] != c]) for c in names])
    count = len(names)
    variance = (count - 1) / count * float(((without - without.mean()) ** 2).sum())
    return {
        "name": name,
        "clusters": clusters,
        "gold": gold,
        "answers": answers,
        "value": float(score(every)),
        "variance": variance,
    }


def jackknife_cases():
    rng = random.Random(31)
    for i in range(16):
        clusters, gold, answers = [], [], []
        for cluster in range(rng.choice([5, 20, 60])):
            for _ in range(rng.choice([1, 1, 4]) if i % 2 else 1):
                clusters.append(cluster)
                gold.append(rng.choice([0, 0, 0, 1, 2, 3, 7]))
                answers.append(gold[-1] if rng.random() < 0.7 else rng.choice([0, 1, 2, 5, INVALID]))
        yield jackknife_case(f"random {i}", clusters, gold, answers)


def holm_cases():
    rng = random.Random(17)
    lists = [[0.03], [0.01, 0.04], [0.04, 0.01, 0.03], [0.5, 0.6, 0.7], [0.01] * 5, [0.0, 1.0, 0.2]]
    lists += [[rng.random() ** 3 for _ in range(m)] for m in (2, 3, 5, 8, 20)]
    for p_values in lists:
        yield {"p": p_values, "holm": [float(p) for p in multipletests(p_values, method="holm")[1]]}


def calibration_case(name, probabilities, right):
    """Probabilities are kept in 32 bits, and compared with as they are kept."""
    p = np.array(probabilities, dtype=np.float32).astype(np.float64)
    y = np.array(right, dtype=int)
    accuracy, confidence = calibration_curve(y, p, n_bins=15, strategy="uniform")
    edges = np.linspace(0, 1, 16)
    bins = np.bincount(np.searchsorted(edges[1:-1], p), minlength=15)
    bins = bins[bins > 0]
    risks = [float(1 - y[p >= threshold].mean()) for threshold in p]
    return {
        "name": name,
        "probabilities": p.tolist(),
        "right": y.tolist(),
        "brier": float(sk.brier_score_loss(y, p, pos_label=1)),
        "log_loss": float(sk.log_loss(y, p, labels=[0, 1])),
        "bins": [[int(n), float(c), float(a)] for n, c, a in zip(bins, confidence, accuracy)],
        "expected_calibration_error": float(np.sum(bins * np.abs(accuracy - confidence)) / len(p)),
        "area_under_risk_coverage": float(np.mean(risks)),
    }


def multiclass_case(rng, rows, labels):
    """Of the probabilities of all labels, kept in 32 bits, only that of the gold label is needed."""
    scores = np.array([[rng.gammavariate(0.3, 1) + 1e-9 for _ in range(labels)] for _ in range(rows)])
    p = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32).astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    gold = [rng.randrange(labels) for _ in range(rows)]
    kept = p[np.arange(rows), gold].astype(np.float32).astype(np.float64)
    p[np.arange(rows), gold] = kept
    others = np.ones_like(p, dtype=bool)
    others[np.arange(rows), gold] = False
    rest = np.where(others, p, 0)
    p = np.where(others, rest * ((1 - kept) / rest.sum(axis=1))[:, None], p)
    return {"gold_probabilities": kept.tolist(), "log_loss": float(sk.log_loss(gold, p, labels=list(range(labels))))}


def multiclass_cases():
    rng = random.Random(31)
    for rows, labels in [(1, 3), (10, 3), (200, 3), (200, 10), (300, 77), (50, 150)]:
        yield multiclass_case(rng, rows, labels)


def calibration_cases():
    rng = random.Random(13)
    yield calibration_case("one right", [0.7], [1])
    yield calibration_case("one wrong", [0.7], [0])
    yield calibration_case("sure", [1, 1, 0, 0], [1, 0, 1, 0])
    yield calibration_case("edges", [i / 15 for i in range(16)], [i % 2 for i in range(16)])
    yield calibration_case("ties", [0.5] * 9 + [0.8] * 6, [1, 0, 1] * 5)
    for i in range(40):
        rows = rng.choice([2, 10, 50, 300])
        shift, steps = rng.choice([-0.3, 0, 0, 0.2]), rng.choice([0, 0, 4, 20])
        probabilities = [rng.betavariate(rng.choice([1, 5]), 1) for _ in range(rows)]
        if steps:
            probabilities = [round(p * steps) / steps for p in probabilities]
        right = [int(rng.random() < p + shift) for p in probabilities]
        yield calibration_case(f"random {i}", probabilities, right)


def clustered_wilson(groups, right, error):
    """Korn and Graubard's interval: statsmodels' Wilson interval at the effective number of rows, with the t quantile."""
    share, count = sum(right) / len(right), len(set(groups))
    of = {group: [r for g, r in zip(groups, right) if g == group] for group in set(groups)}
    alike = len(right) ** 2 / sum(len(rows) ** 2 for rows in of.values())
    alone = share * (1 - share) / error**2 if error > 1e-12 else len(right)
    few = min(sum(1 for rows in of.values() if 0 in rows), sum(1 for rows in of.values() if 1 in rows)) < 10
    rows = min(alone, alike if few else len(right))
    alpha = 2 * scipy.stats.norm.sf(scipy.stats.t.ppf(0.975, count - 1))
    return proportion_confint(share * rows, rows, alpha=alpha, method="wilson")


def cluster_case(name, groups, right):
    y = np.array(right, dtype=float)
    model = sm.OLS(y, np.ones(len(y)))
    robust = model.fit(cov_type="cluster", cov_kwds={"groups": np.array(groups)}, use_t=True)
    low, high = clustered_wilson(groups, right, robust.bse[0])
    effect = (robust.bse[0] / model.fit().bse[0]) ** 2
    return {
        "name": name,
        "groups": groups,
        "right": right,
        "low": float(low),
        "high": float(high),
        "design_effect": float(effect),
    }


def cluster_cases():
    rng = random.Random(17)
    yield cluster_case("two groups", [0, 0, 0, 1, 1], [1, 1, 0, 1, 0])
    yield cluster_case("each by itself", list(range(12)), [1] * 7 + [0] * 5)
    for i in range(40):
        count = rng.choice([2, 3, 8, 40, 150])
        groups, right = [], []
        for group in range(count):
            skill = rng.betavariate(rng.choice([0.5, 4]), 1)
            for _ in range(rng.choice([1, 2, 5, 9])):
                groups.append(group)
                right.append(int(rng.random() < skill))
        if len(set(right)) > 1:
            yield cluster_case(f"random {i}", groups, right)


def student_cases():
    for degrees in [*range(1, 31), 50, 99, 100, 250, 399, 400, 401, 402, 500, 1000, 10_000, 10**6]:
        for level in (0.5, 0.8, 0.9, 0.95, 0.99, 0.999):
            yield {"level": level, "degrees": degrees, "quantile": float(scipy.stats.t.isf((1 - level) / 2, degrees))}


def beta_cases():
    rng = random.Random(31)
    for _ in range(200):
        a, b = (rng.choice([0.5, 1, 2.5, 10, 99.5, 3000, 50_000]) for _ in range(2))
        x = float(scipy.stats.beta.ppf(rng.choice([1e-6, 0.001, 0.02, 0.3, 0.5, 0.8, 0.99, 0.99999]), a, b))
        yield {"a": a, "b": b, "x": x, "cdf": float(scipy.stats.beta.cdf(x, a, b))}


COST = [[0, 1, 4], [2, 0, 1], [1, 7, 0]]
COST_INVALID = 3


def figure_of(name, gold, answers):
    if name == "macro_f1":
        return sk.f1_score(gold, answers, labels=sorted(set(gold)), average="macro", zero_division=0)
    if name == "precision:b":
        return sk.precision_score(gold, answers, labels=[1], average="macro", zero_division=np.nan)
    return np.mean([COST_INVALID if a < 0 else COST[g][a] for g, a in zip(gold, answers)])


def figures_case(name, gold, base, tuned, clusters):
    """The difference of a figure, as a gain, with its standard error over clusters and what follows."""
    gold, base, tuned, clusters = map(np.array, (gold, base, tuned, clusters))
    sign = -1 if name == "cost" else 1
    values = [figure_of(name, gold, answers) for answers in (base, tuned)]
    difference = sign * (values[1] - values[0])
    ids = sorted(set(clusters))
    differ = lambda at: list(zip(gold[at], base[at])) != list(zip(gold[at], tuned[at]))
    if name == "cost":
        cost = lambda answers: np.array([COST_INVALID if a < 0 else COST[g][a] for g, a in zip(gold, answers)], float)
        d = cost(base) - cost(tuned)
        fit = sm.OLS(d, np.ones(len(d))).fit(cov_type="cluster", cov_kwds={"groups": clusters})
        variance, scale = float(fit.bse[0] ** 2), 7.0
        telling = sum(abs(d[clusters == c].sum()) > 1e-9 for c in ids)
        sizes = sum((clusters == c).sum() ** 2 for c in ids)
        effective = len(d) ** 2 / sizes if telling < 10 else len(d)
    else:
        without = []
        for c in ids:
            kept = clusters != c
            b, t = (figure_of(name, gold[kept], answers[kept]) for answers in (base, tuned))
            without.append(t - b)
        if np.isnan(without).any() or math.isnan(difference):
            return None
        variance, scale = (len(ids) - 1) / len(ids) * float(np.sum((np.array(without) - np.mean(without)) ** 2)), 1.0
        if variance < 1e-20:
            variance = 0.0
        effective = None
        if name == "precision:b":
            effective = sum(bool((base[clusters == c] == 1).any() or (tuned[clusters == c] == 1).any()) for c in ids)
    case = {"figure": name, "gold": gold.tolist(), "base": base.tolist(), "tuned": tuned.tolist(), "clusters": clusters.tolist()}
    case |= {"values": [float(v) for v in values], "difference": float(difference), "variance": variance}
    if effective is not None:
        degrees = len(ids) - 1
        reach = lambda t: math.sqrt(t * t * variance + (scale * t * t / (effective + t * t)) ** 2)
        half = reach(scipy.stats.t.isf(0.025, degrees))
        distance = abs(difference)
        if 1e-9 < distance < 0.9 * scale:
            t = scipy.optimize.brentq(lambda t: reach(t) - distance, 0, 1e4, xtol=1e-14)
            case["tail"] = float(scipy.stats.t.sf(t, degrees))
        case |= {"low": max(difference - half, -scale), "high": min(difference + half, scale)}
    return case


def figures_cases():
    rng = random.Random(77)
    for i in range(90):
        rows, groups = rng.choice([(12, 12), (40, 40), (40, 13), (150, 30), (150, 150)])
        gold = [0, 1, 2] + [rng.randrange(3) for _ in range(rows - 3)]
        answer = lambda skill: [g if rng.random() < skill else rng.choice([0, 1, 2, 2, INVALID]) for g in gold]
        base, tuned = answer(rng.random()), answer(rng.random())
        clusters = list(range(rows)) if groups == rows else [rng.randrange(groups) for _ in gold]
        case = figures_case(["macro_f1", "precision:b", "cost"][i % 3], gold, base, tuned, clusters)
        if case:
            yield case


def posterior_cases():
    """The chance of a gain and of a loss below a margin, with Dirichlet(1/2, 1/2, 1/2 + 1/2) before the rows."""
    rng = random.Random(78)
    for _ in range(60):
        n = rng.choice([5, 40, 400, 5000, 100_000])
        won, lost = (rng.choice([0, 1, n // 50, n // 10, n // 5]) for _ in range(2))
        margin, effect = rng.choice([0.01, 0.02, 0.1]), rng.choice([1.0, 2.5])
        w, l, rest = (count / effect for count in (won, lost, n - won - lost))
        better = float(scipy.stats.beta.sf(0.5, w + 0.5, l + 0.5))
        share = scipy.stats.beta(w + l + 1, rest + 1)
        # A loss is below the margin where the share of wins is above (1 - margin / told apart) / 2.
        inner = lambda q: float(scipy.stats.beta.sf((1 - margin / max(share.ppf(q), 1e-300)) / 2, w + 0.5, l + 0.5))
        within, _ = scipy.integrate.quad(inner, 0, 1, limit=400, epsabs=1e-10)
        yield {"n": n, "won": won, "lost": lost, "effect": effect, "margin": margin, "better": better, "within": within}


def anytime_cases():
    """E-values of the betting martingale, with its stakes as the sum says."""
    rng = random.Random(79)
    stakes = [mpmath.mpf("0.95") * (mpmath.mpf("0.005") / mpmath.mpf("0.95")) ** (mpmath.mpf(k) / 47) for k in range(48)]
    for _ in range(60):
        count = rng.choice([1, 6, 20, 200])
        gain = rng.random()
        values = [rng.choice([0, 1 if rng.random() < gain else -1, 1 / 4, -1 / 2]) for _ in range(count)]
        delta = rng.choice([0, 0, -0.02, -0.1, 0.05])
        case = {"values": values, "delta": delta}
        for name, bet in (
            ("gain", lambda d: (mpmath.mpf(d) - delta) / (1 + mpmath.mpf(delta))),
            ("loss", lambda d: (mpmath.mpf(delta) - d) / (1 - mpmath.mpf(delta))),
        ):
            with mpmath.workdps(40):
                wealth = mpmath.fsum(mpmath.fprod(1 + stake * bet(d) for d in values) for stake in stakes) / len(stakes)
                case[name] = float(mpmath.log(wealth))
        yield case


def debiased_error(p, y):
    edges = np.linspace(0, 1, 16)
    bins = np.searchsorted(edges[1:-1], p)
    total = 0.0
    for b in sorted(set(bins)):
        at = bins == b
        n, accuracy = at.sum(), y[at].mean()
        mean, sd = abs(accuracy - p[at].mean()), math.sqrt(accuracy * (1 - accuracy) / n)
        folded = scipy.stats.foldnorm.mean(mean / sd, scale=sd) if sd > 0 else mean
        total += n * (2 * mean - folded)
    return total / len(p)


def debiased_cases():
    rng = random.Random(80)
    for i in range(30):
        rows = rng.choice([20, 60, 200])
        p = np.array([rng.betavariate(rng.choice([1, 5]), 1) for _ in range(rows)], dtype=np.float32).astype(np.float64)
        y = np.array([rng.random() < q + rng.choice([-0.2, 0]) for q in p], dtype=float)
        clusters = np.arange(rows) if i % 2 else np.array([rng.randrange(rows // 4) for _ in p])
        ids = sorted(set(clusters))
        value = debiased_error(p, y)
        without = np.array([debiased_error(p[clusters != c], y[clusters != c]) for c in ids])
        variance = (len(ids) - 1) / len(ids) * np.sum((without - without.mean()) ** 2)
        half = scipy.stats.t.isf(0.025, len(ids) - 1) * math.sqrt(variance)
        clip = lambda x: float(min(max(x, 0), 1))
        yield {
            "clusters": clusters.tolist(), "probabilities": p.tolist(), "right": y.astype(int).tolist(),
            "error": clip(value), "low": clip(value - half), "high": clip(value + half),
        }


warnings.simplefilter("ignore")
write("debiased.json", "scipy foldnorm.mean in each bin, numpy, and t.isf", list(debiased_cases()))
write("beta.json", "scipy beta.cdf", list(beta_cases()))
write(
    "figures.json",
    "values by scikit-learn; the variance of macro-F1 and precision by leaving out each cluster, of the cost by statsmodels OLS on a "
    "constant with cov_type='cluster'; tail and interval by scipy's t distribution and brentq; answers of -1 are invalid",
    list(figures_cases()),
)
write("posterior.json", "scipy beta.sf, and quad over the share of rows that tell the models apart", list(posterior_cases()))
write("anytime.json", "mpmath with 40 digits: natural logarithms of the e-values", list(anytime_cases()))
write(
    "metrics.json",
    "scikit-learn over the answered rows, invalid as one more answer that is in no `labels=`; triples are "
    "precision, recall, F1, and for classes also the support; null is undefined",
    list(metrics_cases()),
)
write("intervals.json", "statsmodels proportion_confint(method='wilson') and scipy norm.ppf", list(interval_cases()))
write(
    "mcnemar.json",
    "p: the definition, evaluated by mpmath with 60 digits; statsmodels: mcnemar(exact=True); mid_p: scipy binom",
    list(mcnemar_cases()),
)
write(
    "tango.json",
    "Tango's interval and the one-sided score p-value at the margin, with the likelihood maximised numerically by "
    "mpmath with 40 digits",
    list(tango_cases()),
)
write(
    "power.json",
    "Connor's smallest difference; scipy",
    list(power_cases()),
)
write(
    "differences.json",
    "the cluster score test from its definition, with Tango's likelihood maximised numerically by mpmath; scipy's normal "
    "distribution and brentq",
    list(differences_cases()),
)
write(
    "jackknife.json",
    "scikit-learn's f1_score over the labels of the gold ones without each cluster, and the variance of these by numpy",
    list(jackknife_cases()),
)
write("multiclass_log_loss.json", "scikit-learn log_loss of a matrix of probabilities", list(multiclass_cases()))
write("holm.json", "statsmodels multipletests(method='holm')", list(holm_cases()))
write(
    "calibration.json",
    "scikit-learn brier_score_loss, log_loss and calibration_curve(n_bins=15): bins are rows, mean probability, share that is "
    "right; the calibration error from these; the area by its definition, row by row",
    list(calibration_cases()),
)
write(
    "clusters.json",
    "statsmodels OLS on a constant with cov_type='cluster': proportion_confint(method='wilson') for the rows of that variance, with "
    "the t quantile, and the squared ratio of its standard error to the ordinary one",
    list(cluster_cases()),
)
write("student.json", "scipy t.isf((1 - level) / 2)", list(student_cases()))
