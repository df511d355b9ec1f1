"""What lm-evaluation-harness itself writes is read, where it is installed."""

import json
import subprocess
import sys

import numpy as np
import pytest

from llm_files import write
from temperance.errors import FileFormatError
from temperance.readers import LlmFormat, read

QUESTIONS = [
    {"q": "2+2=", "choices": ["3", "4", "5"], "a": 1},
    {"q": "Capital of France?", "choices": ["Rome", "Paris", "Oslo", "Bern"], "a": 1},
    {"q": "Sky colour?", "choices": ["Blue", "Red"], "a": 0},
    {"q": "D\u00e9j\u00e0?", "choices": ["na\u00efve", "cr\u00e8me", "th\u00e9"], "a": 2},
]
TASK = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {name}.jsonl}}}}
output_type: {output}
test_split: test
doc_to_text: "{{{{q}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: "{target}"
metric_list: [{metrics}]
"""
CHOICE = ("acc", "acc_norm", "acc_bytes")


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Run its dummy model on tiny tasks: by index, by text, with mutual information, generated."""
    pytest.importorskip("lm_eval", reason="lm-eval is not installed")
    folder = tmp_path_factory.mktemp("lm_eval")
    tasks = {
        "by_index": ("multiple_choice", "a", CHOICE),
        "by_text": ("multiple_choice", "{{choices[a]}}", CHOICE),
        "mutual": ("multiple_choice", "a", (*CHOICE, "acc_mutual_info")),
        "generated": ("generate_until", "{{choices[a]}}", ("exact_match",)),
    }
    for name, (output, target, metrics) in tasks.items():
        listed = ", ".join(f"{{metric: {metric}}}" for metric in metrics)
        task = TASK.format(name=name, output=output, target=target, metrics=listed)
        if name == "generated":
            task = task.replace('doc_to_choice: "{{choices}}"\n', "")
        (folder / f"{name}.yaml").write_text(task)
        # lm-eval takes a target of digits for an index, so texts begin with the second question
        write(folder / f"{name}.jsonl", QUESTIONS[1:] if name == "by_text" else QUESTIONS)
    command = [
        sys.executable, "-m", "lm_eval", "run", "--model", "dummy", "--tasks", ",".join(tasks),
        "--include_path", ".", "--output_path", "out", "--log_samples",
    ]  # fmt: skip
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "home"), "PATH": ""}
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=True)
    return {
        file.name.removeprefix("samples_").rsplit("_", 1)[0]: file
        for file in folder.glob("out/**/samples_*.jsonl")
    }


@pytest.mark.slow
@pytest.mark.parametrize("task", ["by_index", "by_text", "mutual"])
def test_choices_are_those_of_the_harness(samples, task):
    """Labels are the documents' answers; predictions agree with its own acc and acc_bytes."""
    lines = [json.loads(line) for line in samples[task].read_text(encoding="utf-8").splitlines()]
    found = read(samples[task], format="lm-eval")
    assert found.labels.tolist() == [line["doc"]["a"] for line in lines]
    assert found.groups.tolist() == [task] * len(lines)
    assert found.ids.tolist() == [line["doc_id"] for line in lines]
    assert found.ragged
    for row, line in zip(found.values, lines, strict=True):
        k = len(line["doc"]["choices"])
        assert row[:k].tolist() == [float(pair[0]) for pair in line["filtered_resps"][:k]]
        assert np.isneginf(row[k:]).all()
    right = found.values.argmax(axis=1) == found.labels
    assert right.tolist() == [line["acc"] == 1.0 for line in lines]
    assert any("acc_mutual_info" in note for note in found.notes) == (task == "mutual")


@pytest.mark.slow
def test_bytes_are_those_of_the_text_that_was_scored(samples):
    """The harness leaves out the delimiter before a choice; here it counts, as the model saw it."""
    lines = [
        json.loads(line) for line in samples["by_index"].read_text(encoding="utf-8").splitlines()
    ]
    found = read(samples["by_index"], format=LlmFormat("lm-eval", normalize="bytes"))
    for row, line in zip(found.values, lines, strict=True):
        texts = line["doc"]["choices"]
        log_probs = np.array([float(pair[0]) for pair in line["filtered_resps"]])
        assert row[: len(texts)] == pytest.approx(
            log_probs / [len(f" {text}".encode()) for text in texts]
        )
        own = log_probs / [len(text.encode()) for text in texts]
        assert (own.argmax() == line["doc"]["a"]) == (line["acc_bytes"] == 1.0)


@pytest.mark.slow
def test_generated_text_has_no_confidence(samples):
    """A clear error, not a crash."""
    with pytest.raises(FileFormatError, match="generate_until"):
        read(samples["generated"], format="lm-eval")
