import numpy as np
import pytest

from chainrule_lab.runs.figure import draw

EPOCHS = 4


def lines(figure):
    return {line.get_gid(): line.get_ydata().tolist() for panel in figure.axes for line in panel.lines}


def test_a_single_network_has_a_line_for_each_curve():
    curves = {"train_loss": [4.0, 3.0, 2.0, 1.0], "validation_loss": [4.0, 3.0, 3.0, np.inf], "lr": [1.0] * EPOCHS}
    figure = draw("one", curves, [""])
    assert [panel.get_title() for panel in figure.axes] == ["Loss", "Lr"]
    found = lines(figure)
    assert found["train_loss"] == curves["train_loss"]
    assert np.isnan(found["validation_loss"][-1])


def test_members_that_differ_by_their_seed_are_a_median_and_a_range():
    values = np.array([[1.0, 2.0, 6.0], [1.0, np.nan, 3.0], [np.nan] * 3, [5.0, 4.0, 3.0]])
    (line,) = lines(draw("seeds", {"train_loss": values}, [""] * 3)).values()
    assert line == pytest.approx([2.0, 2.0, np.nan, 4.0], nan_ok=True)


def test_members_of_different_settings_have_a_line_each_and_a_colour_for_each_setting():
    values = np.arange(4.0 * EPOCHS).reshape(EPOCHS, 4)
    figure = draw("grid", {"train_loss": values, "validation_loss": values}, ["lr 1", "lr 2", "lr 1", "lr 2"])
    first, second = figure.axes
    assert [panel.get_title() for panel in (first, second)] == ["Train loss", "Validation loss"]
    found = {line.get_gid(): line for line in first.lines}
    assert found["train_loss:2"].get_ydata().tolist() == values[:, 2].tolist()
    assert found["train_loss:0"].get_color() == found["train_loss:2"].get_color() != found["train_loss:1"].get_color()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["lr 1", "lr 2"]


def test_a_loss_over_decades_has_a_logarithmic_axis():
    steep = draw("steep", {"train_loss": [100.0, 1.0], "train_accuracy": [0.001, 1.0]}, [""])
    assert [panel.get_yscale() for panel in steep.axes] == ["log", "linear"]
