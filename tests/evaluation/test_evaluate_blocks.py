"""Rows that come block by block: the evaluation of all rows at once, in one reading."""

import tracemalloc
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import reference
import temperance as tp
from temperance import InvalidInputError, evaluate, evaluate_blocks
from temperance.blocks.stream import RowFolds
from temperance.evaluation.block_sums import OutOfFold
from temperance.metrics.cells import CellSums, ProbabilityGrid
from temperance.metrics.cells.cell_sums import drawn_sums

DATA = Path(__file__).parents[3] / "shared" / "data"
EXACT = ("ece", "classwise", "top_label_conditional", "flattened")
SCORES = ("log_loss", "brier", "accuracy", "confidence")
TESTS = ("score", "class_bias", "joint", "in_the_large", "spiegelhalter")


def rows(n=2000, k=4, seed=0, spread=3.0):
    rng = np.random.default_rng(seed)
    z = spread * rng.normal(size=(n, k))
    y = (z / 1.5 + rng.gumbel(size=z.shape)).argmax(axis=1)
    return reference.softmax(z), y


def cut(p, y, w=None, step=300):
    arrays = (p, y) if w is None else (p, y, w)
    return [tuple(a[i : i + step] for a in arrays) for i in range(0, len(y), step)]


def numbers(value):
    """Every number of a result, in order."""
    if value is None or isinstance(value, str):
        return []
    if isinstance(value, Mapping):
        value = list(value.values())
    elif is_dataclass(value):
        value = [getattr(value, field.name) for field in fields(value)]
    if isinstance(value, list | tuple):
        return [number for each in value for number in numbers(each)]
    return np.ravel(value).astype(float).tolist()


def real(name):
    if not (DATA / name).exists():
        pytest.skip("shared data are not here")
    data = np.load(DATA / name, allow_pickle=False)
    if "logits" in data:
        return reference.softmax(data["logits"].astype(float)), data["labels"]
    p = data["probs"].astype(float)
    return p / p.sum(axis=-1, keepdims=True) if p.ndim == 2 else p, data["labels"]


def assert_same(blockwise, whole):
    """Exact where sums are exact, and as near as the evaluation says where a grid stands in."""
    for name in SCORES:
        found = numbers(getattr(blockwise, name))
        assert found == pytest.approx(numbers(getattr(whole, name)), rel=1e-9, abs=1e-12), name
    for name in EXACT:
        assert blockwise.errors[name].value == pytest.approx(whole.errors[name].value, abs=1e-12)
    assert blockwise.errors["smooth"].value == pytest.approx(whole.errors["smooth"].value, abs=1e-9)
    squares = [each.errors["debiased"].value ** 2 for each in (blockwise, whole)]
    assert abs(squares[0] - squares[1]) < 1e-4 + 0.05 / whole.n
    for name in TESTS:
        ours, theirs = (getattr(each.tests, name) for each in (blockwise, whole))
        assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-7), name
        assert (ours.degrees_of_freedom, ours.direction, ours.reason) == (
            theirs.degrees_of_freedom, theirs.direction, theirs.reason,
        )  # fmt: skip
    assert_line(blockwise.tests.cox, whole.tests.cox)
    of_curves = [numbers(each.reliability) for each in (blockwise, whole)]
    assert of_curves[0] == pytest.approx(of_curves[1], rel=1e-9)
    assert_corp(blockwise, whole)
    for ours, theirs in zip(blockwise.classes, whole.classes, strict=True):
        assert (ours.number, ours.n) == (theirs.number, theirs.n)
        assert numbers(ours.frequency) == pytest.approx(numbers(theirs.frequency), rel=1e-9)
        assert ours.probability == pytest.approx(theirs.probability, rel=1e-9)
        assert ours.error.value == pytest.approx(theirs.error.value, abs=1e-12)


def assert_line(ours, theirs):
    assert ours.reason == theirs.reason
    if theirs.reason is None:
        for name in ("slope", "intercept", "intercept_standard_error", "slope_standard_error"):
            assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-3, abs=1e-4)
        assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-3, abs=1e-2)


