"""Random state and device: the only module that touches what is global in torch."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from scrcl._validate import InputError, check_one_of

DEVICES = ("auto", "cpu", "cuda", "mps")


@contextmanager
def seeded(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seed torch inside the block and put the random state back afterwards.

    Nothing leaks either way: what was drawn before does not matter inside, and what is drawn
    inside does not matter afterwards.

    Parameters
    ----------
    seed
        Seed of the CPU's generator and of the device's.
    device
        Accelerator whose generator is covered too.
    """
    with isolated(device):
        torch.default_generator.manual_seed(seed)
        if device is not None and device.type != "cpu":
            torch.get_device_module(device).manual_seed(seed)
        yield


@contextmanager
def isolated(device: torch.device | None = None) -> Iterator[None]:
    """Put torch's random state back after the block, whatever was drawn inside."""
    module = None if device is None or device.type == "cpu" else torch.get_device_module(device)
    cpu_state = torch.get_rng_state()
    device_state = None if module is None else module.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(cpu_state)
        if module is not None:
            module.set_rng_state(device_state)


def resolve_device(name: str) -> torch.device:
    """Turn ``auto``, ``cpu``, ``cuda`` or ``mps`` into a device that is there.

    Raises
    ------
    InputError
        If the name is another or this machine (or this build of torch) has no such device.
    """
    check_one_of(name, "device", DEVICES)
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, there in present.items() if there))
    if not present[name]:
        msg = f"device: got {name!r}, but torch {torch.__version__} finds none here. Use 'auto'."
        raise InputError(msg)
    return torch.device(name)
