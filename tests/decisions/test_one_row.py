"""One row, as a service has it: the same digits and errors as through the general path, sooner."""

from functools import cache

import numpy as np
import pytest

import temperance as tp
from temperance.calibrators import calibrator as calibrator_module
from temperance.checks import answer_scores, forms, row_values
from temperance.checks.scores import as_one_row, plain_row
from temperance.decisions import DecisionPolicy, abstain, bands
from temperance.decisions import policy as policy_module
from temperance.llm import AnswerConfidence

SURE = [[0.9, 0.1]] * 400 + [[0.6, 0.4]] * 40
TRUTH = [0] * 400 + [1] * 40
KINDS = (
    "temperature", "smooth", "three classes", "vector", "matrix", "isotonic", "groups",
    "group temperatures", "bands", "bands of groups", "answers", "answers in words",
    "log-probabilities",
)  # fmt: skip
NAMES = ["law"] * 200 + ["math"] * 200 + ["art"] * 40


@pytest.fixture
def general(monkeypatch):
    """Return a function that calls another one without any short way for one row."""

    def call(function, *arguments, **settings):
        with monkeypatch.context() as patch:
            patch.setattr(calibrator_module, "as_one_row", lambda _: None)
            patch.setattr(answer_scores, "plain_row", lambda _: None)
            patch.setattr(answer_scores, "_IN_RANGE", frozenset())
            patch.setattr(row_values, "_FEW", 0)
            patch.setattr(forms, "_PLAIN", frozenset())
            for module in (row_values, policy_module):
                patch.setattr(module, "as_one_name", lambda names: names)
            return outcome(function, *arguments, **settings)

    return call


def outcome(function, *arguments, **settings):
    """Return the arrays of an answer bit by bit, or the error's type and words."""
    try:
        found = function(*arguments, **settings)
    except (tp.TemperanceError, TypeError) as error:
        return type(error), str(error)
    parts = found if isinstance(found, tuple) else (found,)
    return [(part.dtype.str, part.shape, part.tobytes()) for part in map(np.asarray, parts)]


@cache
def policies():
    """Return policies of every kind of map and rule, by name."""
    rule = abstain(SURE, TRUTH, max_risk=0.02)
    of_groups = abstain(SURE, TRUTH, max_risk=0.02, groups=NAMES)
    p = np.repeat([0.9, 0.5, 0.1], 183)
    y = np.concatenate([np.ones(183), np.arange(183) % 2, np.zeros(183)]).astype(int)
    both = {"event": 1, "min_precision": 0.98, "min_negative_predictive_value": 0.98}
    rng = np.random.default_rng(0)
    z, labels = rng.normal(size=(300, 3)), rng.integers(0, 3, 300)
    stated = [50] * 4 + [90] * 4, [0, 0, 0, 1, 0, 1, 1, 1]
    temperature = tp.TemperatureScaling(1.7)
    return {
        "temperature": DecisionPolicy(temperature, rule),
        "smooth": DecisionPolicy(tp.TemperatureScaling(1.7, smoothing=0.01), rule),
        "three classes": DecisionPolicy(tp.TemperatureScaling(0.6, n_classes=3), rule),
        "vector": DecisionPolicy(tp.VectorScaling.fit(z, labels), rule),
        "matrix": DecisionPolicy(tp.MatrixScaling.fit(z, labels), rule),
        "isotonic": DecisionPolicy(tp.IsotonicCalibration.fit(z[:, :2], labels % 2), rule),
        "groups": DecisionPolicy(temperature, of_groups),
        "group temperatures": DecisionPolicy(
            tp.GroupTemperatureScaling(1.5, {"law": 2.0}, small_groups=("art",), spread=0.1),
            of_groups,
        ),
        "bands": DecisionPolicy(temperature, bands(p, y, **both)),
        "bands of groups": DecisionPolicy(
            temperature, bands(np.tile(p, 2), np.tile(y, 2), groups=np.repeat(["law", "art"], 549),
                               event=1,
                               min_precision=0.9, min_negative_predictive_value=0.9),
        ),
        "answers": DecisionPolicy(AnswerConfidence.fit(*stated, scale="percent"), rule),
        "answers in words": DecisionPolicy(
            AnswerConfidence.fit(*stated, scale="percent", words={"high": 90}), rule
        ),
        "log-probabilities": DecisionPolicy(
            AnswerConfidence.fit([-3.0, -2.0, -2.5, -0.1, -0.2, -2.0], [0, 0, 1, 1, 1, 0],
                                 scale="logprob"), rule,
        ),
    }  # fmt: skip