def assert_corp(blockwise, whole):
    ours, theirs = blockwise.corp.decomposition, whole.corp.decomposition
    assert blockwise.corp.event == whole.corp.event
    for name in ("score", "uncertainty"):
        assert getattr(ours, name) == pytest.approx(getattr(theirs, name), rel=1e-9)
    bound = blockwise.grid_error["miscalibration"] + 1e-12
    for name in ("miscalibration", "discrimination"):  # too small, by at most the bound
        assert -1e-9 <= getattr(theirs, name) - getattr(ours, name) <= bound <= 2e-3
    assert blockwise.log_parts.score == pytest.approx(whole.log_parts.score, rel=1e-9)
    assert blockwise.log_parts.miscalibration == pytest.approx(
        whole.log_parts.miscalibration, abs=2e-3
    )
    for name in ("ece_equal_mass", "ks"):
        off = abs(blockwise.errors[name].value - whole.errors[name].value)
        assert off <= blockwise.grid_error[name] + 1e-12


def assert_alike(ours, theirs, *, n):
    """Intervals and null bands of errors, drawn otherwise: within Monte Carlo error."""
    room = 0.15 * (theirs.null.high + 1 / n)
    spread = (theirs.null.high - theirs.null.mean) / 1.645
    chance = 3.0 * spread * np.sqrt(2.0 / 1000.0)  # of two means of 1,000 draws
    assert ours.null.mean == pytest.approx(theirs.null.mean, rel=0.06, abs=max(0.3 * room, chance))
    assert ours.null.high == pytest.approx(theirs.null.high, rel=0.12, abs=room)
    assert ours.p_value == pytest.approx(theirs.p_value, abs=0.07)
    assert (ours.estimate is None) == (theirs.estimate is None)
    if theirs.estimate is not None and (theirs.estimate.low > 0) == (ours.estimate.low > 0):
        wide = theirs.estimate.high - theirs.estimate.low
        assert numbers(ours.estimate) == pytest.approx(numbers(theirs.estimate), abs=0.2 * wide)


@pytest.mark.parametrize("k", [2, 4, 30])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_evaluation_of_all_rows_at_once(k, weighted):
    """Scores, errors, tests, classes, diagrams; two classes have the event of class 1."""
    p, y = rows(3000, k)
    w = np.random.default_rng(1).uniform(0, 2, len(y)) if weighted else None
    if weighted:
        w[::7] = 0.0
    blockwise = evaluate_blocks(cut(p, y, w), n_resamples=100)
    whole = evaluate(p, y, weights=w, n_resamples=100)
    assert_same(blockwise, whole)


@pytest.mark.parametrize(
    "name",
    ["cifar10_vgg", "cifar100_resnet20", "cifar10_wideresnet_probs", "agnews_gpt2", "sst2_gpt2",
     "adrenalmnist_resnet50", "mmlu16_llama13b", "world_cup_forecasts", "nba_forecasts"],
)  # fmt: skip
def test_real_outputs(name):
    """Within the stated error of the grid; intervals and null bands alike."""
    p, y = real(f"{name}.npz")
    blockwise = evaluate_blocks(cut(p, y, step=777))
    whole = evaluate(p, y)
    if whole.zero_probability_labels == 0:
        assert_same(blockwise, whole)
    if len(y) >= 10_000:
        assert max(blockwise.grid_error.values()) < 2e-3
    for error, ours in blockwise.errors.items():
        assert_alike(ours, whole.errors[error], n=len(y))
    assert_alike(blockwise.corp.miscalibration, whole.corp.miscalibration, n=len(y))


def test_weighted_intervals_are_those_of_all_rows():
    """Weights widen the null band and the interval, as they do for rows in memory."""
    p, y = rows(4000, 3)
    w = np.random.default_rng(2).exponential(size=len(y)) ** 2
    blockwise, whole = evaluate_blocks(cut(p, y, w)), evaluate(p, y, weights=w)
    plain = evaluate(p, y)
    for name, ours in blockwise.errors.items():
        assert_alike(ours, whole.errors[name], n=len(y))
        assert ours.null.mean > 1.3 * plain.errors[name].null.mean


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("k", [2, 40])
def test_blocks_may_be_cut_anywhere(k, weighted):
    """One row at a time, or all at once, and from a generator: every number is the same."""
    p, y = rows(120, k)
    w = np.random.default_rng(1).uniform(0, 2, len(y)) if weighted else None
    found = [
        numbers(evaluate_blocks(iter(cut(p, y, w, step)), n_resamples=100)) for step in (1, 37, 120)
    ]
    assert found[1] == pytest.approx(found[0], rel=1e-6, abs=1e-9)
    assert found[2] == pytest.approx(found[0], rel=1e-6, abs=1e-9)


