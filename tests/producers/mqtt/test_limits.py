"""The rate limit of a client: a burst at once, then one message each part of a second."""

from producers.mqtt.limits import TokenBucket


def test_burst_is_free_and_each_later_message_waits_for_its_token():
    now = [100.0]
    bucket = TokenBucket(per_second=8, burst=3, clock=lambda: now[0])
    assert [bucket.take() for _ in range(5)] == [0, 0, 0, 1 / 8, 2 / 8]
    now[0] += 2 / 8  # both were waited for
    assert bucket.take() == 1 / 8
    now[0] += 1 / 8 + 1 / 8
    assert bucket.take() == 0


def test_tokens_of_a_quiet_time_are_at_most_a_burst():
    now = [100.0]
    bucket = TokenBucket(per_second=8, burst=3, clock=lambda: now[0])
    now[0] += 3600
    assert [bucket.take() for _ in range(4)] == [0, 0, 0, 1 / 8]
