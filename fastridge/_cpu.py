"""Instruction set of the kernels; the environment variable FASTRIDGE_ISA sets it at import."""

from ._runtime import (
    get_instruction_set,
    get_serial_below,
    has_threads,
    instruction_sets,
    set_instruction_set,
    set_serial_below,
)

__all__ = [
    "get_instruction_set",
    "get_serial_below",
    "has_threads",
    "instruction_sets",
    "set_instruction_set",
    "set_serial_below",
]