def test_a_large_block_is_cut_in_pieces():
    """More numbers than one piece, in one block: the same as many blocks."""
    p, y = rows(30_000, 40)
    found = [numbers(evaluate_blocks(cut(p, y, step=s), n_resamples=100)) for s in (30_000, 999)]
    assert found[1] == pytest.approx(found[0], rel=1e-6, abs=1e-9)


def test_logits_and_masked_options():
    """-inf is an option that a row lacks; probabilities of 0 are the same to probabilities."""
    rng = np.random.default_rng(0)
    z = 3 * rng.normal(size=(2000, 5))
    y = (z / 1.5 + rng.gumbel(size=z.shape)).argmax(axis=1)
    masked = rng.random(z.shape) < 0.2
    masked[np.arange(2000), y] = False
    z[masked] = -np.inf
    p = reference.softmax(z)
    of_logits = evaluate_blocks(cut(z, y), kind="logits", n_resamples=100)
    assert_same(of_logits, evaluate(p, y, n_resamples=100))
    assert numbers(of_logits) == pytest.approx(
        numbers(evaluate_blocks(cut(p, y), n_resamples=100)), rel=1e-6, abs=1e-9
    )


def test_log_odds_of_class_one():
    """(n,) logits are (0, z); (n,) probabilities are (1 - p, p)."""
    rng = np.random.default_rng(0)
    z = 2 * rng.normal(size=1500)
    y = (rng.random(1500) < 1 / (1 + np.exp(-z))).astype(int)
    whole = evaluate(1 / (1 + np.exp(-z)), y, n_resamples=100)
    assert_same(evaluate_blocks(cut(z, y), kind="logits", n_resamples=100), whole)
    assert_same(evaluate_blocks(cut(1 / (1 + np.exp(-z)), y), n_resamples=100), whole)


def test_a_calibrator_is_applied_to_each_block():
    """Before and after without a file in between, for logits and for probabilities."""
    p, y = rows(1500, 4)
    scaling = tp.TemperatureScaling(1.5)
    whole = evaluate(scaling.apply(np.log(p)), y, n_resamples=100)
    for scores, kind in ((np.log(p), "logits"), (p, "probs")):
        found = evaluate_blocks(cut(scores, y), kind=kind, calibrator=scaling, n_resamples=100)
        assert_same(found, whole)


def test_labels_of_probability_zero():
    """They are counted, the log loss is infinite, and the tests that need it say why."""
    p, y = rows(500, 3)
    p[7] = [0.0, 0.4, 0.6]
    y[7] = 0
    found, whole = evaluate_blocks(cut(p, y, step=100)), evaluate(p, y)
    assert found.zero_probability_labels == 1
    assert found.log_loss.value == np.inf
    assert found.tests.score.reason == whole.tests.score.reason
    assert found.tests.joint.reason == whole.tests.joint.reason
    assert found.score_test is None
    assert found.brier.value == pytest.approx(whole.brier.value)
    weights = np.ones(500)
    weights[7] = 0.0  # then it does not matter
    found = evaluate_blocks(cut(p, y, weights, 100))
    assert np.isfinite(found.log_loss.value)
    assert found.tests.score.statistic is not None
    whole = evaluate(p, y, weights=weights)
    assert (found.n, found.zero_probability_labels) == (499, 0)
    assert (whole.n, whole.zero_probability_labels) == (499, 0)


