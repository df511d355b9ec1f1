"""Arrays as they are take a short way past frames and other axes, to the same temperature."""

import numpy as np
import pytest

import temperance as tp

RNG = np.random.default_rng(8)
LOGITS = np.round(4.0 * RNG.standard_normal((300, 3)), 2)
LABELS = np.array([RNG.choice(3, p=row) for row in tp.Identity().apply(0.5 * LOGITS)])
WEIGHTS = RNG.uniform(0.5, 2.0, 300)
PLAIN = tp.TemperatureScaling.fit(LOGITS, LABELS, weights=WEIGHTS)
OTHER_FORMS = {
    "lists": (LOGITS.tolist(), LABELS.tolist(), WEIGHTS.tolist(), {}),
    "objects": (LOGITS.astype(object), LABELS, WEIGHTS, {}),
    "masked, without masks": (np.ma.array(LOGITS), LABELS, WEIGHTS, {}),
    "columns of one": (LOGITS, LABELS[:, None], WEIGHTS[:, None], {}),
    "an image of 300 pixels": (LOGITS[None], LABELS[None], WEIGHTS[None], {}),
    "classes on axis 0": (LOGITS.T.copy(), LABELS, WEIGHTS, {"class_axis": 0}),
    "positions": (LOGITS, tp.Positions(LABELS), WEIGHTS, {}),
}


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_every_form_of_the_same_rows_teaches_the_same_temperature(form):
    """Plain arrays, which are looked at less, and all that is not plain."""
    logits, labels, weights, options = OTHER_FORMS[form]
    scaling = tp.TemperatureScaling.fit(logits, labels, weights=weights, **options)
    assert scaling.temperature == pytest.approx(PLAIN.temperature, rel=1e-12)
    assert scaling.n_classes == 3


def test_log_odds_of_one_column_are_log_odds():
    """Shape (n, 1) is (n,); the logit 0 of class 0 is no padding, though never the label's."""
    odds, labels = LOGITS[:, 1] - LOGITS[:, 0], (LABELS == 1).astype(int)
    flat = tp.TemperatureScaling.fit(odds, labels)
    assert tp.TemperatureScaling.fit(odds[:, None], labels).temperature == flat.temperature
    assert flat.n_classes == 2
    below = np.append(-np.abs(odds) - 0.1, 0.0)
    for form in (below, below[:, None]):
        with pytest.raises(tp.NoOptimumError, match="no better than chance"):
            tp.TemperatureScaling.fit(form, np.ones(301))


def test_labels_and_weights_with_other_indexes_are_refused_beside_an_array():
    """An array of logits has no index, but what stands beside it may have two."""
    pandas = pytest.importorskip("pandas")
    labels = pandas.Series(LABELS)
    weights = pandas.Series(WEIGHTS, index=labels.index[::-1])
    with pytest.raises(tp.InvalidInputError, match="`weights` must have the index of `labels`"):
        tp.TemperatureScaling.fit(LOGITS, labels, weights=weights)


@pytest.mark.parametrize("method", ["temperature", "vector"])
def test_a_bad_logit_is_named_by_its_place_among_all_rows(method):
    """Rows that are left out by their label are counted all the same."""
    logits, labels = LOGITS.copy(), LABELS.copy()
    labels[:10], logits[20, 1] = 255, np.nan
    with pytest.raises(tp.InvalidInputError, match="row 20 holds nan"):
        tp.METHODS[method].fit(logits, labels, ignore_label=255)


def test_names_of_columns_are_checked_beside_plain_arrays_too():
    """Numbers are names as text; names that are none are refused."""
    names = tp.TemperatureScaling.fit(LOGITS, LABELS.astype(str), classes=[0, 1, 2]).classes
    assert names == ("0", "1", "2")
    with pytest.raises(tp.InvalidInputError, match="`classes` must name every column"):
        tp.TemperatureScaling.fit(LOGITS, LABELS, classes=["a", None, "b"])
