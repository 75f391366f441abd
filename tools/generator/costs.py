"""tools/tables/costs.yaml and the number of alarms: the table and the figures of docs/cost.md."""

from decimal import ROUND_HALF_UP, Decimal

from . import text
from .alarms import alarms
from .text import STAGES

COUNTS = {1: "one", 2: "two", 3: "three"}


def cents(value):
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


def values():
    """The table, exact."""
    return {name: Decimal(str(value)) for name, value in text.table("costs").items()}


def metrics_of_alarms():
    """(functions, pools): the number of metrics in each alarm, which AWS bills."""
    functions, pools = alarms()
    return [1 for _ in functions for _ in STAGES], [len(alarm.get("metrics", [None])) for alarm in pools.values()]


def kinds_of_alarms():
    """20 on one metric and one on two"""
    functions, pools = metrics_of_alarms()
    of_size = {}
    for size in functions + pools:
        of_size[size] = of_size.get(size, 0) + 1
    return " and ".join(f"{COUNTS.get(count, count)} on {COUNTS[size]}{' metric' if size == 1 else ''}" for size, count in sorted(of_size.items()))


def table():
    v = values()
    requests = 3 * v["runs"]
    gigabyte_seconds = requests * v["seconds"] * v["gigabytes_of_memory"]
    log = cents(v["runs"] * v["kilobytes_of_log"] / 10**6)
    alarmed = sum(map(sum, metrics_of_alarms()))
    rows = [
        ("requests", f"{requests:,}", f"3 functions × {v['runs']:,} minutes, at ${v['million_requests']:.2f} a million", requests * v["million_requests"] / 10**6),
        ("time", f"{gigabyte_seconds.normalize():,f} GB-s", f"{requests:,} × {v['seconds']} s × {v['gigabytes_of_memory']} GB, at ${v['gigabyte_second']:f}", gigabyte_seconds * v["gigabyte_second"]),
        ("messages", f"{requests:,}", f"snapshot, decision, and outcome × {v['runs']:,}, at ${v['million_messages']:.2f} a million; delivery to Lambda is free", requests * v["million_messages"] / 10**6),
        ("logs", f"{log} GB", f"{v['runs']:,} × {v['kilobytes_of_log']} kB in three logs, at ${v['gigabyte_of_log']:.2f} a GB", log * v["gigabyte_of_log"]),
        ("metrics", f"{v['metrics']}", f"one pool's metrics at ${v['metric']:.2f} each", v["metrics"] * v["metric"]),
        ("alarms", f"{alarmed}", f"{kinds_of_alarms()}, at ${v['alarm']:.2f} a metric", alarmed * v["alarm"]),
        ("dashboard", "1", f"at ${v['dashboard']:.0f}", v["dashboard"]),
    ]
    total = sum(cents(cost) for *_, cost in rows)
    return [
        "| what | how much | arithmetic | a month |",
        "|---|---|---|---|",
        *(f"| {what} | {quantity} | {arithmetic} | ${cents(cost)} |" for what, quantity, arithmetic, cost in rows),
        f"| **total** | | | **${total}** |",
    ]


def figures():
    v = values()
    functions, pools = metrics_of_alarms()
    metrics, alarmed = v["metrics"] - v["free_metrics"], sum(functions + pools) - v["free_alarms"]
    return [
        f"- In an account with no other use of the free tiers, ${cents(metrics * v['metric'] + alarmed * v['alarm'])} remain: {metrics} metrics and {alarmed} in alarms.",
        f"- Metrics are most of the cost. Ten pools cost ${cents(10 * v['metrics'] * v['metric'])} for them, and some $2 more for all requests, time, messages, and logs,",
        "  since each pool has its own snapshot, decision, and outcome. They then exceed the free messages.",
        f"- Alarms for a further pool (`examples/pool-alarms.yaml`) add {sum(pools)} metrics: ${cents(sum(pools) * v['alarm'])}.",
    ]
