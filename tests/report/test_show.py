"""Results show themselves: in the terminal, in a notebook, as plain numbers and as frames."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.calibrators import ends_text
from temperance.drift.bets import Bet
from temperance.drift.cause import _words
from temperance.metrics.error_measures import ERROR_NAMES
from temperance.printable import digits_text
from temperance.report.findings import explain_calibrator
from temperance.report.tables import error_rows
from temperance.show import sketch


@pytest.fixture
def results(sample):
    """A calibrator, an evaluation, and a comparison with a name that is markup."""
    z, y = sample(seed=1)
    scaling = tp.TemperatureScaling.fit(z, tp.Positions(y), classes=["a", "b", "c", "d"])
    p = reference.softmax(z)
    both = {"<b>raw</b>": p, "scaled": scaling.apply(z)}
    comparison = tp.compare(both, y, groups=np.array(["<i>"] * 400), n_resamples=100)
    return scaling, comparison.evaluations["<b>raw</b>"], comparison


class Elements(HTMLParser):
    """Collects start tags; fails on an end tag that closes another element."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags = [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if not self.get_starttag_text().endswith("/>"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in {"rect", "path", "polygon", "polyline"}:
            assert self.open.pop() == tag


def test_a_notebook_shows_pictures_and_tables(results):
    """Well-formed, no script, names inert; one diagram per set of probabilities."""
    pictures = [1, 1, 2]
    for result, expected in zip(results, pictures, strict=True):
        text = result._repr_html_()
        tags = Elements(text).tags
        assert tags.count("svg") == expected
        assert "table" in tags
        assert not {"script", "style", "b", "i", "link"} & set(tags)
        assert not re.search(r"\b(nan|None|inf)\b", text)


def test_the_terminal_shows_the_same_numbers(results):
    """`str` of a calibrator names T, its interval, and which way the model errs."""
    scaling, evaluation, comparison = results
    low, high = scaling.record.interval()
    first, cost, second = str(scaling).splitlines()
    assert f"{scaling.temperature:.4f} (95 %: {low:.4g} to {high:.4g})" in first
    assert "400 rows" in first
    assert f"{scaling.record.expected_regret:.2g} nats" in cost
    assert "over-confident" in second
    assert "ECE" in str(evaluation)
    assert "better" in str(comparison)
    assert str(tp.TemperatureScaling(1.5)) == "temperature 1.5000, typed in"


def test_tables_name_the_right_numbers(results):
    """Each row of the overview and of the errors holds the measure that it names."""
    _, evaluation, _ = results
    text = str(evaluation)
    split = evaluation.refinement
    expected = {
        "log loss": evaluation.log_loss, "a temperature removes": split.calibration,
        "a temperature leaves": split.refinement, "Brier score": evaluation.brier,
        "accuracy": evaluation.accuracy, "mean confidence": evaluation.confidence,
        **{ERROR_NAMES[name]: error for name, error in evaluation.errors.items()},
        "CORP miscalibration": evaluation.corp.miscalibration,
    }  # fmt: skip
    for name, measure in expected.items():
        (line,) = re.findall(rf"^ *{re.escape(name)}  .*$", text, flags=re.MULTILINE)
        assert f"{measure.value:.4f}" in line


def test_sketch_of_a_temperature():
    """Odds of 9 to 1 become 3 to 1 at T = 2: 90 % becomes 75 %, and the curve passes there."""
    text = tp.TemperatureScaling(2.0)._repr_html_()
    assert "90 % becomes 75 %" in text
    points = re.search(r'polyline points="([^"]*)"', text).group(1).split()
    assert "170.0,48.0" in points  # 26 + 160 * .9, 8 + 160 * .25


def test_plain_numbers(results):
    """`to_dict` survives JSON; of a calibrator it holds what its file holds."""
    for result in results:
        content = result.to_dict()
        assert json.loads(json.dumps(content, allow_nan=False)) == content
    content = results[0].to_dict()
    assert content["temperature"] == results[0].temperature
    assert content["classes"] == ["a", "b", "c", "d"]
    assert content["record"]["temperature_interval"] == list(results[0].record.interval())
    assert tp.TemperatureScaling(1.5).to_dict()["record"] is None


def test_numbers_without_curves(results):
    """What a calibrator's file keeps of its evaluation: every number, no points of diagrams."""
    full, short = (results[1].to_dict(curves=each) for each in (True, False))
    assert set(full) - set(short) == {"per_class", "reliability"}
    assert set(full["corp"]) - set(short["corp"]) == {"curve"}
    for key in set(short) - {"corp"}:
        assert short[key] == full[key]
    both = results[2].to_dict(curves=False)["evaluations"]
    assert both["<b>raw</b>"] == short


