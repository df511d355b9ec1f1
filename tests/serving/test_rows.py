"""Rows over HTTP: the numbers of `apply`, to the last bit, in every form they may come in."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest

import temperance as tp
from temperance.checks.label_matrix import label_logits_from_probs

pytest.importorskip("starlette")
pytest.importorskip("prometheus_client")

from services import post
from temperance.calibrators import MultilabelScaling
from temperance.decisions import DecisionPolicy, bands, load_policy, policy_id, save_policy
from temperance.serving.app import ARROW, NPZ, application
from temperance.serving.limits import Limits

TWO_CLASSES = {"platt", "beta", "isotonic", "venn-abers"}


def fitted(method, sample):
    """Return a calibrator of a method, new logits for it, and groups if it has some."""
    k = 2 if method in TWO_CLASSES else 4
    z, y = sample(1, k=k)
    new = sample(2, n=50, k=k)[0]
    if method == "ensemble":
        return tp.METHODS[method].fit([z, z[::-1]], y), (new, 0.5 * new), None
    if method == "group-temperature":
        groups = np.where(np.arange(len(y)) % 3, "a", "b")
        return tp.METHODS[method].fit(z, y, groups=groups), new, ["a", "b", "c", None, "b"] * 10
    return tp.METHODS[method].fit(z, y), new, None


@pytest.fixture
def app(tmp_path):
    """Make the application that serves a calibrator."""

    def make(calibrator, **settings):
        path = tmp_path / "calibrator.json"
        tp.save(calibrator, path)
        return application(path, **settings)

    return make


@pytest.mark.parametrize("method", tp.METHODS)
def test_json_holds_the_doubles_of_apply(app, sample, method):
    """Every method, logits and probabilities, with groups where it has them."""
    calibrator, new, groups = fitted(method, sample)
    service = app(calibrator)
    members = isinstance(new, tuple)
    own = {} if groups is None else {"groups": groups}
    reply = post(service, {"logits": [z.tolist() for z in new] if members else new.tolist(), **own})
    assert reply.status == 200, reply.body
    assert np.array_equal(reply.json()["probs"], calibrator.apply(new, **own))
    told = reply.json()["calibrator"]
    assert told["method"] == method
    assert told["temperature"] == getattr(calibrator, "temperature", None)
    assert reply.headers["x-temperance-calibrator"] == told["id"]
    if not members:
        probs = tp.Identity().apply(new)
        reply = post(service, {"probs": probs.tolist(), **own})
        expected = calibrator.apply(tp.logits_from_probs(probs), **own)
        assert np.array_equal(reply.json()["probs"], expected)


def test_labels_and_answers(app, sample):
    """A map of label matrices, and one of scores of answers."""
    z = sample(1)[0]
    of_labels = MultilabelScaling.fit(z, (z > 1.0).astype(int))
    service = app(of_labels)
    new = sample(2, n=9)[0]
    assert np.array_equal(
        post(service, {"logits": new.tolist()}).json()["probs"], of_labels.apply(new)
    )
    p = 1 / (1 + np.exp(-new))
    expected = of_labels.apply(label_logits_from_probs(p))
    assert np.array_equal(post(service, {"probs": p.tolist()}).json()["probs"], expected)
    scores, correct = [50, 60, 70, 80, 90] * 40, [0, 0, 1, 0, 1, 1, 0, 0, 1, 1] * 20
    of_answers = tp.llm.AnswerConfidence.fit(scores, correct, scale="percent")
    service = app(of_answers)
    got = post(service, {"scores": [55, 90]}).json()["probs"]
    assert np.array_equal(got, of_answers.apply([55, 90]))
    refused = post(service, {"logits": [[1, 2]]})
    assert refused.status == 400
    assert "`scores` must be given" in refused.json()["error"]


def test_rows_of_different_lengths_and_options_that_do_not_exist(app):
    """Answers are as long as what was sent; null has probability 0."""
    service = app(tp.TemperatureScaling(1.7))
    got = post(service, {"logits": [[2.0, 1.0], [0.5, None, 3, 1.0]]}).json()["probs"]
    z = np.array([[2.0, 1.0, -np.inf, -np.inf], [0.5, -np.inf, 3.0, 1.0]])
    expected = tp.TemperatureScaling(1.7).apply(z)
    assert got == [expected[0, :2].tolist(), expected[1].tolist()]
    got = post(service, {"probs": [[0.25, 0.75], [0.5, None, 0.5]]}).json()["probs"]
    assert got[1] == [0.5, 0.0, 0.5]
    assert got[0] == tp.TemperatureScaling(1.7).apply(np.log([[0.25, 0.75]]))[0].tolist()


def test_log_odds_are_rows_of_two(app):
    """A list of numbers is the log-odds of class 1, as everywhere."""
    got = post(app(tp.TemperatureScaling(2.0)), {"logits": [0.0, 3.0]}).json()["probs"]
    assert got == tp.TemperatureScaling(2.0).apply([0.0, 3.0]).tolist()


def test_a_floor_is_that_of_the_fit_and_raises_no_missing_option(tmp_path, run, sample):
    """As `temperance apply` does with the same file; an option that is null stays at 0."""
    z, y = sample(1, n=600, k=3)
    probs = np.round(tp.Identity().apply(z), 2)
    probs /= probs.sum(axis=1, keepdims=True)
    np.savez(tmp_path / "cal.npz", probs=probs, labels=y)
    run("fit", "cal.npz", "--floor", "0.004", "--quick", "-o", "c.json")
    np.savez(tmp_path / "new.npz", probs=probs[:20])
    run("apply", "c.json", "new.npz", "-o", "out.npz")
    service = application(tmp_path / "c.json")
    got = post(service, {"probs": probs[:20].tolist()}).json()["probs"]
    assert (probs[:20] == 0.0).any()
    assert np.array_equal(got, np.load(tmp_path / "out.npz")["probs"])
    with np.load(tmp_path / "new.npz") as rows:
        bulk = post(service, npz(probs=rows["probs"]), {"content-type": NPZ})
    assert np.array_equal(np.load(io.BytesIO(bulk.body))["probs"], got)


def test_a_floor_leaves_options_that_do_not_exist(app, sample):
    """Of three options one of which is null, the two others are as they are alone."""
    z, y = sample(1)
    scaling = floored(tp.TemperatureScaling.fit(z, y))
    got = post(app(scaling), {"probs": [[0.0, None, 1.0], [0.0, 1.0, None]]}).json()["probs"]
    alone = scaling.apply(tp.logits_from_probs([[0.0, 1.0]], floor=0.01))[0].tolist()
    assert got == [[alone[0], 0.0, alone[1]], [alone[0], alone[1], 0.0]]
    assert alone[0] > 0.0


def test_under_a_floor_the_only_option_is_sure(app, sample):
    """However many do not exist beside it; rows of one, two and three options in one request."""
    scaling = floored(tp.TemperatureScaling.fit(*sample(1)))
    rows = [[None, 1.0, None], [0.0, None, 1.0], [0.2, 0.0, 0.8], [1.0], [0.0, 1.0, None]]
    got = post(app(scaling), {"probs": rows}).json()["probs"]
    two, three = (
        scaling.apply(tp.logits_from_probs([row], floor=0.01))[0].tolist()
        for row in ([0.0, 1.0], [0.2, 0.0, 0.8])
    )
    assert got == [[0.0, 1.0, 0.0], [two[0], 0.0, two[1]], three, [1.0], [*two, 0.0]]


def test_under_a_floor_a_label_that_is_null_is_refused(app, sample):
    """It is no probability of 0, which would be raised."""
    z, y = sample(1)
    labels = floored(MultilabelScaling.fit(z[:, :2], np.stack([y == 0, y == 1], 1).astype(int)))
    reply = post(app(labels), {"probs": [[0.5, 0.0], [0.3, None]]})
    assert reply.status == 400
    assert "row 1 has null" in reply.json()["error"]


def test_under_a_floor_members_have_options_that_do_not_exist(app, sample):
    """As each model alone would, before they are averaged."""
    z, y = sample(1, k=3)
    service = app(floored(tp.METHODS["ensemble"].fit([z, 0.5 * z], y)))
    null, alone = (
        post(service, {"probs": [[row], [row]]}).json()["probs"][0]
        for row in ([0.0, None, 1.0], [0.0, 1.0])
    )
    assert null == [alone[0], 0.0, alone[1]]


def floored(calibrator):
    """Return a calibrator whose rows of the fit had a floor."""
    own = {} if calibrator.kind == "multilabel" else {"n_classes": None}
    return replace(calibrator, record=replace(calibrator.record, floor=0.01), **own)


REFUSED = [
    (b"", "the body must be JSON"),
    (b"{", "the body must be JSON"),
    (b"\xff", "the body must be JSON"),
    (b"[" * 100_000, "the body must be JSON"),
    (b"[[1, 2]]", "the body must be an object"),
    (b'{"logits": [[1, 2]], "logits": [[3, 4]]}', "must stand once"),
    (b'{"logits": [[1, 2], [0, NaN]]}', "row 1, option 1 is nan"),
    (b'{"logits": [[1, 2], [Infinity, 1]]}', "row 1, option 0 is inf"),
    (b'{"logits": [[1, 2], [1, -Infinity]]}', "row 1, option 1 is -inf"),
    (b'{"logits": [[1, 2], [3, 1, -1e999]]}', "row 1, option 2 is -inf"),
    (b'{"logits": [[1, 2], [1' + b"0" * 400 + b", 0]]}", "row 1, option 0"),
    (b'{"logits": [[1, "2"]]}', "row 0, option 1 is '2'"),
    (b'{"logits": [[1, true]]}', "row 0, option 1 is True"),
    (b'{"logits": [[1, 2], 3]}', "row 1 is 3"),
    (b'{"logits": [[1, 2], []]}', "row 1 has none"),
    (b'{"logits": [[[1, 2]]]}', "row 0, option 0 is"),
    (b'{"logits": []}', "one row or more"),
    (b'{"logits": "a"}', "one row or more"),
    (b'{"logits": [null]}', "row 0 is None"),
    (b'{"logits": [[null, null]]}', "row 0"),
    (b'{"logits": [[1e200, 0]]}', "row 0"),
    (b'{"probs": [[0.5, 0.6]]}', "row 0 sums to 1.1"),
    (b'{"probs": [[0.5, 0.5]], "logits": [[1, 2]]}', "has `logits` and `probs`"),
    (b"{}", "it has neither"),
    (b'{"logits": [[1, 2]], "label": [1]}', "'label', which no one reads"),
    (b'{"logits": [[1, 2]], "groups": ["a"]}', "`groups` have no meaning for temperature"),
    (b'{"logits": [[1, 2]], "groups": ["a", "b"]}', "a list of 1 names"),
    (b'{"logits": [[1, 2]], "groups": [3]}', "row 0 has 3"),
    (b'{"logits": [[1, 2]], "refuse_probs": 0}', "`refuse_probs` must be true or false"),
    (b'{"scores": [1, 2]}', "`logits` or `probs` must be given"),
    (b'{"type": "dance"}', "must be one of"),
]


@pytest.mark.parametrize(("body", "words"), REFUSED, ids=range(len(REFUSED)))
def test_bad_bodies_are_refused_in_words(app, body, words):
    """400, one JSON object, the rule and the row: never a traceback, and no option of a shell."""
    reply = post(app(tp.TemperatureScaling(1.5)), body)
    assert reply.status == 400
    assert set(reply.json()) == {"error"}
    assert words in reply.json()["error"]
    assert "--" not in reply.json()["error"]


def test_rows_must_have_every_class_of_the_fit(app):
    """A short row is refused whatever stands beside it."""
    service = app(tp.TemperatureScaling(1.5, n_classes=3))
    for rows in ([[1, 2]], [[1, 2], [1, 2, 3]], [[1, 2, 3], [1, 2]]):
        reply = post(service, {"logits": rows})
        assert reply.status == 400
        assert "3" in reply.json()["error"]
    assert post(service, {"logits": [[1, None, 2], [1, 2, 3]]}).status == 200


def test_logits_that_look_like_probabilities(app):
    """They are refused with the way out, which works."""
    service, rows = app(tp.TemperatureScaling(1.5)), [[0.2, 0.8]] * 5
    reply = post(service, {"logits": rows})
    assert reply.status == 400
    assert "Post them as `probs`" in reply.json()["error"]
    assert post(service, {"probs": rows}).status == 200
    assert post(service, {"logits": rows, "refuse_probs": False}).status == 200


def test_unknown_groups_are_told_of(app, sample):
    """They get the pooled temperature, and a warning says so."""
    calibrator, _, _ = fitted("group-temperature", sample)
    service = app(calibrator)
    reply = post(service, {"logits": [[1, 2, 3, 4]] * 2, "groups": ["a", "zzz"]}).json()
    assert "zzz" in reply["warnings"][0]
    assert (
        "no `groups` are given" in post(service, {"logits": [[1, 2, 3, 4]]}).json()["warnings"][0]
    )
    known = post(service, {"logits": [[1, 2, 3, 4]], "groups": ["b"]}).json()
    assert "warnings" not in known


# --- bulk ------------------------------------------------------------------------------------


def npz(*, packed=False, **arrays):
    """Return arrays as a .npz in memory."""
    buffer = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("packed", [False, True])
def test_npz_comes_back_as_npz(app, sample, dtype, packed):
    """As `apply` gives them: single precision stays single."""
    scaling = tp.TemperatureScaling(1.7)
    z = sample(1)[0].astype(dtype)
    reply = post(app(scaling), npz(logits=z, packed=packed), {"content-type": NPZ})
    assert reply.status == 200, reply.body
    assert reply.headers["content-type"] == NPZ
    arrays = np.load(io.BytesIO(reply.body))
    assert arrays["probs"].dtype == dtype
    assert np.array_equal(arrays["probs"], scaling.apply(z))
    assert json.loads(str(arrays["calibrator"]))["temperature"] == 1.7


def test_arrow_comes_back_as_arrow(app, sample):
    """Columns are matched by the names of the classes, and come back in their own order."""
    pa = pytest.importorskip("pyarrow")
    z, y = sample(1, k=3)
    vector = tp.METHODS["vector"].fit(z, np.array(["a", "b", "c"])[y], classes=["a", "b", "c"])
    service = app(vector)
    expected = vector.apply(z)

    def sent(table):
        reply = post(service, arrow(table), {"content-type": ARROW})
        assert reply.status == 200, reply.body
        assert reply.headers["content-type"] == ARROW
        return pa.ipc.open_stream(reply.body).read_all()

    got = sent(pa.table({f"logit_{name}": z[:, "abc".index(name)] for name in "cab"}))
    assert got.column_names == ["prob_c", "prob_a", "prob_b"]
    for j, name in enumerate("abc"):
        assert np.array_equal(got[f"prob_{name}"].to_numpy(), expected[:, j])
    assert json.loads(got.schema.metadata[b"calibrator"])["method"] == "vector"
    got = sent(pa.table({"logits": pa.array(z.tolist())}))
    assert np.array_equal(np.stack([got[f"prob_{n}"].to_numpy() for n in "abc"], 1), expected)


def arrow(table, **options):
    """Return a table as an Arrow stream in memory."""
    import pyarrow as pa

    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(**options)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue()


def test_lists_of_different_lengths_in_arrow(app):
    """They come back as lists."""
    pa = pytest.importorskip("pyarrow")
    rows = [[2.0, 1.0], [0.5, 3.0, 1.0]]
    scaling = tp.TemperatureScaling(1.7)
    body = arrow(pa.table({"logits": pa.array(rows)}))
    reply = post(app(scaling), body, {"content-type": ARROW})
    got = pa.ipc.open_stream(reply.body).read_all()["probs"].to_pylist()
    assert got[0] == [*scaling.apply(rows[:1])[0], 0.0]
    assert got[1] == scaling.apply(rows[1:])[0].tolist()


def test_rows_that_grow_when_they_are_padded_are_refused(app):
    """A small body must not fill the memory: of JSON, lists of Arrow, texts of a dictionary."""
    service = app(tp.TemperatureScaling(1.5), limits=Limits(max_bytes=10_000))
    rows = [[0.0]] * 9 + [[0.0] * 600]  # 10 x 600 numbers are more than 10,000 / 2
    answers = [{"type": "choice", "probabilities": {"a": 0.5, "b": 0.5}}] * 60
    wide = {"type": "choice", "probabilities": {str(j): 0.01 for j in range(100)}}
    for body in ({"logits": rows}, {"answers": [*answers, wide]}):
        reply = post(service, body)
        assert reply.status == 413, reply.body
        assert "5,000 numbers that are taken" in reply.json()["error"]
    assert post(service, {"logits": [*rows[:3], [0.0] * 600]}).status == 200


def test_arrow_that_grows_when_it_is_read_is_refused(app):
    """Lists to the longest, a dictionary to all the texts that it stands for."""
    pa = pytest.importorskip("pyarrow")
    service = app(tp.TemperatureScaling(1.5), limits=Limits(max_bytes=20_000))
    lists = pa.array([[0.0]] * 29 + [[0.0] * 500])
    places = pa.array([0] * 60, pa.int8())
    texts = pa.DictionaryArray.from_arrays(places, pa.array(["x" * 999]))
    names = pa.DictionaryArray.from_arrays(places, pa.array(["x" * 99]))
    pair = {"logit_a": np.zeros(60), "logit_b": np.full(60, 3.0)}
    for table, status in (
        (pa.table({"logits": lists}), 413),
        (pa.table({"logits": lists[-10:]}), 200),
        (pa.table({**pair, "groups": texts}), 413),
        (pa.table({**pair, "groups": names}), 200),
    ):
        assert post(service, arrow(table), {"content-type": ARROW}).status == status


def bad_arrow():
    """Streams that are none, or larger than they look."""
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"logit_a": np.zeros(50), "logit_b": np.ones(50)})
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    lists = pa.DictionaryArray.from_arrays(pa.array([0] * 4), pa.array([[0.0, 1.0]]))
    return {
        b"nothing of the kind": 400,
        arrow(table)[:-100]: 400,
        arrow(table, compression="lz4"): 400,
        arrow(table, compression="zstd"): 400,
        sink.getvalue(): 400,
        arrow(pa.table({"logits": lists})): 400,
        arrow(table.slice(0, 0)): 400,
        arrow(pa.concat_tables([table] * 3)): 413,
        arrow(pa.table({"logit_a": [0.0], "logit_c": [None]})): 400,
    }


def test_bad_arrow_is_refused(app):
    """Cut off, compressed, a file, lists in a dictionary, no rows, too many, a null."""
    service = app(tp.TemperatureScaling(1.5), limits=Limits(max_rows=100))
    for body, status in bad_arrow().items():
        reply = post(service, body, {"content-type": ARROW})
        assert reply.status == status, reply.body
        assert set(reply.json()) == {"error"}


def test_bad_npz_is_refused(app):
    """What is none, what is a pickle, and what unpacks to more than is taken."""
    service = app(tp.TemperatureScaling(1.5), limits=Limits(max_bytes=100_000, max_rows=100))
    objects = io.BytesIO()
    np.savez(objects, logits=np.array([[1, 2]], dtype=object))
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    for body, status in (
        (b"PK nothing", 400),
        (objects.getvalue(), 400),
        (empty.getvalue(), 400),
        (npz(other=np.zeros((3, 2))), 400),
        (npz(logits=np.array([[1.0, np.nan]])), 400),
        (npz(logits=np.zeros((2, 3, 4))), 400),
        (npz(logits=np.random.default_rng(0).normal(size=(101, 2))), 413),
        (npz(logits=np.zeros((90, 1000)), packed=True), 413),
    ):
        reply = post(service, body, {"content-type": NPZ})
        assert reply.status == status, reply.body
        assert set(reply.json()) == {"error"}


# --- a policy --------------------------------------------------------------------------------


@pytest.mark.parametrize("per_group", [False, True])
def test_a_policy_says_what_is_accepted(tmp_path, run, sample, per_group):
    """As `policy.apply` does, in every form; probabilities are its own."""
    pa = pytest.importorskip("pyarrow")
    z, y = sample(1, n=1500, k=3, spread=6.0)
    groups = np.where(np.arange(len(y)) % 2, "a", "b")
    np.savez(tmp_path / "cal.npz", logits=z, labels=y, groups=groups)
    by_group = ["--group-column", "groups", "--per-group"] if per_group else []
    run("threshold", "cal.npz", "--max-risk", "0.1", "-o", "policy.json", *by_group)
    policy = load_policy(tmp_path / "policy.json")
    service = application(tmp_path / "policy.json")
    new, own = sample(2, n=60, k=3, spread=6.0)[0], groups[:60]
    expected = policy.apply(new, groups=own if per_group else None)
    assert 0 < expected.accepted.sum() < 60
    given = {"groups": own.tolist()} if per_group else {}
    got = post(service, {"logits": new.tolist(), **given}).json()
    assert got["accepted"] == expected.accepted.tolist()
    assert got["policy"] == {"id": policy_id(policy), "threshold": policy.rule.threshold}
    assert got["calibrator"]["id"] == tp.content_id(policy.calibrator)
    assert np.array_equal(got["probs"], expected.probs)
    arrays = {"groups": own} if per_group else {}
    bulk = np.load(io.BytesIO(post(service, npz(logits=new, **arrays), {"content-type": NPZ}).body))
    assert np.array_equal(bulk["accepted"], expected.accepted)
    assert np.array_equal(bulk["probs"], expected.probs)
    columns = {f"logit_{j}": new[:, j] for j in range(3)}
    if per_group:
        columns["group"] = own
    reply = post(service, arrow(pa.table(columns)), {"content-type": ARROW})
    assert pa.ipc.open_stream(reply.body).read_all()["accepted"].to_pylist() == got["accepted"]
    if per_group:
        assert post(service, {"logits": new.tolist()}).status == 400


@pytest.fixture
def banded(tmp_path):
    """Serve a policy of bands of class 1, or of documents accepted whole."""

    def make(**options):
        rng = np.random.default_rng(0)
        z = 3 * rng.normal(size=4000)
        y = (rng.random(4000) < 1 / (1 + np.exp(-z))).astype(int)
        scaling = tp.TemperatureScaling(1.0, n_classes=2)
        policy = DecisionPolicy(scaling, bands(scaling.apply(z), y, **options))
        save_policy(policy, tmp_path / "policy.json")
        return policy, application(tmp_path / "policy.json")

    return make


def test_a_policy_of_bands_says_the_band_of_each_row(banded):
    """As `decide`, in JSON, npz and Arrow; the answer says where bands begin."""
    policy, service = banded(event=1, min_precision=0.9, max_false_negative_rate=0.02)
    z = np.array([[0.0, 4.0], [0.0, 0.5], [6.0, 0.0]])
    expected = policy.decide(z).bands.tolist()
    assert expected == ["accept", "review", "reject"]
    reply = post(service, {"logits": z.tolist()}).json()
    assert (reply["bands"], reply["accepted"]) == (expected, [True, False, False])
    part = policy.rule.parts[0]
    assert reply["policy"] == {
        "id": policy_id(policy), "threshold": part.accept_from, "reject_to": part.reject_to,
    }  # fmt: skip
    body = io.BytesIO()
    np.savez(body, logits=z)
    reply = post(service, body.getvalue(), {"content-type": NPZ})
    assert np.load(io.BytesIO(reply.body))["band"].tolist() == expected


def test_documents_are_decided_whole(banded):
    """`clusters` says which rows are parts of one answer; without them the request is refused."""
    options = {"clusters": np.arange(4000) // 2, "composite": "minimum", "min_precision": 0.8}
    policy, service = banded(**options)
    z = [[0.0, 9.0], [0.0, 0.1], [9.0, 0.0]]
    reply = post(service, {"logits": z, "clusters": ["a", "a", "b"]})
    assert reply.json()["bands"] == ["review", "review", "accept"], reply.body
    assert policy.decide(z, clusters=["a", "a", "b"]).bands.tolist() == reply.json()["bands"]
    for extra, words in (
        ({}, "`clusters` must be given"),
        ({"clusters": ["a"]}, "list of 3 names"),
        ({"clusters": ["a", None, "b"]}, "must be known for every row"),
    ):
        reply = post(service, {"logits": z, **extra})
        assert reply.status == 400
        assert words in reply.json()["error"]
