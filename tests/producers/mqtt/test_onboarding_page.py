"""The paho example of docs/how-to/onboard-a-device.md works as printed."""

import re
from pathlib import Path

from conf.settings import REPO
from tests.conftest import Broker, headers_of
from tests.producers.mqtt.test_session import gateway
from tests.support.identity.devices import SECRET

PAGE = REPO / "docs" / "how-to" / "onboard-a-device.md"


def test_paho_example_of_the_page_sends_an_event(broker: Broker, home: Path):
    (code,) = re.findall(r"```python paho\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    since = broker.ends()
    with gateway("DEV-123") as (_, port):
        own = code.replace("1883", str(port)).replace("the secret of the claim", SECRET)
        exec(compile(own, PAGE.name, "exec"), {})
    (record,) = broker.records(since, "lumbung.price", 1)
    assert headers_of(record)["source"] == "mqtt:DEV-123"
    assert len(code.strip().splitlines()) <= 11
