"""The knobs of this process as texts, without secrets, to compare them with those of an earlier start."""

import json
import re

from pydantic import BaseModel

from conf.settings import Settings

SINGLE = ("log_level", "language")
USER_IN_URL = re.compile(r"//[^@/\s\"]*@")


def knob_texts(known: Settings) -> dict[str, str]:
    """`section.knob` -> its value as JSON; a password in it is left out."""
    texts = {name: getattr(known, name) for name in SINGLE}
    for section in type(known).model_fields:
        knobs = getattr(known, section)
        if isinstance(knobs, BaseModel):
            values = knobs.model_dump(mode="json")
            texts |= {f"{section}.{name}": value for name, value in values.items()}
    return {name: USER_IN_URL.sub("//…@", json.dumps(value)) for name, value in texts.items()}
