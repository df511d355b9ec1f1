"""Every argument of every public function, spoiled: the answer, or our error, never another."""

import inspect
import warnings

import matplotlib as mpl
import numpy as np
import pytest

import temperance as tp

mpl.use("Agg")
RNG = np.random.default_rng(0)
Z = 3 * RNG.normal(size=(60, 3))
Y = (Z / 2 + RNG.gumbel(size=Z.shape)).argmax(axis=1)
P = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
SURE, RIGHT = P.max(axis=1), (P.argmax(axis=1) == Y).astype(int)
FITTED = tp.TemperatureScaling.fit(Z, Y)
GROUPS = np.array(["a", "b"])[Y % 2]
PROMISE = tp.decisions.abstain([[0.9, 0.1]] * 300, [0] * 300, max_risk=0.02)
POLICY = tp.decisions.DecisionPolicy(FITTED, PROMISE)
CASCADE = tp.decisions.cascade({"a": Z, "b": 2 * Z}, Y, costs=0.1).policy
VERDICTS, PEOPLE = [1.0] * 30 + [0.0] * 30, [1, 1, 0, None] * 15
BAD = (
    None, 5, -1, True, float("nan"), 10**400, 1j, "x", "", b"x", [], (), {}, [None], [[]],
    [[1, 2], [3]], [1, "a"], np.zeros((0, 3)), np.array([[0.5, 0.5, 0.0]]), np.array(1.0),
    np.array(["a"]), np.datetime64("2020"), object(),
)  # fmt: skip
GIVEN = {
    "logits": Z, "labels": Y, "probs": P, "groups": GROUPS, "correct": RIGHT, "reference": Z,
    "new": 2 * Z, "models": {"a": Z, "b": 2 * Z}, "costs": 0.1, "source": SURE[:, None],
    "target": SURE[:, None], "score": SURE, "confidence": SURE, "blocks": [(Z, Y)],
    "members": [Z, 2 * Z], "scores": SURE, "scale": "probability", "values": Y,
    "token_logprobs": [[-1.0, -2.0]], "source_priors": [0.3, 0.3, 0.4], "p_values": [0.1],
    "logprobs": np.log(P), "calibrators": {"a": None, "b": FITTED}, "calibrator": FITTED,
    "policy": POLICY, "evaluation": tp.evaluate(P, Y), "temperature": 2.0,
    "tokens": [["a", "b"]] * 60,
}  # fmt: skip
SPECIAL = {
    "compare": {"probs": {"a": P, "b": P[:, ::-1]}},
    "label_positions": {"labels": ["a"] * 60},
    "dense_rows": {"logits": np.zeros((2, 3, 2, 2)), "labels": np.zeros((2, 3, 2), dtype=int)},
    "MultilabelScaling.fit": {"logits": Z, "labels": RNG.normal(size=Z.shape) < Z},
    "masked_logits": {"mask_below": -4.0},
    **{name: {"kind": "logits"} for name in ("evaluate_blocks", "compare_blocks")},
    "fitted.checked": {"class_axis": -1, "refuse_probs": True},
    "multilabel_rows": {"probs": P, "labels": Z > 0},
    "compare_label_ways": {"logits": Z[:, :1], "labels": RNG.normal(size=(60, 1)) < Z[:, :1]},
    "fit_policy": {"logits": Z, "labels": Y, "max_risk": 0.8},
    "select_labels": {
        "logits": Z,
        "labels": RNG.normal(size=Z.shape) < Z,
        "methods": ["identity", "temperature"],
    },
    "abstain": {"max_risk": 0.5},
    "bands": {"min_recall": 0.01},
    **{name: {"policy": CASCADE} for name in ("cascade_id", "save_cascade")},
    **{name: {"verdicts": VERDICTS, "labels": PEOPLE} for name in ("pass_rate", "plan_pass_rate")},
    "compare_pass_rates": {"verdicts": VERDICTS, "labels": PEOPLE, "systems": ["a", "b"] * 30},
    "plan": {"temperature": 1.5, "ece": 0.3},
}
TWO = {"BetaCalibration", "PlattScaling", "IsotonicCalibration", "VennAbers"}
READERS = {"read": "rows.npz", "read_blocks": "rows.npz", "load": "calibrator.json",
           "load_policy": "policy.json", "load_cascade": "cascade.json"}  # fmt: skip


def public():
    """Yield each public function, each `fit`, and methods of fitted values, with their names."""
    for home in (tp, tp.decisions, tp.llm, tp.metrics, tp.shift, tp.readers, tp.writers):
        for name in home.__all__:
            each = getattr(home, name)
            if (inspect.isfunction(each) and home not in (tp.readers, tp.writers)) or (
                inspect.isfunction(each) and name in (*READERS, "write_probs")
            ):
                yield name, each
            elif inspect.isclass(each):
                for how in ("fit", "fit_blocks"):
                    if hasattr(each, how):
                        yield f"{name}.{how}", getattr(each, how)
    yield "Positions", tp.Positions
    for method in (FITTED.apply, FITTED.scale, FITTED.outputs):
        yield f"fitted.{method.__name__}", method
    grouped = tp.GroupTemperatureScaling(2.0, {"a": 3.0})
    yield "grouped.apply", grouped.apply
    for display in ("Corp", "Reliability", "RiskCoverage"):
        kind = getattr(tp.plots, f"{display}Display")
        yield f"{display}Display", kind.from_predictions


def good(name, function, folder):
    """Return arguments with which the function works."""
    home = name.partition(".")[0]
    given = {**GIVEN, **SPECIAL.get(name, {})}
    if home in TWO:
        given |= {"logits": Z[:, 0], "labels": (Z[:, 0] + Z[:, 1] > 0).astype(int)}
    if name in READERS:
        given["path"] = folder / READERS[name]
    elif name in ("save", "write_probs", "save_policy", "save_cascade"):
        given["path"] = folder / ("out.npz" if name == "write_probs" else "out.json")
    parameters = inspect.signature(function).parameters
    found = {
        each.name: given[each.name]
        for each in parameters.values()
        if each.name in given and (each.default is each.empty or each.name in SPECIAL.get(name, {}))
    }
    if "n_resamples" in parameters:
        found["n_resamples"] = 100
    return found


@pytest.mark.parametrize(("name", "function"), list(dict(public()).items()))
def test_spoiled_arguments(name, function, tmp_path, monkeypatch):
    """One argument at a time."""
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "rows.npz", logits=Z, labels=Y)
    tp.save(FITTED, tmp_path / "calibrator.json")
    tp.decisions.save_policy(POLICY, tmp_path / "policy.json")
    tp.decisions.save_cascade(CASCADE, tmp_path / "cascade.json")
    known = good(name, function, tmp_path)
    function(**known)
    faults = []
    for argument, parameter in inspect.signature(function).parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        for value in BAD:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    function(**{**known, argument: value})
                except tp.TemperanceError:
                    continue
                except Exception as error:  # noqa: BLE001  (that is the question)
                    faults.append(f"{argument}={value!r}: {type(error).__name__}: {error}"[:150])
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("value", [None, 1, 0, "yes", [], np.array([True])])
def test_switches_are_true_or_false(value):
    """The text "no" is not taken for yes, and an array is told what it is."""
    with pytest.raises(tp.InvalidInputError, match="`refuse_probs` must be True or False, got"):
        tp.TemperatureScaling.fit(Z, Y, refuse_probs=value)
