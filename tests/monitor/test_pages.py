"""The page of a monitor, as a file and live: it shows a drift, and nothing leaves its server."""

import asyncio
import base64
import json
import re
import shlex

import numpy as np
import pytest

import temperance as tp
from pages import BROWSER_FLAGS, CHROMIUM, check_pages, check_stands_alone, words_of
from services import call, served
from temperance.formats.calibrator_json import content_id
from temperance.monitor import Registry, Settings, Store, check, refit
from temperance.monitor.messages import junit_xml, prometheus_text
from temperance.monitor.overview import overview


@pytest.fixture
def drifted(store, clock, registry, traffic):
    """A store with 400 calibrated labels and 300 too sure ones, checked."""
    for day, (n, temperature) in enumerate([(400, 2.0), (300, 5.0)]):
        z, y, ids = traffic(n, temperature, seed=day, word=f"d{day}-")
        groups = np.array(["north", "south"])[np.arange(n) % 2]
        store.log(ids, z, calibrator=registry.current(), groups=groups)
        store.label(ids, y)
        clock.now += 3600
        check(store, registry)
    return store


def page(store, registry):
    pytest.importorskip("matplotlib")
    from temperance.report import render_monitor

    return render_monitor(store, registry)


def test_the_page_shows_a_drift(drifted, registry):
    text = page(drifted, registry)
    check_stands_alone(text)
    words = words_of(text)
    assert "Alarm. Confidence is too high by a factor of" in words
    assert "What to do Fit again" in words
    first = words_of(text[text.index("<header>") : text.index("</header>")])
    assert re.search(r"Alarm 700 labels weighed Alarm\. Confidence .* Evidence \d+\.\d\d is", first)
    assert re.search(r"Claimed, and true \d+\.\d % claimed, \d+\.\d % true, of the last", first)
    if "://" not in drifted.name:  # an address is not for a page
        assert f"temperance monitor refit {shlex.quote(drifted.name)}" in first
    assert "Groups, the worst first" in words
    assert text.count("<svg") == 4


def test_its_command_is_that_of_the_cause(address, registry, clock, traffic):
    """What went wrong in one group alone is not fitted by one temperature for all."""
    settings = Settings(registry=str(registry.folder), groups=("north", "south"))
    store = Store.create(address, settings, clock=clock)
    z, y, ids = traffic(800, 1.5)  # the others are not sure enough
    other, truth, _ = traffic(800, 3.0, seed=1)
    south = np.arange(800) % 2 == 1
    store.log(
        ids, np.where(south[:, None], other, z), calibrator=registry.current(),
        groups=np.where(south, "south", "north"),
    )  # fmt: skip
    store.label(ids, np.where(south, truth, y))
    clock.now += 10
    assert "group 'south'" in check(store, registry).cause
    if "://" not in store.name:  # an address is not for a page
        assert "--method group-temperature" in words_of(page(store, registry))
    assert refit(store, registry, method="group-temperature").promoted
    store.close()


def test_after_a_re_fit_it_says_that_nothing_is_known(drifted, registry):
    refit(drifted, registry)
    words = words_of(page(drifted, registry))
    assert "Nothing is known yet of what is served now." in words
    assert "promote" in words


def test_an_empty_store_has_a_page(store, registry):
    text = page(store, registry)
    check_stands_alone(text)
    assert "Nothing is known yet" in words_of(text)
    assert "What is served Cannot tell" in words_of(text)
    assert "Log what is served, with ids; then its labels." in words_of(text)


def test_a_calibrated_stream_has_no_alarm(store, clock, registry, traffic):
    z, y, ids = traffic(200)
    store.log(ids, z, calibrator=registry.current())
    store.label(ids, y)
    clock.now += 1
    check(store, registry)
    assert "No alarm: labels speak as calibrated probabilities may." in words_of(
        page(store, registry)
    )


def test_a_damaged_registry_is_said(drifted, registry):
    registry.current_path.write_text("{")
    words = words_of(page(drifted, registry))
    assert "It is not known what serves." in words
    assert "rollback STORE --to" in words


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_it_fits_a_real_browser(drifted, registry, tmp_path):
    """From a phone to a wide screen, light and dark: nothing scrolls sideways."""
    alarmed = page(drifted, registry)
    refit(drifted, registry)
    check_pages(tmp_path, {"alarm": (alarmed, 4), "fresh": (page(drifted, registry), 0)})


