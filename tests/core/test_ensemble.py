import pytest
import torch
from torch.testing import assert_close

from chainrule import ChainruleError, ShapeError, fit
from chainrule.activations import identity, sigmoid, tanh
from chainrule.layers import linear, sequential
from chainrule.losses import cross_entropy, mse
from chainrule.metrics import mae
from chainrule.optimizers import adam, sgd

SEEDS = [3, 0, 7, 11, 2, 5, 23, 1, 19, 4]
GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(10, 53, 4, generator=GENERATOR, dtype=torch.float64)
CLASSES = torch.randint(3, (10, 53), generator=GENERATOR)


def build(**settings):
    module = sequential(linear(4, 6), tanh(), linear(6, 5), sigmoid(), linear(5, 3))
    return module.build(dtype=torch.float64, **settings)


def assert_equal_runs(ensemble, singles, tolerance):
    for i, single in enumerate(singles):
        for name, values in single.state_dict().items():
            assert_close(ensemble.state_dict()[name][i], values, rtol=0, atol=tolerance)


def test_each_member_starts_as_the_single_network_of_its_seed():
    assert_equal_runs(build(seeds=SEEDS), [build(seed=seed) for seed in SEEDS], 0)


@pytest.mark.parametrize("per_member", [False, True])
def test_training_ten_members_equals_ten_trainings(per_member):
    rule = adam(lr=0.01)
    ensemble, singles = build(seeds=SEEDS), [build(seed=seed) for seed in SEEDS]
    settings = {"epochs": 17, "batch_size": 9}  # 6 steps an epoch, the last smaller: 102 steps
    data = (X, CLASSES) if per_member else (X[0], CLASSES[0])
    together = fit(ensemble, cross_entropy("sum"), rule, train=data, per_member=per_member, **settings)
    apart = [
        fit(single, cross_entropy("sum"), rule, train=(X[i * per_member], CLASSES[i * per_member]), **settings)
        for i, single in enumerate(singles)
    ]
    assert_equal_runs(ensemble, singles, 1e-9)
    losses = torch.stack([history["train_loss"] for history in apart], 1)
    assert_close(together["train_loss"], losses, rtol=0, atol=1e-9)


class Batches:
    """A loss that remembers the targets that it was given."""

    def __init__(self, loss, seen):
        self.loss, self.seen = loss, seen

    def __getattr__(self, name):
        return getattr(self.loss, name)

    def __call__(self, prediction, target, **settings):
        self.seen.append(target.clone())
        return self.loss(prediction, target, **settings)

    def over_members(self):
        return Batches(self.loss.over_members(), self.seen)


@pytest.mark.parametrize("per_member", [False, True])
def test_each_member_sees_the_batches_of_a_single_network_in_the_same_order(per_member):
    numbers = torch.arange(530.0, dtype=torch.float64).view(10, 53, 1).expand(10, 53, 3)
    seen, settings = [], {"epochs": 2, "batch_size": 9}
    data = (X, numbers) if per_member else (X[0], numbers[0])
    fit(build(seeds=SEEDS), Batches(mse(), seen), sgd(), train=data, per_member=per_member, **settings)
    for i, seed in enumerate(SEEDS):
        alone, row = [], i if per_member else 0
        fit(build(seed=seed), Batches(mse(), alone), sgd(), train=(X[row], numbers[row]), **settings)
        assert len(alone) == len(seen) == 12
        assert all(torch.equal(a[0], together[i]) for a, together in zip(alone, seen, strict=True))


def test_a_tensor_of_learning_rates_equals_a_run_with_each():
    rates = torch.tensor([0.0, 1e-4, 1e-3, 1e-2, 0.1], dtype=torch.float64)
    ensemble = build(seeds=[1] * 5)
    fit(ensemble, cross_entropy(), adam(lr=rates), train=(X[0], CLASSES[0]), epochs=17, batch_size=9)
    singles = [build(seed=1) for _ in rates]
    for rate, single in zip(rates.tolist(), singles, strict=True):
        fit(single, cross_entropy(), adam(lr=rate), train=(X[0], CLASSES[0]), epochs=17, batch_size=9)
    assert_equal_runs(ensemble, singles, 1e-9)


