"""Versions by what they do, one that serves, and the way back."""

import json

import numpy as np
import pytest

import temperance as tp
from temperance.monitor import Registry


def test_versions(registry):
    """Added by content, promoted, rolled back: what serves is a file like any calibrator."""
    first = registry.current()
    second = registry.add(tp.TemperatureScaling(3.0))
    assert registry.add(tp.TemperatureScaling(3.0)) == second
    assert registry.current() == first
    registry.promote(second, why="better", facts={"n": 10})
    assert tp.content_id(tp.load(registry.current_path)) == second
    assert registry.rollback(why="worse") == first
    assert registry.current() == first
    assert [(each.id, each.action, each.why) for each in registry.history()] == [
        (first, "init", "the first"), (second, "promote", "better"), (first, "rollback", "worse"),
    ]  # fmt: skip
    assert registry.history()[1].facts == {"n": 10}


def test_going_back_goes_back_further(registry):
    """Twice in a row is two versions; before the first there is none."""
    ids = [registry.current()]
    ids += [registry.promote(registry.add(tp.TemperatureScaling(t)), why="x") for t in (3.0, 4.0)]
    assert registry.rollback() == ids[1]
    assert registry.rollback() == ids[0]
    with pytest.raises(tp.InvalidInputError, match="no other calibrator served before"):
        registry.rollback()


def test_going_to_one_by_name(registry):
    first = registry.current()
    registry.promote(registry.add(tp.TemperatureScaling(3.0)), why="x")
    assert registry.rollback(first[7:14]) == first
    for name in ("abc", "ffffffff", ""):
        with pytest.raises(tp.InvalidInputError, match="must name one calibrator by 6 digits"):
            registry.rollback(name)


def test_the_same_again(registry, tmp_path):
    """Making it again with the calibrator that serves changes nothing; another one is refused."""
    file = tmp_path / "calibrator.json"
    assert registry.create(file) == registry.current()
    assert len(registry.history()) == 1
    tp.save(tp.TemperatureScaling(5.0), file)
    with pytest.raises(tp.InvalidInputError, match=r"another calibrator .* serves there already"):
        registry.create(file)


def test_a_changed_file_does_not_serve(registry):
    """A version whose content is not its name is refused before anything changes."""
    name = registry.add(tp.TemperatureScaling(3.0))
    path = registry.folder / "calibrators" / f"{name[7:]}.json"
    content = json.loads(path.read_text())
    content["parameters"]["temperature"] = 30.0
    path.write_text(json.dumps(content))
    before = registry.current_path.read_bytes()
    with pytest.raises(tp.FileFormatError, match="was changed"):
        registry.promote(name, why="x")
    assert registry.current_path.read_bytes() == before
    assert len(registry.history()) == 1


def test_a_damaged_pointer_says_how_to_restore_it(registry):
    """The command of the message puts the last good one back."""
    good = registry.current()
    registry.current_path.write_text("{")
    with pytest.raises(tp.FileFormatError, match=r"rollback STORE --to (\w+)") as refused:
        registry.current()
    name = str(refused.value).split("--to ")[1].split("`")[0]
    assert registry.rollback(name) == good
    assert registry.current() == good


def test_a_pointer_that_nothing_restores_says_so(registry):
    """No version can be read: no command is named that would not work."""
    registry.current_path.write_text("{")
    for path in (registry.folder / "calibrators").iterdir():
        path.write_text("{")
    with pytest.raises(tp.FileFormatError, match="restore the folder from a copy") as refused:
        Registry(registry.folder).current()
    assert "rollback" not in str(refused.value)


def test_a_damaged_version_is_written_again(registry, tmp_path):
    """By what made it: the same file, or the same fit."""
    name = registry.current()
    path = registry.folder / "calibrators" / f"{name[7:]}.json"
    before = path.read_text()
    for damage in ("", "{", before.replace("2.0", "3.0")):
        path.write_text(damage)
        assert registry.create(tmp_path / "calibrator.json") == name
        assert path.read_text() == before
        assert Registry(registry.folder).load(name) == tp.TemperatureScaling(2.0)
    path.unlink()
    assert registry.add(tp.TemperatureScaling(2.0)) == name
    assert registry.load(name) == tp.TemperatureScaling(2.0)


def test_a_file_that_was_copied_there_becomes_a_version(registry, tmp_path):
    """It serves; rows under its id can be weighed, and one can go back from it."""
    first = registry.current()
    assert registry.adopted() == first
    assert len(registry.history()) == 1
    tp.save(tp.TemperatureScaling(5.0), tmp_path / "new.json")
    registry.current_path.write_bytes((tmp_path / "new.json").read_bytes())
    with pytest.raises(tp.FileFormatError, match="no calibrator"):
        registry.load(registry.current())
    second = registry.adopted()
    assert registry.current() == second != first
    assert registry.load(second) == tp.TemperatureScaling(5.0)
    assert registry.history()[-1].why == "current.json was replaced by hand"
    assert registry.rollback() == first


def test_no_registry(tmp_path):
    with pytest.raises(tp.FileFormatError, match="no calibrator serves"):
        Registry(tmp_path / "none").current()
    (tmp_path / "file").write_text("")
    tp.save(tp.TemperatureScaling(2.0), tmp_path / "c.json")
    with pytest.raises(tp.InvalidInputError, match="cannot be made"):
        Registry(tmp_path / "file" / "r").create(tmp_path / "c.json")


def test_a_line_that_was_cut_off_is_left_out(registry):
    with (registry.folder / "history.jsonl").open("a") as file:
        file.write('{"id": "sha256:')
    assert len(registry.history()) == 1


def test_going_back_from_what_no_line_tells(registry):
    """Killed between the file that serves and its line: the one before is the last that has one."""
    second = registry.promote(registry.add(tp.TemperatureScaling(3.0)), why="x")
    third = registry.add(tp.TemperatureScaling(4.0))
    file = registry.folder / "calibrators" / f"{third[7:]}.json"
    registry.current_path.write_text(file.read_text())
    assert registry.current() == third
    assert registry.rollback() == second


@pytest.mark.parametrize("rest", [b'{"id": "sha256:0', b"\xff\xfe", b"[1]\n5"])
def test_a_line_that_was_cut_off_stays_alone(registry, rest):
    """What is written after it is read."""
    with (registry.folder / "history.jsonl").open("ab") as file:
        file.write(rest)
    second = registry.promote(registry.add(tp.TemperatureScaling(3.0)), why="x")
    assert [each.id for each in registry.history()][1:] == [second]


def test_a_winner_over_another_champion_does_not_serve(registry):
    """Of two re-fits at once the second is compared with what serves no longer."""
    first = registry.current()
    second = registry.promote(registry.add(tp.TemperatureScaling(3.0)), why="x", champion=first)
    third = registry.add(tp.TemperatureScaling(4.0))
    with pytest.raises(tp.StoreError, match="fit again"):
        registry.promote(third, why="x", champion=first)
    assert registry.current() == second


@pytest.mark.parametrize("name", ["../../calibrator", "0" * 64, "", "sha256:../../calibrator"])
def test_an_id_is_no_path(registry, name):
    with pytest.raises(tp.FileFormatError, match="no calibrator"):
        registry.load(name)


def test_rows_that_no_monitor_weighs(tmp_path):
    """A matrix of labels, or the outputs of several models: refused before anything is made."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 3))
    of_labels = tp.MultilabelScaling.fit(z, rng.random((200, 3)) < 1 / (1 + np.exp(-z)))
    members = rng.normal(size=(2, 200, 3))
    pooled = tp.Ensemble.fit(members, (members.sum(axis=0) + z).argmax(axis=1))
    for fitted, word in ((of_labels, "matrix of labels"), (pooled, "outputs of 2")):
        tp.save(fitted, tmp_path / "c.json")
        with pytest.raises(tp.InvalidInputError, match=word):
            Registry(tmp_path / "new").create(tmp_path / "c.json")
        assert not (tmp_path / "new").exists()
