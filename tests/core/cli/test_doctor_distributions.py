"""What ``chainrule doctor`` finds in the metadata of distributions that hide each other."""

import json
import sys

import pytest

from chainrule.cli.doctor.distributions import distribution_findings

POINTS = "[chainrule.optimizers]\nlion2 = lion2:Lion\n"


def install(folder, source=None):
    info = folder / "lion2-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lion2\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    if source is not None:
        record = {"url": source.as_uri(), "dir_info": {"editable": True}}
        (info / "direct_url.json").write_text(json.dumps(record))
        source.mkdir(exist_ok=True)
        tables = '[project.entry-points."chainrule.optimizers"]\nlion2 = "lion2:Lion"\n'
        (source / "pyproject.toml").write_text(tables)
    return folder


@pytest.fixture
def hidden(tmp_path, monkeypatch):
    """Return the findings on an editable install of the folder source that a distribution elsewhere hides."""

    def findings(first, source=None):
        folders = [install(tmp_path / first, source), install(tmp_path / "site", tmp_path / "source")]
        monkeypatch.setattr(sys, "path", [str(folder) for folder in folders])
        return [(one.topic, one.message) for one in distribution_findings([]) if one.subject == "lion2"]

    return findings


def test_a_copy_that_hides_an_editable_install_is_found(hidden, tmp_path):
    ((topic, message),) = hidden("copy")
    assert topic == "shadowed"
    assert message == (
        f"lion2 must be installed once, got 1.0 in {tmp_path / 'copy' / 'lion2-1.0.dist-info'}, which hides 1.0 in "
        f"{tmp_path / 'site' / 'lion2-1.0.dist-info'}. Uninstall both and install one again."
    )


@pytest.mark.parametrize("first", ["source", "source/src", "source/python"])
def test_metadata_in_the_source_of_an_editable_install_hides_nothing(hidden, first):
    assert hidden(first) == []


def test_a_copy_in_an_environment_inside_the_source_hides_an_editable_install(hidden):
    ((topic, _),) = hidden("source/.venv/lib/site-packages")
    assert topic == "shadowed"


def test_two_editable_installs_of_one_source_are_one(hidden, tmp_path):
    assert hidden("other", tmp_path / "source") == []
