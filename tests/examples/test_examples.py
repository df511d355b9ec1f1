"""Every example runs as it is, and prints what an independent count of its rows gives."""

import json
import re
import runpy
from pathlib import Path

import numpy as np
import pytest

import reference
from reference import sigmoid

ROOT = Path(__file__).parents[2]
SCRIPTS = {path.stem: path for path in sorted((ROOT / "examples").glob("*.py"))}
NEEDS = {  # script -> modules of extras
    "agent_gate": (),
    "big_data": ("dask.array", "distributed"),
    "cascade": ("sklearn.base",),
    "credit_risk": ("sklearn.base",),
    "decision_models": (),
    "ensemble": ("sklearn.base",),
    "http_service": ("starlette", "uvicorn", "prometheus_client"),
    "llm_multiple_choice": (),
    "medical_diagnosis": ("sklearn.base",),
    "monitoring": (),
    "onnx_model": ("sklearn.base", "onnx", "onnxruntime"),
    "perception": ("sklearn.base",),
    "sql_query": ("duckdb",),
}


def numbers(text, pattern):
    """All numbers that a pattern with one group finds."""
    found = [float(each.replace(",", "")) for each in re.findall(pattern, text)]
    assert found, pattern
    return found


def number(text, pattern):
    """The number of a pattern that is there once."""
    (found,) = numbers(text, pattern)
    return found


def medical_diagnosis(text, made):
    malignant, votes, p = made["malignant"], made["votes"][:, 1], made["probs"][:, 1]
    assert number(text, r"all trees: (\d+) of 569") == np.count_nonzero(votes == 0) > 100
    assert number(text, r"calibrated: log loss ([\d.]+)") == pytest.approx(
        -np.log(np.where(malignant, p, 1 - p)).mean(), abs=6e-4
    )
    asked = (p >= 0.7) & (p < 0.97)
    said, are = re.search(
        r"calibrated: .* with (\d+) % \(70 to 97\), and (\d+) % are", text
    ).groups()
    assert float(said) == pytest.approx(100 * p[asked].mean(), abs=0.51)
    assert float(are) == pytest.approx(100 * malignant[asked].mean(), abs=0.51)
    assert abs(float(said) - float(are)) < 15  # two standard errors of 45 tumours
    new = made["calibrated"].predict_proba(made["X_new"])[:, 1]
    bands = made["bands"].decide(new)
    assert number(text, r"second reading (\d+)") == np.count_nonzero(bands == "review") > 0
    ill = made["y_new"] == 1
    assert np.mean(bands[ill] == "reject") <= 0.05
    assert np.mean(ill[bands == "accept"]) >= 0.9


def perception(text, made):
    temperature = number(text, r"^temperature ([\d.]+)")
    p = reference.softmax(made["worse"] / temperature)
    answered = p.max(axis=1) >= number(text, r"confidence >= ([\d.]+)")
    shares, wrong = numbers(text, r"answered ([\d.]+)"), numbers(text, r", wrong ([\d.]+)")
    assert shares[-1] == pytest.approx(answered.mean(), abs=0.01)
    errors = p[answered].argmax(axis=1) != made["y_drive"][answered]
    assert wrong[-1] == pytest.approx(errors.mean(), abs=0.01)
    assert wrong[0] <= 0.02 < wrong[-1] < number(text, r"level 5: .*policy ([\d.]+)")
    assert shares == sorted(shares, reverse=True)
    best = reference.temperature(made["worse"], made["y_drive"])
    assert number(text, r"T should be ([\d.]+)") == pytest.approx(best, rel=0.01)


def credit_risk(text, made):
    test, default = made["test"], made["default"]
    p = sigmoid(made["scores"][test])
    assert number(text, r"as trained: expected loss ([\d.]+)") == pytest.approx(
        0.45 * made["exposure"][test] @ p / 1e6, abs=0.01
    )
    ratios = numbers(text, r"observed_expected: ([\d.]+)")
    assert ratios[0] == pytest.approx(default[test].sum() / p.sum(), abs=0.006)
    low, high = re.findall(r"observed_expected: .*\(([\d.]+) to ([\d.]+)\)", text)[1]
    assert ratios[0] < 0.3
    assert float(low) <= 1 <= float(high)  # calibrated
    lost = number(text, r"portfolio: ([\d.]+) million")
    assert numbers(text, r"expected loss ([\d.]+)")[1] == pytest.approx(lost, rel=0.1)
    one, own = text.split("a line per group")
    assert one.count("not calibrated") > own.count("not calibrated") == 0


