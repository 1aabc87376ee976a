"""Random state and device: the only module that touches what is global in torch."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from scrcl import _memory
from scrcl._validate import InputError, check_one_of

log = logging.getLogger(__name__)

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
    before = random_state(device)
    try:
        yield
    finally:
        set_random_state(before, device)


def random_state(device: torch.device | None = None) -> list[torch.Tensor]:
    """State of the CPU's generator and, if ``device`` is another, of that one's."""
    states = [torch.get_rng_state()]
    if device is not None and device.type != "cpu":
        states.append(torch.get_device_module(device).get_rng_state())
    return states


def set_random_state(states: list[torch.Tensor], device: torch.device | None = None) -> None:
    """Put back what `random_state` returned for the same device."""
    torch.set_rng_state(states[0])
    if device is not None and device.type != "cpu":
        torch.get_device_module(device).set_rng_state(states[1])


def resolve_device(name: str) -> torch.device:
    """Turn ``auto``, ``cpu``, ``cuda`` or ``mps`` into a device that is there.

    ``auto`` is a GPU of NVIDIA's (or AMD's, as torch sees it) if there is one, else the CPU. Apple's
    ``mps`` only where it is asked for, with a warning: torch has sparse matrices there in part.

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
        return torch.device("cuda" if present["cuda"] else "cpu")
    if not present[name]:
        msg = f"device: got {name!r}, but torch {torch.__version__} finds none here. Use 'auto'."
        raise InputError(msg)
    if name == "mps":
        log.warning(
            "device mps: nobody has tested scrcl on it, and torch lacks some sparse products there. "
            "If training fails, use device cpu"
        )
    return torch.device(name)


def free_memory(device: torch.device) -> int:
    """Bytes that can be had on the device; of MPS, whose memory is the machine's, those of the CPU."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return _memory.free_memory()
