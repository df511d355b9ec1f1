"""Data frames of pandas, polars and pyarrow: their columns are classes by name, in any order."""

from dataclasses import dataclass

import numpy as np
import pytest

import reference
import temperance as tp

CLASSES = ("dog", "bee", "ant", "cow")
ORDER = [2, 0, 3, 1]
N = 400


@dataclass
class Column:
    """A column of a frame of our own, with what a frame of pandas offers."""

    index: "Index"
    values: np.ndarray

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype=dtype)


class Index(list):
    """Labels of rows."""

    is_unique = True

    def equals(self, other):
        return list(self) == list(other)

    def isin(self, other):
        return np.isin(list(self), list(other))


@dataclass
class Frame:
    """A frame known by what it offers, as those of packages that are not installed are."""

    index: Index
    columns: list
    values: np.ndarray

    def to_numpy(self):
        return self.values


def ours(z, names):
    return Frame(Index(range(len(z))), list(names), z)


def pandas(z, names):
    return pytest.importorskip("pandas").DataFrame(z, columns=list(names))


def nullable(z, names):
    return pandas(z, names).convert_dtypes()


def polars(z, names):
    return pytest.importorskip("polars").DataFrame(z, schema=list(names))


def pyarrow(z, names):
    return pytest.importorskip("pyarrow").table({n: z[:, j] for j, n in enumerate(names)})


def narwhals(z, names):
    return pytest.importorskip("narwhals").from_native(pyarrow(z, names))


MAKERS = [ours, pandas, nullable, polars, pyarrow, narwhals]


@pytest.fixture
def rows(sample):
    return sample(9, n=N, k=4, temperature=2.0)


def permuted(make, z, names=CLASSES):
    return make(z[:, ORDER], [names[j] for j in ORDER])


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("method", [tp.TemperatureScaling, tp.VectorScaling, tp.Identity])
def test_columns_in_another_order_give_the_same_probabilities(rows, make, method):
    """Fits, applied maps and scaled logits are those of arrays with `classes`."""
    z, y = rows
    labels = np.array(CLASSES)[y]
    expected = method.fit(z, labels, classes=CLASSES)
    fitted = method.fit(make(z, CLASSES), labels)
    assert fitted.classes == CLASSES
    np.testing.assert_allclose(fitted.apply(z), expected.apply(z), rtol=1e-9)
    np.testing.assert_allclose(fitted.apply(permuted(make, z)), expected.apply(z), rtol=1e-9)
    np.testing.assert_allclose(fitted.scale(permuted(make, z)), expected.scale(z), rtol=1e-9)
    other = method.fit(permuted(make, z), labels)
    assert other.classes == tuple(CLASSES[j] for j in ORDER)
    np.testing.assert_allclose(
        other.apply(make(z, CLASSES)), expected.apply(z)[:, ORDER], rtol=1e-6, atol=1e-9
    )
    told = method.fit(permuted(make, z), labels, classes=CLASSES)
    assert told.classes == CLASSES
    np.testing.assert_allclose(told.apply(z), expected.apply(z), rtol=1e-9)


@pytest.mark.parametrize("make", MAKERS)
def test_measures_take_names(rows, make):
    """evaluate, metrics, compare, select and plan: labels are names of columns."""
    z, y = rows
    labels, p = np.array(CLASSES)[y], reference.softmax(z / 2)
    expected = tp.metrics.log_loss(p, y)
    assert tp.metrics.log_loss(permuted(make, p), labels) == pytest.approx(expected, rel=1e-12)
    found = tp.evaluate(permuted(make, p), labels, n_resamples=100)
    assert found.log_loss.value == pytest.approx(expected, rel=1e-12)
    sides = {"a": make(p, CLASSES), "b": permuted(make, p), "c": p}
    compared = tp.compare(sides, labels, n_resamples=100)
    for name in "bc":
        assert compared.differences[name].log_loss.value == pytest.approx(0.0, abs=1e-15)
    blocks = [(make(p, CLASSES), labels), (permuted(make, p), labels)]
    in_blocks = tp.evaluate_blocks(blocks, n_resamples=100)
    assert in_blocks.log_loss.value == pytest.approx(expected, rel=1e-9)
    logits = [(make(z, CLASSES), labels), (permuted(make, z), labels)]
    fitted = tp.TemperatureScaling.fit_blocks(logits)
    assert fitted.temperature == pytest.approx(reference.temperature(z, y), rel=1e-6)
    assert fitted.classes == CLASSES
    chosen = tp.select(permuted(make, z), labels, methods=["temperature"])
    assert chosen.calibrator.classes == tuple(CLASSES[j] for j in ORDER)


