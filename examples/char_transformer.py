"""Train a small transformer to continue the text of Python's own documentation, character by character."""

import argparse
import pydoc_data.topics

import torch
from torch import Tensor

import chainrule
from chainrule import Module, Network
from chainrule.callbacks import progress
from chainrule.layers import (
    embedding,
    layer_norm,
    linear,
    positional_embedding,
    sequential,
    transformer_block,
    transpose,
)
from chainrule.losses import cross_entropy
from chainrule.optimizers import adam

TEXT = "\n\n".join(text for _, text in sorted(pydoc_data.topics.topics.items()))
CHARACTERS = sorted(set(TEXT))
LENGTH = 64
"""The number of characters that a prediction may look at."""


def windows(text: str) -> tuple[Tensor, Tensor]:
    """Return pieces of the text as numbers of characters, (N, LENGTH), and for each character the one that follows."""
    numbers = torch.tensor([CHARACTERS.index(character) for character in text])
    x, y = (part.unfold(0, LENGTH, LENGTH) for part in (numbers[:-1], numbers[1:]))
    return x.contiguous(), y.contiguous()


def model(width: int = 96, heads: int = 4, blocks: int = 3) -> Module:
    """Return the network: characters and positions become vectors, blocks mix them, and scores come out."""
    return sequential(
        embedding(len(CHARACTERS), width),
        positional_embedding(LENGTH, width),
        *[transformer_block(width, heads, causal=True) for _ in range(blocks)],
        layer_norm(width),
        linear(width, len(CHARACTERS)),
        transpose(1, 2),  # the scores in front of the positions, where cross_entropy expects them
    )


def sample(network: Network, start: str, length: int, temperature: float = 0.8, seed: int = 0) -> str:
    """Return the start and what the network writes after it."""
    generator = torch.Generator().manual_seed(seed)
    text = start
    network.eval()
    for _ in range(length):
        x = torch.tensor([[CHARACTERS.index(character) for character in text[-LENGTH:]]])
        probabilities = (network(x)[0, :, -1] / temperature).softmax(0)
        text += CHARACTERS[int(torch.multinomial(probabilities, 1, generator=generator))]
    return text


def main() -> None:
    """Train, and print the loss in nats per character and two samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--characters", type=int, default=len(TEXT), help="how much of the text to use")
    parser.add_argument("--width", type=int, default=96)
    parser.add_argument("--compile", action="store_true", help="compile the training step first")
    options = parser.parse_args()

    text = TEXT[: options.characters]
    cut = len(text) * 9 // 10
    train, validation = windows(text[:cut]), windows(text[cut:])
    network = model(options.width).build(seed=0)
    steps = options.epochs * -(-len(train[0]) // 32)
    history = chainrule.fit(
        network,
        cross_entropy(),
        adam(lr=3e-3, schedule=lambda t: min(t / 100, 1 - t / (steps + 1))),  # warm up, then decay
        train=train,
        validation=validation,
        epochs=options.epochs,
        batch_size=32,
        metrics=["accuracy"],
        callbacks=[progress()],
        clip_norm=1.0,
        compile=options.compile,
        evaluate_train=False,
    )
    print(f"validation loss {history['validation_loss'][-1].item():.3f} nats per character")
    print(f"validation accuracy {history['validation_accuracy'][-1].item():.3f}")
    for start in ("The ", "class "):
        print("---", sample(network, start, 300), sep="\n")


if __name__ == "__main__":
    main()
