"""What the tokens that a server shows say of those it does not; what stands for no number."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from llm_files import completion, write
from temperance.errors import FileFormatError
from temperance.readers import LlmFormat, read

ABCD = "ABCD"


def chat(missing="bound", options="ABCD", **more):
    return LlmFormat("openai-logprobs", options=options, missing=missing, **more)


def drawn(n=400, temperature=2.0, seed=3):
    """Log-probabilities of four options that are the whole vocabulary, and labels."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, 4)) * 2.0
    z -= logsumexp(z, axis=1, keepdims=True)
    y = (z / temperature + rng.gumbel(size=z.shape)).argmax(axis=1)
    return z, y


def lines_of(z, y, *, k=4, hide=lambda value: value):
    """Responses that show the k likeliest of the four; `hide` makes what stands there."""
    rows = []
    for i, (zs, label) in enumerate(zip(z.tolist(), y.tolist(), strict=True)):
        top = sorted(zip(ABCD, zs, strict=True), key=lambda pair: -pair[1])[:k]
        row = completion([(t, hide(v)) for t, v in top], label=ABCD[label], id=i)
        rows.append(row)
    return rows


def slow_temperature(z, y):
    """The temperature of the least log loss, by a search in its logarithm."""

    def loss(log_t):
        s = z / math.exp(log_t)
        return float(np.mean(logsumexp(s, axis=1) - s[np.arange(len(y)), y]))

    return math.exp(
        minimize_scalar(loss, bounds=(-3, 4), method="bounded", options={"xatol": 1e-9}).x
    )


def slow_rows(z, y, known, missing):
    """The rows as the page says they are read, one option at a time."""
    rows, labels = [], []
    for zs, label, shown in zip(z, y, known, strict=True):
        if missing == "shown":
            if not shown[label] or shown.sum() < 2:
                continue
            rows.append([v if s else -math.inf for v, s in zip(zs, shown, strict=True)])
        else:
            those = [v for v, s in zip(zs, shown, strict=True) if s]
            most = min(those)
            if len(those) < len(zs):
                most = min(most, math.log(1.0 - sum(map(math.exp, those))))
            rows.append([v if s else most for v, s in zip(zs, shown, strict=True)])
        labels.append(label)
    return np.array(rows), np.array(labels)


def fitted(run, path, *options):
    """Temperature and number of rows as `fit` says them."""
    common = (path, "--format", "openai-logprobs", "--options", "A,B,C,D", *options)
    fit = json.loads(run("fit", *common, "--only-fit", "--json").stdout)
    return fit["temperature"], fit["n"]


@pytest.mark.parametrize("missing", ["bound", "shown"])
@pytest.mark.parametrize(
    "stand_in", [None, -math.inf, -9999.0, -3.4028234663852886e38, -100.0, -1000.0, -88.7, "-1e4"]
)
def test_what_stands_for_impossible_is_not_shown(run, tmp_path, missing, stand_in):
    """Any word for impossible gives the same rows, is counted, and is told as it stands there."""
    z, y = drawn()
    known = z > -5.0
    path = write(
        tmp_path / "a.jsonl",
        lines_of(z, y, hide=lambda value: value if value > -5.0 else stand_in),
    )
    rows, labels = slow_rows(z, y, known, missing)
    found, n = fitted(run, "a.jsonl", "--missing", missing)
    assert n == len(rows)
    assert found == pytest.approx(slow_temperature(rows, labels), rel=1e-5)
    notes = read(path, format=chat(missing)).notes
    written = "null" if stand_in is None else str(stand_in)
    assert any(
        f"{(~known).sum()} options with {written} in place of a log-probability" in note
        for note in notes
    )


