"""A decision model's response comes back as it is, calibrated."""

import json
from copy import deepcopy

import numpy as np
import pytest

import temperance as tp

pytest.importorskip("starlette")
pytest.importorskip("prometheus_client")

from llm_files import choice
from services import post
from temperance.decisions import DecisionPolicy, bands, save_policy
from temperance.serving.app import application

OPENAI = {
    "id": "dec_1", "object": "decision", "usage": {"input_tokens": 12}, "answers": [
        {"type": "predicate", "name": "spam", "probability": 0.9},
        choice([("refund", 0.7), ("reply", 0.25), ("close", 0.05)], name="action"),
        {"type": "score", "name": "tone", "score": 4, "confidence": 0.6, "probabilities": [
            {"value": 3, "label": "fair", "probability": 0.4},
            {"value": 4, "label": "good", "probability": 0.6},
        ]},
        {"type": "refusal", "name": "age"},
    ],
}  # fmt: skip
OTHER = {
    "model": "x", "answers": {
        "spam": {"type": "noul", "noul": 0.9},
        "action": {"type": "choice", "choice": "refund", "confidence": 0.7,
                   "probabilities": {"refund": 0.7, "reply": 0.25, "close": 0.05}},
        "tone": {"type": "score", "score": 3.6, "probabilities": {"3": 0.4, "4": 0.6}},
    },
}  # fmt: skip


@pytest.fixture
def app(tmp_path):
    """Make the application that serves a calibrator."""

    def make(calibrator):
        tp.save(calibrator, tmp_path / "c.json")
        return application(tmp_path / "c.json")

    return make


def numbers(answer):
    """Return the probabilities of an answer, as readers of files order them."""
    for key in ("probability", "noul"):
        if key in answer:
            return [1.0 - answer[key], answer[key]]
    listed = answer["probabilities"]
    if isinstance(listed, dict):
        return list(listed.values())
    return [each["probability"] for each in listed]


@pytest.mark.parametrize(
    ("response", "format_"), [(OPENAI, "openai-decisions"), (OTHER, "decisions")]
)
def test_the_numbers_are_those_of_the_file(app, tmp_path, run, response, format_):
    """As `temperance apply --format` writes them; what is no number stays as it was."""
    service = app(tp.TemperatureScaling(2.0))
    (tmp_path / "r.jsonl").write_text(json.dumps(response) + "\n")
    run("apply", "c.json", "r.jsonl", "--format", format_, "-o", "out.jsonl")
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    expected = [json.loads(line)["probs"] for line in lines]
    got = post(service, response)
    assert got.status == 200, got.body
    got = got.json()
    answers = got["answers"]
    listed = list(answers.values()) if isinstance(answers, dict) else answers
    asked = [each for each in listed if each["type"] != "refusal"]
    for answer, probs in zip(asked, expected, strict=True):
        np.testing.assert_allclose(numbers(answer), probs, rtol=1e-15)
    assert got.pop("calibrator")["temperature"] == 2.0
    assert asked[1]["confidence"] == max(expected[1])
    assert asked[2]["score"] in (4, 3 * expected[2][0] + 4 * expected[2][1])
    assert shape(got) == shape(response)


def shape(content):
    """Return JSON without its numbers that are no whole ones."""
    if isinstance(content, dict):
        return {key: shape(each) for key, each in content.items()}
    if isinstance(content, list):
        return [shape(each) for each in content]
    return "number" if isinstance(content, float) else content


def test_probabilities_of_one_half_power(app):
    """At T = 2 odds become their square roots: .9 to .1 is 3 to 1."""
    got = post(app(tp.TemperatureScaling(2.0)), OPENAI).json()["answers"][0]
    assert got["probability"] == pytest.approx(0.75, abs=1e-15)


def test_rounded_zeros_are_not_impossible(app, tmp_path, run):
    """A probability of 0, rounded, is the most it can be, as in files."""
    response = {"answers": [choice([("a", 0.99), ("b", 0.01), ("c", 0.0)])]}
    service = app(tp.TemperatureScaling(2.0))
    (tmp_path / "r.jsonl").write_text(json.dumps(response) + "\n")
    run("apply", "c.json", "r.jsonl", "--format", "openai-decisions", "-o", "out.jsonl")
    expected = json.loads((tmp_path / "out.jsonl").read_text())["probs"]
    got = numbers(post(service, response).json()["answers"][0])
    assert got[2] > 0.0
    np.testing.assert_allclose(got, expected, rtol=1e-15)