def test_certain_and_wrong():
    """Confidence 1 on a wrong class: infinite parts of the log score, finite Brier parts."""
    p = np.array([[1.0, 0.0, 0.0], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]] * 10)
    y = np.array([0, 0, 2] * 9 + [1, 0, 2])
    found, whole = evaluate_blocks([(p, y)]), evaluate(p, y)
    assert found.log_parts.score == whole.log_parts.score == np.inf
    assert found.log_parts.miscalibration == np.inf
    assert numbers(found.corp.decomposition) == pytest.approx(numbers(whole.corp.decomposition))
    assert found.tests.cox.reason == whole.tests.cox.reason


def test_only_one_class_is_ever_true():
    """Its column alone has hits; what cannot be told says so."""
    p, _ = rows(400, 3)
    y = np.ones(400, dtype=int)
    assert_same(evaluate_blocks(cut(p, y), n_resamples=100), evaluate(p, y, n_resamples=100))


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_few_rows(n):
    """No warning and no nan, whatever the number of rows; values are those of all rows."""
    p, y = rows(n, 3)
    found, whole = evaluate_blocks(cut(p, y, step=1)), evaluate(p, y)
    assert not np.isnan(numbers(replace(found, base_rates=None))).any()  # a skill needs rows
    for name in EXACT:
        assert found.errors[name].value == pytest.approx(whole.errors[name].value, abs=1e-12)


def test_exact_on_rounded_probabilities():
    """Ties and bin edges: forecasts in steps of 5 % lie on edges of bins, in cells of their own."""
    rng = np.random.default_rng(0)
    p = rng.integers(0, 21, size=3000) / 20
    y = (rng.random(3000) < p).astype(int)
    found = evaluate_blocks(cut(p, y), n_bins=10)
    whole = evaluate(p, y, n_bins=10)
    for name in ("ece", "ece_equal_mass", "debiased", "smooth", "ks"):
        assert found.errors[name].value == pytest.approx(whole.errors[name].value, abs=1e-12)
    assert numbers(found.corp.decomposition) == pytest.approx(
        numbers(whole.corp.decomposition), abs=1e-12
    )
    assert found.corp.recalibrated == pytest.approx(whole.corp.recalibrated, abs=1e-12)


def test_nearly_certain_confidences_are_told_apart():
    """Confidences 1 - 1e-4 to 1 - 1e-12, calibrated at one end only: the grid sees it."""
    rng = np.random.default_rng(0)
    gap = 10.0 ** -rng.uniform(2, 12, size=20_000)
    p = np.stack([1 - gap, gap], axis=1)
    y = (rng.random(20_000) < np.where(gap < 1e-6, 0.002, gap)).astype(int)
    found, whole = evaluate_blocks([(p, y)]), evaluate(p, y)
    assert abs(found.errors["ks"].value - whole.errors["ks"].value) < 1e-5
    assert found.corp.decomposition.miscalibration == pytest.approx(
        whole.corp.decomposition.miscalibration, rel=0.03
    )


def test_the_bounds_of_the_grid_hold_where_it_is_worst():
    """All rows in one cell, misses before hits: nothing is discriminated, and the bound says so."""
    p = 0.7000 + np.linspace(0, 1e-6, 400)
    y = (np.arange(400) >= 200).astype(int)
    found, whole = evaluate_blocks([(p, y)]), evaluate(p, y)
    lost = whole.corp.decomposition.discrimination - found.corp.decomposition.discrimination
    assert lost == pytest.approx(0.25)
    assert found.grid_error["miscalibration"] == pytest.approx(0.25)
    for name in ("ks", "ece_equal_mass"):
        off = abs(found.errors[name].value - whole.errors[name].value)
        assert off <= found.grid_error[name]


def test_many_classes_drop_what_is_named():
    """Beyond 2,000 classes, class by class results are left out; the rest is measured."""
    p, y = rows(60, 2001)
    found, whole = (
        evaluate_blocks(cut(p, y, step=25), n_resamples=100),
        evaluate(p, y, n_resamples=100),
    )
    assert {"classwise", "top_label_conditional", "classes"} <= set(found.left_out)
    assert "2,001 classes" in found.left_out["classwise"]
    assert found.classes == ()
    assert set(found.errors) == set(whole.errors) - {"classwise", "top_label_conditional"}
    assert found.errors["flattened"].value == pytest.approx(whole.errors["flattened"].value)
    assert found.tests.score.statistic == pytest.approx(whole.tests.score.statistic)
    assert found.tests.joint.reason == whole.tests.joint.reason
    assert found.to_dict()["calibration_errors"]["classwise"] is None
    assert "not measured" in str(found)


