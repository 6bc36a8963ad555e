"""Dependencies by type: the objects that the application opened at its start and that requests share."""

from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import Depends
from starlette.requests import HTTPConnection

Object = TypeVar("Object")

if TYPE_CHECKING:
    Shared = Annotated[Object, "opened at the start"]
else:

    class Shared:
        """`Shared[X]` as the annotation of a parameter: the application's X (services.py)."""

        def __class_getitem__(cls, kind: Any) -> Any:
            return Annotated[kind, Depends(object_of(kind))]


@cache
def object_of(kind: Any) -> Any:
    """A dependency that returns the object of a type; a coroutine, as FastAPI runs functions in a thread."""

    async def shared(connection: HTTPConnection) -> Any:
        return connection.app.state.shared[kind]

    return shared