@pytest.mark.parametrize("backend", ["pandas", "polars", "pyarrow"])
def test_frames(results, backend):
    """One row per parameter, measure or difference, in the library asked for."""
    pytest.importorskip("narwhals")
    library = pytest.importorskip(backend)
    kind = getattr(library, "Table" if backend == "pyarrow" else "DataFrame")
    frames = [result.to_frame(backend) for result in results]
    assert all(isinstance(frame, kind) for frame in frames)
    assert frames[0].shape == (1, 4)
    value = frames[0]["value"][0]
    assert float(value.as_py() if backend == "pyarrow" else value) == results[0].temperature
    typed_in = tp.TemperatureScaling(2.0).to_frame(backend)
    assert typed_in.shape == (1, 4)


def test_sketch_by_hand():
    """0 is at the lower left, 1 at the upper right, and beyond is cut off."""
    text = sketch(
        np.array([0.0, 0.5, 1.0]), np.array([0.25, 0.5, 2.0]),
        band=(np.zeros(3), np.ones(3)), name="n<", words="w", across_name="x", up_name="y",
    )  # fmt: skip
    assert 'polyline points="26.0,128.0 106.0,88.0 186.0,8.0"' in text
    corners = "26.0,168.0 106.0,168.0 186.0,168.0 186.0,8.0 106.0,8.0 26.0,8.0"
    assert f'polygon points="{corners}"' in text
    assert "n&lt;: w" in text


def test_sketch_of_many_points_stays_small():
    """A curve of 100,000 points is drawn with 120, the ends among them."""
    x = np.linspace(0, 1, 100_000)
    text = sketch(x, x, name="n", words="w", across_name="x", up_name="y")
    points = re.search(r'polyline points="([^"]*)"', text).group(1).split()
    assert len(points) == 120
    assert points[0] == "26.0,168.0"
    assert points[-1] == "186.0,8.0"


def test_the_page_shows_every_calibration_error(results):
    """Each has a row with its name and what it means; a new one without words would be missing."""
    _, evaluation, _ = results
    rows = error_rows({"model": evaluation}, None)
    assert len(rows) == len(ERROR_NAMES) + 1  # and the miscalibration of the CORP diagram
    assert all(row["name"] and row["meaning"] for row in rows)


MAGNITUDES = [0.0012, 0.5, 1.0, 9.96, 14.0, 99.6, 140.0, 999.6, 1234.5, 123456.0, 9_999_996.0]


@pytest.mark.parametrize("digits", [2, 3, 4])
@pytest.mark.parametrize("value", [*MAGNITUDES, *[-each for each in MAGNITUDES]])
def test_digits_are_written_out(value, digits):
    """No exponent from 0.001 to 10 million, and no more than the last digit is off."""
    text = digits_text(value, digits)
    assert not set(text) & set("e+")
    assert float(text) == pytest.approx(value, rel=0.5 * 10.0 ** (1 - digits))


def test_factors_and_nats_are_written_out():
    """A factor of 140 of a temperature, of the odds of an accuracy and of a class, up and down."""
    for factor in [*MAGNITUDES, *[1.0 / each for each in MAGNITUDES if each < 1e6]]:
        for bet in (Bet("temperature", 2.0), Bet("accuracy", 2.0), Bet("class", 2.0, 1)):
            for text in _words(bet, factor, only=None, classes=None):
                assert "e+" not in text
    calibrator = tp.TemperatureScaling(123456.0)
    assert "123500" in explain_calibrator(calibrator)
    assert ends_text(140.0, 123456.0, 2) == "140 to 120000"


def test_no_number_is_a_line_of_digits(run, tmp_path):
    """A log loss of 1e30 has an exponent: on the screen, and on the page."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 3)) * 2
    y = (z + rng.gumbel(size=z.shape)).argmax(axis=1)
    z[5], y[5] = [1e32, 0.0, 0.0], 1
    np.savez(tmp_path / "a.npz", logits=z, labels=y)
    np.savez(tmp_path / "b.npz", logits=z / 3, labels=y)
    pages = ("--report", "a.html", "--markdown", "a.md", "--max-ece", "0.9")
    texts = [
        run("evaluate", "a.npz", *pages).stdout,
        run("compare", "a.npz", "b.npz", "--report", "b.html").stdout,
    ]
    assert "log loss of 3.333e+29" in texts[0]
    for name in ("a.html", "b.html", "a.md"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        text = re.sub(r"<(svg|style|script).*?</\1>", "", text, flags=re.DOTALL)
        texts.append(re.sub(r"<[^>]*>", "", text))
    for text in texts:
        assert not re.search(r"\d{9}", text)
