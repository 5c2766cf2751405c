from chainrule.tasks import digits_autoencoder


def test_the_target_is_the_input():
    assert all((x == y).all() for x, y in digits_autoencoder().splits(0))


def test_the_code_has_eight_numbers():
    sizes = [tuple(parameter.shape) for parameter in digits_autoencoder().network().parameters()]
    assert min(outputs for outputs, *rest in sizes if rest) == 8
