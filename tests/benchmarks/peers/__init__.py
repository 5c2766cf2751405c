"""The programs that are compared: each trains the same networks, in a short file written as its own manual says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """Where a peer is found.

    Attributes:
        title: what tables call it.
        target: module and class.
        options: keyword arguments of the class.
        needs: packages that must be installed.
    """

    title: str
    target: str
    options: dict[str, object]
    needs: tuple[str, ...] = ("torch",)


JAX = ("jax", "optax")

PEERS = {
    "fit": Entry("chainrule.fit", "chainrule_fit:Fit", {}),
    "fit_compiled": Entry("chainrule.fit, compile=True", "chainrule_fit:Fit", {"compile": True}),
    "step": Entry("chainrule.training_step, compile=True", "chainrule_loop:Step", {}),
    "loop": Entry("chainrule, loop by hand", "chainrule_loop:Loop", {}),
    "torch": Entry("torch, eager", "torch_adam:TorchAdam", {}),
    "torch_fused": Entry("torch, fused=True", "torch_adam:TorchAdam", {"fused": True}),
    "torch_compiled": Entry("torch.compile, model and step", "torch_adam:TorchAdam", {"compile": True}),
    "torch_func": Entry("torch.func, vmap over members", "torch_func:TorchFunc", {}),
    "jax_step": Entry("JAX, jit per step", "jax_adam:JitStep", {}, JAX),
    "jax_scan": Entry("JAX, lax.scan", "jax_adam:Scan", {}, JAX),
    "thinc": Entry("thinc", "thinc_adam:ThincAdam", {}, ("thinc",)),
}
