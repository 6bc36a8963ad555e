"""Where a table is stored: its name `layer.table` is also its path below the root of the lake."""

REBUILD = "/_rebuild"  # below the root of a lake: its silver, written again while it is in use


def table_path(root: str, table: str) -> str:
    """`/lake` + `silver.prices` -> `/lake/silver/prices`; `root` may be a folder or a URL."""
    layer, _, name = table.partition(".")
    if layer == "bronze":  # both have the same
        root = root.removesuffix(REBUILD)
    return f"{root.rstrip('/')}/{layer}/{name}"


def view_name(table: str) -> str:
    """The name under which SQL sees a table: `silver.prices` -> `silver_prices`."""
    return table.replace(".", "_")
