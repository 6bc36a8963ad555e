"""YAML as people write it: keys and list items stay text, so that `No` is no boolean and `007` no number."""

import re
from typing import Any

import yaml
from pydantic_core import ErrorDetails

TAG = "tag:yaml.org,2002:"
VALUES = {  # tag -> pattern of the whole text, first characters of such texts
    "int": (r"-?(?:0|[1-9][0-9]*)\Z", "-0123456789"),
    "float": (r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\Z", "-0123456789"),
    "null": (r"(?:~|null)?\Z", ("~", "n", "")),
    "merge": (r"<<\Z", "<"),
}


class TextLoader(yaml.SafeLoader):
    """Of all scalars only the values of keys may be numbers (as JSON writes them) or null.

    YAML 1.1 reads `No`, `On` and `Yes` as booleans, `007` as octal and `2024-01-01` as a date.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The node; a key (`index` None) or a list item (`index` a number) is text."""
        node = super().compose_node(parent, index)
        is_value = parent is None or isinstance(index, yaml.Node)
        if isinstance(node, yaml.ScalarNode) and not is_value and node.tag != f"{TAG}merge":
            node.tag = f"{TAG}str"
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """The mapping. Raises yaml.YAMLError for a key that is given twice."""
        keys = [key.value for key, _ in node.value if key.tag == f"{TAG}str"]
        if twice := {key for key in keys if keys.count(key) > 1}:
            reason = f"the key '{min(twice)}' is given twice"
            raise yaml.constructor.ConstructorError(None, None, reason, node.start_mark)
        return super().construct_mapping(node, deep)


for _tag, (_pattern, _first) in VALUES.items():
    TextLoader.add_implicit_resolver(TAG + _tag, re.compile(_pattern), list(_first))


def read_mapping(text: str) -> dict[str, Any]:
    """The mapping that the YAML text holds. Raises ValueError with line and fault."""
    try:
        content = yaml.load(text, TextLoader)  # noqa: S506  (a SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"{line}{error.problem}") from None
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
    if not isinstance(content, dict):
        raise ValueError("not a mapping of keys to values")
    return content


def fault_text(fault: ErrorDetails) -> str:
    """One fault that pydantic found, with the key that it is about, as the end of a sentence."""
    key = ".".join(map(str, fault["loc"]))
    match fault["type"]:
        case "literal_error" if key == "type":
            return f": no such type '{fault['input']}'"
        case "literal_error":
            choices = str(fault["ctx"]["expected"]).replace("'", "").replace(" or ", ", ")
            return f": {key} is '{fault['input']}', not one of {choices}"
        case "extra_forbidden" | "unexpected_keyword_argument":
            return f": there is no key '{key}'"
        case "missing":
            return f": the key '{key}' is missing"
        case _:
            message = fault["msg"].removeprefix("Value error, ")
            return f": '{key}': {message}" if key else f": {message}"
