"""Description of the machine and the software."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import threadpoolctl

import fastridge
from fastridge import _runtime


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _caches() -> dict[str, str]:
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            level, kind, size = (
                (folder / name).read_text().strip() for name in ("level", "type", "size")
            )
        except OSError:
            continue
        found[f"L{level}{'' if kind == 'Unified' else kind[0].lower()}"] = size
    return found


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return "?"
    return f"{size / 2**30:.0f} GiB"


def describe(versions: dict[str, str | None]) -> dict[str, object]:
    """Return CPU, cores, caches, memory, system, instruction set, versions and the BLAS in use."""
    pools = threadpoolctl.threadpool_info()
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "caches": _caches(),
        "memory": _memory(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "instruction set of fastridge": _runtime.get_instruction_set(),
        "versions": {"fastridge": fastridge.__version__, **versions},
        "thread pools": sorted(
            {
                " ".join(
                    str(pool[k]) for k in ("internal_api", "version", "architecture") if pool.get(k)
                )
                for pool in pools
            }
        ),
    }


class PeakMemory:
    """Measure the peak of additional resident memory in the body, in bytes; None if unsupported."""

    def __enter__(self) -> PeakMemory:
        self.bytes: int | None = None
        try:
            # reset the peak that the kernel records for this process
            Path("/proc/self/clear_refs").write_text("5")
            self._before = self._read("VmRSS")
        except OSError:
            self._before = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            self.bytes = max(0, self._read("VmHWM") - self._before)

    @staticmethod
    def _read(name: str) -> int:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return 1024 * int(line.split()[1])
        return 0
