/** A panel with the rows of a list as a table: its states, a file of the rows, and the pages after the first. */
import type { ComponentChildren } from "preact";
import { useFeed } from "../data/feed.ts";
import { useNextPages } from "../data/list.ts";
import type { Address, Answer, Page } from "../data/types.ts";
import { t } from "../i18n/index.ts";
import { DataTable, SaveCsv, type TableProps } from "./DataTable.tsx";
import { Panel, type PanelProps } from "./Panel.tsx";

type Shared<Body extends Answer> = Omit<PanelProps<Body>, "feed" | "children">;
type Table<Row> = Omit<TableProps<Row>, "label" | "rows">;
interface Props<Row, Body extends Answer> extends Shared<Body>, Table<Row> {
  list: Address<Body>;
  everyMs?: number;
  /** Name of the file. */
  file: string;
  note?: string;
  /** What stands above the table: a sentence, a chart. */
  children?: (rows: Row[], body: Body) => ComponentChildren;
}
/** Where the rows are; the items of a list need not be named. */
type Rows<Row, Body> = Body extends { items: Row[] } ? { rows?: (body: Body) => Row[] } : { rows: (body: Body) => Row[] };

export function TablePanel<Row, Body extends Answer>(props: Props<Row, Body> & Rows<Row, Body>) {
  const { list, everyMs, title, columns, keyOf, file, tools, note, children, ...rest } = props;
  const { rows: rowsOf } = props as { rows?: (body: Body) => Row[] };
  const feed = useFeed(list, everyMs);
  const page = feed.body as Page<Row> | null;
  const { more, loadMore } = useNextPages<Row>(list, rowsOf ? null : page);
  const first = (rowsOf && feed.body ? rowsOf(feed.body) : page?.items) ?? [];
  const known = new Set(first.map(keyOf));
  const rows = [...first, ...more.filter((row) => !known.has(keyOf(row)))];
  const save = (
    <>
      {tools}
      <SaveCsv file={file} columns={columns} rows={rows} />
    </>
  );
  return (
    <Panel isEmpty={() => !rows.length} {...rest} title={title} feed={feed} tools={save}>
      {(body) => (
        <>
          {children?.(rows, body)}
          {rows.length > 0 && <DataTable {...rest} label={title} columns={columns} rows={rows} keyOf={keyOf} />}
          {loadMore && (
            <p>
              <button class="ghost small" onClick={loadMore}>
                {t("more")}
              </button>
            </p>
          )}
          {note && <p class="note">{note}</p>}
        </>
      )}
    </Panel>
  );
}