def test_prometheus_reads_the_metrics(drifted, registry):
    parser = pytest.importorskip("prometheus_client.parser")
    text = prometheus_text(overview(drifted, registry))
    found = {
        sample.name: sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["temperance_monitor_predictions"] == 700
    assert found["temperance_monitor_labels"] == 700
    assert found["temperance_monitor_alarm"] == 1
    assert found["temperance_monitor_log_evidence"] > found["temperance_monitor_alarm_threshold"]


def test_junit_fails_where_there_is_an_alarm(drifted, registry):
    from xml.etree import ElementTree as ET

    suite = ET.fromstring(junit_xml(check(drifted, registry)))  # noqa: S314  (our own)
    assert suite.attrib["failures"] == "1"
    assert "too high" in suite.find("testcase/failure").attrib["message"]


def test_the_live_page(drifted, address):
    """A bearer's token, or a browser's password; nobody else sees anything but /healthz."""
    pytest.importorskip("starlette")
    from temperance.serving.monitor_pages import monitor_application

    app = monitor_application(address, token="a" * 20)

    def get(path, authorization=f"Bearer {'a' * 20}", method="GET"):
        return call(app, method, path, headers=[("authorization", authorization)])

    password = base64.b64encode(b"anyone:" + b"a" * 20).decode()
    for authorization in (f"Bearer {'a' * 20}", f"Basic {password}"):
        answer = get("/", authorization)
        assert answer.status == 200
        assert "Alarm. Confidence is too high" in words_of(answer.body.decode())
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    for wrong in ("", "Bearer b", "Basic !!", f"Basic {base64.b64encode(b'aa').decode()}"):
        answer = get("/", wrong)
        assert answer.status == 401
        assert "Basic" in answer.headers["www-authenticate"]
        assert "token" in answer.json()["error"]
    assert get("/healthz", "").json() == {"status": "ok"}
    assert get("/status").json()["counts"]["labels"] == 700
    assert b"temperance_monitor_alarm" in get("/metrics").body
    assert get("/", method="POST").status == 405
    assert get("/other").status == 404
    asyncio.run(ended(app))


async def ended(app):
    """Begin and end an application: it lets its store go."""
    async with app.router.lifespan_context(app):
        pass


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_the_live_page_in_a_real_browser(drifted, address, tmp_path):
    """The drift is seen, on a phone too; no script fails, and no request leaves the server."""
    pytest.importorskip("starlette")
    playwright = pytest.importorskip("playwright.sync_api")
    token = tmp_path / "token"
    token.write_text("a" * 20)
    token.chmod(0o600)
    with (
        served(tmp_path, address, "--token-file", token, command=("monitor", "serve")) as service,
        playwright.sync_playwright() as drivers,
        drivers.chromium.launch(executable_path=CHROMIUM, args=BROWSER_FLAGS) as browser,
    ):
        at = f"http://{service.host}:{service.port}"
        assert service.ask("GET", "/").status == 401
        for width, height in ((1280, 900), (390, 844)):
            visitor = browser.new_context(
                viewport={"width": width, "height": height},
                http_credentials={"username": "anyone", "password": "a" * 20},
            )
            page, asked, wrong = visitor.new_page(), [], []
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.on("pageerror", lambda error, wrong=wrong: wrong.append(str(error)))
            page.on("console", lambda line, wrong=wrong: wrong.append(line.text))
            assert page.goto(at).status == 200
            assert page.get_by_text("Confidence is too high by a factor of").first.is_visible()
            assert page.locator("svg").count() == 4
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert wrong == []
            assert {url.split("/")[2] for url in asked} == {at.split("/")[2]}


def test_commands(tmp_path, run, traffic):
    """Each says what it did; exit code 1 is an alarm, or a re-fit that has not earned its place."""
    tp.save(tp.TemperatureScaling(2.0), tmp_path / "c.json")
    for day, temperature in enumerate([2.0, 5.0]):
        z, y, ids = traffic(400, temperature, seed=day, word=f"d{day}-")
        np.savez(tmp_path / f"d{day}.npz", logits=z, ids=np.array(ids))
        lines = [
            json.dumps({"id": name, "label": int(label)})
            for name, label in zip(ids, y, strict=True)
        ]
        (tmp_path / f"d{day}.jsonl").write_text("\n".join(lines))
    run("monitor", "init", "m.db", "--calibrator", "c.json")
    again = json.loads(run("monitor", "init", "m.db", "--calibrator", "c.json", "--json").stdout)
    assert again["calibrator"] == tp.content_id(tp.TemperatureScaling(2.0))
    for day in (0, 1):
        assert "400 predictions written" in run("monitor", "log", "m.db", f"d{day}.npz").stdout
        assert "400 labels written" in run("monitor", "label", "m.db", f"d{day}.jsonl").stdout
        done = run("monitor", "check", "m.db", "--json", "--junit", "j.xml", code=day)
        assert json.loads(done.stdout)["alarm"] is bool(day)
    assert run("monitor", "check", "m.db", code=1).stdout.startswith("ALARM: ")
    assert "800" in run("monitor", "status", "m.db").stdout
    assert "temperance_monitor_alarm" in run("monitor", "metrics", "m.db").stdout
    assert run("monitor", "refit", "m.db").stdout.startswith("Promoted: ")
    assert run("monitor", "refit", "m.db", "--last", "300", code=1).stdout.startswith("Not ")
    assert "serves again" in run("monitor", "rollback", "m.db").stdout
    assert "1 prediction is gone" in run("monitor", "prune", "m.db", "--id", "d0-0").stdout
    assert run("monitor", "run", "m.db", "--times", "1").stdout.startswith("ALARM: ")
    run("monitor", "report", "m.db", "-o", "p.html")
    assert "Alarm." in (tmp_path / "p.html").read_text()


def answers(tmp_path, name, n, *, slope, seed=0):
    """A file of answers with a stated probability; right with log-odds `slope` times the stated."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(size=n) * 2
    right = rng.random(n) < 1 / (1 + np.exp(-slope * odds))
    lines = [
        f"{name}{i},{1 / (1 + np.exp(-z)):.6f},{int(y)}"
        for i, (z, y) in enumerate(zip(odds, right, strict=True))
    ]
    (tmp_path / f"{name}.csv").write_text("\n".join(["id,score,correct", *lines]))
    return f"{name}.csv"


def test_commands_of_answers(tmp_path, run):
    """Scores on the scale of the fit; the re-fit serves scores of that scale, and decides anew."""
    say = ("--kind", "answers", "--score-scale", "probability")
    run("fit", answers(tmp_path, "fit", 400, slope=0.5), *say, "-o", "c.json")
    kept = answers(tmp_path, "kept", 1500, slope=0.5, seed=1)
    run("threshold", kept, "--kind", "answers", "--calibrator", "c.json", "--max-risk", ".3",
        "-o", "policy.json")  # fmt: skip
    run("monitor", "init", "m.db", "--calibrator", "c.json", "--policy", "policy.json")
    old = json.loads((tmp_path / "policy.json").read_text())
    for name, slope, code in (("a", 0.5, 0), ("b", 0.1, 1)):
        file = answers(tmp_path, name, 2500, slope=slope, seed=2)
        assert "2,500 predictions written" in run("monitor", "log", "m.db", file).stdout
        told = run("monitor", "label", "m.db", file, "--label-column", "correct").stdout
        assert "2,500 labels written" in told
        run("monitor", "check", "m.db", code=code)
    told = run("monitor", "refit", "m.db", "--last", "2500").stdout
    assert told.startswith("Promoted: ")
    new = tp.load(tmp_path / "m.db.registry" / "current.json")
    assert new.kind == "answers"
    assert new.score_scale.name == "probability"
    assert new.inner.slope == pytest.approx(0.1, abs=0.06)
    assert "promise" in told
    policy = tmp_path / "policy.json"
    assert not policy.exists() or json.loads(policy.read_text()) != old


def test_a_policy_of_another_calibrator_is_told_of(tmp_path, run):
    """At the beginning and after a roll-back; a file that is no policy makes no store."""
    say = ("--kind", "answers", "--score-scale", "probability")
    kept = answers(tmp_path, "kept", 1500, slope=0.5)
    for name, slope in (("a", 0.5), ("b", 0.4)):
        run("fit", answers(tmp_path, name, 400, slope=slope, seed=1), *say, "-o", f"{name}.json")
    run("threshold", kept, "--kind", "answers", "--calibrator", "a.json", "--max-risk", ".3",
        "-o", "policy.json")  # fmt: skip
    (tmp_path / "odd.json").write_text('{"format": "x"}')
    told = run("monitor", "init", "m.db", "--calibrator", "a.json", "--policy", "odd.json", code=2)
    assert "not a decision policy" in told.stderr
    assert not (tmp_path / "m.db").exists()
    told = run("monitor", "init", "m.db", "--calibrator", "b.json", "--policy", "policy.json")
    assert "policy.json decides by another calibrator" in told.stderr
    told = run("monitor", "init", "n.db", "--calibrator", "a.json", "--policy", "policy.json")
    assert "another calibrator" not in told.stderr
    registry = Registry(tmp_path / "n.db.registry")
    registry.promote(registry.add(tp.load(tmp_path / "b.json")), why="by hand")
    told = run("monitor", "rollback", "n.db").stderr
    assert "another calibrator" not in told
    told = run("monitor", "rollback", "n.db", "--to", content_id(tp.load(tmp_path / "b.json"))[7:])
    assert "policy.json decides by another calibrator" in told.stderr


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        (("cat", "dog"), None), (("c", "d"), "c=cat,d=dog"), (("0", "1"), "positions"),
        (("1", "2"), "one-based"),
    ],
)  # fmt: skip
def test_words_of_labels(tmp_path, run, words, meaning):
    """Labels in other words, or as positions, by the option that `fit` has."""
    tp.save(tp.TemperatureScaling(2.0), tmp_path / "c.json")
    run("monitor", "init", "m.db", "--calibrator", "c.json")
    (tmp_path / "z.csv").write_text("id,logit_cat,logit_dog\na,1,0\nb,0,3\nc,2,0\n")
    run("monitor", "log", "m.db", "z.csv")
    of = dict(zip("abc", (0, 1, 1), strict=True))
    lines = [f"{name},{words[place]}" for name, place in of.items()]
    (tmp_path / "y.csv").write_text("\n".join(["id,label", *lines]))
    option = [] if meaning is None else ["--label-map", meaning]
    assert "3 labels written" in run("monitor", "label", "m.db", "y.csv", *option).stdout
    kept = Store.open(tmp_path / "m.db")
    (rows,) = kept.labelled()
    kept.close()
    assert rows.labels.tolist() == [0, 1, 1]
    if meaning is not None and "=" in meaning:
        told = run("monitor", "label", "m.db", "y.csv", "--label-map", f"{meaning},x=cat")
        assert "no row has the label x" in told.stderr
    elif meaning is not None:
        told = run("monitor", "label", "m.db", "y.csv", code=2).stderr
        assert "none of the classes by name of its model ('cat', 'dog')" in told


def test_a_file_of_corrections_is_read_twice(tmp_path, run, monkeypatch):
    """The same file again changes nothing, wherever a label and its correction stand."""
    monkeypatch.setattr("temperance.cli.monitor.label._AT_ONCE", 4)
    tp.save(tp.TemperatureScaling(2.0), tmp_path / "c.json")
    np.savez(tmp_path / "z.npz", logits=np.eye(6), ids=[f"r{i}" for i in range(6)])
    labels = [*[f"r{i},{i}" for i in range(6)], "r0,5", "r3,1", "r0,2"]
    (tmp_path / "y.csv").write_text("\n".join(["id,label", *labels, ""]))
    run("monitor", "init", "m.db", "--calibrator", "c.json", "--delay", "1d")
    run("monitor", "log", "m.db", "z.npz", "--kind", "logits")
    first = json.loads(run("monitor", "label", "m.db", "y.csv", "--json").stdout)
    assert (first["new"], first["corrected"], first["repeated"]) == (6, 3, 0)
    again = json.loads(run("monitor", "label", "m.db", "y.csv", "--json").stdout)
    assert (again["new"], again["corrected"], again["repeated"]) == (0, 0, 9)
    told = json.loads(run("monitor", "check", "m.db", "--json").stdout)
    assert any("the next label counts in 24.0 hours" in each for each in told["warnings"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "none.db"], "no store is there"),
        (["init", "m.db", "--calibrator", "c.json", "--delay", "soon"], "`--delay` must be a"),
        (["init", "m.db", "--calibrator", "c.json", "--policy", "p.json"], "no such file"),
        (["init", "m.db", "--calibrator", "c.json", "--policy", "c.json"], "not a decision policy"),
        (["init", "postgresql://h/d", "--calibrator", "c.json"], "--registry"),
        (["prune", "m.db"], "Say what goes"),
        (["run", "m.db", "--every", "0s"], "at least 1s"),
        (["serve", "m.db", "--host", "0.0.0.0"], "--token-file"),  # noqa: S104
        (["check", "m.db", "--webhook", "ftp://h"], "`--webhook` must be an address"),
        (["log", "m.db", "noids.npz"], "has no ids"),
        (["log", "m.db", "labels.csv"], "it holds 'id', 'label'. Name them with --probs-column"),
        (["label", "m.db", "names.csv"], "no column or key `id`. Name the one"),
        (["refit", "m.db"], "0 usable labels, and a re-fit wants at least 50: wait for more, or"),
        (["refit", "m.db", "--half-life", "0"], "`--half-life` must be a finite number above"),
        (["rollback", "m.db"], "no other calibrator served before"),
    ],
)
def test_wrong_commands(tmp_path, run, arguments, message):
    """Exit code 2 and one line."""
    if arguments[0] == "serve":
        pytest.importorskip("starlette")
    tp.save(tp.TemperatureScaling(2.0), tmp_path / "c.json")
    np.savez(tmp_path / "noids.npz", logits=[[1.0, 0.0]])
    (tmp_path / "labels.csv").write_text("id,label\na,1\n")
    (tmp_path / "names.csv").write_text("name,label\na,1\n")
    if arguments[0] != "init":
        run("monitor", "init", "m.db", "--calibrator", "c.json")
    done = run("monitor", *arguments, code=2)
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr
