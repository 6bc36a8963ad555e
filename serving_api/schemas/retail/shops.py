"""Schemas of shops."""

from pydantic import BaseModel, Field

from serving_api.schemas.envelope import Meta, with_examples
from serving_api.schemas.retail.analytics import ShopName


class ShopEntry(BaseModel):
    """A shop that has listings."""

    shop: ShopName
    currency: str | None = Field(description="ISO 4217; null where conf/reference/shops.yml names none")


class ShopList(BaseModel):
    """All of them, by name."""

    model_config = with_examples({"items": [{"shop": "main", "currency": "USD"}]})
    items: list[ShopEntry]
    meta: Meta
