"""The file of a service: a newer map takes its place, and nothing else does."""

import json
import os

import numpy as np
import pytest

import temperance as tp

pytest.importorskip("starlette")
pytest.importorskip("prometheus_client")

from temperance.errors import FileFormatError
from temperance.formats.calibrator_json import calibrator_content
from temperance.serving.served import WatchedFile


@pytest.fixture
def watched(tmp_path):
    """Watch a calibrator of three classes; what is told is in `events`."""
    path, events = tmp_path / "c.json", []
    tp.save(tp.TemperatureScaling(2.0, n_classes=3), path)
    file = WatchedFile(path, lambda taken, words: events.append((taken, words)))
    file.events = events
    return file


def temperature(file):
    return file.current.calibrator.temperature


def test_a_newer_map_is_served(watched):
    """By its id, once; the same content in another form is no other map."""
    watched.check()
    tp.save(tp.TemperatureScaling(3.0, n_classes=3), watched.path)
    before = watched.current.id
    watched.check()
    watched.check()
    assert temperature(watched) == 3.0
    ((taken, words),) = watched.events
    assert taken
    assert before in words
    assert watched.current.id in words
    watched.path.write_text(json.dumps(json.loads(watched.path.read_text())))
    watched.check()
    assert len(watched.events) == 1


def test_a_change_within_one_tick_of_the_clock_is_seen(watched):
    """Of the same size, the same inode and the same time."""
    old = watched.path.read_bytes()
    status = watched.path.stat()
    with watched.path.open("r+b") as file:
        file.write(old.replace(b'"temperature": 2.0', b'"temperature": 4.0'))
    os.utime(watched.path, ns=(status.st_atime_ns, status.st_mtime_ns))
    watched.check()
    assert temperature(watched) == 4.0


def contents():
    """Files that must not be served in place of a map of three classes, and why."""
    good = calibrator_content(tp.TemperatureScaling(3.0, n_classes=3))
    wrong = {**good, "parameters": {"temperature": -1.0}}
    named = calibrator_content(tp.TemperatureScaling(3.0, n_classes=3, classes=("a", "b", "c")))
    return {
        "half-written": (json.dumps(good)[:-40], "not a JSON file"),
        "empty": ("", "is empty"),
        "newer": (json.dumps({**good, "format_version": 99}), "written by a newer temperance"),
        "tampered": (json.dumps(wrong), "temperature"),
        "nan": (json.dumps(good).replace("3.0", "NaN"), "finite"),
        "another": ("[1, 2]", "not an object"),
        "other classes": (
            json.dumps(calibrator_content(tp.TemperatureScaling(3.0, n_classes=4))),
            "classes: 4 where 3 is served",
        ),
        "names": (json.dumps(named), "names of classes"),
        "unknown": (json.dumps({**good, "method": "dream"}), "unknown `method`"),
    }


@pytest.mark.parametrize("name", contents())
def test_no_bad_file_replaces_a_good_map(watched, name):
    """The last good one keeps serving; its user is told once, and a good file is taken again."""
    text, words = contents()[name]
    watched.path.write_text(text)
    watched.check()
    watched.check()
    assert temperature(watched) == 2.0
    ((taken, said),) = watched.events
    assert not taken
    assert words in said
    assert f"Still serving {watched.current.id}" in said
    tp.save(tp.TemperatureScaling(5.0, n_classes=3), watched.path)
    watched.check()
    assert temperature(watched) == 5.0


def test_a_file_that_is_gone(watched):
    """It is served on, and taken again when it is back."""
    watched.path.unlink()
    watched.check()
    watched.check()
    assert len(watched.events) == 1
    assert "No such file" in watched.events[0][1]
    tp.save(tp.TemperatureScaling(5.0, n_classes=3), watched.path)
    watched.check()
    assert temperature(watched) == 5.0


def test_a_map_that_takes_less_is_not_taken(tmp_path, sample):
    """Callers who send groups, or leave options out, would be refused from then on."""
    z, y = sample(1, k=3)
    groups = np.where(np.arange(len(y)) % 2, "a", "b")
    path, events = tmp_path / "c.json", []
    tp.save(tp.METHODS["group-temperature"].fit(z, y, groups=groups), path)
    file = WatchedFile(path, lambda *event: events.append(event))
    tp.save(tp.TemperatureScaling.fit(z, y), path)
    file.check()
    assert "takes no groups" in events[0][1]
    tp.save(tp.TemperatureScaling.fit(z, y), path)
    file = WatchedFile(path, lambda *event: events.append(event))
    tp.save(tp.METHODS["matrix"].fit(z, y), path)
    file.check()
    assert "takes no options that do not exist" in events[1][1]
    tp.save(tp.METHODS["vector"].fit(z, y), path)
    file.check()
    assert events[2][0]


def test_a_policy_is_no_calibrator(tmp_path, run, sample):
    """Answers would lack `accepted` from one to the next."""
    z, y = sample(1, n=1500, k=3, spread=6.0)
    np.savez(tmp_path / "cal.npz", logits=z, labels=y)
    run("threshold", "cal.npz", "--max-risk", "0.1", "-o", "policy.json")
    events = []
    file = WatchedFile(tmp_path / "policy.json", lambda *event: events.append(event))
    content = json.loads(file.path.read_text())
    file.path.write_text(json.dumps(content["calibrator"]))
    file.check()
    assert "policy: False where True is served" in events[0][1]
    assert file.current.policy is not None


def test_a_service_does_not_begin_with_a_bad_file(tmp_path):
    """There is no last good one."""
    with pytest.raises(FileFormatError, match="No such file"):
        WatchedFile(tmp_path / "c.json", print)
