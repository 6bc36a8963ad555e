"""Parameters in the path of several addresses."""

from typing import Annotated

from fastapi import Path

from lakehouse.contracts.contract import sent_over_http

CommodityInPath = Annotated[
    str,
    Path(
        description="id or alias; for a group without own series, its representative",
        examples=["cabai-rawit-merah"],
    ),
]
RegionInPath = Annotated[
    str, Path(description="province name or two-digit code; Indonesia: the nation", examples=["Jawa Barat"])
]
SymbolInPath = Annotated[str, Path(max_length=32, description="stock or coin", examples=["AAPL"])]
EventIdInPath = Annotated[
    str, Path(min_length=1, max_length=600, description="id of the event", examples=["PASAR-001-17"])
]
AlertIdInPath = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9._:-]{1,128}$",
        description="id of the alert",
        examples=["al-5b1f0c2d7e9a4b3c8d6e1f20"],
    ),
]
JobIdInPath = Annotated[
    str, Path(description="`job_id` of the receipt", examples=["train-20261121T010000-0b1c2d3e"])
]
KindInPath = Annotated[str, Path(description=f"one of {', '.join(sent_over_http())}", examples=["price"])]