@pytest.mark.parametrize("k", [1, 2, 3])
def test_few_tokens_shown(tmp_path, k):
    """Confidence, log loss and accuracy are those of the bound; the token named first is first."""
    z, y = drawn()
    found = read(write(tmp_path / "a.jsonl", lines_of(z, y, k=k)), format=chat())
    known = z >= -np.sort(-z, axis=1)[:, k - 1 : k]
    rows, _ = slow_rows(z, y, known, "bound")
    assert found.values == pytest.approx(rows, abs=2e-9)
    labels = np.array([ABCD.index(name) for name in found.labels])
    assert (labels == y).all()
    right = found.values.argmax(axis=1) == y
    assert right.mean() == (z.argmax(axis=1) == y).mean()
    probs = np.exp(found.values - logsumexp(found.values, axis=1, keepdims=True))
    assert (probs.argmax(axis=1) == z.argmax(axis=1)).all()
    assert (np.exp(found.values[~known]).max() <= 1.0 - np.exp(z[known].min())) or k > 1


def test_all_tokens_count_in_the_mass(tmp_path):
    """Tokens that are no options, and the sampled one beside the list, leave less for others."""
    top = [("The", math.log(0.5)), ("A", math.log(0.2)), ("x", math.log(0.15))]
    row = completion(top, sampled=("z", math.log(0.1)))
    found = read(write(tmp_path / "a.jsonl", [row]), format=chat(options="AB"))
    assert found.values[0] == pytest.approx(np.log([0.2, 0.05]), abs=1e-9)


def test_spellings_of_one_option_are_one_option_and_all_mass(tmp_path):
    """`A` and ` A` are added up; what they leave together bounds the other."""
    top = [("A", math.log(0.6)), (" A", math.log(0.3))]
    row = completion(top, label="A")
    found = read(write(tmp_path / "a.jsonl", [row]), format=chat(options="AB"))
    assert found.values[0] == pytest.approx(np.log([0.9, 0.1]), abs=1e-9)


@pytest.mark.parametrize("digits", [17, 9])
def test_rows_that_sum_to_one_tell_nothing_of_the_rest(tmp_path, digits):
    """A server that cuts the tail and divides: only the smallest shown bounds what is not."""
    top = [("A", float(f"{math.log(0.7):.{digits}g}")), ("B", float(f"{math.log(0.3):.{digits}g}"))]
    found = read(
        write(tmp_path / "a.jsonl", [completion(top, label="A")]), format=chat(options="ABC")
    )
    assert found.values[0] == pytest.approx(np.log([0.7, 0.3, 0.3]), abs=1e-8)
    assert "In 1 row the tokens shown sum to 1" in " ".join(found.notes)


@pytest.mark.parametrize("log_prob", [0.0, -1.1920928955078125e-07, -4e-7])
def test_one_token_that_is_certain_does_not_tie(tmp_path, log_prob):
    """Where one token has all the probability, what is not shown can have its rounding."""
    row = completion([("A", log_prob)], label="A")
    found = read(write(tmp_path / "a.jsonl", [row]), format=chat(options="AB"))
    assert found.values[0, 0] == log_prob
    assert -16.0 < found.values[0, 1] < -14.0


@pytest.mark.parametrize(
    "top",
    [
        [("A", math.log(0.7)), ("B", math.log(0.2)), (" A", math.log(0.7))],
        [("x", math.log(0.6)), ("A", math.log(0.3)), ("y", math.log(0.2))],
        [("A", -0.05), ("B", -0.7), ("C", -1.2)],
    ],
)
def test_more_than_all_the_probability_is_refused(tmp_path, top):
    """A sum above 1 is no softmax: the line is named, nothing is clipped."""
    good = completion([("A", -0.25), ("B", -2.0)], label="A")
    path = write(tmp_path / "a.jsonl", [good, completion(top, label="A")])
    with pytest.raises(FileFormatError, match=r"line 2: .*sum to at most 1 \(within 0\.0.*but sum"):
        read(path, format=chat())


def test_the_sampled_token_twice_is_refused(tmp_path):
    """Also where the sum does not give it away."""
    top = [("B", math.log(0.2)), ("A", math.log(0.5)), ("B", math.log(0.2))]
    path = write(tmp_path / "a.jsonl", [completion(top, sampled=top[0], label="A")])
    with pytest.raises(FileFormatError, match=r"line 1: .* lists the sampled token 'B' twice"):
        read(path, format=chat())


