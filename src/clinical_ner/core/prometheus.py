"""Figures of a command that has ended, for the textfile collector of Prometheus's node exporter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


def gauge(name: str, told: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> GaugeMetricFamily:
    """A gauge with labels: what it tells, and the value for each set of them."""
    family = GaugeMetricFamily(name, told)
    for labels, value in samples:
        family.add_sample(name, dict(labels), value)
    return family


def exposition(*gauges: GaugeMetricFamily) -> str:
    r"""The gauges in Prometheus's text format.

    >>> print(exposition(gauge("rows", "Rows read.", [({"outcome": "kept"}, 3)])), end="")
    # HELP rows Rows read.
    # TYPE rows gauge
    rows{outcome="kept"} 3.0
    """
    registry = CollectorRegistry()
    registry.register(_Counted(gauges))
    return generate_latest(registry).decode()


class _Counted(Collector):
    def __init__(self, gauges: Iterable[GaugeMetricFamily]) -> None:
        self._gauges = gauges

    def collect(self) -> Iterable[GaugeMetricFamily]:
        return self._gauges
