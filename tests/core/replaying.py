"""A stand-in for the recording of a compiled step, or its capture, which need a compiler or a CUDA device."""


def run_again(function, tensors):
    """Do as a CUDA graph does: run the function before, and write what every replay gives into the same tensors."""
    outputs = tuple(output.clone() for output in function(*tensors))

    def replay():
        for kept, new in zip(outputs, function(*tensors), strict=True):
            kept.copy_(new)

    return [replay], outputs
