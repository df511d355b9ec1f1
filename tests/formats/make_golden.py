"""Write tests/data/golden/NAME.json for each kind of map that has none yet; none is ever changed.

Each holds a calibrator.json as it was written, rows that it maps, and the probabilities of `apply`
on the day that the file was made: null is an option that does not exist. Run: python
tests/formats/make_golden.py
"""

import json
import sys
from pathlib import Path

import numpy as np

import temperance as tp
from temperance.calibrators import AnswerConfidence
from temperance.decisions import DecisionPolicy, abstain, bands, save_policy

FOLDER = Path(__file__).parents[1] / "data" / "golden"
N = 24


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def labelled(k, n=300):
    rng = np.random.default_rng(7)
    z = rng.normal(size=(n, k)) * 3
    return z, (softmax(z / 1.8).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, k - 1)


def matrix_of_labels():
    rng = np.random.default_rng(8)
    z = rng.normal(size=(400, 3)) * [2, 3, 4]
    return z, (rng.random(z.shape) < 1 / (1 + np.exp(-z / [1.0, 2.0, 3.0] + 0.3))).astype(int)


def answers():
    rng = np.random.default_rng(9)
    share = rng.integers(1, 20, size=300) / 20
    return share, (rng.random(300) < share**2).astype(int)


def of_groups():
    z, y = labelled(3)
    return tp.GroupTemperatureScaling.fit(z, y, groups=np.array(["a", "b ü"])[np.arange(300) % 2])


def of_members(pool):
    z, y = labelled(3)
    other = z + np.random.default_rng(3).normal(size=z.shape)
    return tp.Ensemble.fit([z, other], y, pool=pool)


def of_zeros(method):
    """Probabilities of which some are 0 or 1, of true classes too."""
    z, y = labelled(2)
    z[:3] = [[0.0, -np.inf], [-np.inf, 0.0], [0.0, -np.inf]]
    y[:3] = [1, 1, 0]
    return method.fit(z, y)


def of_answers(scale, method, of=None):
    share, right = answers()
    scores = {"logprob": np.log(share), "percent": 100 * share, "real": 5 * share,
              "count": np.round(10 * share)}.get(scale, share)  # fmt: skip
    return AnswerConfidence.fit(scores, right, scale=scale, of=of, method=method)


def of_classes(method, k=3, **settings):
    z, y = labelled(k)
    names = ("cat", "dog", "ü 日")[:k]
    return method.fit(z, tp.Positions(y), classes=names, **settings)


MAPS = {
    "identity": lambda: of_classes(tp.Identity),
    "temperature": lambda: of_classes(tp.TemperatureScaling),
    "temperature-smoothed": lambda: of_classes(tp.TemperatureScaling, smooth=True),
    "temperature-any-width": lambda: tp.TemperatureScaling(1.5),
    "bias-corrected-temperature": lambda: of_classes(tp.BiasCorrectedTemperatureScaling),
    "group-temperature": of_groups,
    "vector": lambda: of_classes(tp.VectorScaling),
    "matrix": lambda: of_classes(tp.MatrixScaling),
    "platt": lambda: of_classes(tp.PlattScaling, 2),
    "beta": lambda: of_classes(tp.BetaCalibration, 2),
    "isotonic-2": lambda: of_classes(tp.IsotonicCalibration, 2),
    "isotonic-3": lambda: of_classes(tp.IsotonicCalibration),
    "isotonic-zeros": lambda: of_zeros(tp.IsotonicCalibration),
    "venn-abers": lambda: of_classes(tp.VennAbers, 2),
    "venn-abers-zeros": lambda: of_zeros(tp.VennAbers),
    "ensemble-log": lambda: of_members("log"),
    "ensemble-linear": lambda: of_members("linear"),
    "multilabel-temperature": lambda: tp.MultilabelScaling.fit(
        *matrix_of_labels(), classes=["a", "b", "c"]
    ),
    "multilabel-group-temperature": lambda: tp.MultilabelScaling.fit(
        *matrix_of_labels(), per_label=True
    ),
    "multilabel-platt": lambda: (
        tp.select_labels(*matrix_of_labels(), methods=["platt"], classes=["a", "b", "c"]).calibrator
    ),
    "answers-probability": lambda: of_answers("probability", "platt"),
    "answers-logprob": lambda: of_answers("logprob", "beta"),
    "answers-fraction": lambda: of_answers("fraction", "identity"),
    "answers-percent": lambda: of_answers("percent", "isotonic"),
    "answers-count": lambda: of_answers("count", "venn-abers", of=10),
    "answers-real": lambda: of_answers("real", "platt"),
}