@pytest.mark.parametrize(
    "round_",
    [
        lambda z: np.round(z, 2),
        lambda z: np.round(z, 3),
        lambda z: z.astype(np.float32).astype(float),
        lambda z: z.astype(np.float16).astype(float),
        lambda z: (
            ((z.astype(np.float32).view(np.uint32) + 0x8000) & 0xFFFF0000)
            .astype(np.uint32)
            .view(np.float32)
            .astype(float)
        ),
    ],
    ids=["2 decimals", "3 decimals", "float32", "float16", "bfloat16"],
)
def test_rounding_is_no_reason_to_refuse(tmp_path, round_):
    """Sums above 1 by the rounding of what servers write are taken."""
    z, y = drawn(n=600)
    given = round_(z)
    assert (np.exp(given).sum(axis=1) > 1.0).any()
    found = read(write(tmp_path / "a.jsonl", lines_of(given, y)), format=chat())
    assert found.values == pytest.approx(given, abs=1e-12)


def test_tiny_positive_log_probabilities(tmp_path):
    """Rounding may leave a log-probability a little above 0; it is taken as it is."""
    row = completion([("A", 2e-7), ("B", -15.5)], label="A")
    found = read(write(tmp_path / "a.jsonl", [row]), format=chat(options="AB"))
    assert found.values.tolist() == [[2e-7, -15.5]]


@pytest.mark.parametrize("text", ["A", " A", "\u2581A", "\u0120A"])
def test_token_numbers_with_bytes(tmp_path, text):
    """`token_id:34` is what its bytes spell; without bytes it is no option."""
    top = [(text, -0.5), ("B", -1.5)]
    row = completion(top, label="A")
    for number, entry in enumerate(row["choices"][0]["logprobs"]["content"][0]["top_logprobs"]):
        entry["token"] = f"token_id:{number}"
    row["choices"][0]["logprobs"]["content"][0] |= {"token": "token_id:0"}
    found = read(write(tmp_path / "a.jsonl", [row]), format=chat(options="AB"))
    assert found.values.tolist() == [[-0.5, -1.5]]
    for entry in row["choices"][0]["logprobs"]["content"][0]["top_logprobs"]:
        entry["bytes"] = [256]
    with pytest.raises(FileFormatError, match=r"bytes` must be a list of bytes, 0 to 255"):
        read(write(tmp_path / "b.jsonl", [row]), format=chat(options="AB"))


@pytest.mark.parametrize("ends", [1, 2])
def test_the_last_token_with_text(tmp_path, ends):
    """The end of a sequence is a token without text: -1 does not mean it."""
    row = completion([("A", -0.5), ("B", -1.5)], label="A")
    end = {"token": "", "logprob": -9999.0, "bytes": [], "top_logprobs": []}
    row["choices"][0]["logprobs"]["content"] += [end] * ends
    found = read(write(tmp_path / "a.jsonl", [row]), format=chat(options="AB", position=-1))
    assert found.values.tolist() == [[-0.5, -1.5]]
    with pytest.raises(FileFormatError, match=r"the token there is '', and other tokens have some"):
        read(tmp_path / "a.jsonl", format=chat(options="AB", position=1))
    with pytest.raises(FileFormatError, match="has 1 tokens, so none at position -2"):
        read(tmp_path / "a.jsonl", format=chat(options="AB", position=-2))


@pytest.mark.parametrize(
    "line",
    [
        {"response": None, "error": {"code": "batch_expired", "message": "x"}},
        {"response": {"status_code": 500, "body": None}, "error": None},
        {"response": {"status_code": 429, "body": {"error": {"message": "x"}}}, "error": None},
        {"response": {"status_code": 400, "body": ""}},
        {"error": {"message": "x"}},
        {"error": "timeout", "choices": None},
    ],
)
@pytest.mark.parametrize("name", ["openai-logprobs", "openai-decisions", "decisions"])
def test_failed_requests_are_left_out_and_counted(tmp_path, line, name):
    """A line that says its request failed is no row, as a refusal is none."""
    good = {
        "openai-logprobs": completion([("A", -0.5), ("B", -1.5)], label="A"),
        "openai-decisions": {
            "answers": [{"type": "predicate", "name": "q", "probability": 0.9}], "label": True
        },
        "decisions": {"type": "noul", "noul": 0.5, "label": True},
    }[name]  # fmt: skip
    format_ = chat(options="AB") if name == "openai-logprobs" else LlmFormat(name)
    path = write(tmp_path / "a.jsonl", [{"label": "A", **line}, good, {"id": "z", **line}])
    found = read(path, format=format_)
    assert len(found.values) == 1
    assert any("2 rows left out: requests that failed" in note for note in found.notes)
    with pytest.raises(FileFormatError, match="no rows left: 1 row left out: requests that failed"):
        read(write(tmp_path / "b.jsonl", [line]), format=format_)


