"""Metrics for Prometheus, computed on request."""

from __future__ import annotations

from collections import defaultdict
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from netmind_mock.fake import Fake


def exposition(fake: Fake) -> tuple[bytes, str]:
    """Return the metrics as text, and their content type.

    Raises:
        StoreUnavailable: The store is unavailable.
    """
    from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest  # noqa: PLC0415 - only metrics need it

    class Once:
        """A registry for one request. The default registry keeps its collectors for the whole process."""

        def collect(self) -> Iterator[Metric]:
            return _families(fake)

    return generate_latest(Once()), CONTENT_TYPE_PLAIN_0_0_4


def _families(fake: Fake) -> Iterator[Metric]:
    from prometheus_client.core import (  # noqa: PLC0415
        CounterMetricFamily,
        GaugeMetricFamily,
        InfoMetricFamily,
        SummaryMetricFamily,
    )

    about = {
        "version": version("netmind-testkit"),
        "profile": fake.profile.name,
        "store": fake.store.name,
    }
    yield InfoMetricFamily("netmind_mock", "What the server runs.", about)
    requests = CounterMetricFamily(
        "netmind_mock_requests", "Requests to the imitated API.", labels=["operation", "status"]
    )
    took: dict[str, tuple[int, float, int]] = defaultdict(lambda: (0, 0.0, 0))
    for (operation, status), total in sorted(fake.journal.totals().items()):
        requests.add_metric([operation, str(status)], total.requests)
        count, seconds, with_fault = took[operation]
        took[operation] = (count + total.requests, seconds + total.seconds, with_fault + total.with_fault)
    yield requests
    summary = SummaryMetricFamily(
        "netmind_mock_request_seconds",
        "Real time of the responses, without the delays of faults.",
        labels=["operation"],
    )
    by_fault = CounterMetricFamily(
        "netmind_mock_requests_with_fault", "Requests to which a fault was applied.", labels=["operation"]
    )
    for operation, (count, seconds, with_fault) in took.items():
        summary.add_metric([operation], count, seconds)
        by_fault.add_metric([operation], with_fault)
    yield summary
    yield by_fault
    jobs, evicted = fake.store.counts()
    yield GaugeMetricFamily("netmind_mock_jobs", "Jobs in the store.", value=jobs)
    yield CounterMetricFamily(
        "netmind_mock_jobs_evicted", "Jobs that were evicted: too many, or too old.", value=evicted
    )
    entries, size = fake.journal.size()
    yield GaugeMetricFamily("netmind_mock_journal_entries", "Requests in the journal.", value=entries)
    yield GaugeMetricFamily("netmind_mock_journal_bytes", "Bytes in the journal.", value=size)
    yield CounterMetricFamily(
        "netmind_mock_journal_dropped",
        "Requests that the journal dropped because it was full.",
        value=fake.journal.dropped(),
    )