def test_what_was_left_out_is_said():
    """In the JSON, the tables and the value itself; `evaluate` leaves out nothing."""
    p, y = rows(300)
    found = evaluate_blocks([(p, y)], n_resamples=100)
    assert found.refinement is None
    assert found.brier_parts is None
    assert set(found.left_out) == {"refinement", "brier_parts"}
    assert set(found.to_dict()["left_out"]) == {"refinement", "brier_parts"}
    assert "Brier score in parts" in str(found)
    assert "Brier score in parts" in found._repr_html_()
    whole = evaluate(p, y, n_resamples=100)
    assert whole.left_out == whole.grid_error == {}
    assert "not measured" not in str(whole)
    assert found.to_dict().keys() == whole.to_dict().keys()
    assert found.columns()["measure"][:4] == list(SCORES)


@pytest.mark.parametrize("k", [3, 2001])
def test_the_report_says_what_was_left_out(k):
    """A page of sums alone: no empty tables, and a list of what is missing."""
    from temperance.report import ReportContent, render_report

    found = evaluate_blocks([rows(60, k)], n_resamples=100)
    page = render_report(ReportContent("Title", found, None, None, "given", ()))
    assert "Not measured" in page
    assert "Brier score in parts: " in page
    assert ("Class by class" in page) == (k == 3)
    whole = evaluate(*rows(60, 3), n_resamples=100)
    assert "Not measured" not in render_report(
        ReportContent("Title", whole, None, None, "given", ())
    )


P, Y = [[0.5, 0.5], [0.2, 0.8]], [0, 1]
BAD = [
    ([], {}, "at least one row"),
    ([(P, Y, [0, 0])], {}, "must not all be zero"),
    ([(P, Y), (P, [0, 2])], {}, r"Block 1 \(from row 2 on\): `labels` must be integers in 0..1"),
    ([(P, Y), ([[0.5, 0.6]], [0])], {}, r"Block 1 \(from row 2 on\): `probs` rows must sum to 1"),
    ([(P, Y), ([[0.5, 0.2, 0.3]], [0])], {}, "3 columns, those of the first block 2"),
    ([(P, Y), (P, Y, [1, 1])], {}, "some blocks have weights and some have none"),
    ([(P, Y), P], {}, "Block 1.*`labels` must be whole numbers"),
    ([P[0]], {}, "Block 0"),
    ([(P, Y), 3], {}, "Block 1.*got int"),
    ([(P, [0])], {}, "one per row"),
    ([([[np.nan, 1.0]], [0])], {"kind": "logits"}, "Block 0.*`logits` must be finite"),
    ([(P * 5, Y * 5)], {"kind": "logits"}, "look like probabilities"),
    ([(3.0, 1)], {}, "Block 0"),
    ([(P, Y)], {"kind": "prob"}, "`kind` must be"),
    ([(P, Y)], {"n_bins": 0}, "`n_bins`"),
    ([(P, Y)], {"n_resamples": 10}, "`n_resamples`"),
    ([(P, Y)], {"classes": ["a"]}, "`classes` must name each of the 2 columns"),
]


@pytest.mark.parametrize(("blocks", "options", "message"), BAD)
def test_bad_blocks_are_named(blocks, options, message):
    """With their number and first row, and what `evaluate` would say of them."""
    with pytest.raises(InvalidInputError, match=message):
        evaluate_blocks(blocks, **options)


def test_calibrators_of_more_than_logits_are_refused():
    """A temperature per group needs the groups, which blocks do not hold."""
    p, y = rows(200)
    groups = np.arange(200) % 2
    scaling = tp.GroupTemperatureScaling.fit(np.log(p), y, groups=groups)
    with pytest.raises(InvalidInputError, match="group-temperature, which takes more than logits"):
        evaluate_blocks([(p, y)], calibrator=scaling)
    narrow = tp.VectorScaling.fit(np.log(rows(300, 3)[0]), rows(300, 3)[1])
    with pytest.raises(InvalidInputError, match=r"Block 0 .* 3 columns"):
        evaluate_blocks([(p, y)], calibrator=narrow)


