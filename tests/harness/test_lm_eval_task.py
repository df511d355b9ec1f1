"""`temperance.harness.CalibratedTask`, run by lm-evaluation-harness itself with its dummy model."""

import json
import warnings

import numpy as np
import pytest

import temperance as tp
from temperance.errors import InvalidInputError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    lm_eval = pytest.importorskip("lm_eval", exc_type=ImportError)
    from lm_eval.tasks import TaskManager

    from temperance.harness import CalibratedTask

pytestmark = pytest.mark.filterwarnings("ignore")  # of the harness and what it loads

YAML = """\
task: capitals
class: !function {where}.CalibratedTask
dataset_path: json
dataset_kwargs:
  data_files: {{test: {path}}}
output_type: multiple_choice
test_split: test
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: {target}
metric_list:
  - metric: acc
    aggregation: mean
    higher_is_better: true
{more}
metadata: {{version: 1}}
"""
OURS = """\
  - metric: ece
  - metric: ece_null_high
  - metric: ece_p_value
  - metric: log_loss
"""


@pytest.fixture
def capitals(tmp_path, monkeypatch):
    """Questions with three or four options, the task that asks them, and no network."""
    for name in ("HF_HOME", "HF_DATASETS_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    rng = np.random.default_rng(0)
    docs = [
        {"question": f"Q{i}?", "choices": ["A", "B", "C", "D"][: 3 + i % 2],
         "answer": int(rng.integers(3)), "answers": [0, 1]}
        for i in range(60)
    ]  # fmt: skip
    path = tmp_path / "docs.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in docs), encoding="utf-8")

    def ask(more=OURS, target="answer", where="calibrated"):
        folder = tmp_path / f"tasks{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        text = YAML.format(path=path, more=more, target=target, where=where)
        line = "from temperance.harness import CalibratedTask\n"
        (folder / "calibrated.py").write_text(line, encoding="utf-8")
        (folder / "capitals.yaml").write_text(text, encoding="utf-8")
        return lm_eval.simple_evaluate(
            model="dummy", tasks=["capitals"], log_samples=True, bootstrap_iters=100,
            task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        )  # fmt: skip

    return ask


def test_the_error_and_its_band_stand_beside_accuracy(capitals):
    """As `tp.evaluate` of the samples that the harness logs."""
    done = capitals()
    found = done["results"]["capitals"]
    samples = done["samples"]["capitals"]
    log_probs = np.full((60, 4), -np.inf)
    for row, sample in enumerate(samples):
        for option, (log_prob, _) in enumerate(sample["filtered_resps"]):
            log_probs[row, option] = log_prob
    probs = np.exp(log_probs)
    probs /= probs.sum(axis=1, keepdims=True)
    by_hand = tp.evaluate(probs, [int(each["target"]) for each in samples])
    assert found["acc,none"] == pytest.approx(by_hand.accuracy.value)
    assert found["ece,none"] == pytest.approx(by_hand.ece.value)
    assert found["ece_null_high,none"] == pytest.approx(by_hand.ece_null.high)
    assert found["ece_p_value,none"] == pytest.approx(by_hand.errors["ece"].p_value)
    assert found["log_loss,none"] == pytest.approx(by_hand.log_loss.value)
    assert found["ece_stderr,none"] == "N/A"
    assert "likelihood,none" not in found
    assert done["higher_is_better"]["capitals"]["ece"] is False
    assert "ece" in lm_eval.utils.make_table(done)


def test_the_yaml_names_it_without_a_file_beside_it(capitals):
    """Modules that are installed are found as well."""
    assert "ece,none" in capitals(where="temperance.harness")["results"]["capitals"]


def test_only_what_the_yaml_names_is_shown(capitals):
    """With its own number of bins; all of ours where none is named."""
    few = capitals(more="  - metric: ece\n    n_bins: 2\n")["results"]["capitals"]
    assert "ece,none" in few
    assert "ece_null_high,none" not in few
    every = capitals(more="")["results"]["capitals"]
    assert {"acc,none", "ece,none", "ece_null_high,none", "log_loss,none"} <= set(every)


def test_documents_of_several_right_options_are_left_out(capitals):
    """They have no label; accuracy counts them as the harness does."""
    found = capitals(target="answers")["results"]["capitals"]
    assert 0 <= found["acc,none"] <= 1
    assert "ece,none" not in found


def test_other_outputs_are_refused():
    """Generated text has no probability of being right."""
    with pytest.raises(InvalidInputError, match="`output_type` must be multiple_choice"):
        CalibratedTask(config={"output_type": "generate_until"})
    with pytest.raises(InvalidInputError, match="`n_bins`"):
        CalibratedTask(config={"output_type": "multiple_choice",
                               "metric_list": [{"metric": "ece", "n_bins": 0}]})  # fmt: skip