def test_the_manual_loop_shares_inputs_and_targets():
    ensemble, loss = build(seeds=[0, 1]), cross_entropy(members=True)
    output = ensemble(X[0])
    values = loss(output, CLASSES[0])
    assert (output.shape, values.shape) == ((2, 53, 3), (2,))
    grad = ensemble.backward(loss.backward(), input_grad=True)
    assert grad.shape == (2, 53, 4)
    for i in (0, 1):
        single, one = ensemble.member(i), cross_entropy()
        assert_close(one(single(X[0]), CLASSES[0]), values[i])
        assert_close(single.backward(one.backward(), input_grad=True), grad[i])
        assert_close(single.module.modules[0].weight.grad[0], ensemble.module.modules[0].weight.grad[i])


@pytest.mark.parametrize("view", [lambda y: y, lambda y: y.squeeze(-1), lambda y: y[:, :2], lambda y: y.unsqueeze(1)])
def test_a_loss_for_single_models_refuses_the_output_of_an_ensemble(view):
    prediction = view(linear(4, 1).build(seeds=[0, 1], dtype=torch.float64)(X[0]))
    with pytest.raises(
        ShapeError, match=r"^mse: prediction must be that of a single network, got an ensemble's, of shape"
    ):
        mse()(prediction, torch.zeros_like(prediction))
    assert mse(members=True)(prediction, torch.zeros_like(prediction), per_member=True).shape == (2,)


@pytest.mark.parametrize("per_member", [False, True])
@pytest.mark.parametrize("rows", [3, 5])
def test_a_loss_for_ensembles_refuses_the_output_of_a_single_network(rows, per_member):
    prediction = linear(4, 3).build(seeds=[0, 1], dtype=torch.float64).member(1)(X[0, :rows])
    for loss in (mse(members=True), mse(members=True).mean):
        with pytest.raises(ShapeError) as caught:
            loss(prediction, torch.zeros_like(prediction), per_member=per_member)
        assert str(caught.value) == (
            f"mse: prediction must be that of an ensemble, got a single network's, of shape ({rows}, 3). "
            "Make the loss as mse()."
        )


def test_outputs_of_single_networks_that_are_stacked_are_an_ensembles():
    singles = [linear(4, 1).build(seed=seed, dtype=torch.float64) for seed in (0, 1)]
    prediction = torch.stack([single(X[0]) for single in singles])
    assert mse(members=True)(prediction, torch.zeros(53, 1, dtype=torch.float64)).shape == (2,)


def test_a_metric_has_no_value_per_member_of_a_single_network():
    prediction = linear(4, 1).build(dtype=torch.float64)(X[0])
    with pytest.raises(ShapeError, match=r"^mae: per_member must be False for a single network's prediction \(53, 1\)"):
        mae()(prediction, torch.zeros_like(prediction), per_member=True)


def test_groups_of_rows_of_a_single_network_may_be_taken_for_members():
    prediction = linear(4, 3).build(dtype=torch.float64)(X.unflatten(1, (1, 53))[:, 0])
    target = torch.zeros_like(prediction)
    assert mse(members=True)(prediction, target, per_member=True).shape == prediction.shape[:1]
    assert mae()(prediction, target, per_member=True).shape == prediction.shape[:1]


def test_a_member_taken_out_has_its_values_and_no_gradient():
    ensemble = linear(3, 2).build(seeds=[0, 1])
    ensemble.flat.grad.fill_(1.0)
    single = ensemble.member(-1)
    assert torch.equal(single.module.weight.data[0], ensemble.module.weight.data[1])
    assert not single.flat.grad.any()


def test_a_loss_for_single_models_takes_the_output_of_one_member():
    prediction = linear(4, 1).build(seeds=[0, 1], dtype=torch.float64)(X[0, :2])
    assert mse()(prediction[1], torch.zeros(2, 1, dtype=torch.float64)) == prediction[1].square().mean()


