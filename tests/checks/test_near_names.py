"""Names of columns and keys: ours, as one or many, and those that are asked about."""

import pytest

from temperance.errors import FileFormatError
from temperance.readers.request import near_names, refuse_near_names, role_name


@pytest.mark.parametrize("role", ["label", "weight", "group", "cluster", "id"])
def test_one_and_many_are_the_same_name(role):
    """A column may be called by the role or its plural."""
    assert role_name(role, ["a", role], None) == role
    assert role_name(role, ["a", f"{role}s"], None) == f"{role}s"
    assert role_name(role, ["a"], None) is None


def test_both_forms_are_a_question():
    """A file with `weight` and `weights` does not say which holds."""
    with pytest.raises(FileFormatError, match=r"has both `weight` and `weights`.*--weight-column"):
        role_name("weight", ["weight", "weights"], None)
    assert role_name("weight", ["weight", "weights"], "weights") == "weights"


def test_none_says_that_there_is_none():
    """`none` turns a role off, unless a column is called so."""
    assert role_name("weight", ["weight"], "none") is None
    assert role_name("weight", ["none"], "none") == "none"


def test_a_given_name_that_is_not_there():
    """The error shows what is there, and the name that differs in capitals only."""
    with pytest.raises(FileFormatError, match=r"has no key `Weight`.*Did you mean 'weight'"):
        role_name("weight", ["weight", "b"], "Weight", word="key")


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("weight", "Weight"),
        ("weight", "WEIGHTS"),
        ("weight", " weight"),
        ("weight", "weigths"),
        ("weight", "wieght"),
        ("weight", "weigh"),
        ("weight", "weightt"),
        ("weight", "sample_weight"),
        ("weight", "sampleWeight"),
        ("weight", "Sample Weights"),
        ("weight", "case.weight"),
        ("label", "Label"),
        ("label", "lable"),
        ("label", "Labels"),
        ("label", "target"),
        ("label", "targets"),
        ("label", "y_true"),
        ("label", "y true"),
        ("label", "val_labels"),
        ("label", "true_label"),
        ("label", "True_Label"),
        ("label", "ground_truth"),
        ("label", "label_id"),
        ("group", "Group"),
        ("group", "gruop"),
        ("group", "group_id"),
        ("cluster", "cluster_id"),
        ("cluster", "Clusters"),
        ("cluster", "cluser"),
        ("id", "ID"),
        ("id", "Ids"),
        ("id", "test_id"),
    ],
)
def test_near_names(role, name):
    """Other capitals, blanks, slips and words for the same are near."""
    assert near_names(role, ["x", name]) == [name]


@pytest.mark.parametrize(
    ("role", "name"),
    [
        ("weight", "height"),
        ("weight", "birth_weight"),
        ("weight", "weight_kg"),
        ("weight", "class_weight"),
        ("weight", "eight"),
        ("weight", "w"),
        ("label", "table"),
        ("label", "label_map"),
        ("label", "labeller"),
        ("label", "predicted_label"),
        ("label", "y"),
        ("group", "age_group"),
        ("group", "grow"),
        ("cluster", "culture"),
        ("id", "idea"),
        ("id", "patient_id"),
        ("id", "d"),
        ("weight", "weight"),
    ],
)
def test_names_that_are_something_else(role, name):
    """Neither our own name nor what merely holds the word is near."""
    assert near_names(role, [name]) == []


def test_a_near_name_is_asked_about():
    """The error names the column, the option for it, and the option against it."""
    with pytest.raises(FileFormatError) as error:
        refuse_near_names(["prob", "Sample Weight"], {"weight": None}, {}, used=["prob"])
    assert "has no column `weight`, but 'Sample Weight'" in str(error.value)
    assert "--weight-column 'Sample Weight'; if not, --weight-column none" in str(error.value)


def test_what_is_ours_or_said_is_not_asked_about():
    """A role that has its column, or of which its user spoke, raises no question."""
    refuse_near_names(["weight", "Weight"], {"weight": "weight"}, {})
    refuse_near_names(["Weight"], {"weight": None}, {"weight": "none"})
    refuse_near_names(["wt"], {"weight": None}, {}, used=["wt"])
