"""API keys of programs: created, listed and revoked by their owner."""

from typing import Annotated, Any

from fastapi import Path, Request, Response

from lakehouse.io.identity.accounts import by_id
from lakehouse.io.identity.api_keys import MOST_KEYS, TooManyKeys, create_key, keys_of, revoke_key
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.sign_ins import SignIns
from lakehouse.io.identity.tables import ApiKey
from lakehouse.times import utc_text
from serving_api.http.callers import count_login, password_turn
from serving_api.http.dependencies import AccountHolder
from serving_api.http.messages import message
from serving_api.http.problems import Problem, invalid
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.responses import PRIVATE, json_response
from serving_api.schemas.identity.accounts import ApiKeyBody, ApiKeyList, CreatedApiKey

router = Router(prefix="/api/v1/users/me/keys", tags=["accounts"])
KeyIdInPath = Annotated[str, Path(max_length=64, description="`key_id`", examples=["0b1c2d3e4f506172"])]


def key_item(key: ApiKey) -> dict[str, Any]:
    """The key without its secret."""
    item = {name: getattr(key, name) for name in ("key_id", "name", "prefix", "scopes")}
    return item | {"created_at": utc_text(key.created_at)}


@router.get("", response_model=ApiKeyList, summary="API keys of the caller")
async def list_api_keys(caller: AccountHolder, database: Shared[Database]) -> Response:
    """Keys that are not revoked, newest first, without their secrets."""
    assert caller.user_id is not None
    keys = await keys_of(database, caller.user_id)
    return json_response({"items": [key_item(key) for key in keys]}, cache=PRIVATE)


@router.post("", status_code=201, response_model=CreatedApiKey, summary="Create an API key")
async def create_api_key(
    request: Request,
    body: ApiKeyBody,
    caller: AccountHolder,
    database: Shared[Database],
    sign_ins: Shared[SignIns],
) -> Response:
    """The key has the rights of its owner within its scopes. It is shown here alone: only a digest is stored.

    It is sent like a token: `Authorization: Bearer lmb_…`. The password confirms it, because a key lasts
    longer than a sign-in; a key ends when the password is changed or reset.
    """
    assert caller.user_id is not None
    scopes = list(dict.fromkeys(body.scopes))
    user = await by_id(database, caller.user_id)
    count_login(request, user.email)
    try:
        async with password_turn(request):
            await sign_ins.confirm(user, body.password)
            key, secret = await create_key(database, user, body.name, scopes)
    except TooManyKeys:
        raise invalid("", "keys_number", message("keys_number", most=MOST_KEYS)) from None
    return json_response(key_item(key) | {"key": secret}, 201, cache=PRIVATE)


@router.delete(
    "/{key_id}",
    status_code=204,
    response_class=Response,
    summary="Revoke an API key",
)
async def revoke_api_key(key_id: KeyIdInPath, caller: AccountHolder, database: Shared[Database]) -> None:
    """It is refused after at most 5 s. A key of somebody else is 404."""
    assert caller.user_id is not None
    if not await revoke_key(database, caller.user_id, key_id):
        raise Problem("not-found", reason=message("no_key", name=key_id))
