"""Rows that leave little to learn, given to every method in Python and on the command line.

Each gives finite probabilities or one sentence with its reason, the same on both sides.
"""

import json
import re

import numpy as np
import pytest

import reference
import temperance as tp

METHODS = sorted(tp.METHODS)
FREE = {"temperature", "group-temperature", "ensemble"}  # one T: exists or not
BIASED = {"bias-corrected-temperature"}
STEEP = {"platt", "beta"}  # a slope that must exist
BINARY = {name for name, each in tp.METHODS.items() if each.traits.binary}
CLASSES = BINARY | {"isotonic"}  # learn each class from its own rows
SHRUNK = {"vector", "matrix"}  # a penalty gives one answer, but not where there is one label


def rows(k, n=60, seed=0):
    rng = np.random.default_rng(seed)
    z = 3 * rng.normal(size=(n, k))
    y = (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)
    y[:k], y[k : 2 * k] = np.arange(k), np.arange(k)  # every class, more than once
    return z, y


def one_class(k):
    z, y = rows(k)
    return z, np.zeros_like(y)


def class_without_rows(k):
    z, y = rows(k)
    return z[y < k - 1], y[y < k - 1]


def more_classes_than_rows(k):
    z, _ = rows(3 * k, n=60)
    order = z[:6].argsort(axis=1)[:, ::-1]
    return z[:6], np.where(np.arange(6) < 4, order[:, 0], order[:, 1])


def separable(k):
    z, _ = rows(k)
    return z, z.argmax(axis=1)


def constant(k):
    z, y = rows(k)
    return np.full_like(z, 1.5), y


def constant_column(k):
    z, _ = rows(k)
    z[:, 0] = 1.0
    return z, (z / 2 + np.random.default_rng(1).gumbel(size=z.shape)).argmax(axis=1)


def worse_than_chance(k):
    z, y = rows(k)
    return -z, y


def one_row(k):
    z, y = rows(k)
    return z[:1], y[:1]


# what is wrong with the rows -> why methods have no optimum there; the others have one
NO_OPTIMUM = {
    one_class: {"worse-than-chance": FREE, "empty-class": BIASED | CLASSES | SHRUNK},
    class_without_rows: {"empty-class": BIASED | CLASSES},
    more_classes_than_rows: {"empty-class": BIASED | CLASSES},
    separable: {"separable": FREE | BIASED | {"beta"}},
    constant: {"constant-logits": FREE | BIASED | STEEP},
    constant_column: {},
    worse_than_chance: {"worse-than-chance": FREE | BIASED | STEEP},
    one_row: {
        "empty-class": BIASED | CLASSES | SHRUNK,
        "worse-than-chance": FREE,
        "separable": FREE,
    },
}
PAIRS = [
    (method, case)
    for case in NO_OPTIMUM
    for method in METHODS
    if not (method in BINARY and case in (class_without_rows, more_classes_than_rows))
]


def inputs(method, case):
    """Members, labels and what else `fit` takes; fewer than three classes where no more go."""
    kind = tp.METHODS[method]
    z, y = case(2 if method in BINARY else 3)
    options = {"groups": np.where(np.arange(len(y)) % 2 == 0, "a", "b")}
    return ([z, 0.9 * z] if kind.traits.members else z), y, options if kind.traits.groups else {}


def reasons(method, case):
    return {why for why, methods in NO_OPTIMUM[case].items() if method in methods} or {None}


def outcome(method, z, y, **options):
    """The reason why there is no optimum, None where there is one; its probabilities are sound."""
    try:
        fitted = tp.METHODS[method].fit(z, y, **options)
    except tp.NoOptimumError as error:
        assert "\n" not in str(error)
        return error.reason
    probs = fitted.apply(z)
    assert np.isfinite(probs).all()
    assert probs.sum(axis=1) == pytest.approx(1, abs=1e-12)
    json.dumps(fitted.to_dict(), allow_nan=False)
    assert fitted._repr_html_()
    return None


@pytest.mark.parametrize(
    ("method", "case"), PAIRS, ids=lambda each: getattr(each, "__name__", each)
)
def test_in_python(method, case):
    """The reason is the expected one; a prior helps, but for beta where nothing rises."""
    z, y, options = inputs(method, case)
    found = outcome(method, z, y, **options)
    assert found in reasons(method, case)
    if found and tp.METHODS[method].traits.prior:
        helps = method != "beta" or found in {"separable", "constant-logits"}
        assert outcome(method, z, y, prior=1.0, **options) == (None if helps else found)


