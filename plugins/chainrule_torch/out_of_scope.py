"""Optimizers of torch.optim that cannot be rules, each with the reason and what to do instead."""

OPTIMIZERS = {
    "torch_lbfgs": (
        "It evaluates the loss several times a step, and a rule gets one gradient a step. Use torch_adam, or train "
        "chainrule_torch.to_torch(network) with torch.optim.LBFGS."
    ),
    "torch_sparse_adam": "It takes sparse gradients alone, and every gradient here is dense. Use torch_adam.",
}