def test_the_output_of_an_ensemble_can_be_saved(tmp_path):
    output = build(seeds=[0, 1])(X[0])
    torch.save(output, tmp_path / "output.pt")
    assert torch.equal(torch.load(tmp_path / "output.pt", weights_only=True), output)


def test_members_of_one_seed_equal_the_single_network_of_that_seed():
    rates = torch.tensor([0.1, 0.01], dtype=torch.float64)
    ensemble = build(seed=3, members=2)
    fit(ensemble, cross_entropy(), sgd(lr=rates), train=(X[0], CLASSES[0]), epochs=3, batch_size=20)
    singles = [build(seed=3) for _ in rates]
    for rate, single in zip(rates.tolist(), singles, strict=True):
        fit(single, cross_entropy(), sgd(lr=rate), train=(X[0], CLASSES[0]), epochs=3, batch_size=20)
    assert (ensemble.seeds, ensemble.is_ensemble, build(members=1).is_ensemble) == ([3, 3], True, True)
    assert_equal_runs(ensemble, singles, 1e-12)


def test_the_gradient_of_the_input_is_returned_only_where_asked_for():
    network = build(seed=0)
    assert network.backward(torch.ones_like(network(X[0]))) is None


@pytest.mark.parametrize(
    ("settings", "built"), [({"seed": 0}, "a single network"), ({"seeds": [0]}, "an ensemble of 1")]
)
def test_per_member_inputs_must_have_as_many_members(settings, built):
    with pytest.raises(ShapeError, match=rf"^network: .*per_member=True .* got \(10, 53, 4\) for {built}\."):
        build(**settings)(X, per_member=True)


def test_an_ensemble_of_one_shows_its_member_axis():
    ensemble = build(seeds=[5])
    assert ensemble(X[0]).shape == (1, 53, 3)
    assert ensemble.state_dict()["0.weight"].shape == (1, 6, 4)
    assert_equal_runs(ensemble, [build(seed=5)], 0)


@pytest.mark.parametrize("i", [0, 2, -1])
def test_a_member_taken_out_is_a_single_network_with_its_own_copies(i):
    ensemble = build(seeds=[4, 5, 6])
    before = ensemble.state_dict()
    single = ensemble.member(i)
    assert (single.is_ensemble, single.seeds) == (False, [ensemble.seeds[i]])
    assert torch.equal(single(X[0]), build(seed=ensemble.seeds[i])(X[0]))
    single.flat.data.zero_()
    assert all(torch.equal(values, before[name]) for name, values in ensemble.state_dict().items())


@pytest.mark.parametrize("i", [3, -4])
def test_a_member_that_is_not_there_raises(i):
    with pytest.raises(ChainruleError) as caught:
        build(seeds=[4, 5, 6]).member(i)
    assert str(caught.value) == f"network: member must be from -3 to 2, got {i}. It has 3."


def test_inputs_that_an_ensemble_returns_as_they_are_may_be_a_single_networks_outputs():
    x = torch.ones(2, 4, 3)
    output = identity().build(seeds=[0, 1])(x, per_member=True)
    assert mse()(x, x) == 0
    with pytest.raises(ShapeError, match="prediction must be that of a single network"):
        mse()(output, x)


def test_first_values_are_drawn_once_for_members_of_one_seed():
    drawn = []

    class Counted:
        def std(self, fan_in, fan_out):
            return 1.0

        def __call__(self, tensor, *, fan_in, fan_out, generator):
            drawn.append(tuple(tensor.shape))
            tensor.normal_(generator=generator)

    network = linear(4, 6, weight_init=Counted()).build(seeds=[4, 7, 4, 7, 4])
    weight = network.state_dict()["weight"]
    assert len(drawn) == 2
    assert torch.equal(weight[0], weight[4])
    assert torch.equal(weight[1], linear(4, 6, weight_init=Counted()).build(seed=7).state_dict()["weight"])