def test_a_response_that_is_null_without_an_error_is_refused(tmp_path):
    """Nothing says that it failed."""
    for error in (None, "", {}):
        path = write(tmp_path / "a.jsonl", [{"response": None, "error": error, "label": "A"}])
        with pytest.raises(FileFormatError, match="line 1: has no key `choices`"):
            read(path, format=chat())


def test_stopped_by_a_filter_is_a_refusal(tmp_path):
    """An answer that was taken away has no log-probabilities."""
    stopped = completion([("A", -0.5)])
    stopped["choices"][0] |= {"logprobs": None, "finish_reason": "content_filter"}
    rows = [stopped, completion([("A", -0.5), ("B", -1.5)], label="A")]
    found = read(write(tmp_path / "a.jsonl", rows), format=chat(options="AB"))
    assert any("1 row left out: refusals" in note for note in found.notes)


def test_tokens_in_another_case_are_named(tmp_path):
    """They are not added to the option, and the user hears of it."""
    row = completion([("a", -0.5), ("A", -1.5), ("B", -2.5)], label="A")
    found = read(write(tmp_path / "a.jsonl", [row]), format=chat(options="AB"))
    assert found.values.tolist() == [[-1.5, -2.5]]
    assert any(
        "differ from an option only in case or marks" in n and "'a'" in n for n in found.notes
    )
    both = read(tmp_path / "a.jsonl", format=chat(options=["A|a", "B"]))
    assert both.values[0, 0] == pytest.approx(np.logaddexp(-0.5, -1.5))
    assert both.notes == ()


@pytest.mark.parametrize(
    ("options", "label", "name"),
    [
        (["yes|Yes", "no|No"], True, "yes"),
        (["yes", "no"], "False", "no"),
        (["No", "Yes"], False, "No"),
        (["True", "False"], True, "True"),
        (["True", "False"], "yes", "True"),
        (["A", "B"], "b", "B"),
    ],
)
def test_labels_in_other_words_are_told(tmp_path, options, label, name):
    """yes is true, b is B where nothing else is; the notes say so."""
    top = [(options[0].partition("|")[0], -0.5), (options[1].partition("|")[0], -1.5)]
    path = write(tmp_path / "a.jsonl", [completion(top, label=label)])
    found = read(path, format=chat(options=options))
    assert found.labels.tolist() == [name]
    assert any("1 label taken for an option in other words" in note for note in found.notes)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"completion_probabilities": [{"probs": []}]}, "llama.cpp"),
        ({"response": {"body": {"completion_probabilities": [{"probs": []}]}}}, "llama.cpp"),
        ({"meta_info": {"output_top_logprobs": [[[-1, 2, "a"]]]}}, "SGLang"),
        ({"candidates": [{"logprobsResult": {"topCandidates": []}}]}, "Gemini"),
        ({"candidates": [{"avgLogprobs": -0.5}]}, "hold only an average"),
        ({"choices": [{"logprobs": {"tokens": ["A"], "top_logprobs": [{"A": -1}]}}]}, "legacy"),
        ({"outputs": [{"logprobs": [{"3": {"logprob": -1}}]}]}, "vLLM's LLM.generate"),
        ({"output": [{"content": [{"type": "output_text"}]}]}, "the Responses API"),
        ({"prediction": [{"label": "C", "score": 0.5}]}, "classification pipeline"),
        ({"probs": {"A": 0.5, "B": 0.5}}, "read without --format"),
        ({"spec": {"eval_name": "x"}}, "event log of openai/evals, which hold .* no probabilities"),
        ({"event_id": 1, "data": {"sampled": ["C"]}}, "event log of openai/evals"),
        ({"filtered_resps": [["-1", "False"]]}, "read with --format lm-eval"),
        ({"answers": [{"probabilities": [{"value": 1}]}]}, "read with --format openai-decisions"),
    ],
)
def test_other_formats_are_named(tmp_path, line, said):
    """The error says what the file seems to be."""
    path = write(tmp_path / "a.jsonl", [{**line, "label": "A"}])
    with pytest.raises(FileFormatError, match=rf"line 1: .*These look like .*{said}"):
        read(path, format=chat())


