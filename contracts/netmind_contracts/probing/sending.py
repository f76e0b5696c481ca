"""Send the requests of a run: in time, and again if the network failed or the endpoint was not up to date."""

from __future__ import annotations

import email.utils
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from netmind_contracts.runs.exchange import Authorization

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netmind_contracts.probing.calls import ProbeCall
    from netmind_contracts.probing.recorder import Recorder, RecorderClock
    from netmind_contracts.runs.exchange import Exchange

WITHIN_SECONDS = 30.0
_CLEANUP_SECONDS = 10.0
_TRIES = 4
# The pause before the first further look at something that may be true a moment later. It doubles each time.
_MOMENT_SECONDS = 1.0


class Pace(NamedTuple):
    """How often a generation is polled: first after ``first`` seconds, then less and less often.

    Attributes:
        first: The shortest wait, in seconds.
        growth: The wait as a share of the time since creation.
        longest: The longest wait, in seconds.
    """

    first: float = 1.0
    growth: float = 0.05
    longest: float = 15.0

    def after(self, elapsed: float) -> float:
        """Return the seconds to wait, ``elapsed`` seconds after the job was created."""
        return min(max(self.first, self.growth * elapsed), self.longest)


POLITE = Pace()
LOCAL = Pace(first=0.05)


def _never(_exchange: Exchange, _document: Any) -> bool:
    return False


class Sender:
    """Sends requests within the time of a run.

    Attributes:
        authorization: How the endpoint accepts the API key.
        deadline: When the run ends, on the monotonic clock.
        reserve: Seconds before the deadline that are reserved to delete the generations.
    """

    def __init__(self, recorder: Recorder, clock: RecorderClock, pace: Pace, timeout: float) -> None:
        self.authorization = Authorization.BEARER
        self.deadline = clock.monotonic() + timeout
        self.reserve = min(_CLEANUP_SECONDS, timeout / 5)
        self._recorder, self._clock, self._pace = recorder, clock, pace
        self._sent_again: list[Exchange] = []
        self._lost: list[Exchange] = []

    def request(
        self, call: ProbeCall, again: Callable[[Exchange, Any], bool] = _never
    ) -> tuple[Exchange, Any]:
        """Send a request; send it again if the network or a gateway failed. A POST is never sent again.

        Args:
            call: The request.
            again: A function of the exchange and its JSON that returns whether the response may be another
                one a moment later. Then the request is sent again.
        """
        before: list[Exchange] = []
        for attempt in range(1 if call.method == "POST" else _TRIES):
            exchange, document = self.send(call)
            failed = exchange.failed_in_transit
            if not failed and not again(exchange, document):
                self._sent_again += before
                return exchange, document
            before.append(exchange)
            pause = (self._pace.first if failed else max(self._pace.first, _MOMENT_SECONDS)) * 2**attempt
            wait = self.retry_after(exchange)
            if attempt + 1 == _TRIES or not self.wait_until(
                self._clock.monotonic() + (pause if wait is None else wait)
            ):
                break
        if exchange.failed_in_transit:
            self._lost.append(exchange)
        return exchange, document

    def send(self, call: ProbeCall, within: float = WITHIN_SECONDS) -> tuple[Exchange, Any]:
        """Send a request once, within the remaining time."""
        if call.authorization is Authorization.BEARER:
            call = replace(call, authorization=self.authorization)
        left = self.deadline - self._clock.monotonic()
        return self._recorder.send(call, within=max(min(within, left), 0.1))

    def wait_until(self, moment: float) -> bool:
        """Wait until ``moment``. Return False without waiting if that is after the deadline."""
        if moment > self.deadline - self.reserve:
            return False
        pause = moment - self._clock.monotonic()
        if pause > 0:
            self._clock.sleep(pause)
        return True

    def retry_after(self, exchange: Exchange) -> float | None:
        """Return the seconds of a Retry-After header; None without a valid one."""
        value = exchange.response.headers.get("retry-after", "") if exchange.response else ""
        if value.isdecimal():
            return float(value)
        try:
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - self._clock.wall())
        except (ValueError, OverflowError):
            return None

    def notes(self) -> Iterator[str]:
        """Yield a sentence for each reason why requests were sent again, and for those without a response."""
        total = len(self._recorder.exchanges)
        for reason, count in Counter(map(_reason, self._sent_again)).items():
            were = "was" if count == 1 else "were"
            yield f"{count} of {total} requests got {reason} and {were} sent again."
        for exchange in dict.fromkeys(map(str, self._lost)):
            yield f"No response of the API: {exchange}."


def _reason(exchange: Exchange) -> str:
    if not exchange.failed_in_transit:
        return f"a response that was not up to date ({exchange.status})"
    if not exchange.status:
        return "no response"
    return str(exchange.status) if exchange.status >= 400 and exchange.status != 403 else "a page in HTML"
