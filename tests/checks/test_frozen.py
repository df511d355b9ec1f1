"""Values that are returned cannot be written to, and are equal to their copies."""

import copy
import dataclasses
import json
import pickle
from collections.abc import Mapping

import numpy as np
import pytest

import temperance as tp
from temperance import decisions, metrics, shift
from temperance.frozen import DeferredDict, FrozenDict


def made():
    """Return every kind of public result, and a calibrator of every method."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(400, 3)) * 3
    y = (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)
    probs = np.exp(z - z.max(axis=1, keepdims=True))
    probs /= probs.sum(axis=1, keepdims=True)
    groups = rng.choice(list("ab"), 400)
    marks = (rng.random(z.shape) < 1 / (1 + np.exp(-z / 2))).astype(int)
    values = {
        "evaluate": tp.evaluate(probs, y, groups=groups, n_resamples=100),
        "evaluate_blocks": tp.evaluate_blocks([(probs, y)], n_resamples=100),
        "infinite": tp.evaluate(np.eye(3)[probs.argmax(1)], y, n_resamples=100),
        "compare": tp.compare({"a": probs, "b": probs[:, ::-1]}, y, n_resamples=100),
        "select": tp.select(z, y, methods=["temperature", "identity"]),
        "plan": tp.plan(z, temperature=2.0),
        "abstain": decisions.abstain(probs, y, max_risk=0.5, groups=groups),
        "risk_coverage": decisions.risk_coverage(probs, y),
        "cascade": decisions.cascade({"a": z, "b": 1.1 * z}, y, costs=[0.1]),
        "covariate_weights": shift.covariate_weights(z, z[::2] + 0.1),
        "estimate_label_shift": shift.estimate_label_shift(probs, [0.2, 0.3, 0.5]),
        "estimate_label_shift_from_logits": shift.estimate_label_shift_from_logits(z, z, y),
        "diagnose": shift.diagnose(z, y, z + 0.1, n_resamples=100),
        "reliability_curve": metrics.reliability_curve(probs, y),
        "corp_reliability": metrics.corp_reliability(probs, y, n_resamples=100),
        "multilabel": tp.MultilabelScaling.fit(z, marks),
        "ensemble": tp.METHODS["ensemble"].fit([z, 1.2 * z], y),
        "group-temperature": tp.GroupTemperatureScaling.fit(z, y, groups=groups),
    }
    for method, kind in tp.METHODS.items():
        if method not in values:
            k = 2 if method in ("platt", "beta", "isotonic", "venn-abers") else 3
            values[method] = kind.fit(z[:, :k], np.minimum(y, k - 1))
    return values


MADE = made()


def writable(value, place):
    """Return the places of what can be written to."""
    if isinstance(value, np.ndarray):
        return [place] if value.flags.writeable else []
    if isinstance(value, Mapping):
        found = [] if isinstance(value, FrozenDict | DeferredDict) else [place]
        return found + [w for k, v in value.items() for w in writable(v, f"{place}[{k!r}]")]
    if isinstance(value, list | set | bytearray):
        return [place]
    if isinstance(value, tuple):
        return [w for i, each in enumerate(value) for w in writable(each, f"{place}[{i}]")]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = [] if value.__dataclass_params__.frozen else [place]
        for each in dataclasses.fields(value):
            found += writable(getattr(value, each.name), f"{place}.{each.name}")
        return found
    plain = value is None or isinstance(value, int | float | str | np.generic | type)
    return [] if plain or callable(value) else [place]


@pytest.mark.parametrize("name", MADE)
def test_a_frozen_value_is_frozen_whole(name):
    """Nothing in a result or calibrator can be written to: no array, mapping or list."""
    assert writable(MADE[name], name) == []


@pytest.mark.parametrize("name", MADE)
def test_copies_are_equal_and_frozen(name):
    """Pickled, or copied in depth, a value is equal to itself, hashes alike, and is as frozen."""
    pickled = pickle.loads(pickle.dumps(MADE[name]))  # noqa: S301  (our own)
    for other in (pickled, copy.deepcopy(MADE[name])):
        assert other == MADE[name]
        assert hash(other) == hash(MADE[name])
        assert writable(other, name) == []
        assert str(other) == str(MADE[name])


def test_values_that_differ_are_unequal():
    """Equality looks at every field."""
    assert MADE["evaluate"] != MADE["evaluate_blocks"]
    assert dataclasses.replace(MADE["evaluate"], seed=1) != MADE["evaluate"]
    curve = MADE["reliability_curve"]
    assert dataclasses.replace(curve, count=curve.count + 1) != curve


def test_a_frozen_mapping_reads_as_a_dictionary():
    """It is written as JSON and merged like one, and refuses every change."""
    mapping = FrozenDict({"a": 1})
    assert json.dumps(mapping) == '{"a": 1}'
    assert mapping | {"b": 2} == {"a": 1, "b": 2}
    for change in (
        lambda: mapping.__setitem__("a", 2),
        lambda: mapping.update(b=2),
        lambda: mapping.pop("a"),
        mapping.clear,
    ):
        with pytest.raises(TypeError, match="cannot be changed"):
            change()
    with pytest.raises(TypeError):
        MADE["group-temperature"].temperatures["a"] = 1.0


def test_the_callers_arrays_stay_writable():
    """What is frozen is ours: an array that was passed in is not."""
    curve = MADE["reliability_curve"]
    given = np.ones(3)
    made_of_it = dataclasses.replace(curve, count=given[:])
    given[0] = 7.0
    assert given.flags.writeable
    assert made_of_it.count[0] == 1.0


def test_a_deferred_value_is_computed_once_and_then_let_go():
    """A mapping knows its keys before it knows a value."""
    asked = []
    mapping = DeferredDict(("a", "b"), lambda key: asked.append(key) or key.upper())
    assert (list(mapping), len(mapping), "c" in mapping, asked) == (["a", "b"], 2, False, [])
    assert (mapping["b"], mapping["b"], asked) == ("B", "B", ["b"])
    assert mapping | {"c": "C"} == {"a": "A", "b": "B", "c": "C"} == {"c": "C"} | mapping
    with pytest.raises(KeyError):
        mapping["c"]
    with pytest.raises(TypeError):
        mapping["a"] = "A"  # type: ignore[index]


def test_an_evaluation_is_of_the_rows_as_they_were():
    """What is computed later does not see what was written to the arrays in between."""
    rng = np.random.default_rng(1)
    probs = rng.dirichlet([1.0, 1.0, 1.0], 300)
    labels, weights = rng.integers(0, 3, 300), rng.uniform(0.5, 2.0, 300)
    at_once = tp.evaluate(probs, labels, weights=weights, n_resamples=100)
    expected = at_once.to_dict()
    later = tp.evaluate(probs, labels, weights=weights, n_resamples=100)
    pair = tp.compare({"a": probs, "b": probs[:, ::-1]}, labels, n_resamples=100)
    both = pickle.dumps(pair)
    again = tp.compare({"a": probs, "b": probs[:, ::-1]}, labels, n_resamples=100)
    probs[:], labels[:], weights[:] = 1.0 / 3.0, 0, 1.0
    assert later.to_dict() == expected
    assert again == pickle.loads(both)  # noqa: S301  (our own)


def test_an_evaluation_has_no_other_attributes():
    """A misspelt measure is an AttributeError, before and after all are computed."""
    evaluation = tp.evaluate([0.75, 0.25], [1, 0], n_resamples=100)
    for _ in range(2):
        with pytest.raises(AttributeError, match="'Evaluation' object has no attribute 'logloss'"):
            evaluation.logloss  # noqa: B018
        evaluation.to_dict()