def llm_multiple_choice(text, made):
    drawn = re.findall(r"T = ([\d.]+) \(([\d.]+) to ([\d.]+)\), simulated: ([\d.]+)", text)
    assert len(drawn) == 6
    inside = [float(low) <= float(truth) <= float(high) for _, low, high, truth in drawn]
    assert sum(inside) >= 5
    law = (made["rows"].groups == "law") & made["fitting"]
    labels = np.array([made["rows"].classes.index(each) for each in made["rows"].labels[law]])
    alone = reference.temperature(made["rows"].values[law], labels)
    pooled = number(text, r"instruct: one temperature for all is ([\d.]+)")
    assert pooled < number(text, r"law: T = ([\d.]+)") < alone + 0.01  # shrunk towards all
    losses = numbers(text.split("instruct")[1], r"log loss ([\d.]+)")
    assert losses == sorted(losses, reverse=True)
    assert numbers(text, r"for all is ([\d.]+)")[0] == pytest.approx(1, abs=0.1)


def decision_models(text, made):
    fitted = re.findall(r"(\w+): T = ([\d.]+), simulated: ([\d.]+)", text)
    assert [kind for kind, *_ in fitted] == ["choice", "predicate"]
    for _, found, truth in fitted:
        assert float(found) == pytest.approx(float(truth), rel=0.2)
    kinds, choice = made["kinds"], made["kinds"] == "choice"
    assert number(text, r"choice: ECE ([\d.]+)") == pytest.approx(
        reference.expected_calibration_error(made["before"][choice], made["labels"][choice]),
        abs=6e-4,
    )
    assert number(text, r"choice: .* ([\d.]+) after") < number(text, r"choice: ECE ([\d.]+)") / 2
    assert number(text, r"predicate: (\d+) % accepted") == pytest.approx(
        100 * made["accepted"][kinds == "predicate"].mean(), abs=0.51
    )
    wrong = made["after"].argmax(axis=1) != made["labels"]
    assert wrong[made["accepted"]].mean() <= 0.05


def agent_gate(text, made):
    assert "at most 10 % of the answers" in text
    assert re.findall(r": (act|ask a person),", text) == ["act", "ask a person", "ask a person"]
    new, gate = made["new"], json.loads(Path("policy.json").read_text())
    line = gate["calibrator"]["parameters"]
    p = sigmoid(line["slope"] * made["log_odds"][new] + line["intercept"])
    passes = p >= gate["rule"]["threshold"]
    wrong = 1 - made["correct"][new]
    assert number(text, r"(\d+) % pass") == pytest.approx(100 * passes.mean(), abs=0.51)
    assert number(text, r"which ([\d.]+) % are wrong") == pytest.approx(
        100 * wrong[passes].mean(), abs=0.06
    )
    assert wrong[passes].mean() < 0.13 < wrong.mean()


def cascade(text, made):
    saved = json.loads(Path("cascade.json").read_text())
    assert saved["format"] == "temperance/cascade"
    (stage,) = saved["stages"]
    temperature = stage["calibrator"]["parameters"]["temperature"]
    threshold = 1 - stage["expected_loss"]["value"] - stage["step"]
    x, y = made["X_new"], made["y_new"]
    z = made["cheap"].predict_log_proba(made["coarse"](x))
    p = reference.softmax(z / temperature)
    on = p.max(axis=1) < threshold
    answer = np.where(on, made["expensive"].predict(x), p.argmax(axis=1))
    assert number(text, r"sent on: ([\d.]+) %") == pytest.approx(100 * on.mean(), abs=0.06)
    assert number(text, r"accuracy of both ([\d.]+)") == pytest.approx(
        np.mean(answer == y), abs=6e-5
    )
    assert number(text, r"accuracy of cheap alone: ([\d.]+)") < np.mean(answer == y)
    assert number(text, r"  \((-?[\d.]+) to") > 0  # all of the interval of its worth
    assert temperature > 1.5


def ensemble(text, made):
    losses = dict(re.findall(r"^([\w ,]+): log loss ([\d.]+)", text, flags=re.MULTILINE))
    pool = made["probs"]["pool"]
    assert float(losses["pool"]) == pytest.approx(
        reference.log_loss(pool, made["y_test"]), abs=6e-4
    )
    assert list(losses)[-1] == "pool, then calibrate"
    assert min(losses, key=lambda name: float(losses[name])) == "pool, then calibrate"
    errors = numbers(text, r"ECE ([\d.]+)")
    after = made["probs"]["pool, then calibrate"]
    assert errors[-1] == pytest.approx(
        reference.expected_calibration_error(after, made["y_test"]), abs=6e-4
    )


