"""What the report says of an ensemble's models, and of the temperature of each group."""

import json
import math
import re

import numpy as np
import pytest

import reference
import temperance as tp
from commands import run_in
from pages import CHROMIUM, check_pages, check_stands_alone, words_of
from temperance.calibrators import Training
from temperance.calibrators.shrinkage import own_interval
from temperance.report import ReportContent, render_report
from temperance.report.html import group_section

LONG = "subject " + "of a very long name " * 12 + "<b>"


def table_after(page, heading):
    """Rows of the first table after some words, as text."""
    place = page.rindex(heading)  # the table of contents names headings, too
    table = re.search(r"<tbody>(.*?)</tbody>", page[place:], re.DOTALL).group(1)
    lines = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line, re.DOTALL) for line in lines]
    return [[words_of(cell) for cell in line] for line in cells]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Files of two noisy copies of one model, the arrays in them, and their folder."""
    folder = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(0)
    z = 3 * rng.normal(size=(600, 4))
    y = (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)
    members = [s * (z + rng.normal(size=z.shape)) for s in (1.0, 2.0)]
    for name, member in zip(("a<b>", "b" * 60), members, strict=True):
        np.savez(folder / f"{name}.npz", logits=member, labels=y)
    return [folder / f"{name}.npz" for name in ("a<b>", "b" * 60)], members, y


@pytest.fixture(scope="module")
def pooled(models):
    """Every way of pooling them, as --json has it, and the page."""
    files, _, _ = models
    page = files[0].parent / "r.html"
    names = [each.name for each in files]
    ensemble = ("--method", "ensemble", "--quick", "--report", page.name, "--json")
    done = run_in(page.parent, "fit", *names, *ensemble)
    return json.loads(done.stdout)["pooling"], page.read_text(encoding="utf-8")


def test_ensemble(models, pooled):
    """Weights and every way of pooling are those of the fit and of --json; names are inert."""
    _, members, y = models
    ways, page = pooled
    check_stands_alone(page)
    weights = tp.Ensemble.fit(members, y).weights
    names = ["a<b>", "b" * 60]
    assert table_after(page, "Several models") == [
        [name, f"{weight:.3f}"] for name, weight in zip(names, weights, strict=True)
    ]
    lines = table_after(page, "<strong>Log loss.")
    assert [line[0] for line in lines] == [*ways]
    for name, value, difference, _ in lines:
        own, gap = ways[name]["log_loss"], ways[name]["difference"]
        assert value == f"{own['value']:.4f} {own['low']:.4f} to {own['high']:.4f}"
        if gap:
            assert difference == f"{gap['value']:+.4f} {gap['low']:+.4f} to {gap['high']:+.4f}"
            assert (gap["low"] > 0) == (lines[[*ways].index(name)][3] == "worse")
    ece = {line[0]: line[1] for line in table_after(page, "<strong>Calibration error (ECE).")}
    assert all(ece[name].startswith(f"{ways[name]['ece']['value']:.4f}") for name in ways)


def test_ensemble_in_a_sentence(pooled):
    """It holds the ensemble's loss, the other order, and the best single model with its gap."""
    ways, page = pooled
    words = words_of(page)
    own = ways["pool, then calibrate"]["log_loss"]["value"]
    said = re.search(r"The log loss of \u201cpool, then calibrate\u201d is .*?\)\.(?= Log)", words)[
        0
    ]
    assert f"is {own:.4f}; against it" in said
    alone = [name for name in ways if name.endswith(" alone")]
    best = min(alone, key=lambda name: ways[name]["log_loss"]["value"])
    (other,) = set(alone) - {best}
    assert other not in said
    gap = ways[best]["difference"]
    verdict = "is worse by" if gap["low"] > 0 else "cannot be told from that:"
    assert f"\u201c{best}\u201d {verdict} {gap['value']:+.4f} ({gap['low']:+.4f} to" in said


