"""`temperance cascade`: what it prints and writes is what `decisions.cascade` found."""

import functools
import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

import temperance
from cascade_models import CALIBRATED, RAW, hopeless, three_models, two_models
from pages import CHROMIUM, check_pages, check_stands_alone, words_of
from temperance import Estimate
from temperance.decisions import cascade, load_cascade
from temperance.plots import CostDisplay
from temperance.report import render_cascade

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def files(tmp_path):
    """Rows and test rows of three models."""
    arrays = {}
    for part, seed in (("", 0), ("-test", 1)):
        models, y = three_models(n=800, seed=seed)
        for name, z in models.items():
            np.savez(tmp_path / f"{name}{part}.npz", logits=z, labels=y)
        arrays[part] = (models, y)
    return arrays


def test_table_and_json(run, files):
    """Both hold the numbers of the library, cross-fitted."""
    models, y = files[""]
    pair = {name: models[name] for name in ("cheap", "expert")}
    found = cascade(pair, y, costs=0.05)
    done = run("cascade", "cheap.npz", "expert.npz", "--cost", 0.05)
    assert found.in_words() in " ".join(done.stdout.split())
    assert f"below {found.policy.rules[0].threshold:.4f}" in done.stdout
    for way in found.ways.values():
        assert f"{way.cost.value:.4f}" in done.stdout
    assert "cross-fitted" in done.stdout
    content = json.loads(run("cascade", "cheap.npz", "expert.npz", "--cost", 0.05, "--json").stdout)
    assert len(content.pop("data_sha256")) == 2
    assert content.pop("report") is content.pop("cascade") is None
    (order,) = content.pop("warnings")
    assert "paired with those of cheap.npz in their order" in order
    content["warnings"] = []
    assert content == json.loads(json.dumps(found.to_dict()))


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        (["--budget", 0.02], {"budget": 0.02}),
        (["--min-accuracy", 0.75], {"min_accuracy": 0.75}),
        (["--error-cost", 2], {"error_cost": 2.0}),
        (["--expert-error", "isotonic"], {"expert_error": "isotonic"}),
        (["--method", "vector"], {"method": "vector"}),
        (["--prior", 1], {"prior": 1.0}),
    ],
)
def test_options(run, files, options, settings):
    """Each option does what the argument of that name does."""
    models, y = files[""]
    pair = {name: models[name] for name in ("cheap", "expert")}
    found = cascade(pair, y, costs=0.05, **settings)
    done = run("cascade", "cheap.npz", "expert.npz", "--cost", 0.05, "--json", *options)
    content = json.loads(done.stdout)
    assert content["stages"][0]["threshold"] == found.policy.rules[0].threshold
    assert content["ways"] == json.loads(json.dumps(found.to_dict()["ways"]))


def test_three_files_on_test_rows(run, files):
    """One cost per later model; measured on other files where they are given."""
    models, y = files[""]
    found = cascade(models, y, costs=[0.03, 0.08], test=files["-test"])
    arguments = ["cheap.npz", "middle.npz", "expert.npz", "--cost", 0.03, "--cost", 0.08]
    tests = [a for name in models for a in ("--test", f"{name}-test.npz")]
    content = json.loads(run("cascade", *arguments, *tests, "--json").stdout)
    assert content["evaluated_on"] == "test"
    assert content["ways"][RAW]["cost"]["value"] == found.ways[RAW].cost.value
    assert [stage["model"] for stage in content["stages"]] == ["cheap", "middle"]


def test_a_person_as_the_expert(run, files):
    """An error rate in place of the last file."""
    models, y = files[""]
    found = cascade({"cheap": models["cheap"]}, y, costs=0.1, expert_error=0.02)
    done = run("cascade", "cheap.npz", "--expert-error", 0.02, "--cost", 0.1, "--json")
    content = json.loads(done.stdout)
    assert content["models"] == ["cheap", "expert"]
    assert content["stages"][0]["threshold"] == pytest.approx(0.88)
    assert content["ways"][CALIBRATED]["cost"]["value"] == found.ways[CALIBRATED].cost.value