@pytest.mark.parametrize("make", MAKERS)
def test_names_that_contradict_show_both_lists(rows, make):
    """Another name is an error of one line, wherever two meet."""
    z, y = rows
    labels = np.array(CLASSES)[y]
    fitted = tp.TemperatureScaling.fit(make(z, CLASSES), labels)
    other = make(z, ["dog", "bee", "ant", "elk"])
    both = r"\(dog, bee, ant, elk\) .*\(dog, bee, ant, cow\): it has no cow and .* no elk"
    for meet in (
        lambda: fitted.apply(other),
        lambda: tp.TemperatureScaling.fit(other, labels, classes=CLASSES),
        lambda: tp.compare(
            {"a": make(reference.softmax(z), CLASSES), "b": other}, labels, n_resamples=100
        ),
        lambda: tp.Ensemble.fit([make(z, CLASSES), other], labels),
        lambda: tp.TemperatureScaling.fit_blocks([(make(z, CLASSES), labels), (other, labels)]),
    ):
        with pytest.raises(tp.InvalidInputError, match=both) as error:
            meet()
        assert "\n" not in str(error.value)
    with pytest.raises(tp.InvalidInputError):
        fitted.apply(make(z[:, :3], CLASSES[:3]))


def test_columns_of_files_and_frames_are_the_same_classes(rows):
    """`logit_` and `prob_` before a class, as tables have them, are not part of its name."""
    z, y = rows
    labels = np.array(CLASSES)[y]
    fitted = tp.TemperatureScaling.fit(ours(z, [f"logit_{c}" for c in CLASSES]), labels)
    assert fitted.classes == CLASSES
    np.testing.assert_array_equal(fitted.apply(permuted(ours, z)), fitted.apply(z))


@pytest.mark.parametrize("names", [range(4), [f"column_{j}" for j in range(4)], "0123"])
def test_columns_called_by_number(rows, names):
    """0..k-1 in another order are brought into theirs; they need no names to be matched."""
    z, y = rows
    names = list(names)
    expected = tp.TemperatureScaling.fit(z, y)
    frame = permuted(ours, z, names)
    fitted = tp.TemperatureScaling.fit(frame, y)
    assert fitted.temperature == pytest.approx(expected.temperature, rel=1e-9)
    assert fitted.classes == (None if names != list("0123") else tuple("0123"))
    np.testing.assert_allclose(expected.apply(frame), expected.apply(z), rtol=1e-12)
    assert tp.metrics.log_loss(permuted(ours, reference.softmax(z), names), y) == pytest.approx(
        tp.metrics.log_loss(reference.softmax(z), y)
    )