def test_ensemble_elsewhere(run, tmp_path, models):
    """`evaluate` shows the weights with the files' names; without pooling no way is invented."""
    files, members, y = models
    run("fit", *files, "--method", "ensemble", "--only-fit")
    run("evaluate", *files, "--calibrator", "calibrator.json", "--quick", "--report", "e.html")
    page = (tmp_path / "e.html").read_text(encoding="utf-8")
    assert [line[0] for line in table_after(page, "Several models")] == ["a<b>", "b" * 60]
    assert "calibrate, then pool" not in page
    opposed = tmp_path / "opposed.npz"
    np.savez(opposed, logits=-members[0], labels=y)
    done = run("fit", files[0], "opposed.npz", "--method", "ensemble", "--quick",
               "--report", "o.html")  # fmt: skip
    assert "ways of pooling were not compared" in done.stderr
    page = (tmp_path / "o.html").read_text(encoding="utf-8")
    assert "ways of pooling were not compared" in page
    assert "calibrate, then pool" not in page


def grouped(sizes, temperatures, names, seed=0):
    """Groups of known size and temperature; labels drawn from softmax(z / T)."""
    rng = np.random.default_rng(seed)
    z = [3 * rng.normal(size=(n, 4)) for n in sizes]
    y = [(own / t + rng.gumbel(size=own.shape)).argmax(axis=1)
         for own, t in zip(z, temperatures, strict=True)]  # fmt: skip
    return np.concatenate(z), np.concatenate(y), np.repeat(names, sizes)


def page_of(scaling, z, y, groups):
    """The report on the rows of the fit."""
    sides = {"before": reference.softmax(z), "after": scaling.apply(z, groups=groups)}
    comparison = tp.compare(sides, y, n_resamples=100)
    content = ReportContent(
        title="t",
        evaluation=comparison.evaluations["before"],
        comparison=comparison,
        calibrator=scaling,
        evaluated_on="given",
        facts=(),
    )
    return render_report(content)


@pytest.fixture(scope="module")
def forty():
    """A fit of 40 groups with a temperature of their own and 25 small ones, and its rows."""
    truth = np.exp(np.random.default_rng(4).normal(0.6, 0.4, 40))
    names = [f"subject {i}" for i in range(39)] + [LONG] + [f"tiny {i}" for i in range(25)]
    sizes = [(300, 60, 25)[i % 3] for i in range(40)] + [1 + i % 12 for i in range(25)]
    rows = grouped(sizes, [*truth, *np.full(25, 2.0)], names)
    return tp.GroupTemperatureScaling.fit(*rows[:2], groups=rows[2]), rows


@pytest.fixture(scope="module")
def page_of_forty(forty):
    """Its page."""
    return page_of(forty[0], *forty[1])


def test_groups(forty, page_of_forty):
    """The 30 farthest from the pooled temperature first, with rows, own T, interval; the rest
    counted, small groups named."""
    (scaling, (z, y, groups)), page = forty, page_of_forty
    check_stands_alone(page)
    assert "Several models" not in page
    lines = table_after(page, "A temperature for each group")
    away = {
        name: abs(math.log(t / scaling.temperature)) for name, t in scaling.temperatures.items()
    }
    farthest = sorted(away, key=away.get, reverse=True)[:30]
    assert [line[0] for line in lines] == [name.strip() for name in farthest]
    for name, (_, n, alone, t, interval, shrunk) in zip(farthest, lines, strict=True):
        own = groups == name
        optimum = reference.temperature(z[own], y[own])
        assert n == f"{own.sum():,}"
        assert float(alone) == pytest.approx(optimum, abs=1e-4)
        assert t == f"{scaling.temperatures[name]:.4f}"
        low, high = own_interval(Training.check(z[own], y[own]), about=optimum, optimum=True)
        ends = min(low, scaling.temperatures[name]), max(high, scaling.temperatures[name])
        assert interval == "{:.4g} to {:.4g}".format(*ends)
        moved = away[name] / abs(math.log(optimum / scaling.temperature))
        assert float(shrunk.removesuffix(" %")) == pytest.approx(100 * (1 - moved), abs=0.51)
    section = page[page.index("<h2>A temperature for each group") :]
    words = words_of(section[: section.index("</section>")])
    assert "Farthest from the common temperature first, and 10 more." in words
    assert f"{scaling.small_groups[0]} (1 row), " in words
    assert words.count("tiny") == 20
    assert "and 5 more." in words
    assert f"a factor of about {math.exp(scaling.spread):.3g} " in words
    drawn = re.findall(r"(?<=>)(?:subject \d+|tiny \d+)(?=</text>)", page)
    assert sorted(drawn) == sorted(name for name in farthest if name != LONG)
    values = [scaling.temperatures[name] for name in drawn]
    assert values == sorted(values)


