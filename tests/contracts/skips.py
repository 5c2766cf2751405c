"""The checks that do not apply to a built-in component, each with its reason: one list, to be reviewed as a whole."""

SKIPS: dict[tuple[str, str], tuple[str, ...]] = {
    ("another_seed_gives_other_values", "its standard deviation is 0"): (
        "initializers:constant",
        "initializers:zeros",
    ),
    ("declared_identities_hold", "identities() declares none"): (
        "optimizers:adadelta",
        "optimizers:adagrad",
        "optimizers:adam",
        "optimizers:sgd",
    ),
    ("evaluation_changes_nothing", "the rule is evaluated where it is trained"): (
        "optimizers:adadelta",
        "optimizers:adagrad",
        "optimizers:adam",
        "optimizers:rmsprop",
        "optimizers:sgd",
    ),
    ("first_layer_trains_the_same", "it has no parameters"): (
        "activations:identity",
        "activations:relu",
        "activations:sigmoid",
        "activations:tanh",
    ),
    ("parameter_gradients_accumulate", "it has no parameters"): (
        "activations:identity",
        "activations:relu",
        "activations:sigmoid",
        "activations:tanh",
    ),
    ("parameter_gradients_agree_with_differences", "it has no parameters"): (
        "activations:identity",
        "activations:relu",
        "activations:sigmoid",
        "activations:tanh",
    ),
    ("scalars_depend_on_t_alone", "the rule has no scalars"): (
        "optimizers:adadelta",
        "optimizers:rmsprop",
        "optimizers:sgd",
    ),
    ("vmappable_is_as_declared", "elementwise rules need no vmap"): (
        "optimizers:adadelta",
        "optimizers:adagrad",
        "optimizers:adam",
        "optimizers:rmsprop",
        "optimizers:sgd",
    ),
    ("weight_decay_is_as_declared", "the rule declares no weight decay"): ("optimizers:adam",),
    ("wrong_class_indices_raise", "its targets are no class indices"): ("losses:mse",),
    ("wrong_shapes_raise", "it takes inputs of any shape"): (
        "activations:identity",
        "activations:relu",
        "activations:sigmoid",
        "activations:tanh",
    ),
}
"""By check and reason, the components."""
