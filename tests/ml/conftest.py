"""The Spark session that tests of several rooms share."""

from tests.lakehouse.conftest import spark  # noqa: F401 a fixture is found by its name