def test_groups_of_a_file(tmp_path, forty):
    """A saved and loaded calibrator tells the same; one typed in tells temperatures alone."""
    scaling, (z, y, groups) = forty
    tp.save(scaling, tmp_path / "c.json")
    again = tp.load(tmp_path / "c.json")
    assert again == scaling
    assert hash(again.record) == hash(scaling.record)
    assert group_section(again) == group_section(scaling)
    content = json.loads((tmp_path / "c.json").read_text())
    content["fit"]["groups"]["subject 0"]["n"] = "many"
    (tmp_path / "c.json").write_text(json.dumps(content))
    with pytest.raises(tp.FileFormatError, match="`n` must be an integer"):
        tp.load(tmp_path / "c.json")
    del content["fit"]["groups"]
    (tmp_path / "c.json").write_text(json.dumps(content))
    older = tp.load(tmp_path / "c.json")
    assert older.record.temperature == scaling.record.temperature
    lines = table_after(page_of(older, z, y, groups), "A temperature for each group")
    assert {len(line) for line in lines} == {2}
    typed = tp.GroupTemperatureScaling(2.0, {"law": 4.0}, small_groups=("art",), spread=0.3)
    words = words_of(page_of(typed, z, y, groups))
    assert "Group T law 4.0000" in words
    assert "they have the common one: art." in words


def test_groups_that_do_not_differ():
    """Where chance explains all differences the page says so, and draws no forest of one value."""
    for seed in range(10):
        rows = grouped([200] * 4, [2.0] * 4, list("abcd"), seed)
        scaling = tp.GroupTemperatureScaling.fit(*rows[:2], groups=rows[2])
        if scaling.spread == 0.0:
            break
    assert scaling.spread == 0.0
    page = page_of(scaling, *rows)
    assert "Chance explains all differences between groups" in words_of(page)
    assert {line[3] for line in table_after(page, "A temperature for each group")} == {
        f"{scaling.temperature:.4f}"
    }
    assert "Temperatures</title>" not in page


def test_groups_too_small_for_anything():
    """No group of twenty rows: no table, the names."""
    rows = grouped([19] * 4, [2.0] * 4, ["a", "b", "c", "d"])
    scaling = tp.GroupTemperatureScaling.fit(*rows[:2], groups=rows[2])
    section = group_section(scaling)
    assert section["rows"] == []
    assert section["small"] == [f"{name} (19 rows)" for name in "abcd"]
    check_stands_alone(page_of(scaling, *rows))


def test_labels_of_a_matrix(run, tmp_path):
    """One temperature per label is shown as that of labels, from the fit and from the file."""
    rng = np.random.default_rng(0)
    z = 3 * rng.normal(size=(500, 3))
    y = (rng.random(z.shape) < 1 / (1 + np.exp(-z / np.array([1.0, 2.0, 4.0])))).astype(int)
    np.savez(tmp_path / "ml.npz", logits=z, labels=y, classes=np.array(["x", "y", "z"]))
    common = ("ml.npz", "--kind", "multilabel", "--quick", "--report")
    run("fit", *common, "f.html", "--method", "group-temperature")
    run("evaluate", *common, "e.html", "--calibrator", "calibrator.json")
    scaling = tp.load(tmp_path / "calibrator.json")
    for name in ("f.html", "e.html"):
        page = (tmp_path / name).read_text(encoding="utf-8")
        lines = table_after(page, "A temperature for each label")
        assert {line[0]: line[3] for line in lines} == {
            label: f"{t:.4f}" for label, t in zip("xyz", scaling.temperatures, strict=True)
        }
        assert {line[1] for line in lines} == {"500"}


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to open the report in")
def test_long_names_in_a_browser(tmp_path, page_of_forty, pooled):
    """A name that never ends is wrapped in the table and shortened in the picture."""
    check_pages(tmp_path, {"groups": (page_of_forty, 7), "ensemble": (pooled[1], 6)})