def test_figures_of_the_page():
    """The temperatures that the page states, from rows made here and fitted by a slow search."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(20_000, 8)) * 3
    z -= logsumexp(z, axis=1, keepdims=True)
    y = (z[:, :4] / 2 + rng.gumbel(size=(20_000, 4))).argmax(axis=1)
    z4 = z[:, :4]
    found = [slow_temperature(z4, y)]
    for k in (4, 2):
        top = -np.sort(-z, axis=1)[:, :k]
        most = np.minimum(top[:, -1], np.log1p(-np.exp(top).sum(axis=1)))
        known = z4 >= top[:, -1:]
        some = known.any(axis=1)
        found.append(slow_temperature(np.where(known, z4, most[:, None])[some], y[some]))
        kept = known[np.arange(len(y)), y] & (known.sum(axis=1) > 1)
        found.append(slow_temperature(np.where(known, z4, -np.inf)[kept], y[kept]))
    page = (Path(__file__).parents[2] / "docs" / "llm.md").read_text(encoding="utf-8")
    text = " ".join(page.split())
    stated = re.search(
        r"T = 2 \(with all tokens shown the fit gives ([\d.]+)\), four tokens shown: ([\d.]+) with "
        r"bounds, ([\d.]+) with `--missing shown`; two tokens shown: ([\d.]+) and ([\d.]+)\. ",
        text,
    )
    assert [float(number) for number in stated.groups()] == [round(t, 2) for t in found]


@pytest.mark.parametrize("spelled", ["a", "A.", "(A", "A)", "**A", "'A'", "\uff21"])
def test_an_option_with_marks_is_told_and_not_counted(tmp_path, spelled):
    """As one in another case: nobody said that it is the option, and somebody should."""
    top = [("B", -0.4), ("A", -1.6), (spelled, -2.5)]
    path = write(tmp_path / "a.jsonl", [completion(top, label="B")])
    found = read(path, format=LlmFormat("openai-logprobs", options=["A", "B"]))
    assert found.values.tolist() == [[-1.6, -0.4]]
    assert any("1 token shown that differ" in n and repr(spelled) in n for n in found.notes)
    named = LlmFormat("openai-logprobs", options=[f"A|{spelled}", "B"])
    again = read(path, format=named)
    assert again.values[0, 0] == pytest.approx(np.logaddexp(-1.6, -2.5))
    assert not any("differ from an option" in n for n in again.notes)


def test_a_mark_that_is_an_option_is_no_other_option_in_marks(tmp_path):
    """`+` and `-` are options of their own, and words within words none."""
    top = [("+", -0.4), ("-", -1.6), ("B+", -3.0)]
    path = write(tmp_path / "a.jsonl", [completion(top, label="+")])
    found = read(path, format=LlmFormat("openai-logprobs", options=["+", "-"]))
    assert found.values.tolist() == [[-0.4, -1.6]]
    assert not any("differ from an option" in n for n in found.notes)


def test_options_that_are_no_tokens_say_how_tokens_are_spelled(tmp_path):
    """The tokens that stand there are named, and how options are."""
    path = write(tmp_path / "a.jsonl", [completion([("token_id:65", -0.4)], label="A")])
    with pytest.raises(FileFormatError, match=r"'token_id:65'\); options are spelled as tokens"):
        read(path, format=LlmFormat("openai-logprobs", options=["A", "B"]))