@pytest.fixture
def write(tmp_path):
    """Write a method's inputs as .npz; return the names of the files."""

    def to_files(z, y, name="a", **others):
        members = z if isinstance(z, list) else [z]
        names = [f"{name}{i}.npz" for i in range(len(members))]
        for path, member in zip(names, members, strict=True):
            np.savez(tmp_path / path, logits=member, labels=y, **others)
        return names

    return to_files


@pytest.mark.parametrize(
    ("method", "case"), PAIRS, ids=lambda each: getattr(each, "__name__", each)
)
def test_on_the_command_line(run, write, method, case):
    """Exit 2 and one line where Python raises; what the line says to try, works."""
    z, y, options = inputs(method, case)
    found = outcome(method, z, y, **options)
    fit = ("fit", *write(z, y, **options), "--method", method, "--quick", "--json")
    if found is None and case is one_row:
        assert "--test FILE" in run(*fit, code=2).stderr  # nothing left to cross-fit on
    elif found is None:
        done = json.loads(run(*fit).stdout)
        assert np.isfinite(done["after"]["log_loss"])
    else:
        message = run(*fit, code=2).stderr
        if "--prior 1" in message and "or temperature with" not in message and case is not one_row:
            json.loads(run(*fit, "--prior", "1").stdout)


@pytest.mark.parametrize("method", METHODS)
def test_a_class_without_rows_in_a_fold(run, write, method):
    """One row of a class: a fit on all rows works, cross-fitting may not and names --test."""
    z, y, options = inputs(method, lambda k: rows(k, n=80))
    first, last = z[0] if isinstance(z, list) else z, np.flatnonzero(y == y.max())
    by_logit = last[(first[last, -1] - first[last].mean(axis=1)).argsort()]
    kept = np.setdiff1d(np.arange(80), np.delete(by_logit, len(last) // 2))
    z = [member[kept] for member in z] if isinstance(z, list) else z[kept]
    y, options = y[kept], {name: values[kept] for name, values in options.items()}
    assert outcome(method, z, y, **options) is None
    other = [member[::-1] for member in z] if isinstance(z, list) else z[::-1]
    files, test = write(z, y, **options), write(other, y[::-1], "test", **options)
    others = [word for name in test for word in ("--test", name)]
    run("fit", *files, "--method", method, "--quick", *others)
    alone = ("fit", *files, "--method", method, "--quick")
    if method in BIASED | CLASSES:
        message = run(*alone, code=2).stderr
        assert "Cross-fitting leaves" in message
        assert "--test FILE" in message
    else:
        run(*alone)


def test_auto_leaves_out_what_a_fold_cannot_fit():
    """Every method named, one row of a class: those without an optimum in a fold say why."""
    z, y = rows(3, n=80)
    kept = np.setdiff1d(np.arange(80), np.flatnonzero(y == 2)[1:])
    names = [name for name in METHODS if name != "ensemble"]
    selection = tp.select(z[kept], y[kept], methods=names, groups=np.where(kept % 2 == 0, "a", "b"))
    left = {each.method: each.left_out for each in selection.candidates}
    assert left["isotonic"] == "no optimum (empty-class)"
    assert left["platt"] == left["beta"] == left["venn-abers"] == "for two classes"
    tried = {each.method: each.prior for each in selection.tried}
    assert tried["bias-corrected-temperature"] == 3.0  # a fold needed it
    assert {"identity", "temperature", "group-temperature", "vector", "matrix"} <= set(tried)


BAD_WEIGHTS = [
    (lambda n: np.where(np.arange(n) == 3, -1.0, 1.0), r"row (3|4 \(from 1\)) has -1 \(1 such"),
    (lambda n: np.where(np.arange(n) == 3, np.nan, 1.0), r"row (3|4 \(from 1\)) has nan"),
    (lambda n: np.where(np.arange(n) == 3, np.inf, 1.0), r"row (3|4 \(from 1\)) has inf"),
    (np.zeros, "must not all be zero"),
]


@pytest.mark.parametrize("method", METHODS)
def test_weights(run, write, method):
    """Bad ones are refused by row on both sides; weight 0 is absence, also of a whole class."""
    z, y, options = inputs(method, lambda k: rows(k, n=80))
    fit = ("--method", method, "--quick")
    for make, message in BAD_WEIGHTS:
        w = make(80)
        with pytest.raises(tp.InvalidInputError, match=rf"`weights`.*{message}"):
            tp.METHODS[method].fit(z, y, weights=w, **options)
        files = write(z, y, weights=w, **options)
        assert re.search(message, run("fit", *files, *fit, code=2).stderr)
    with pytest.raises(tp.InvalidInputError, match=r"`weights`.*shape \(80,\)"):
        tp.METHODS[method].fit(z, y, weights=np.ones(79), **options)
    w = 0.5 * (np.arange(80) % 3)
    kept = w > 0
    weighted = tp.METHODS[method].fit(z, y, weights=w, **options)
    left = [member[kept] for member in z] if isinstance(z, list) else z[kept]
    fewer = {name: values[kept] for name, values in options.items()}
    plain = tp.METHODS[method].fit(left, y[kept], weights=w[kept], **fewer)
    assert weighted.apply(z) == pytest.approx(plain.apply(z), abs=1e-7)
    gone = (y != 0).astype(float)
    found = outcome(method, z, y, weights=gone, **options)
    assert found == ("empty-class" if method in BIASED | CLASSES else None)


@pytest.mark.parametrize("method", METHODS)
def test_options_that_do_not_exist(run, tmp_path, write, method):
    """Probability 0 for them and 1 for the rest, on both sides; matrix refuses and says why."""
    z, y, options = inputs(method, lambda k: rows(k, n=80))
    gone = np.zeros((80, 2 if method in BINARY else 3), dtype=bool)
    gone[np.arange(0, 80, 4), (y[::4] + 1) % gone.shape[1]] = True
    masked = [np.where(gone, -np.inf, each) for each in (z if isinstance(z, list) else [z])]
    z = masked if isinstance(z, list) else masked[0]
    files, command = write(z, y, **options), ("--method", method, "--quick")
    if not tp.METHODS[method].traits.masks:
        with pytest.raises(tp.InvalidInputError, match=r"row 0 holds -inf.*Methods that can: temp"):
            tp.METHODS[method].fit(z, y, **options)
        assert "row 0 holds -inf" in run("fit", *files, *command, code=2).stderr
        return
    probs = tp.METHODS[method].fit(z, y, **options).apply(z)
    assert (probs[gone] == 0).all()
    assert probs.sum(axis=1) == pytest.approx(1)
    run("fit", *files, *command)
    run("apply", "calibrator.json", *files, "-o", "out.npz")
    written = np.load(tmp_path / "out.npz")["probs"]
    assert (written[gone] == 0).all()
    reference_rows = tp.load(tmp_path / "calibrator.json")
    groups = {"groups": options["groups"]} if options else {}
    assert written == pytest.approx(reference_rows.apply(z, **groups), abs=1e-12)
    everything = [np.where(np.arange(80)[:, None] == 5, -np.inf, each) for each in masked]
    everything = everything if isinstance(z, list) else everything[0]
    with pytest.raises(tp.InvalidInputError, match="row 5"):
        tp.METHODS[method].fit(everything, y, **options)


def test_members_of_other_shapes_on_the_command_line(run, write):
    """Other classes, other rows: one sentence that names both sizes."""
    z, y = rows(3)
    np_files = write([z, z[:, :2]], np.minimum(y, 1))
    assert "2 classes" in run("fit", *np_files, "--method", "ensemble", code=2).stderr
    files = write(z, y) + write(z[:-1], y[:-1], "b")
    assert "59 rows" in run("fit", *files, "--method", "ensemble", code=2).stderr


def test_groups_missing_in_apply(run, tmp_path, write):
    """Unknown and absent groups get the pooled temperature, on both sides, with a note."""
    z, y, options = inputs("group-temperature", lambda k: rows(k, n=200))
    fitted = tp.METHODS["group-temperature"].fit(z, y, **options)
    run("fit", *write(z, y, **options), "--method", "group-temperature", "--quick")
    pooled = reference.softmax(z / fitted.temperature)
    for groups, word in ((np.full(200, "new"), "not seen in the fit: new"), (None, "no groups")):
        given = {} if groups is None else {"groups": groups}
        assert fitted.apply(z, **given) == pytest.approx(pooled, abs=1e-12)
        done = run("apply", "calibrator.json", *write(z, y, "n", **given), "-o", "out.npz")
        assert word in done.stderr
        assert np.load(tmp_path / "out.npz")["probs"] == pytest.approx(pooled, abs=1e-12)
