"""What is kept says a file's name and digest, never the folders that it lay in."""

import json

import numpy as np
import pytest

import reference

FOLDER = "private-of-somebody"


@pytest.fixture
def folder(tmp_path):
    """Write files of several models in a folder whose name may not be told."""
    folder = tmp_path / FOLDER
    for place in ("one", "two"):
        (folder / place).mkdir(parents=True)
    rng = np.random.default_rng(0)
    z = 3 * rng.normal(size=(700, 3))
    y = (reference.softmax(z / 2).cumsum(axis=1) < rng.random((700, 1))).sum(axis=1)
    for name, rows in (("cal", slice(0, 400)), ("test", slice(400, 700))):
        ids = np.arange(700)[rows]
        np.savez(folder / "one" / f"{name}.npz", logits=z[rows], labels=y[rows], ids=ids)
        other = z[rows] + rng.normal(size=z[rows].shape)
        np.savez(folder / "two" / f"{name}.npz", logits=other, labels=y[rows])
    return folder


def texts(path):
    """Return what a kept file says."""
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("absolute", [True, False])
@pytest.mark.usefixtures("quick_plans")
def test_no_kept_file_tells_a_folder(run, folder, tmp_path, absolute):
    """Calibrators, policies and reports of every command: names, whatever way paths are given."""
    at = folder if absolute else FOLDER
    cal, test, old, c = (f"{at}/{name}" for name in ("one/cal.npz", "one/test.npz", "two/cal.npz",
                                                     "c.json"))  # fmt: skip
    quick, labels = "--quick", ("--labels", test)
    told = run("fit", cal, "--test", test, quick, "-o", c, "--report", "1.html").stdout
    assert f"calibrator: {c}" in told.replace("\n", ""), (
        "what the caller gave is said to the caller"
    )
    run("fit", cal, old, "--method", "ensemble", quick, "-o", "e.json", "--report", "2.html")
    run("evaluate", cal, "--calibrator", c, quick, "--report", "3.html")  # fitted on: a warning
    run("evaluate", old, *labels, quick, "--report", "4.html", code=2)  # other rows
    run("compare", cal, old, quick, "--report", "5.html")
    run("compare", cal, c, quick, "--report", "6.html")
    run("shift", cal, test, "--report", "7.html")
    risk = ("--max-risk", "0.5")
    run("threshold", cal, *risk, "--calibrator", c, "--test", test, "-o", "p.json", "--report",
        "8.html")  # fmt: skip
    run("threshold", cal, *risk, "-o", "q.json", "--report", "9.html")
    run("cascade", cal, old, "--cost", "0.01", "--report", "10.html")
    kept = [*tmp_path.glob("*.html"), *tmp_path.glob("*.json"), folder / "c.json"]
    assert len(kept) == 9 + 3 + 1
    for each in kept:
        assert FOLDER not in texts(each), each.name
        assert str(tmp_path) not in texts(each), each.name
        assert "cal.npz" in texts(each), each.name
    assert json.loads(texts(folder / "c.json"))["fit"]["data"] == "cal.npz"
    assert json.loads(texts(tmp_path / "e.json"))["fit"]["data"] == "cal.npz + cal.npz"
    policy = json.loads(texts(tmp_path / "p.json"))["rows"]
    names = (policy["data"], policy["calibrator"], policy["test"])
    assert names == ("cal.npz", "c.json", "test.npz")
    assert policy["data_sha256"]
    assert "one/cal" in texts(tmp_path / "5.html"), "the names of models differ, so they tell apart"


def test_a_path_of_an_older_calibrator_is_not_handed_on(run, folder, tmp_path):
    """A policy names the data of its calibrator, not the folder that the calibrator tells."""
    run("fit", f"{FOLDER}/one/cal.npz", "--quick", "-o", "c.json")
    content = json.loads(texts(tmp_path / "c.json"))
    content["fit"]["data"] = "/home/her/cal.npz + C:\\her\\old.npz"
    (tmp_path / "c.json").write_text(json.dumps(content), encoding="utf-8")
    test = f"{FOLDER}/one/test.npz"
    run("threshold", test, "--max-risk", ".5", "--calibrator", "c.json", "-o", "p.json")
    policy = json.loads(texts(tmp_path / "p.json"))
    assert policy["calibrator"]["fit"]["data"] == "cal.npz + old.npz"