def monitoring(text, made):
    first, last = made["alarms"]  # nothing else: no false alarm in a year
    assert 17 <= first <= 19
    assert 43 <= last <= 44
    served = np.array(made["serves"])
    assert set(served[: first + 1]) == {2.0}
    assert served[first + 1] == pytest.approx(3.6, rel=0.2)  # simulated
    assert set(served[43 : last + 1]) == {1.0}
    assert served[-1] == served[42]
    z, y = made["traffic"](17, 50_000)
    assert reference.temperature(z, y) == pytest.approx(3.6, rel=0.03)
    changes = re.findall(r"^(?!week)(\w+): ", text, flags=re.MULTILINE)
    assert changes == ["init", "promote", "promote", "rollback"]


def big_data(text, made):
    mapped, *others = numbers(text, r": T = ([\d.]+)")
    assert len(others) == 2
    assert others == pytest.approx([mapped] * 2, rel=1e-6)
    z, y = np.load("logits.npy", mmap_mode="r"), np.load("labels.npy")
    slope = 0.0  # of the log loss in 1/T: 0 at its minimum
    for a in range(0, made["N"], made["BLOCK"]):
        rows, labels = np.asarray(z[a : a + made["BLOCK"]], float), y[a : a + made["BLOCK"]]
        p = reference.softmax(rows / mapped)
        slope += (p * rows).sum() - rows[np.arange(len(rows)), labels].sum()
    assert abs(slope / made["N"]) < 1e-5
    assert mapped == pytest.approx(1.7, rel=0.01)


def onnx_model(text, made):
    errors = numbers(text, r"ECE ([\d.]+)")
    raw = reference.softmax(made["model"].decision_function(made["X_test"]))
    found = reference.expected_calibration_error(raw, made["y_test"])
    assert errors[0] == pytest.approx(found, abs=2e-3)
    assert errors[1] < errors[0]
    losses = numbers(text, r"log loss ([\d.]+)")
    assert losses[1] < 0.9 * losses[0]
    assert number(text, r"from Python: ([\de.-]+)") < 1e-6
    assert number(text, r"T = ([\d.]+)") == pytest.approx(
        reference.temperature(made["model"].decision_function(made["X_cal"]), made["y_cal"]), 1e-3
    )
    assert "same classes: True" in text


def sql_query(text, made):
    slope, intercept = number(text, r"slope ([\d.]+)"), number(text, r"intercept (-?[\d.]+)")
    z, clicked = made["scores"][made["new"]], made["clicked"][made["new"]]
    assert number(text, r"clicks: (\d+)") == clicked.sum()
    assert number(text, r"by the model (\d+)") == pytest.approx(sigmoid(z).sum(), abs=0.51)
    expected = sigmoid(slope * z + intercept).sum()
    assert number(text, r"by the query (\d+)") == pytest.approx(expected, abs=0.6)
    assert expected == pytest.approx(clicked.sum(), rel=0.2)
    assert slope == pytest.approx(1 / 1.6, rel=0.1)  # of the simulation


def http_service(text, made):
    first, second = numbers(text, r"served: temperature ([\d.]+)")
    z, y = made["logits"], made["labels"]
    assert first == pytest.approx(reference.temperature(z[:50], y[:50]), abs=6e-4)
    assert second == pytest.approx(reference.temperature(z[:1000], y[:1000]), abs=6e-4)
    assert "to the last bit: True" in text
    raw, served = numbers(text, r"ECE ([\d.]+)")
    assert raw == pytest.approx(
        reference.expected_calibration_error(reference.softmax(z[1000:]), y[1000:]), abs=6e-4
    )
    assert served < raw / 2


FACTS = {
    each.__name__: each
    for each in (
        agent_gate, big_data, cascade, credit_risk, decision_models, ensemble, http_service,
        llm_multiple_choice, medical_diagnosis, monitoring, onnx_model, perception, sql_query,
    )
}  # fmt: skip


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_prints_what_its_rows_say(name, tmp_path, monkeypatch, capsys):
    for module in NEEDS[name]:
        pytest.importorskip(module)
    monkeypatch.chdir(tmp_path)
    made = runpy.run_path(str(SCRIPTS[name]), run_name="__main__")
    FACTS[name](capsys.readouterr().out, made)
    picture = (tmp_path / f"{name}.png").read_bytes()
    assert picture.startswith(b"\x89PNG")


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_page_shows_every_example(name):
    """`make docs` has been run: its words are those of the script, its picture is there."""
    gallery = runpy.run_path(str(ROOT / "docs" / "gallery.py"))
    assert set(gallery["EXAMPLES"]) == set(SCRIPTS)
    assert gallery["head"](name) in (ROOT / "docs" / "examples.md").read_text(encoding="utf-8")
    picture = ROOT / "docs" / "images" / "examples" / f"{name}.png"
    assert picture.stat().st_size < 100_000
