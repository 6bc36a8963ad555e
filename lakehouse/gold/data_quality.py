"""gold.data_quality with a row a rule: the rules that no event of a batch violated are stored in one row."""

import pyarrow as pa
import pyarrow.compute as pc

UNVIOLATED = "unviolated"


def counts_by_rule(stored: pa.Table) -> pa.Table:
    """The rows of each rule, zeros included, in the columns of `stored` but `unviolated`.

    `stored`: rows of gold.data_quality with any of its columns, `rule`, `severity`, `violated` and
    `unviolated` among them.
    """
    is_one_rule = pc.is_valid(stored["rule"])
    rules = stored.filter(is_one_rule).drop_columns([UNVIOLATED])
    packed = stored.filter(pc.invert(is_one_rule))
    lists = pa.chunked_array(packed[UNVIOLATED]).combine_chunks()
    named = pc.list_flatten(lists)
    zeros = packed.drop_columns([UNVIOLATED]).take(pc.list_parent_indices(lists))
    columns = {
        "rule": pc.struct_field(named, "rule"),
        "severity": pc.struct_field(named, "severity"),
        "violated": pa.repeat(pa.scalar(0, pa.int64()), len(named)),
    }
    for name, values in columns.items():
        zeros = zeros.set_column(zeros.column_names.index(name), name, values)
    return pa.concat_tables([rules, zeros.cast(rules.schema)])
