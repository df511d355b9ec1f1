"""Rows that are not draws of their own: ids that repeat, copies, weight 0, alike neighbours."""

import json
import re

import numpy as np
import pytest

import reference
import temperance as tp
from temperance.rows.repeats import copies_of, more_alike_than_chance, neighbours_alike

TOLD = {"ids": "540 of 600 rows have the id", "copies": "540 of 600 rows are copies"}


def draw(rng, z):
    p = reference.softmax(z).cumsum(axis=1)
    return (p < rng.random((len(z), 1))).sum(axis=1).clip(0, z.shape[1] - 1)


@pytest.fixture
def sixty(tmp_path):
    """Sixty rows once, ten times with an id each, and ten times as they are."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(60, 3)) * 2
    y = draw(rng, z / 2)
    ten = rng.permutation(np.tile(np.arange(60), 10))
    noise = rng.normal(size=(600, 3)) * 1e-3
    np.savez(tmp_path / "once.npz", logits=z, labels=y)
    np.savez(tmp_path / "copies.npz", logits=z[ten], labels=y[ten])
    np.savez(tmp_path / "ids.npz", logits=z[ten] + noise, labels=y[ten], ids=ten)
    np.savez(tmp_path / "clusters.npz", logits=z[ten] + noise, labels=y[ten], clusters=ten)
    for name in ("ids", "copies"):
        data = np.load(tmp_path / f"{name}.npz")
        ids = data.get("ids", np.arange(600))
        lines = [
            ",".join(map(str, (f"q{i}" if name == "ids" else "", *row, label)))
            for i, row, label in zip(
                ids.tolist(), data["logits"].tolist(), data["labels"].tolist(), strict=True
            )
        ]
        first = "id" if name == "ids" else "unused"
        head = f"{first},logit_a,logit_b,logit_c,label"
        lines = [line[:-1] + "abc"[int(line[-1])] for line in lines]
        (tmp_path / f"{name}.csv").write_text("\n".join([head, *lines]) + "\n")
    return z, y


def outcome(run, *arguments):
    return json.loads(run(*arguments, "--json").stdout)


def has(found, text):
    return any(text in each for each in found["warnings"])


@pytest.mark.parametrize("suffix", ["npz", "csv"])
@pytest.mark.parametrize("name", ["ids", "copies"])
def test_ten_times_sixty_rows_are_sixty(run, sixty, name, suffix):
    """The verdict and about the interval of the rows once, and the user is told."""
    del sixty
    once = outcome(run, "fit", "once.npz", "--quick")["differences"]["log_loss"]
    found = outcome(run, "fit", f"{name}.{suffix}", "--quick")
    assert has(found, TOLD[name])
    assert has(found, "of 60.")
    ten = found["differences"]["log_loss"]
    assert ten["verdict"] == once["verdict"] == "cannot tell"
    assert ten["high"] - ten["low"] == pytest.approx(once["high"] - once["low"], rel=0.15)
    assert found["intervals"]["before"]["n_clusters"] == 60


def test_ids_are_clusters_by_their_names(run, sixty):
    """The digits of the same file with these clusters."""
    del sixty
    own, same = (outcome(run, "fit", f"{n}.npz", "--quick") for n in ("ids", "clusters"))
    for key in ("before", "after", "differences", "temperature_interval", "headline"):
        assert own[key] == same[key]


@pytest.mark.parametrize("name", ["ids", "copies"])
def test_keep_and_error(run, sixty, name):
    """Kept, every row is a draw of its own, and told; as an error the file is refused."""
    del sixty
    found = outcome(run, "fit", f"{name}.npz", "--quick", "--repeated-ids", "keep")
    assert has(found, TOLD[name])
    assert found["intervals"]["before"]["n_clusters"] is None
    assert found["differences"]["log_loss"]["verdict"] == "better"
    refused = run("fit", f"{name}.npz", "--repeated-ids", "error", code=2).stderr
    assert TOLD[name] in refused
    assert refused.count("\n") == 1


@pytest.mark.parametrize("name", ["ids", "copies"])
@pytest.mark.parametrize(
    "command",
    [
        ("fit", "{}", "--method", "auto", "--quick"),
        ("fit", "once.npz", "--test", "{}", "--quick"),
        ("evaluate", "{}", "--quick"),
        ("compare", "{}", "{}2", "--quick"),
        ("threshold", "{}", "--max-risk", "0.7", "--as-is"),
        ("plan", "{}"),
        ("cascade", "{}", "{}2", "--cost", "0.1"),
        ("shift", "{}", "once.npz", "--quick"),
        ("shift", "once.npz", "{}", "--quick"),
    ],
    ids=lambda command: " ".join(command[:3]),
)
def test_every_command_tells(run, tmp_path, sixty, name, command):
    """Once, whatever the command."""
    del sixty
    data = dict(np.load(tmp_path / f"{name}.npz"))
    np.savez(tmp_path / f"{name}2.npz", **{**data, "logits": data["logits"] * 0.9})
    found = outcome(run, *(each.format(name) + ".npz" if "{" in each else each for each in command))
    assert sum(TOLD[name] in each for each in found["warnings"]) == 1


def test_ids_inside_clusters_are_no_matter(run, tmp_path, sixty):
    """A file with clusters keeps them; ids that stand in several of them are told."""
    z, y = sixty
    ten = np.tile(np.arange(60), 10)
    file = {"logits": z[ten], "labels": y[ten], "ids": ten}
    np.savez(tmp_path / "nested.npz", **file, clusters=ten // 2)
    np.savez(tmp_path / "across.npz", **file, clusters=np.arange(600) // 10)
    nested, across = (outcome(run, "evaluate", f"{n}.npz", "--quick") for n in ("nested", "across"))
    assert (nested["n_clusters"], across["n_clusters"]) == (30, 60)
    assert not has(nested, "the id of an earlier row")
    assert has(across, "the clusters of the file are taken")


def test_ids_of_a_matrix_of_labels(run, tmp_path):
    """Rows of one id are one cluster, whose entries go together."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(80, 4))
    y = (rng.random((80, 4)) < 1 / (1 + np.exp(-z))).astype(int)
    np.savez(tmp_path / "l.npz", logits=z, labels=y, ids=np.arange(80) // 2)
    found = outcome(run, "fit", "l.npz", "--kind", "multilabel", "--quick")
    assert has(found, "40 of 80 rows have the id of an earlier row ('0' stands 2 times)")
    assert found["intervals"]["before"]["n_clusters"] == 40


def test_rows_without_an_id_are_their_own(run, tmp_path):
    """An empty id is no id that repeats."""
    z = np.random.default_rng(0).normal(size=(60, 2)) * 3
    ids = np.array(["" if i % 2 else str(i) for i in range(60)])
    np.savez(tmp_path / "e.npz", logits=z, labels=np.arange(60) % 2, ids=ids)
    assert not has(outcome(run, "evaluate", "e.npz", "--quick"), "earlier row")


METHODS = [
    "temperature", "bias-corrected-temperature", "vector", "matrix", "platt", "beta", "isotonic",
    "venn-abers", "group-temperature", "auto",
]  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_rows_of_weight_zero_are_not_there(run, tmp_path, method):
    """A file with rows of weight 0, some of them copies, gives the digits of the file without."""
    rng = np.random.default_rng(2)
    k = 2 if method in {"platt", "beta", "isotonic", "venn-abers"} else 3
    z = rng.normal(size=(240, k)) * 2
    y, w = draw(rng, z / 1.7), rng.choice([1.0, 2.0], 240)
    groups = np.array(["a", "b"])[np.arange(240) % 2]
    more = np.r_[np.arange(40), np.arange(40)]
    order = rng.permutation(320)
    both = {"logits": np.r_[z, z[more] * 3], "labels": np.r_[y, (y[more] + 1) % k],
            "weights": np.r_[w, np.zeros(80)], "groups": np.r_[groups, groups[more]]}  # fmt: skip
    np.savez(tmp_path / "a.npz", logits=z, labels=y, weights=w, groups=groups)
    np.savez(tmp_path / "b.npz", **{name: values[order] for name, values in both.items()})
    first, second = (outcome(run, "fit", f"{n}.npz", "--method", method, "--quick") for n in "ab")
    assert has(second, "80 of 320 rows have weight 0")
    assert second["n"] == 240
    for key in ("before", "after"):
        assert second[key] == pytest.approx(first[key], rel=1e-6)
    for key in ("temperature", "method"):
        known = first[key] if key == "method" or first[key] is None else pytest.approx(first[key])
        assert second[key] == known
    said, known = (
        re.sub(r" After calibration \d of 2 groups .*", "", each["headline"])  # tests by draws
        for each in (second, first)
    )
    assert said == known


@pytest.mark.parametrize(
    "command",
    [
        ("evaluate", "{}.npz", "--quick"),
        ("compare", "{}.npz", "{}2.npz", "--quick"),
        ("threshold", "{}.npz", "--max-risk", "0.5"),
        ("plan", "{}.npz"),
        ("cascade", "{}.npz", "{}2.npz", "--cost", "0.1"),
        ("shift", "{}.npz", "{}2.npz", "--quick"),
    ],
    ids=lambda command: command[0],
)
def test_rows_of_weight_zero_in_other_commands(run, tmp_path, command):
    """The same digits, whatever is done with the file."""
    rng = np.random.default_rng(3)
    z = rng.normal(size=(300, 3)) * 2
    y = draw(rng, z / 1.7)
    for name, scale in (("", 1.0), ("2", 0.8)):
        np.savez(tmp_path / f"a{name}.npz", logits=z * scale, labels=y)
        np.savez(
            tmp_path / f"b{name}.npz", logits=np.r_[z, z[:50] * 9] * scale,
            labels=np.r_[y, y[50:100]], weights=np.r_[np.ones(300), np.zeros(50)],
        )  # fmt: skip
    first, second = (outcome(run, *(each.format(name) for each in command)) for name in "ab")
    assert has(second, "50 of 350 rows have weight 0")
    skipped = {"warnings", "data_sha256", "policy", "set_at", "data", "baseline", "weighted"}
    assert numbers(second, skipped) == pytest.approx(numbers(first, skipped), rel=1e-6, abs=1e-9)


def numbers(found, skipped):
    """All numbers of a result, in order, wherever they stand."""
    if isinstance(found, dict):
        return [n for key, each in found.items() if key not in skipped for n in numbers(each, ())]
    if isinstance(found, list):
        return [n for each in found for n in numbers(each, skipped)]
    return [found] if isinstance(found, int | float) and not isinstance(found, bool) else []


def scores(world, rng):
    """Rows of one world, and their labels: none of them a copy."""
    n, k = 900, 3
    z = rng.normal(size=(n, k)) * 2
    if world == "rounded to integers":
        z = np.round(z)
    if world == "percentages":
        with np.errstate(divide="ignore"):
            z = np.log(np.round(reference.softmax(z[:, :2]), 2))
        return z, draw(rng, np.maximum(z, -9))
    if world == "a tree":
        z = (rng.normal(size=(25, k)) * 2)[rng.integers(0, 25, n)]
    if world == "leaves that differ":
        leaves = rng.normal(size=(int(rng.integers(3, 20)), 10))
        z = (leaves * rng.uniform(0, 6, (len(leaves), 1)))[rng.integers(0, len(leaves), n)]
    if world == "certain":
        z = (z * 40).astype(np.float32)
    if world == "rare events":
        z[:, 0] += 5
    y = draw(rng, z / 1.4)
    return z, y


WORLDS = [
    "fine", "rounded to integers", "percentages", "a tree", "leaves that differ", "certain",
    "rare events",
]  # fmt: skip
ORDERS = ["as drawn", "by label", "by confidence", "by loss", "by label and confidence"]


def placed(z, y, order):
    p = reference.softmax(z)
    keys = {
        "as drawn": (np.arange(len(y)),), "by label": (y,), "by confidence": (p.max(axis=1),),
        "by loss": (p[np.arange(len(y)), y],), "by label and confidence": (p.max(axis=1), y),
    }  # fmt: skip
    places = np.lexsort(keys[order])
    return z[places], y[places]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("world", WORLDS)
def test_no_false_alarm(world, order):
    """Of 60 files of rows drawn one by one next to none is said to hold copies or neighbours."""
    rng = np.random.default_rng(7)
    alarms = {"copies": 0, "neighbours": 0}
    for _ in range(60):
        z, y = placed(*scores(world, rng), order)
        alarms["copies"] += copies_of(z, y) is not None
        alarms["neighbours"] += more_alike_than_chance(neighbours_alike(z, y))
    assert max(alarms.values()) <= 2


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("times", [2, 5])
def test_a_file_several_times_over_is_found(world, times):
    """All copies are counted, on coarse scores too, and each row has a cluster of its own."""
    rng = np.random.default_rng(11)
    z, y = scores(world, rng)
    places = rng.permutation(np.tile(np.arange(len(y)), times))
    copies = copies_of(z[places], y[places])
    assert copies is not None
    if world == "fine":
        assert copies.n == (times - 1) * len(y)
        assert (np.unique(np.c_[copies.clusters, places], axis=0).shape[0]) == len(y)
    assert (np.bincount(copies.clusters) % times == 0).all()


def test_ties_are_no_copies_in_any_order_of_the_columns():
    """Two scores in 1,000 rows, one of them (.5, .5): neither column order makes copies of them."""
    z = np.log(np.repeat([[0.5, 0.5], [0.3, 0.7]], 500, axis=0))
    y = np.repeat([0, 1, 0, 1], [101, 399, 97, 403])
    assert copies_of(z, y) is None
    assert copies_of(z[:, ::-1], 1 - y) is None


def test_a_tenth_copied_is_found():
    """Copies of some rows only, where scores have digits enough."""
    rng = np.random.default_rng(12)
    z, y = scores("fine", rng)
    places = rng.permutation(np.r_[np.arange(900), np.arange(90)])
    assert copies_of(z[places], y[places]).n == 90
    assert copies_of(z[:5], y[:5]) is None
    assert copies_of(z[:1], y[:1]) is None


def clustered(kind, rng):
    """Groups of twelve neighbours that share something."""
    z = rng.normal(size=(150, 12, 3)) * 2
    if kind == "paraphrases":
        z = z[:, :1] + rng.normal(size=z.shape) * 0.2
        y = np.repeat(draw(rng, z[:, 0] / 1.2), 12)
        return z.reshape(-1, 3), y
    flat = z.reshape(-1, 3)
    y = draw(rng, flat)
    hard = np.repeat(rng.random(150) < 0.3, 12) & (rng.random(1800) < 0.8)
    return flat, np.where(hard, (flat.argmax(axis=1) + 1) % 3, y)


@pytest.mark.parametrize("kind", ["paraphrases", "hard documents"])
def test_alike_neighbours_are_found(kind):
    """In at least 38 of 40 files; and not where the same rows are shuffled."""
    rng = np.random.default_rng(13)
    found = shuffled = 0
    for _ in range(40):
        z, y = clustered(kind, rng)
        found += more_alike_than_chance(neighbours_alike(z, y))
        places = rng.permutation(len(y))
        shuffled += more_alike_than_chance(neighbours_alike(z[places], y[places]))
    assert found >= 38
    assert shuffled == 0


def test_alike_neighbours_are_told(run, tmp_path):
    """With the option that says which rows belong together, and not where it is given."""
    z, y = clustered("paraphrases", np.random.default_rng(1))
    np.savez(tmp_path / "a.npz", logits=z, labels=y)
    np.savez(tmp_path / "b.npz", logits=z, labels=y, clusters=np.arange(1800) // 12)
    text = "`--cluster-column NAME` says which rows belong together"
    assert has(outcome(run, "evaluate", "a.npz", "--quick"), text)
    assert not has(outcome(run, "evaluate", "b.npz", "--quick"), text)


def test_rows_of_weight_zero_in_python():
    """`evaluate` and `compare` give the numbers of the other rows, groups and clusters included."""
    rng = np.random.default_rng(4)
    p = reference.softmax(rng.normal(size=(300, 3)) * 2)
    y, w = draw(rng, np.log(p)), rng.choice([0.0, 0.0, 1.0, 3.0], 300)
    groups = np.where(w == 0, "none", np.array(["a", "b"])[np.arange(300) % 2])
    clusters = rng.integers(0, 90, 300)
    there = w > 0

    def measured(of):
        beside = {"weights": w[of], "groups": groups[of], "clusters": clusters[of]}
        alone = tp.evaluate(p[of], y[of], **beside, n_resamples=100)
        sides = {"a": p[of], "b": p[of] ** 0.5 / (p[of] ** 0.5).sum(axis=1, keepdims=True)}
        return alone.to_dict(), tp.compare(sides, y[of], **beside, n_resamples=100).to_dict()

    everything, weighing = measured(np.ones(300, dtype=bool)), measured(there)
    assert everything[0]["n"] == there.sum()
    assert numbers(list(everything), ()) == pytest.approx(numbers(list(weighing), ()), nan_ok=True)


def test_a_single_weight():
    """One row that weighs is measured as one row; a choice of methods says what it lacks."""
    p, y, w = np.full((60, 2), 0.5), np.arange(60) % 2, np.zeros(60)
    w[3] = 1.0
    assert tp.evaluate(p, y, weights=w, n_resamples=100).n == 1
    with pytest.raises(tp.NoOptimumError, match="only one row"):
        tp.select(np.log(p), y, weights=w, refuse_probs=False)
