"""Delivery to CSV, Parquet and JSON files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from loadlock.delivery.base import Destination, Target
from loadlock.delivery.destinations.csv_file import CsvFile
from loadlock.delivery.destinations.ndjson_file import NdjsonFile
from loadlock.delivery.destinations.parquet_file import ParquetFile
from loadlock.testing.contracts.destinations import Case, DestinationContract


def rows_of(path: Path) -> int | None:
    """Rows in a file, counted without Loadlock."""
    if not path.exists():
        return None
    if path.suffix == ".parquet":
        return int(pq.read_metadata(path).num_rows)
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return sum(1 for _ in csv.reader(file)) - 1
    text = path.read_text(encoding="utf-8")
    return len(json.loads(text)) if path.suffix == ".json" else sum(1 for _ in map(json.loads, text.split("\n")[:-1]))


def file_case(destination: Destination, path: Path) -> Case:
    return Case(destination=destination, target=Target(url=str(path)), count=lambda: rows_of(path))


class TestCsvContract(DestinationContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Case:
        return file_case(CsvFile(), tmp_path / "out.csv")


class TestParquetContract(DestinationContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Case:
        return file_case(ParquetFile(), tmp_path / "out.parquet")


class TestNdjsonContract(DestinationContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Case:
        return file_case(NdjsonFile(), tmp_path / "out.ndjson")


class TestJsonArrayContract(DestinationContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Case:
        return file_case(NdjsonFile(), tmp_path / "out.json")
