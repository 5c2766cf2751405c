import pydoc_data.topics

import torch

from chainrule.tasks import char_transformer


def test_y_is_the_text_one_character_on():
    text = "\n\n".join(text for _, text in sorted(pydoc_data.topics.topics.items())).encode("ascii", "replace")
    for x, y in char_transformer().splits(0):
        assert torch.equal(x[:, 1:], y[:, :-1])
        for row, last in zip(x[:20].tolist(), y[:20, -1].tolist(), strict=True):
            assert bytes([*row, last]) in text


def test_a_prediction_does_not_see_what_follows():
    network = char_transformer().network().build().eval()
    x = char_transformer().splits(0).train[0][:2]
    changed = x.clone()
    changed[:, 20:] = 65
    before, after = network(x), network(changed)
    assert torch.allclose(before[:, :, :20], after[:, :, :20], atol=1e-6)
    assert not torch.allclose(before[:, :, 20:], after[:, :, 20:], atol=1e-2)