def test_another_index_is_refused():
    """Labels or weights of other rows, with the way out; the same index is fine."""
    z = np.array([[2.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    frame = Frame(Index([5, 7, 9]), ["a", "b"], z)
    labels = np.array(["a", "b", "b"])
    same = Column(Index([5, 7, 9]), labels)
    assert tp.TemperatureScaling.fit(frame, same).temperature == pytest.approx(2.8854, rel=1e-4)
    turned = Column(Index([9, 7, 5]), labels[::-1])
    for call in (
        lambda: tp.TemperatureScaling.fit(frame, turned),
        lambda: tp.TemperatureScaling.fit(
            frame, labels, weights=Column(Index([9, 7, 5]), [1, 2, 3])
        ),
        lambda: tp.TemperatureScaling.fit_blocks([(frame, turned)]),
        lambda: tp.evaluate(frame, turned),
    ):
        with pytest.raises(tp.InvalidInputError, match=r"index of `\w+`.*row 0 .* is 9 .* 5"):
            call()
    with pytest.raises(tp.InvalidInputError, match=r"`labels\.loc\[logits\.index\]`"):
        tp.TemperatureScaling.fit(frame, turned)
    with pytest.raises(tp.InvalidInputError, match=r"call \.reset_index\(drop=True\)"):
        tp.TemperatureScaling.fit(frame, Column(Index([0, 1, 2]), labels))
    with pytest.raises(tp.InvalidInputError, match="2 and 3 rows"):
        tp.TemperatureScaling.fit(frame, Column(Index([5, 7]), labels[:2]))


def turned(values):
    """A column of the same rows in the opposite order, as its index says."""
    values = np.asarray(values)
    return Column(Index(reversed(range(len(values)))), values[::-1])


def beside_rows(z, y):
    """Yield calls with one argument whose index is another than that of the scores."""
    labels, p = np.array(CLASSES)[y], reference.softmax(z / 2)
    logits, probs = ours(z, CLASSES), ours(p, CLASSES)
    groups, weights = np.array(["a", "b"] * (N // 2)), np.arange(1.0, N + 1)
    of_groups = tp.GroupTemperatureScaling.fit(logits, labels, groups=groups)
    rule = tp.decisions.abstain(probs, labels, max_risk=0.6, groups=groups)
    scaling = tp.TemperatureScaling(2.0)
    sure = Column(Index(range(N)), p.max(axis=1))
    right = (p.argmax(axis=1) == y).astype(int)
    answers, shift = tp.llm.AnswerConfidence, tp.shift
    other = turned(groups)
    yield "group apply", lambda: of_groups.apply(logits, groups=other)
    yield "group scale", lambda: of_groups.scale(logits, groups=other)
    yield "accepts", lambda: rule.accepts(sure, other)
    for each in (scaling, of_groups):
        policy = tp.decisions.DecisionPolicy(each, rule)
        yield f"policy {each.method}", lambda policy=policy: policy.apply(logits, groups=other)
    yield "measure", lambda: rule.measure(probs, labels, groups=other)
    yield "group tests", lambda: tp.metrics.group_score_tests(probs, labels, other)
    yield "answers", lambda: answers.fit(sure, turned(right), scale="probability")
    yield (
        "weights of answers",
        lambda: answers.fit(sure, right, scale="probability", weights=turned(weights)),
    )
    yield "rates", lambda: tp.llm.rates_by_score(sure, turned(right))
    yield "plan", lambda: tp.plan(logits, weights=turned(weights))
    yield "shift", lambda: shift.estimate_label_shift(probs, [0.25] * 4, weights=turned(weights))
    yield "source", lambda: shift.covariate_weights(logits, z, source_weights=turned(weights))
    yield "target", lambda: shift.covariate_weights(z, logits, target_weights=turned(weights))


def test_what_stands_beside_rows_has_their_index(rows):
    """Groups, weights and outcomes of other rows are refused wherever a row has one."""
    taken = []
    for name, call in beside_rows(*rows):
        try:
            call()
        except tp.InvalidInputError as error:
            assert "must have the index of" in str(error), name
        else:
            taken.append(name)
    assert not taken


@pytest.mark.parametrize("make", MAKERS)
def test_features_are_matched_by_name(rows, make):
    """Covariate weights do not depend on the order of the target's columns."""
    z, _ = rows
    z = z * [1.0, 5.0, 0.2, 1.0] + [0.0, 3.0, 1.0, -2.0]
    near, far = z[: N // 2], z[N // 2 :] + 0.3
    expected = tp.shift.covariate_weights(near, far)
    found = tp.shift.covariate_weights(make(near, CLASSES), permuted(make, far))
    np.testing.assert_allclose(found.weights, expected.weights, rtol=1e-9)
    with pytest.raises(tp.InvalidInputError, match=r"`target`: its features \(.*no dog"):
        tp.shift.covariate_weights(make(near, CLASSES), make(far, ("x", *CLASSES[1:])))


def test_the_advice_about_an_index_works(rows):
    """A pandas Series in another order, brought into that of the frame."""
    pd = pytest.importorskip("pandas")
    z, y = rows
    frame = pd.DataFrame(z, columns=list(CLASSES), index=np.arange(N) + 10)
    labels = pd.Series(np.array(CLASSES)[y], index=frame.index)[::-1]
    with pytest.raises(tp.InvalidInputError, match=r"labels\.loc\[logits\.index\]"):
        tp.TemperatureScaling.fit(frame, labels)
    fitted = tp.TemperatureScaling.fit(frame, labels.loc[frame.index])
    assert fitted.temperature == pytest.approx(reference.temperature(z, y), rel=1e-6)
    reset = tp.TemperatureScaling.fit(
        frame.reset_index(drop=True), labels.loc[frame.index].reset_index(drop=True)
    )
    assert reset == fitted


def test_an_ensemble_and_a_cascade_of_frames(rows):
    """Members are matched by name to the first, and so are models."""
    z, y = rows
    labels = np.array(CLASSES)[y]
    second = z * 0.5 + np.random.default_rng(0).normal(size=z.shape)
    expected = tp.Ensemble.fit([z, second], y)
    found = tp.Ensemble.fit([ours(z, CLASSES), permuted(ours, second)], labels)
    assert found.temperature == pytest.approx(expected.temperature, rel=1e-9)
    np.testing.assert_allclose(
        found.apply([permuted(ours, z), ours(second, CLASSES)]), expected.apply([z, second]),
        rtol=1e-9,
    )  # fmt: skip
    costs = {"costs": [0.01]}
    plain = tp.decisions.cascade({"a": z, "b": second}, y, **costs)
    frames = tp.decisions.cascade(
        {"a": ours(z, CLASSES), "b": permuted(ours, second)}, labels, **costs
    )
    assert frames.to_dict() == plain.to_dict()


def test_label_matrices_of_frames(rows):
    """Columns of scores and of labels are matched by name."""
    z, _ = rows
    matrix = (z + np.random.default_rng(1).normal(size=z.shape) * 3 > 0).astype(int)
    expected = tp.MultilabelScaling.fit(z, matrix, per_label=True, classes=CLASSES)
    found = tp.MultilabelScaling.fit(ours(z, CLASSES), permuted(ours, matrix), per_label=True)
    assert found.classes == CLASSES
    np.testing.assert_allclose(found.temperatures, expected.temperatures, rtol=1e-9)
    np.testing.assert_allclose(found.apply(permuted(ours, z)), expected.apply(z), rtol=1e-9)


def test_a_name_that_stands_there_twice():
    """Nothing would say which column is which."""
    with pytest.raises(tp.InvalidInputError, match="'a' stands there twice"):
        tp.TemperatureScaling.fit(ours(np.eye(3), ["a", "a", "b"]), ["a", "b", "a"])