def test_labels_may_be_names():
    """Class names where `classes` says so, block by block."""
    found = evaluate_blocks([(P, ["no", "yes"]), (P, ["yes", "yes"])], classes=["no", "yes"])
    assert found.accuracy.value == 0.75


def test_memory_does_not_grow_with_the_rows():
    """Ten times the rows, made as they are read, need no more memory."""
    peaks = []
    for n_blocks in (10, 100):
        made = (rows(2_000, 20, seed) for seed in range(n_blocks))
        tracemalloc.start()
        evaluate_blocks(made, n_resamples=100).to_dict()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize("weighted", [False, True])
def test_draws_of_cells_have_the_moments_of_draws_of_rows(weighted):
    """Mean and variance of the resampled gap and of the null hits, as sums over rows give them."""
    rng = np.random.default_rng(0)
    p, hit = rng.uniform(size=300) ** 3, rng.random(300) < 0.3
    w = rng.exponential(size=300) if weighted else np.ones(300)
    cells = CellSums.of(p, hit, w if weighted else None, np.zeros(300, dtype=int), 1)
    drawn = drawn_sums(cells, 40_000, seed=[0])
    gap, null = drawn.gap[1:40_001, 0], drawn.hits[40_001:, 0]
    assert gap.mean() == pytest.approx(w @ (p - hit), abs=0.1)
    assert gap.var() == pytest.approx((w * w) @ (p - hit) ** 2, rel=0.03)
    assert drawn.weight[1:40_001, 0].var() == pytest.approx(w @ w, rel=0.03)
    assert null.mean() == pytest.approx(w @ p, abs=0.1)
    assert null.var() == pytest.approx((w * w) @ (p * (1 - p)), rel=0.05)


