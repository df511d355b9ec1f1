"""Missing values in arrays: masked, None, nan, null; refused with the first row and the count."""

import numpy as np
import pytest

import reference
import temperance as tp

RNG = np.random.default_rng(1)
Z = 3 * RNG.normal(size=(200, 3))
Y = (Z / 2 + RNG.gumbel(size=Z.shape)).argmax(axis=1)
P = reference.softmax(Z)
ROWS = (5, 9)
NAMES = np.array(["None", "b", "nan"])


def masked(values):
    mask = np.zeros(np.shape(values), dtype=bool)
    mask[list(ROWS)] = True
    return np.ma.array(values, mask=mask)


def holed(values, hole):
    return [hole if row in ROWS else each for row, each in enumerate(values)]


def fit(*args, **options):
    return tp.TemperatureScaling.fit(*args, **options)


def evaluate(*args, **options):
    return tp.evaluate(*args, n_resamples=100, **options)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: fit(masked(Z), Y), "logits"),
        (lambda: fit(list(masked(Z)), Y), "logits"),
        (lambda: fit(Z, masked(Y)), "labels"),
        (lambda: fit(Z, Y, weights=masked(np.ones(200))), "weights"),
        (lambda: tp.VectorScaling.fit(masked(Z), Y), "logits"),
        (lambda: fit(Z, Y).apply(masked(Z)), "logits"),
        (lambda: evaluate(masked(P), Y), "probs"),
        (lambda: evaluate(P, masked(Y)), "labels"),
        (lambda: tp.logits_from_probs(masked(P)), "probs"),
        (lambda: tp.TemperatureScaling.fit_blocks([(masked(Z), Y)]), "logits"),
        (lambda: tp.TemperatureScaling.fit_blocks([(Z, masked(Y))]), "labels"),
        (lambda: fit(Z, holed(NAMES[Y].tolist(), None), classes=NAMES), "labels"),
        (lambda: fit(Z, holed(NAMES[Y].tolist(), float("nan")), classes=NAMES), "labels"),
        (lambda: fit(Z, np.array(holed(NAMES[Y], None), object), classes=NAMES), "labels"),
        (lambda: fit(np.array(holed(Z.tolist(), [None] * 3), object), Y), "logits"),
        (lambda: fit(Z, holed(Y.tolist(), np.ma.masked)), "labels"),
        (lambda: fit(Z, Y, weights=holed([1.0] * 200, np.ma.masked)), "weights"),
        (lambda: fit(holed(Z.tolist(), [np.ma.masked, 1.0, 2.0]), Y), "logits"),
        (lambda: fit(Z, tp.Positions(masked(Y))), "labels"),
    ],
)
def test_a_missing_value_is_refused_with_its_row(call, name):
    """It is never dropped, nor spelled as a name that a class has."""
    with pytest.raises(tp.InvalidInputError, match=rf"`{name}`.*row 5 is .*\(2 such rows\)"):
        call()


def test_a_masked_array_is_not_written(tmp_path):
    """Nothing that is missing becomes a number or a word in a file."""
    for columns in (
        {"probs": masked(P)},
        {"probs": list(masked(P))},
        {"probs": P, "labels": masked(Y)},
        {"probs": P, "groups": holed(NAMES[Y].tolist(), np.ma.masked)},
        {"probs": P, "weights": holed([1.0] * 200, np.ma.masked)},
    ):
        with pytest.raises(tp.InvalidInputError, match="must have no masked entries"):
            tp.writers.write_probs(tmp_path / "a.npz", **columns)
    for name, column, rule in (
        ("weights", holed([1.0] * 200, float("nan")), "finite, at least 0; row 5"),
        ("weights", holed([1.0] * 200, -1.0), "finite, at least 0; row 5"),
        (
            "groups",
            holed(NAMES[Y].tolist(), float("nan")),
            "`groups` must be numbers or text; row 5",
        ),
        (
            "ids",
            np.array(holed(NAMES[Y], float("nan")), object),
            "`ids` must be numbers or text; row 5",
        ),
    ):
        with pytest.raises(tp.InvalidInputError, match=rule):
            tp.writers.write_probs(tmp_path / "a.npz", P, **{name: column})
    assert not list(tmp_path.iterdir())


GROUPED = tp.GroupTemperatureScaling(2.0, {"b": 4.0})
PER_GROUP = tp.decisions.abstain(
    np.tile([[0.99, 0.01]], (900, 1)), [0] * 900, max_risk=0.1, groups=[*"aab"] * 300
)
WITH_GROUPS = {
    "evaluate": lambda **of: evaluate(P, Y, **of),
    "compare": lambda **of: tp.compare({"a": P, "b": P}, Y, n_resamples=100, **of),
    "select": lambda **of: tp.select(Z, Y, methods=["temperature"], **of),
    "abstain": lambda **of: tp.decisions.abstain(P, Y, max_risk=0.9, **of),
    "measure": lambda **of: PER_GROUP.measure(P, Y, **{"groups": NAMES[Y], **of}),
}
WITH = [
    *((call, beside) for call in WITH_GROUPS.values() for beside in ("groups", "clusters")),
    (lambda groups: tp.metrics.group_score_tests(P, Y, groups), "groups"),
    (lambda groups: tp.GroupTemperatureScaling.fit(Z, Y, groups=groups), "groups"),
    (lambda clusters: tp.metrics.cox_test(P, Y, clusters=clusters), "clusters"),
    (lambda clusters: tp.metrics.corp_reliability(P, Y, clusters=clusters), "clusters"),
    (lambda clusters: tp.decisions.risk_coverage(P, Y, clusters=clusters), "clusters"),
    (lambda new_clusters: tp.shift.diagnose(Z, Y, Z, Y, new_clusters=new_clusters),
     "new_clusters"),
    (lambda clusters: tp.decisions.cascade({"a": Z, "b": 2 * Z}, Y, costs=0.1, clusters=clusters),
     "clusters"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "beside"), WITH)