def test_a_policy_says_which_answers_to_take(tmp_path, run, sample):
    """`accepted` of every answer; a refusal is none."""
    z, y = sample(1, n=1500, k=3, spread=6.0)
    np.savez(tmp_path / "cal.npz", logits=z, labels=y)
    run("threshold", "cal.npz", "--max-risk", "0.1", "-o", "policy.json")
    content = json.loads((tmp_path / "policy.json").read_text())
    threshold = content["rule"]["threshold"]
    three = choice([("a", 0.999), ("b", 0.0005), ("c", 0.0005)])
    unsure = choice([("a", 0.4), ("b", 0.3), ("c", 0.3)])
    response = {"answers": [three, unsure, {"type": "refusal"}]}
    got = post(application(tmp_path / "policy.json"), response).json()["answers"]
    assert [each["accepted"] for each in got] == [True, False, False]
    assert [max(numbers(each)) >= threshold for each in got[:2]] == [True, False]


def test_options_are_matched_by_their_names(app, sample):
    """A map with numbers of its own per class; the choice is what is most probable now."""
    factors, bias = np.ones(3), np.array([-1.0, -1.0, 2.0])
    base = tp.TemperatureScaling(1.0)
    vector = tp.METHODS["vector"](base, factors, bias, classes=("a", "b", "c"))
    service = app(vector)
    answer = choice([("c", 0.3), ("a", 0.6), ("b", 0.1)])
    got = post(service, {"answers": [deepcopy(answer)]}).json()["answers"][0]
    expected = vector.apply(np.log([[0.6, 0.1, 0.3]]))[0]
    np.testing.assert_allclose(numbers(got), expected[[2, 0, 1]], rtol=1e-12)
    assert got["choice"] == "c"
    assert got["confidence"] == max(numbers(got))
    for other in ([("c", 0.4), ("a", 0.6)], [("c", 0.3), ("a", 0.6), ("x", 0.1)]):
        refused = post(service, {"answers": [choice(other, name="act")]})
        assert refused.status == 400
        assert "answer 'act'" in refused.json()["error"]


def test_what_is_made_of_the_probabilities_otherwise_is_null(app):
    """Of an entropy nobody knows how to make it again; a choice that was drawn stays."""
    service = app(tp.TemperatureScaling(2.0))
    answer = {**choice([("a", 0.7), ("b", 0.3)], name="q"), "confidence": 0.119}
    got = post(service, {"answers": [answer]}).json()
    assert got["answers"][0]["confidence"] is None
    assert "`confidence` of answer 'q' is null" in got["warnings"][0]
    drawn = {**choice([("a", 0.7), ("b", 0.3)]), "choice": "b", "confidence": 0.3}
    got = post(service, {"answers": [drawn]}).json()
    assert got["answers"][0]["choice"] == "b"
    assert got["answers"][0]["confidence"] == numbers(got["answers"][0])[1]
    assert "warnings" not in got


def test_an_option_that_stands_there_twice_has_its_share_in_each_place(app):
    """0.3 and 0.1 of one option keep their ratio, and all sum to 1."""
    answer = choice([("a", 0.3), ("b", 0.6), ("a", 0.1)])
    got = numbers(post(app(tp.TemperatureScaling(2.0)), {"answers": [answer]}).json()["answers"][0])
    assert sum(got) == pytest.approx(1.0, abs=1e-15)
    assert got[0] / got[2] == pytest.approx(3.0, rel=1e-12)
    assert got[1] / (got[0] + got[2]) == pytest.approx((0.6 / 0.4) ** 0.5, rel=1e-12)