@pytest.mark.parametrize("near_one", [False, True])
def test_null_draws_of_single_rows_with_weights(near_one):
    """Cells of few rows, nearly sure or not: the variance is theirs, not that of whole numbers."""
    rng = np.random.default_rng(3)
    p, w = rng.uniform(size=200), rng.exponential(size=200) ** 2
    if near_one:
        p = 1 - p**6
    cells = CellSums.of(p, p > 2, w, np.arange(200) // 2, 100)
    drawn = drawn_sums(cells, 20_000, seed=[1]).hits[20_001:]
    variance = np.bincount(np.arange(200) // 2, w * w * p * (1 - p))
    assert drawn.sum(axis=1).mean() == pytest.approx(w @ p, abs=0.2)
    assert drawn.var(axis=0).sum() == pytest.approx(variance.sum(), rel=0.05)
    assert (drawn.max(axis=0) <= 2.5 * np.bincount(np.arange(200) // 2, w)).all()


def test_no_edge_cuts_a_cell():
    """Every probability falls in the bin, and on the point, of its cell."""
    from temperance.binning import assign
    from temperance.metrics.events import grid_of

    rng = np.random.default_rng(0)
    for n_bins in (1, 10, 15, 37):
        grid = ProbabilityGrid(n_bins)
        edges = np.concatenate([grid.bin_edges, np.arange(513) / 512])
        near = [np.nextafter(edges, end).clip(0, 1) for end in (0.0, 1.0)]
        p = np.concatenate([rng.random(5000), edges, *near])
        cells = grid.cells_of(p)
        np.testing.assert_array_equal(grid.bins[cells], assign(p, grid.bin_edges))
        np.testing.assert_array_equal(grid.points[cells], grid_of(p))
        assert (p <= grid.upper[cells]).all()
        assert grid.single[grid.cells_of(np.array([0.0, 0.5, 1.0]))].all()


@pytest.mark.parametrize("distinct", [40, 3000])
@pytest.mark.parametrize("weighted", [False, True])
def test_ranks_and_bins_of_equal_mass_are_those_of_the_rows(distinct, weighted):
    """Where each cell holds one probability, no more than 1,000 parts, and the same ones."""
    from temperance.metrics.events import bins_of, ranks_of

    rng = np.random.default_rng(0)
    grid = ProbabilityGrid(15)
    apart = grid.upper[np.r_[True, np.diff(grid.upper) > 1e-5]]  # closer ones are one forecast
    p = rng.choice(rng.choice(apart, distinct, replace=False), 10_000)
    w = rng.integers(1, 5, 10_000).astype(float) if weighted else None
    at = grid.cells_of(p)
    cells = CellSums.of(p, p > 2, w, at, grid.n_cells)
    place, n_ranks = grid.ranks(cells)
    expected, n_expected = ranks_of(p)
    assert n_ranks == n_expected
    np.testing.assert_array_equal(place[at], expected)
    of_rows = bins_of(p, n_bins=15, binning="equal-mass", weights=w)
    np.testing.assert_array_equal(grid.equal_mass(cells)[0][at], of_rows)


@pytest.mark.slow
def test_intervals_hold_the_truth(request):
    """The population's ECE, KS error and flattened error, in samples of 2,000 rows."""
    n_samples = 300 if "slow" in request.config.getoption("markexpr") else 25
    p, _ = rows(200_000, 5, spread=2.0)
    true = reference.softmax(np.log(p) / 1.5)
    top = p.argmax(axis=1)
    confidence, chance = (each[np.arange(len(p)), top] for each in (p, true))
    gap = np.bincount(np.ceil(confidence * 15).astype(int) - 1, confidence - chance)
    ece = np.abs(gap).sum() / len(p)
    all_gaps = np.bincount(np.ceil(p.ravel() * 15).astype(int) - 1, (p - true).ravel())
    truth = {"ece": ece, "ks": abs((confidence - chance).sum()) / len(p),
             "flattened": np.abs(all_gaps).sum() / p.size}  # fmt: skip
    rng = np.random.default_rng(1)
    held = dict.fromkeys(truth, 0)
    for _ in range(n_samples):
        drawn = rng.integers(0, len(p), 2000)
        y = (np.log(true[drawn]) + rng.gumbel(size=(2000, 5))).argmax(axis=1)
        errors = evaluate_blocks([(p[drawn], y)], n_resamples=200).errors
        for name, value in truth.items():
            held[name] += errors[name].estimate.low <= value <= errors[name].estimate.high
    least = 0.92 if n_samples > 100 else 0.8
    assert all(each >= least * n_samples for each in held.values()), held


@pytest.mark.slow
@pytest.mark.parametrize("k", [2, 10])
def test_p_values_of_calibrated_rows_are_uniform(k, request):
    """Every error's p-value is at most 0.05 in about one sample in twenty."""
    full = "slow" in request.config.getoption("markexpr")
    rng = np.random.default_rng(0)
    small = []
    for seed in range(300 if full else 30):
        p, _ = rows(1500, k, seed, spread=2.0)
        y = (np.log(p) + rng.gumbel(size=p.shape)).argmax(axis=1)
        errors = evaluate_blocks([(p, y)], n_resamples=200).errors
        small.append([each.p_value <= 0.05 for each in errors.values()])
    rates = dict(zip(errors, np.mean(small, axis=0), strict=True))
    assert max(rates.values()) <= (0.1 if full else 0.2), rates
    assert (0.03 if full else 0.01) <= np.mean(small) <= (0.07 if full else 0.1)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_out_of_fold_rows_are_scaled_by_the_calibrator_of_their_fold(dtype):
    """Temperatures divide all rows at once, to the same digit as each calibrator by itself."""
    z = np.log(rows(n=400)[0]).astype(dtype)
    z[3, 1] = -np.inf
    temperatures = [tp.TemperatureScaling(t, n_classes=4) for t in (0.7, 1.9, 3.3)]
    bias = replace(temperatures[2], smoothing=0.1)
    for calibrators in (temperatures, [*temperatures[:2], bias]):
        scaled = OutOfFold(tuple(calibrators), seed=5).scale(z, 2, 10)
        folds = RowFolds(3, 5).of(2, 10, 400)
        for number, calibrator in enumerate(calibrators):
            alone = calibrator.scale(z[folds == number], dtype=np.float64)
            assert np.array_equal(scaled[folds == number], alone)
        assert {0, 1, 2} == set(folds.tolist())
