"""What is said of files without usual columns, or with rows of zeros, works when typed."""

import json
import re
import shlex

import numpy as np
import pytest

from table_files import arrow
from temperance.readers import read

N = 40


def table(path, header, *columns):
    """Write a table of these columns."""
    lines = [header, *(",".join(map(str, row)) for row in zip(*columns, strict=True))]
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("header", ["score,correct", "confidence,correct", "Conf,is_correct"])
def test_scores_of_answers_are_advised_as_such(run, tmp_path, header):
    """A column of scores beside one of right and wrong is --kind answers, typed as it stands."""
    rng = np.random.default_rng(0)
    p = rng.random(N).round(3)
    table(tmp_path / "a.csv", header, p, (rng.random(N) < p).astype(int))
    message = run("evaluate", "a.csv", code=2).stderr
    options = shlex.split(re.search(r"say (--kind answers.*?) \(", message)[1])
    found = json.loads(run("evaluate", "a.csv", "--quick", "--json", *options).stdout)
    assert found["n"] == N


def test_confidences_of_models_and_labels_in_words(run, tmp_path):
    """Each message names the next options in full: columns, then which word is class 1."""
    rng = np.random.default_rng(0)
    p = rng.random(N).round(4)
    cells = [f"{100 * each:.2f}%" for each in p]
    words = np.where(rng.random(N) < p, "Pathogenic", "Benign")
    table(tmp_path / "a.csv", "A_Confidence,B_Confidence,True_Label", cells, cells, words)
    message = run("evaluate", "a.csv", code=2).stderr
    assert "'A_Confidence', 'B_Confidence'" in message
    options = shlex.split(re.search(r"say (--probs-column .*)\.$", message.strip())[1])
    message = run("evaluate", "a.csv", *options, code=2).stderr
    options += ["--label-map", re.search(r"--label-map (\S+)", message)[1]]
    found = json.loads(run("evaluate", "a.csv", "--quick", "--json", *options).stdout)
    right = np.mean((p > 0.5) == (words == "Pathogenic"))
    assert found["accuracy"]["value"] == pytest.approx(right)


@pytest.mark.parametrize("suffix", ["csv", "npz"])
def test_rows_of_zeros_are_left_out_where_said(run, tmp_path, suffix):
    """--renormalize names --na drop, which counts rows of zeros and rows that lack a value."""
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), size=N).round(2)
    p[[3, 7]] = 0
    labels = rng.integers(0, 3, size=N)
    if suffix == "npz":
        np.savez(tmp_path / "a.npz", probs=p, labels=labels)
    else:
        table(tmp_path / "a.csv", "prob_0,prob_1,prob_2,label", *p.T, labels)
    message = run("evaluate", f"a.{suffix}", "--renormalize", code=2).stderr
    assert "row 4 (from 1)" in message
    assert "--na drop" in message
    command = ("evaluate", f"a.{suffix}", "--quick", "--json", "--renormalize", "--na", "drop")
    found = json.loads(run(*command).stdout)
    assert found["n"] == N - 2
    assert any("2 of 40 rows were left out, which hold zeros" in w for w in found["warnings"])
    p[0, 0] = np.nan
    if suffix == "csv":
        table(tmp_path / "a.csv", "prob_0,prob_1,prob_2,label", *p.T, labels)
        found = json.loads(run(*command).stdout)
        assert found["n"] == N - 3
        labels[9] = 5
        table(tmp_path / "a.csv", "prob_0,prob_1,prob_2,label", *p.T, labels)
        assert "row 10 (from 1)" in run(*command, code=2).stderr
        assert len(read(tmp_path / "a.csv", na="drop").values) == N - 1


def unlabelled(path, z, y, groups):
    """Write logits whose labels and groups have names of their own; a .npy has no place."""
    suffix, more = path.suffix, {"truth_of_it": y, "kind_of_it": groups}
    if suffix == ".npy":
        np.save(path, z)
    elif suffix == ".npz":
        np.savez(path, logits=z, **more)
    elif suffix == ".jsonl":
        records = [{"logits": row.tolist(), "truth_of_it": int(t), "kind_of_it": str(g)}
                   for row, t, g in zip(z, y, groups, strict=True)]  # fmt: skip
        path.write_text("\n".join(map(json.dumps, records)))
    elif suffix in {".parquet", ".arrow"}:
        columns = {f"logit_{c}": z[:, c] for c in range(z.shape[1])}
        arrow(path, {**columns, **more})
    elif suffix == ".pt":
        torch = pytest.importorskip("torch")
        torch.save({"logits": torch.from_numpy(z), "truth_of_it": torch.from_numpy(y)}, path)
    else:
        table(path, "logit_0,logit_1,logit_2,truth_of_it,kind_of_it", *z.T, y, groups)


COMMANDS = {
    "fit": "fit {} --only-fit",
    "evaluate": "evaluate {} --quick",
    "threshold": "threshold {} --max-risk 0.9",
    "policy": "policy {} --event 0 --min-precision 0.2 -o p.json",
    "shift": "shift {} {other} --quick",
}
ANSWERS = {
    "--label-column": "truth_of_it", "--labels": "y.npy", "--reference-labels": "y.npy",
    "--group-column": "kind_of_it",
}  # fmt: skip


@pytest.mark.parametrize("suffix", ["npy", "npz", "csv", "jsonl", "parquet", "arrow", "pt"])
@pytest.mark.parametrize("command", COMMANDS)
def test_advised_options_exist_and_help(run, tmp_path, command, suffix):
    """Every option that a message names is one of the command, and takes it to another answer."""
    rng = np.random.default_rng(0)
    z = 3 * rng.normal(size=(300, 3))
    y = (z / 2 + rng.gumbel(size=z.shape)).argmax(axis=1)
    unlabelled(tmp_path / f"a.{suffix}", z, y, np.array(["u", "v"])[np.arange(300) % 2])
    np.save(tmp_path / "y.npy", y)
    unlabelled(tmp_path / f"b.{suffix}", z[::-1].copy(), y[::-1].copy(), np.repeat("u", 300))
    line = COMMANDS[command].format(f"a.{suffix}", other=f"b.{suffix}").split()
    message = run(*line, code=2).stderr
    assert "has no labels" in message
    advised = set(re.findall(r"--[a-z]+(?:-[a-z]+)*", message))
    assert advised
    assert advised <= ANSWERS.keys()
    for option in advised:
        run(*line, option, ANSWERS[option])  # ends with 0
    if command not in {"threshold", "policy"}:
        return
    (labels, *_) = sorted(advised)
    line += [labels, ANSWERS[labels], "--per-group"]
    message = run(*line, code=2).stderr
    assert "has no groups" in message
    advised = set(re.findall(r"--[a-z]+(?:-[a-z]+)*", message)) - {"--per-group"}
    assert bool(advised) == (suffix != "npy")
    for option in advised if suffix != "pt" else ():
        run(*line, option, ANSWERS[option])
