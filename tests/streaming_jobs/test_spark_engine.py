"""What only the Spark engine does: batches pass through the heap of its driver."""

from tests.streaming_jobs.conftest import Stream, price


def test_batch_that_does_not_fit_the_heap_is_read_in_parts(stream: Stream):
    limit = "spark.driver.maxResultSize"
    conf = stream.spark.sparkContext._jsc.sc().conf()
    usual = conf.get(limit)
    stream.send(*(price(f"large-{number}", note="x" * 60_000) for number in range(100)))
    conf.set(limit, "3m")
    try:
        stream.run()
    finally:
        conf.set(limit, usual)
    assert stream.silver() == {f"large-{number}": 1 for number in range(100)}
    assert stream.balance() == {"rows_in": 100, "silver": 100, "quarantine": 0, "duplicates": 0}