def test_weights_clusters_and_columns(run, tmp_path):
    """Columns of a CSV: weights, clusters; intervals from few clusters are warned about."""
    (models, y), rows = two_models(n=300), np.arange(300)
    for name, z in models.items():
        lines = ["logit_0,logit_1,logit_2,logit_3,label,weight,page"]
        lines += [
            ",".join(map(repr, [*row, label, i % 3, f"p{i // 60}"]))
            for i, (row, label) in enumerate(zip(z.tolist(), y.tolist(), strict=True))
        ]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines).replace("'", ""))
    done = run("cascade", "cheap.csv", "expert.csv", "--cost", 0.05, "--cluster", "page")
    assert "only 5 clusters" in done.stderr
    done = run("cascade", "cheap.csv", "expert.csv", "--cost", 0.05, "--cluster", "page", "--json")
    content = json.loads(done.stdout)
    found = cascade(models, y, costs=0.05, weights=rows % 3, clusters=rows // 60)
    assert content["n_clusters"] == 5
    assert content["ways"][RAW]["cost"]["value"] == pytest.approx(found.ways[RAW].cost.value)


def test_what_is_refused(run, tmp_path, files):
    """Wrong costs, files of other rows, one file twice, a target out of reach: a sentence each."""
    models, y = files[""]
    np.savez(tmp_path / "short.npz", logits=models["expert"][:-1], labels=y[:-1])
    np.savez(tmp_path / "other.npz", logits=models["expert"], labels=(y + 1) % 4)
    np.savez(tmp_path / "wide.npz", logits=np.c_[models["expert"], y], labels=y)
    np.savez(tmp_path / "one.npz", logits=models["cheap"], labels=0 * y)
    np.savez(tmp_path / "bare.npz", logits=models["cheap"])
    pair = ["cheap.npz", "expert.npz"]
    for message, arguments in (
        ("every row), got 0", pair),
        ("every row), got 2", [*pair, "--cost", 1, "--cost", 2]),
        ("above 0, got -1", [*pair, "--cost", -1]),
        ("above 0, got nan", [*pair, "--cost", "nan"]),
        ("two files or more", ["cheap.npz", "--cost", 1]),
        ("799 rows", ["cheap.npz", "short.npz", "--cost", 1]),
        ("labels differ", ["cheap.npz", "other.npz", "--cost", 1]),
        ("5 classes", ["cheap.npz", "wide.npz", "--cost", 1]),
        ("all of class 0", ["one.npz", "bare.npz", "--cost", 1]),
        ("has no labels", ["bare.npz", "expert.npz", "--cost", 1]),
        ("twice", ["cheap.npz", "cheap.npz", "--cost", 1]),
        ("the most is", [*pair, "--cost", 1, "--min-accuracy", 0.999]),
        ("together", [*pair, "--cost", 1, "--min-accuracy", 0.9, "--budget", 1]),
        ("no meaning", [*pair, "--cost", 1, "--error-cost", 3, "--budget", 1]),
        ("`--expert-error` must", [*pair, "--cost", 1, "--expert-error", "some"]),
        ("[0, 1), got 2", ["cheap.npz", "--cost", 1, "--expert-error", 2]),
        ("one of identity", [*pair, "--cost", 1, "--method", "magic"]),
        ("file per model", [*pair, "--cost", 1, "--test", "cheap-test.npz"]),
        ("the same as", [*pair, "--cost", 1, "--test", "cheap.npz", "--test", "expert.npz"]),
        (".html", [*pair, "--cost", 1, "--report", "page.pdf"]),
        ("one class per row", [*pair, "--cost", 1, "--kind", "multilabel"]),
    ):
        done = run("cascade", *arguments, code=2)
        assert message in done.stderr, (message, done.stderr)
    assert not list(tmp_path.glob("*.html"))


NAMES = ("two", "three", "budget", "target", "beyond", "never", "person", "hard")


@functools.cache
def page_of(name):
    """A cascade of some kind, with names that a page must not run."""
    models, y = two_models(n=800)
    if name == "two":
        named = {EVIL: models["cheap"], "\u72ac " + "long " * 20: models["expert"]}
        return cascade(named, y, costs=0.05)
    if name == "three":
        three, labels = three_models(n=800)
        return cascade(three, labels, costs=[0.03, 0.08], expert_error="isotonic")
    if name == "person":
        return cascade({"cheap": models["cheap"]}, y, costs=0.1, expert_error=0.02)
    if name == "hard":
        return cascade(*hopeless(), costs=0.08, clusters=np.arange(6000) // 3)
    goal = {
        "budget": {"costs": 1.0, "budget": 0.2},
        "target": {"costs": 1.0, "min_accuracy": 0.75},
        "beyond": {"costs": 1.0, "min_accuracy": 0.7699},
        "never": {"costs": 3.0},
    }[name]
    return cascade(models, y, **goal)


@pytest.mark.parametrize("name", NAMES)
def test_page_stands_alone(name):
    """Nothing to fetch or run, well-formed; the finding is the rule; the numbers are there."""
    found = page_of(name)
    text = render_cascade(found, title=EVIL, facts=((EVIL, EVIL),), warnings=found.warnings)
    check_stands_alone(text)
    assert text == render_cascade(found, title=EVIL, facts=((EVIL, EVIL),), warnings=found.warnings)
    words = words_of(text)
    said = " ".join(found.in_words().split())
    assert said in words.replace("\u00a0", " ")
    first = html.unescape(re.search(r'<p class="finding">(.*?)</p>', text, re.DOTALL).group(1))
    assert said.startswith(" ".join(first.split()).replace("\u00a0", " "))
    for way in found.ways.values():
        for each in filter(None, (way.error, way.spent, way.cost)):
            assert f"{each.value:.4f}" in words
    gain = found.worth
    assert f"{gain.value:+.4f}" in words
    assert f"{gain.low:+.4f} to {gain.high:+.4f}" in words
    assert ("known only afterwards" in words) == (found.hindsight is not None)
    assert ("counted whole" in words) == (found.n_clusters is not None)
    assert ("Warning:" in words) == bool(found.warnings)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to open the report in")
def test_pages_in_a_browser(tmp_path):
    """At phone and desk width, light and dark, nothing scrolls sideways, is cut or faint."""
    facts = (("File", "x" * 300),)
    pages = {
        name: (render_cascade(page_of(name), title="t" * 100, facts=facts), 1)
        for name in ("two", "three", "hard")
    }
    check_pages(tmp_path, pages)


def test_report(run, tmp_path, files):
    """The page has files, digests and version, and is that of the JSON."""
    done = run("cascade", "cheap.npz", "expert.npz", "--cost", 0.05, "--report", "c.html")
    assert done.stdout.endswith("report: c.html\n")
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    check_stands_alone(page)
    words = words_of(page)
    content = json.loads(
        run("cascade", "cheap.npz", "expert.npz", "--cost", 0.05, "--report", "d.html",
            "--json").stdout
    )  # fmt: skip
    assert content["report"] == "d.html"
    for fact in (*content["data_sha256"], "cheap.npz: 800 rows, 4 classes", "temperance 0."):
        assert fact in words


def test_the_page_of_cascades_runs(tmp_path):
    """The Python of docs/cascades.md runs as printed."""
    text = (Path(__file__).parents[2] / "docs" / "cascades.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    quiet = ["-W", "error", "-W", "ignore::DeprecationWarning"]  # of old matplotlib
    run = subprocess.run(
        [sys.executable, *quiet, "-c", code + "print(ask.any(), ask.all())"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(temperance.__file__).parents[1])},
    )  # fmt: skip
    words, worth, routed, asked = run.stdout.splitlines()
    assert words.startswith("Ask large where the calibrated confidence of small is below 0.")
    assert "Calibration saved" in words
    assert worth.startswith("0.0")
    assert asked == "True False"
    assert set(re.findall(r"\d", routed.partition("]")[0])) == {"0", "1"}


class Drawn:
    """A cost curve of three points, and what a display asks for."""

    cost = np.array([0.0, 0.1, 0.3])
    accuracy = np.array([0.7, 0.8, 0.85])
    accuracy_low = accuracy - 0.02
    accuracy_high = accuracy + 0.02


def test_picture():
    """Curve and points lie where the numbers say; names with dollars stay as they are."""
    points = {CALIBRATED: (0.1, 0.8), RAW: (0.05, 0.75), "a$b$ alone": (0.0, 0.7)}
    display = CostDisplay(Drawn(), points, raw_curve=Drawn(), name="net").plot()
    lines = display.ax_.lines
    curves = [line for line in lines if len(line.get_xdata()) == 3]
    assert all(line.get_xdata().tolist() == [0.0, 0.1, 0.3] for line in curves)
    dots = {line.get_label(): line for line in lines if len(line.get_xdata()) == 1}
    assert {key: (d.get_xdata()[0], d.get_ydata()[0]) for key, d in dots.items()} == points
    assert dots[CALIBRATED].get_color() != dots[RAW].get_color()
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == [*points]
    (low, high), (bottom, top) = display.ax_.get_xlim(), display.ax_.get_ylim()
    assert low < 0
    assert high > 0.3
    assert bottom < 0.68
    assert top > 0.87
    title, words = display.alt_text()
    assert title == "Cost and accuracy: net"
    assert "From a cost of 0 per row with accuracy 70.0% to 0.3 with 85.0%." in words
    assert "raw thresholds: cost 0.05, accuracy 75.0%" in words
    assert b"PNG" in display._repr_png_()[:8]
    assert "a$b$ alone" in display._repr_svg_()


SHAPES = {  # of accuracy from the cheap model's on, in a graph from 0 to 1
    "rising": lambda x: x**0.5,
    "late": lambda x: x**6,
    "level": lambda x: 0.5 + 0.01 * x,
    "falling": lambda x: 1.0 - x,
    "hollow": lambda x: (2.0 * x - 1.0) ** 2,
    "arch": lambda x: 1.0 - (2.0 * x - 1.0) ** 2,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize("size", [None, (3.0, 3.0)])
def test_the_key_covers_nothing_and_stays_inside(shape, long, size):
    """Whatever the curve: no point of it lies under the key, and the key within the axes."""
    curve = Drawn()
    curve.cost = np.linspace(0.0, 0.3, 40)
    curve.accuracy = 0.1 + 0.8 * SHAPES[shape](curve.cost / 0.3)
    curve.accuracy_low, curve.accuracy_high = curve.accuracy - 0.02, curve.accuracy + 0.02
    names = [f"{name}{'-model-of-a-long-name' * 2 * long} alone" for name in "abc"]
    at = {CALIBRATED: 20, RAW: 10, names[0]: 0, names[1]: 30, names[2]: 39}
    points = {name: (curve.cost[i], curve.accuracy[i]) for name, i in at.items()}
    ax = None if size is None else Figure(figsize=size).add_axes((0.15, 0.15, 0.8, 0.7))
    display = CostDisplay(curve, points, raw_curve=curve).plot(ax)
    ax = display.ax_
    box = ax.get_legend().get_window_extent()
    inner = ax.get_window_extent()
    assert inner.x0 <= box.x0 <= box.x1 <= inner.x1
    assert inner.y0 <= box.y0 <= box.y1 <= inner.y1
    for y in (curve.accuracy, curve.accuracy_low, curve.accuracy_high):
        across, up = ax.transData.transform(np.stack([curve.cost, y], axis=1)).T
        under = (across > box.x0) & (across < box.x1) & (up > box.y0) & (up < box.y1)
        assert not under.any()
        assert (up > inner.y0).all()


def test_picture_of_a_cascade():
    """`from_cascade` draws its curves, and a point per way."""
    found = page_of("two")
    display = CostDisplay.from_cascade(found)
    assert list(display.points) == list(found.ways)
    way = found.ways[CALIBRATED]
    assert isinstance(way.error, Estimate)
    assert display.points[CALIBRATED] == (way.spent.value, 1 - way.error.value)
    assert display.curve is found.curve


def test_files_of_language_models(run, files, tmp_path):
    """`--format` reads both models' files, and what is left out of them is told."""
    models, y = files[""]
    for name in ("cheap", "expert"):
        lines = [
            json.dumps({"type": "choice", "logits": row.tolist(), "gold": int(label)})
            for row, label in zip(models[name], y, strict=True)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    own = json.loads(run("cascade", "cheap.npz", "expert.npz", "--cost", 0.05, "--json").stdout)
    pair = ("cheap.jsonl", "expert.jsonl")
    found = json.loads(
        run("cascade", *pair, "--format", "records", "--cost", 0.05, "--json").stdout
    )
    for way in own["ways"]:
        assert found["ways"][way] == own["ways"][way]


def test_a_cascade_is_written_and_applied(run, tmp_path):
    """`-o`; then `apply` with the files of the models that were asked so far, or of some rows."""
    models, y = three_models(3000)
    for name, z in models.items():
        ids = np.arange(1000)
        np.savez(tmp_path / f"{name}.npz", logits=z[:2000], labels=y[:2000])
        np.savez(tmp_path / f"new_{name}.npz", logits=z[2000:], ids=ids)
    run("cascade", "cheap.npz", "middle.npz", "expert.npz", "--cost", 0.02, "--cost", 0.05,
        "-o", "cascade.json")  # fmt: skip
    policy = load_cascade(tmp_path / "cascade.json")
    new = {name: z[2000:] for name, z in models.items()}
    whole = policy.apply(new)
    done = run("apply", "cascade.json", "new_cheap.npz", "-o", "out.npz", "--json")
    asked = np.load(tmp_path / "out.npz")["goes_on"]
    assert (asked == (whole.model > 0)).all()
    assert json.loads(done.stdout)["ask"] == {"middle": int(asked.sum())}
    np.savez(tmp_path / "some.npz", logits=new["middle"][asked][::-1], ids=ids[asked][::-1])
    run("apply", "cascade.json", "new_cheap.npz", "some.npz", "new_expert.npz", "-o", "out.npz")
    found = np.load(tmp_path / "out.npz")
    assert np.array_equal(found["probs"], whole.probs)
    assert found["answered_by"].tolist() == [policy.names[number] for number in whole.model]
    np.savez(tmp_path / "few.npz", logits=new["middle"][asked][3:], ids=ids[asked][3:])
    error = run("apply", "cascade.json", "new_cheap.npz", "few.npz", "-o", "o.npz", code=2).stderr
    assert "lacks 3 rows of" in error
    np.savez(tmp_path / "few.npz", logits=new["middle"][asked])
    error = run("apply", "cascade.json", "new_cheap.npz", "few.npz", "-o", "o.npz", code=2).stderr
    assert "both files must have ids" in error
    files = [f"new_{name}.npz" for name in ("cheap", "middle", "expert", "cheap")]
    assert (
        "takes so many files" in run("apply", "cascade.json", *files, "-o", "o.npz", code=2).stderr
    )
