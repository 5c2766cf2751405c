"""The settings of the paper's experiments, as data; every choice is explicit and none is left to a default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

TASK = "circle"
HIDDEN_SIZES = (16, 32)
HIDDEN_ACTIVATION = "relu"
BATCH_SIZE = 20
REDUCTION: Literal["sum"] = "sum"
PAPER_EPOCHS = 100
PAPER_INSTANCES = 10
TEST_ROWS = 900


@dataclass(frozen=True)
class Printed:
    """A row of the paper's results: test loss, and test accuracy as a fraction."""

    loss: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One ensemble of the paper, or one added here to explain its numbers.

    Attributes:
        name: its key in the results.
        title: its name in figures and tables.
        loss: the registered name of the loss.
        initialization: "uniform" for weights and biases, or "xavier_normal" for weights, with zero biases.
        optimizer: the registered name of the optimizer.
        hyperparameters: the optimizer's, all that matter.
        figures: the numbers of the paper's figures that show it.
        printed: its results in the paper, or None.
    """

    name: str
    title: str
    loss: Literal["cross_entropy", "mse"] = "cross_entropy"
    initialization: Literal["uniform", "xavier_normal"] = "uniform"
    optimizer: str = "sgd"
    hyperparameters: Mapping[str, Any] = field(default_factory=lambda: {"lr": 0.001, "momentum": 0.0})
    figures: tuple[int, ...]
    printed: Printed | None = None

    def describe(self) -> dict[str, Any]:
        """Return the setting, with the choices that all settings share, as plain data."""
        shared = {
            "task": TASK,
            "hidden_sizes": HIDDEN_SIZES,
            "hidden_activation": HIDDEN_ACTIVATION,
            "output_activation": "sigmoid" if self.loss == "mse" else None,
            "batch_size": BATCH_SIZE,
            "reduction": REDUCTION,
        }
        return asdict(self) | shared


SETTINGS = (
    Setting(name="mse", title="SGD, MSE loss", loss="mse", figures=(1,)),
    Setting(name="sgd", title="SGD", figures=(1, 2, 3), printed=Printed(0.3411, 0.8944)),
    Setting(name="xavier", title="SGD, Xavier", initialization="xavier_normal", figures=(2,)),
    Setting(
        name="adam",
        title="Adam",
        optimizer="adam",
        hyperparameters={"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8},
        figures=(3,),
        printed=Printed(0.2466, 0.9444),
    ),
    Setting(
        name="adagrad",
        title="Adagrad",
        optimizer="adagrad",
        hyperparameters={"lr": 0.001, "initial_accumulator": 0.0, "eps": 1e-10},
        figures=(3,),
        printed=Printed(0.1008, 0.9567),
    ),
    Setting(
        name="adagrad_faster",
        title="Adagrad, lr 0.01",
        optimizer="adagrad",
        hyperparameters={"lr": 0.01, "initial_accumulator": 0.0, "eps": 1e-10},
        figures=(3,),
        printed=Printed(0.1008, 0.9567),
    ),
    Setting(
        name="rmsprop",
        title="RMSProp",
        optimizer="rmsprop",
        hyperparameters={"lr": 0.001, "decay": 0.9, "eps": 1e-8},
        figures=(3,),
        printed=Printed(0.1589, 0.9422),
    ),
    Setting(
        name="adadelta",
        title="Adadelta",
        optimizer="adadelta",
        hyperparameters={"lr": 1.0, "rho": 0.95, "eps": 1e-6},
        figures=(3,),
        printed=Printed(0.1282, 0.9500),
    ),
)


def of_figure(figure: int | None) -> list[Setting]:
    """Return the settings that a figure shows, or all eight for None."""
    return [setting for setting in SETTINGS if figure is None or figure in setting.figures]
