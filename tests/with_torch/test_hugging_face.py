"""Text classification of Hugging Face: classes, a folded model that says so, saved and loaded."""

import numpy as np
import pytest

import temperance as tp

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from temperance.formats.calibrator_json import content_id  # noqa: E402
from temperance.torch import collect_logits, fold  # noqa: E402

NAMES = ("negative", "neutral", "positive")


def tiny(names=NAMES, seed=0):
    """A BERT with two layers of 16 numbers, from its config alone."""
    torch.manual_seed(seed)
    labels = dict(enumerate(names))
    config = transformers.BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=20,
        id2label=labels, label2id={name: place for place, name in labels.items()},
    )  # fmt: skip
    model = transformers.BertForSequenceClassification(config).eval()
    torch.nn.init.normal_(model.classifier.weight, std=2.0)
    return model


def batches(n=4, seed=0):
    torch.manual_seed(seed)
    return [
        {"input_ids": torch.randint(0, 50, (25, 8)), "attention_mask": torch.ones(25, 8).long(),
         "labels": torch.randint(0, 3, (25,))}
        for _ in range(n)
    ]  # fmt: skip


def test_from_a_loader_to_a_saved_model(tmp_path):
    """Collect, fit, fold, save, load: the calibrated numbers, and the config says which map."""
    model, loader = tiny(), batches()
    collected = collect_logits(model, loader)
    assert collected.classes == NAMES
    calibrator = tp.TemperatureScaling.fit(
        collected.logits, tp.Positions(collected.labels), classes=collected.classes, prior=5.0
    )
    inputs = {key: loader[0][key] for key in ("input_ids", "attention_mask")}
    folded = fold(model, calibrator, verify=inputs)
    assert folded.layer == "classifier"
    assert folded.how == "the only Linear with one output per class"
    folded.model.save_pretrained(tmp_path)
    loaded = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert loaded.config.temperance["id"] == content_id(calibrator)
    assert loaded.config.temperance["method"] == "temperature"
    assert loaded.config.temperance["temperature"] == calibrator.temperature
    probs = loaded(**inputs).logits.softmax(-1).detach().numpy()
    right = calibrator.apply(model(**inputs).logits.detach().numpy(), dtype=np.float64)
    assert np.abs(probs - right).max() <= 1e-6
    assert getattr(model.config, "temperance", None) is None
    with pytest.raises(tp.InvalidInputError, match="calibrated logits already"):
        fold(loaded, calibrator)


def test_other_classes_are_refused():
    """Names, and their order, are compared with `id2label`; placeholders name nothing."""
    for classes in (("a", "b", "c"), NAMES[::-1]):
        calibrator = tp.TemperatureScaling(1.5, n_classes=3, classes=classes)
        with pytest.raises(tp.InvalidInputError, match=r"`id2label`.* negative, neutral, positive"):
            fold(tiny(), calibrator)
    unnamed = tiny(("LABEL_0", "LABEL_1", "LABEL_2"))
    assert fold(unnamed, calibrator).layer == "classifier"
    assert collect_logits(unnamed, batches(1)).classes is None
    with pytest.raises(tp.InvalidInputError, match="No Linear of 4 outputs"):
        fold(tiny(), tp.TemperatureScaling(1.5, n_classes=4))


def test_a_language_model_is_tied():
    """Its output layer is its embedding: the reason is given."""
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=40, n_positions=16, n_embd=16, n_layer=1, n_head=2, tie_word_embeddings=True
    )
    model = transformers.GPT2LMHeadModel(config)
    with pytest.raises(tp.InvalidInputError, match=r"`lm_head` is tied.*wte\.weight"):
        fold(model, tp.TemperatureScaling(1.5, n_classes=40))
