"""Published components that a contract of chainrule cannot express, each with the reason and what to do instead."""

_CURVATURE = (
    "It needs Hessian-vector products, and a rule gets first gradients alone, since every backward is written by hand. "
    "Use {}."
)

OPTIMIZERS = {
    "adahessian": _CURVATURE.format("adamw, whose mean of squared gradients takes the place of the Hessian's diagonal"),
    "kfac": (
        "It needs each layer's inputs and output gradients, and a rule gets a parameter and its gradient. "
        "Use adafactor, whose rows and columns come from the gradient alone."
    ),
    "lbfgs": (
        "It evaluates the loss several times a step, and a rule gets one gradient a step. Use adam, or give the loss "
        "as a function of network.flat.data to scipy.optimize.minimize."
    ),
    "muon_with_adamw": "It is two rules for the parameters of one network. Write muon().with_adamw().",
    "sam": (
        "It differentiates twice a step, and a rule gets one gradient a step. Write the loop: add rho g / |g| to "
        "network.flat.data, zero the gradient and differentiate again, subtract it, and call updater.step()."
    ),
    "sophia": _CURVATURE.format("signum or adamw"),
}
