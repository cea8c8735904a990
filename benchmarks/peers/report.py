"""The tables, in Markdown."""

from __future__ import annotations

HEADS = ("solver", "threads", "seconds", "ratio", "suboptimality", "gradient", "memory", "")


def header(about: dict, options) -> str:
    versions = ", ".join(f"{k} {v}" for k, v in about["versions"].items() if v)
    caches = ", ".join(f"{k} {v}" for k, v in about["caches"].items())
    return "\n".join(
        [
            f"{about['cpu']}, {about['cores']} cores, {caches}, {about['memory']}; "
            f"{about['system']}; Python {about['python']}; {versions}; "
            f"{'; '.join(about['thread pools'])}; fastridge uses "
            f"{about['instruction set of fastridge']}.",
            "",
            f"Each solver is tuned to a relative {options.by} of {options.accuracy:g}. Seconds are "
            f"medians of at most {options.rounds} rounds, in turns; ratio: to fastridge's best on "
            "as many threads. Suboptimality: (f - f*) / f(0) by a high-precision solution. "
            "Gradient: its norm over that at zero. Memory: most that one call took.",
        ]
    )


def table(name, work, rows) -> str:
    shape = " x ".join(f"{n:,}" for n in work.X.shape)
    stored = f", {work.X.nnz:,} non-zeros" if work.is_sparse else ""
    alpha = f", alpha {work.alpha:.3g}" if isinstance(work.alpha, float) else ""
    lines = [f"\n### {name}: {shape}{stored}{alpha}\n", "| " + " | ".join(HEADS) + " |"]
    lines.append("| " + " | ".join(["---"] * len(HEADS)) + " |")
    ours: dict[int, float] = {}
    for row in rows:
        if row.library == "fastridge" and row.status == "ok" and row.seconds:
            ours[row.threads] = min(row.seconds, ours.get(row.threads, row.seconds))
    # sort by threads, then accurate before inaccurate ones, then by time
    for row in sorted(rows, key=lambda r: (r.threads, r.status != "ok", r.seconds or float("inf"))):
        base = ours.get(row.threads)
        cells = (
            f"{row.library} {row.solver}".strip(),
            str(row.threads),
            number(row.seconds, ".3g"),
            number(row.seconds / base if row.seconds and base else None, ".2f"),
            number(row.suboptimality, ".1e"),
            number(row.gradient, ".1e"),
            "" if row.peak_bytes is None else f"{row.peak_bytes / 1e6:.0f} MB",
            "" if row.status == "ok" else row.status,
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def summary(rows) -> str:
    """Return a line per case and number of threads: the best of this library, and of all others."""
    lines = [
        "\n### In short\n",
        "| case | threads | fastridge | best other | its time | ratio |",
        "| " + " | ".join(["---"] * 6) + " |",
    ]
    for case, threads in dict.fromkeys((row.case, row.threads) for row in rows):
        own = [r for r in rows if (r.case, r.threads) == (case, threads)]
        reached = sorted((r for r in own if r.status == "ok" and r.seconds), key=_seconds)
        ours = next((r for r in reached if r.library == "fastridge"), None)
        other = next((r for r in reached if r.library != "fastridge"), None)
        cells = (
            case,
            str(threads),
            "" if ours is None else spoken(ours.seconds),
            "none reached it" if other is None else f"{other.library} {other.solver}",
            "" if other is None else spoken(other.seconds),
            number(other.seconds / ours.seconds if ours and other else None, ".1f"),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _seconds(row) -> float:
    return row.seconds


def spoken(seconds: float) -> str:
    size, unit = next(
        ((size, unit) for size, unit in ((1.0, "s"), (1e-3, "ms")) if seconds >= size), (1e-6, "us")
    )
    return f"{seconds / size:.3g} {unit}"


def number(value, form) -> str:
    return "" if value is None else format(value, form)
