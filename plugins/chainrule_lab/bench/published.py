"""Published comparisons of optimizers, with whose orders a report compares its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Study:
    """A published comparison.

    Attributes:
        title: of the publication.
        authors: the first of them, and how many more there are.
        year: of publication.
        identifier: by which it is found.
        measured: what the losses are of.
        source: where they were read.
        losses: by the registered name of a rule that is the study's own but for settings; equal ones are ties.
    """

    title: str
    authors: str
    year: int
    identifier: str
    measured: str
    source: str
    losses: Mapping[str, float]


STUDIES = (
    Study(
        title="Fantastic Pretraining Optimizers and Where to Find Them",
        authors="Wen and three others",
        year=2025,
        identifier="arXiv:2509.02046",
        measured="the loss on English C4 of a language model with 520 million parameters after 85 billion tokens, "
        "eight times as many as are optimal for its size, with the best of the settings that were tried",
        source="github.com/marin-community/marin at 122c501, experiments/optimizer_sweep/Analysis/PhaseII/"
        "wandb_cache.json, the entries of 520m and eight times the optimal tokens",
        losses={"soap": 2.8989, "muon": 2.9002, "mars": 2.9057, "adamw": 2.9128, "lion": 2.9147},
    ),
    Study(
        title="Benchmarking Optimizers for Large Language Model Pretraining",
        authors="Semenov, Pagliardini and Jaggi",
        year=2025,
        identifier="arXiv:2509.01440",
        measured="the validation loss on FineWeb of a language model with 720 million parameters after 48 billion "
        "tokens, read from a figure to about 0.001",
        source="github.com/epfml/llm-optimizer-benchmark at fdecd5d, assets/720m_losses_1.png to 720m_losses_3.png; "
        "muon is D-Muon there, and the lines of adamw, adopt and soap end as one",
        losses={
            "ademamix": 2.796,
            "mars": 2.798,
            "muon": 2.812,
            "adamw": 2.815,
            "adopt": 2.815,
            "soap": 2.815,
            "prodigy": 2.826,
            "lion": 2.831,
            "signum": 2.836,
            "schedule_free_adamw": 2.850,
        },
    ),
)
"""Rules whose variant here differs from the study's (adam_mini, nadam, scion) are left out."""