ROWS = [
    [[2.0, -1.0]], [[2, -1]], [[2.5, -1]], ((2.0, -1.0),), [(2.0, -1.0)], [[2.0, -1.0, 0.3]],
    [[np.float64(2.0), -1.0]], [[np.float32(0.1), -1.0]], [[0.0, -0.0]], [[5e-324, 1e-310]],
    [[1e100, -1e100]], [[700.0, -800.0, 0.0]], [[3.0, 3.0, 3.0]], [[0.2, 0.8]],
    [[2.0, -np.inf, 0.5]], [[-np.inf, 1.0]], [[-np.inf, -np.inf]], [[np.nan, 1.0]], [[np.inf, 1.0]],
    [[-1e200, 1.0]], [[-np.inf, -1e200, 1.0]], [[2**53 + 1, 2**60]], [[2**70, 1.0]],
    [[10**400, 1.0]], [[True, False]], [[None, 1.0]], [["2.0", "1.0"]], [["a", "b"]],
    [[np.ma.masked, 1.0]], [[1j, 2.0]], [[]], [], [[[1.0, 2.0]]], [[1.0, 2.0], [0.5, 0.1]],
    [[1.0], [2.0]], [[1.0]], [1.0], (0.3,), [0], [-np.inf], [np.nan], ["90%"], ["high"], ["low"],
    [90.0], [90], [101], [-0.5], [-9999.0], 1.0, None, "text", [[1.0, [2.0]]], {"a": 1.0},
    [2.0, 1.0],
    np.array([[2.0, -1.0]]), np.array([[2.0, -1.0]], dtype=np.float32), np.array([[2, 1]]),
    np.array([[2.0, -1.0]], dtype=np.float16), np.array([[2.0, -np.inf]]),
    np.array([[np.nan, 0.0]]),
    np.array([[2.0, -np.inf]], dtype=np.float32), np.array([[-np.inf] * 2], dtype=np.float32),
    np.array([[0.7]]), np.array([0.7]), np.array([0.7], dtype=np.float32), np.array(0.7),
    np.array([[np.inf]]), np.zeros((1, 0)), np.zeros((1, 2, 2)), np.zeros((0, 2)),
    np.ma.array([[2.0, 1.0]], mask=[[True, False]]), np.array([[2.0, 1.0]], dtype=object),
    np.asfortranarray([[2.0, -1.0, 4.0]]), np.arange(6.0).reshape(3, 2).T[:1],
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Warning. converting a masked element")
@pytest.mark.parametrize("name", KINDS)
def test_one_row_is_as_by_the_general_path(general, name):
    """Probabilities and decisions bit by bit, errors word by word, whatever the row comes as."""
    policy = policies()[name]
    groups = (["law"], None) if "group" in name else (None,)
    answered = 0
    for row in ROWS:
        for each in groups:
            given = {} if not each else {"groups": each}
            for function in (policy.apply, policy.decide, policy.calibrator.scale):
                if (
                    function == policy.calibrator.scale
                    and given
                    and not (policy.calibrator.traits.groups)
                ):
                    continue
                found = outcome(function, row, **given)
                assert found == general(function, row, **given), (row, given)
                answered += isinstance(found, list)
    assert answered > 5


@pytest.mark.parametrize("name", ["groups", "group temperatures", "bands of groups"])
def test_names_of_groups_are_as_by_the_general_path(name):
    """The one row's group in whatever form; an array of objects is looked at name by name."""
    policy, row = policies()[name], [[3.0, 0.0]]
    for word in ("law", "math", "art", "new", "", "\u00e9t\u00e9", "law\0"):
        slow = outcome(policy.apply, row, groups=np.array([word], dtype=object))
        forms = ([word], (word,), np.array([word]), np.array([[word]]), np.array([word, "x"])[:1])
        for given in (*forms, [np.str_(word)]):
            assert outcome(policy.apply, row, groups=given) == slow, (word, given)
    assert all(row_values.as_one_name(given) is given for given in ([None], [5], ["a", "b"], "a"))
    nobody = outcome(policy.apply, row, groups=[""])
    for given in ([None], [np.nan], np.ma.array(["law"], mask=[True])):
        assert outcome(policy.apply, row, groups=given) == nobody
    assert outcome(policy.apply, row, groups=[b"law"]) == outcome(policy.apply, row, groups=["law"])
    for given in ("law", ["law", "art"], [], [["law", "art"]], {"law": 1}, 4):
        error, words = outcome(policy.apply, row, groups=given)
        assert error is tp.InvalidInputError
        assert "`groups` must have shape (1,), one per row" in words, given


@pytest.mark.parametrize("name", KINDS)
def test_a_row_is_as_among_others(name):
    """Whether a row comes alone or beside others does not show in a single bit."""
    policy = policies()[name]
    rng = np.random.default_rng(1)
    k = 3 if name in {"three classes", "vector", "matrix"} else 2
    answers = policy.calibrator.kind == "answers"
    many = rng.normal(size=(40, k)) * 4
    if answers:
        many = -rng.random(40) if name == "log-probabilities" else rng.integers(0, 101, 40) * 1.0
    names = np.array(["law", "math", "art", ""] * 10)
    grouped = "group" in name
    settings = {"groups": names} if grouped else {}
    probs, accepted = policy.apply(many, **settings)
    _, decided = policy.decide(many, **settings)
    for i in range(40):
        own = {"groups": [str(names[i])]} if grouped else {}
        for row in (many[i : i + 1], many[i : i + 1].tolist(), tuple(many[i : i + 1].tolist())):
            one = policy.apply(row, **own)
            if name == "matrix":  # a product of matrices adds up in another order
                np.testing.assert_allclose(one.probs, probs[i : i + 1], rtol=1e-14)
            else:
                assert one.probs.tobytes() == probs[i : i + 1].tobytes()
            assert one.accepted.tolist() == [accepted[i]]
            assert policy.decide(row, **own).bands.tolist() == [decided[i]]


def test_what_takes_the_short_way():
    """Rows of plain numbers do; what only a closer look can tell does not."""
    for row in ([[2.0, 1.0]], [[2, 1]], ((0.5, -1.0),), np.array([[2.0, -np.inf]]), [0.3], [[0.3]]):
        assert as_one_row(row) is not None
    closer = (
        [[True, 1.0]],
        [[np.nan, 1.0]],
        [[-1e200, 1.0]],
        [[1.0, 2.0]] * 2,
        np.zeros((1, 0)),
        [-np.inf],
    )
    for row in closer:
        assert as_one_row(row) is None
    assert plain_row([[1.0, 2]]).dtype == np.float64
    row = np.array([[2.0, 1.0]])
    assert as_one_row(row)[0] is row


def test_flags_are_still_checked():
    """`refuse_probs` and the axis of the classes are asked of one row as of many."""
    policy = policies()["temperature"]
    with pytest.raises(tp.InvalidInputError, match="`refuse_probs` must be True or False"):
        policy.apply([[1.0, 2.0]], refuse_probs="no")
    with pytest.raises(tp.InvalidInputError, match="class_axis"):
        policy.calibrator.apply([[1.0, 2.0]], class_axis=True)
    assert policy.calibrator.apply([[1.0, 2.0]], class_axis=0).shape == (2, 2)  # two log-odds