def test_groups_and_clusters_are_known_for_every_row(call, beside):
    """None, nan, masked and empty text are missing; the advice to name them works."""
    for names in (
        masked(NAMES[Y]),
        *(holed(NAMES[Y].tolist(), hole) for hole in (None, float("nan"), "")),
        np.array(holed(NAMES[Y].tolist(), ""), dtype=np.str_),
    ):
        with pytest.raises(tp.InvalidInputError, match=rf"`{beside}`.*row 5 has none \(2 such"):
            call(**{beside: names})
    call(**{beside: holed(NAMES[Y].tolist(), "other")})


def test_nulls_of_arrow_are_missing():
    """Of integers, floats and text."""
    pa = pytest.importorskip("pyarrow")
    for labels, options in ((Y.tolist(), {}), (NAMES[Y].tolist(), {"classes": NAMES})):
        column = pa.array(holed(labels, None))
        for values in (column, pa.chunked_array([column[:50], column[50:]])):
            with pytest.raises(tp.InvalidInputError, match=r"row 5 is missing \(2 such rows\)"):
                fit(Z, values, **options)


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "int64[pyarrow]"])
def test_nullable_columns_of_pandas(dtype):
    """NA is missing; without it they are numbers like others."""
    pd = pytest.importorskip("pandas")
    assert fit(Z, pd.Series(Y).astype(dtype)).temperature == fit(Z, Y).temperature
    with pytest.raises(tp.InvalidInputError, match=r"row 5 (is missing|holds nan) \(2 such rows\)"):
        fit(Z, pd.Series(holed(Y.tolist(), None)).astype(dtype))


def test_masked_arrays_without_a_masked_value_are_arrays():
    """So are columns (n, 1) and object arrays of numbers, and bytes are text."""
    right = fit(Z, Y)
    assert fit(np.ma.array(Z), np.ma.array(Y)).temperature == right.temperature
    assert fit(Z, Y[:, None], weights=np.ones((200, 1))).temperature == right.temperature
    assert fit(Z.astype(object), Y).temperature == right.temperature
    hit = (Z[:, 0] + 2 * RNG.logistic(size=200) > 0).astype(int)
    one = fit(Z[:, 0], hit)
    assert fit(Z[:, :1], hit).temperature == one.temperature
    assert one.scale(Z[:, :1]).shape == (200,)
    assert one.apply(Z[:, :1]) == pytest.approx(one.apply(Z[:, 0]), abs=0)
    groups = np.array([b"a", b"b"])[Y % 2]
    names = {each.name for each in evaluate(P, Y, groups=groups).groups}
    assert names == {"a", "b"}


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        (np.zeros((200, 0)), "at least 2 columns"),
        (np.zeros((0, 3)), "no rows"),
        (Z * 1e-150, "must differ by more than 1e-100"),
        (Z * 1e-300, "must differ by more than 1e-100"),
        (Z > 0, "got booleans"),
        (Z.astype(str), "must hold numbers"),
        (np.array([[10**400, 1]] * 200, object), "that a float can hold"),
    ],
)
@pytest.mark.parametrize("method", ["temperature", "vector", "isotonic", "identity"])
def test_scores_that_are_none_are_refused(method, logits, message):
    """In our words, in every method."""
    y = Y[: len(logits)]
    with pytest.raises(tp.TemperanceError, match=message):
        tp.METHODS[method].fit(logits, y)


def test_narrow_tensors():
    """float8 is read as the numbers it holds; a tensor without data is none."""
    torch = pytest.importorskip("torch")
    small = torch.tensor(Z).to(torch.float8_e4m3fn)
    right = reference.temperature(small.double().numpy(), Y)
    assert fit(small, Y).temperature == pytest.approx(right, rel=1e-5)
    with pytest.raises(tp.InvalidInputError, match="device meta"):
        fit(torch.zeros(200, 3, device="meta"), Y)
    with pytest.raises(tp.InvalidInputError, match="device meta"):
        evaluate(torch.zeros(200, 3, device="meta"), Y)


def test_rows_of_no_group_in_a_file(run, tmp_path):
    """Empty text names no group: the row of the file is told, and `--na drop` leaves it out."""
    groups = np.array(holed(NAMES[Y].tolist(), ""), dtype=np.str_)
    np.savez(tmp_path / "a.npz", logits=Z, labels=Y, groups=groups)
    fit_them = ("fit", "a.npz", "--method", "group-temperature", "--quick")
    err = run(*fit_them, code=2).stderr
    assert "a.npz: `groups` must be known for every row; row 6 (from 1) has none" in err
    assert "--na drop" in err
    done = run(*fit_them, "--na", "drop")
    assert "2 of 200 rows were left out" in done.stderr
    assert "198 rows" in done.stdout
    assert "row 6 (from 1) has none" in run("evaluate", "a.npz", "--quick", code=2).stderr
    np.savez(tmp_path / "new.npz", logits=Z, groups=groups)
    served = run("apply", "calibrator.json", "new.npz", "-o", "b.npz")
    assert "2 rows of new.npz without a group: they get the pooled temperature" in served.stderr
