"""A trace of inference requests in the public shape of the Azure LLM inference traces: TIMESTAMP, ContextTokens, GeneratedTokens.

    python -m bench.trace --seed 7 --requests 20000 > trace.csv

The same seed gives the same trace. Arrivals come in bursts; token counts are log-normal with the heavy tails of the published ones
(https://github.com/Azure/AzurePublicDataset: a conversation's context has a median near 1,000 tokens, its answer one near 130).
"""

import argparse
import csv
import random
import sys
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import TextIO

COLUMNS = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
START = datetime(2023, 11, 16, 18, 15, 46)  # noqa: DTZ001  the published traces name no zone
MOST_CONTEXT, MOST_GENERATED = 14_050, 2_000  # tokens, about the largest of the published traces
REQUESTS_A_SECOND = 5.0
BURST, LULL = 4.0, 0.4  # times that rate


@dataclass(frozen=True, slots=True)
class Request:
    """One line: when it arrived, and tokens read and written."""

    timestamp: str
    context_tokens: int
    generated_tokens: int


def trace(seed: int, requests: int) -> Iterator[Request]:
    """So many requests, in the order of their arrival."""
    chance, now, rate = random.Random(seed), START, LULL
    for _ in range(requests):
        if chance.random() < 0.02:
            rate = BURST if rate == LULL else LULL
        now += timedelta(seconds=chance.expovariate(REQUESTS_A_SECOND * rate))
        context = min(MOST_CONTEXT, max(1, round(chance.lognormvariate(6.9, 1.0))))
        generated = min(MOST_GENERATED, max(1, round(chance.lognormvariate(4.9, 0.9))))
        yield Request(f"{now:%Y-%m-%d %H:%M:%S.%f}0", context, generated)  # seven places, as published


def write(requests: Iterator[Request], target: TextIO) -> None:
    """As CSV, with the published header."""
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(astuple(request) for request in requests)


def read(source: TextIO) -> Iterator[Request]:
    """Of a CSV: one of ours or a published one."""
    for row in csv.DictReader(source):
        yield Request(row["TIMESTAMP"], int(row["ContextTokens"]), int(row["GeneratedTokens"]))


def main() -> None:
    parser = argparse.ArgumentParser(description="Write a trace to stdout.")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--requests", type=int, default=20_000)
    given = parser.parse_args()
    write(trace(given.seed, given.requests), sys.stdout)


if __name__ == "__main__":
    main()