def rows_for(calibrator):
    """Rows from unsure to certain, with options that do not exist where the map takes them."""
    if calibrator.kind == "answers":
        share = np.linspace(0.0, 1.0, 21)
        of = calibrator.answer_scale.of
        scale = calibrator.answer_scale.name
        if scale == "count":
            return np.arange(of + 1.0)
        with np.errstate(divide="ignore"):
            return {"logprob": np.log(share[1:]), "percent": 100 * share,
                    "real": 20 * share - 10}.get(scale, share)  # fmt: skip
    rng = np.random.default_rng(1)
    k = calibrator.n_classes or 3
    scales = np.array([0.3, 3.0, 30.0, 300.0])[np.arange(N) % 4]
    shape = (calibrator.n_models, N, k) if calibrator.traits.members else (N, k)
    z = rng.normal(size=shape) * scales[:, None]
    if calibrator.traits.masks and calibrator.kind == "logits":
        z[..., ::6, 0] = -np.inf
    return z


def jsonable(values):
    """Lists of numbers, null for -infinity."""
    if isinstance(values, list):
        return [jsonable(each) for each in values]
    return None if values == -np.inf else values


def golden(calibrator, folder):
    """Return a calibrator's file, rows, and what it makes of them."""
    tp.save(calibrator, folder / "calibrator.json")
    written = json.loads((folder / "calibrator.json").read_text(encoding="utf-8"))
    rows = rows_for(calibrator)
    content, settings = {"calibrator": written}, {}
    if calibrator.traits.groups:
        names = [*calibrator.parts.groups.temperatures, "new"]
        settings["groups"] = content["groups"] = [names[i % 3] for i in range(N)]
    given = list(rows) if calibrator.traits.members else rows
    probs = calibrator.apply(given, refuse_probs=False, dtype=np.float64, **settings) \
        if calibrator.kind != "answers" else calibrator.apply(rows)  # fmt: skip
    of_rows = rows.transpose(1, 0, 2) if calibrator.traits.members else rows
    return {**content, "rows": jsonable(of_rows.tolist()), "probs": probs.tolist()}


def policies():
    """One threshold for all rows, and one per group."""
    z, y = labelled(3, n=2000)
    calibrator = tp.TemperatureScaling(1.8, n_classes=3)
    groups = np.array(["a", "b"])[np.arange(2000) % 2]
    probs = calibrator.apply(z)
    yield "policy", DecisionPolicy(calibrator, abstain(probs, y, max_risk=0.2))
    rule = abstain(probs, y, max_risk=0.25, groups=groups)
    yield "policy-groups", DecisionPolicy(calibrator, rule)
    promises = {"min_precision": 0.7, "min_negative_predictive_value": 0.9}
    yield "policy-bands", DecisionPolicy(calibrator, bands(probs, y, event=1, **promises))
    rule = bands(probs, y, event=1, groups=groups, **promises)
    yield "policy-bands-groups", DecisionPolicy(calibrator, rule)


def main():
    """Write what is missing."""
    import tempfile

    FOLDER.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp())
    made = {}
    for name, make in MAPS.items():
        if not (FOLDER / f"{name}.json").exists():
            made[name] = golden(make(), folder)
    for name, policy in policies():
        if not (FOLDER / f"{name}.json").exists():
            save_policy(policy, folder / "policy.json")
            written = json.loads((folder / "policy.json").read_text(encoding="utf-8"))
            rows = rows_for(policy.calibrator) / 30
            groups = [["a", "b", "c"][i % 3] for i in range(N)]
            probs, accepted = policy.apply(rows, groups=groups)
            made[name] = {
                "policy": written, "rows": jsonable(rows.tolist()), "groups": groups,
                "probs": probs.tolist(), "accepted": accepted.tolist(),
            }  # fmt: skip
            if "bands" in name:
                made[name]["bands"] = policy.decide(rows, groups=groups).bands.tolist()
    for name, content in made.items():
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        (FOLDER / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main()