def test_groups_are_the_types_of_answers(app):
    """A temperature per type, as `temperance fit --format openai-decisions` learns it."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(600, 2)) * 4
    kinds = np.where(np.arange(600) % 2, "predicate", "choice")
    scale = np.where(kinds == "choice", 3.0, 1.0)[:, None]
    p = np.exp(z / scale)
    y = (rng.random(600) > p[:, 0] / p.sum(axis=1)).astype(int)
    by_type = tp.METHODS["group-temperature"].fit(z, y, groups=kinds)
    response = {"answers": [choice([("a", 0.9), ("b", 0.1)]),
                            {"type": "predicate", "probability": 0.1}]}  # fmt: skip
    got = post(app(by_type), response).json()["answers"]
    expected = by_type.apply(np.log([[0.9, 0.1]] * 2), groups=["choice", "predicate"])
    assert numbers(got[0])[0] == pytest.approx(expected[0, 0], rel=1e-12)
    assert 1.0 - got[1]["probability"] == pytest.approx(expected[1, 0], rel=1e-12)
    assert expected[1, 0] - expected[0, 0] > 0.1


def test_groups_are_types_and_numbers_of_options(tmp_path, run):
    """A temperature per (type, number of options), learned from files and served: the same rows.

    Choices of two and of three options need other temperatures; a type that was not seen has the
    pooled one; a group of fewer than 20 rows too, and the file says which.
    """
    rng = np.random.default_rng(0)
    lines, sharp = [], {2: 3.0, 3: 0.7}
    for i in range(900):
        k = 2 + i % 2
        z = rng.normal(size=k) * 2
        p = np.exp(z * sharp[k])
        truth = np.exp(z) / np.exp(z).sum()
        label = "abc"[rng.choice(k, p=truth)]
        answer = choice(list(zip("abc"[:k], (p / p.sum()).tolist(), strict=True)))
        lines.append(json.dumps({"answers": [answer], "label": label}))
    few = {"answers": [{"type": "predicate", "probability": 0.9}], "label": True}
    lines += [json.dumps(few)] * 5
    (tmp_path / "d.jsonl").write_text("\n".join(lines), encoding="utf-8")
    run("fit", "d.jsonl", "--format", "openai-decisions", "--group-by", "type,options",
        "--method", "group-temperature")  # fmt: skip
    fitted = tp.load(tmp_path / "calibrator.json")
    assert fitted.temperatures["choice, 2 options"] == pytest.approx(3.0, rel=0.3)
    assert fitted.temperatures["choice, 3 options"] == pytest.approx(0.7, rel=0.3)
    assert fitted.small_groups == ("predicate, 2 options",)
    shown = [[("a", 0.8), ("b", 0.2)], [("a", 0.6), ("b", 0.3), ("c", 0.1)]]
    response = {"answers": [*map(choice, shown), {"type": "predicate", "probability": 0.9}]}
    got = post(application(tmp_path / "calibrator.json"), response).json()
    for answer, options in zip(got["answers"], shown, strict=False):
        logits = [np.log([p for _, p in options])]
        expected = fitted.apply(logits, groups=[f"choice, {len(options)} options"])[0]
        assert numbers(answer)[: len(options)] == pytest.approx(expected, rel=1e-9)
    assert "warnings" not in got


BAD = [
    {"answers": []},
    {"answers": [{"type": "choice", "probabilities": [{"value": "a", "probability": 0.5}]}]},
    {"answers": [choice([("a", 0.5), ("b", 0.3)])]},
    {"answers": [choice([("a", 1.5), ("b", -0.5)])]},
    {"answers": [{"type": "predicate"}]},
    {"answers": [{"probability": 0.5}]},
    {"answers": 3},
    {"answers": [3]},
    {"response": {}},
]


@pytest.mark.parametrize("response", BAD, ids=range(len(BAD)))
def test_responses_that_are_none_are_refused(app, response):
    """400 and the place in the response."""
    reply = post(app(tp.TemperatureScaling(2.0)), response)
    assert reply.status == 400, reply.body
    assert set(reply.json()) == {"error"}


def test_a_calibrator_of_another_kind_takes_no_decision(app):
    """One of answers as a whole has no rows of options."""
    scores, correct = [50, 60, 70, 80, 90] * 40, [0, 0, 1, 0, 1, 1, 0, 0, 1, 1] * 20
    of_answers = tp.llm.AnswerConfidence.fit(scores, correct, scale="percent")
    reply = post(app(of_answers), OPENAI)
    assert reply.status == 400
    assert "one row of probabilities" in reply.json()["error"]


def test_all_questions_of_a_document_are_decided_together(tmp_path):
    """A composite policy: one band for every answer of the response; a refusal leaves none sure."""
    rng = np.random.default_rng(0)
    p = rng.beta(8, 1, 3000).clip(0.5)
    wrong = (rng.random(3000) > p).astype(int)
    probs, of = np.stack([p, 1 - p], axis=1), np.arange(3000) // 3
    rule = bands(probs, wrong, clusters=of, composite="product", min_precision=0.75)
    save_policy(DecisionPolicy(tp.TemperatureScaling(1.0), rule), tmp_path / "p.json")
    service = application(tmp_path / "p.json")
    sure = {"answers": [{"type": "noul", "name": n, "noul": 0.999} for n in "abc"]}
    unsure = {"answers": [*sure["answers"], {"type": "noul", "name": "d", "noul": 0.5}]}
    refused = {"answers": [*sure["answers"], {"type": "refusal", "name": "d"}]}
    for content, expected in ((sure, "accept"), (unsure, "review"), (refused, "review")):
        answers = post(service, deepcopy(content)).json()["answers"]
        assert {each["band"] for each in answers} == {expected}
        assert {each["accepted"] for each in answers} == {expected == "accept"}
