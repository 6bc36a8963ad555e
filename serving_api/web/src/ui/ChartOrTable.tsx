/** A chart, or the same figures as a table: the reader chooses. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { t } from "../i18n/index.ts";
import { Choices } from "./controls.tsx";
import { DataTable, type Column } from "./DataTable.tsx";

interface Props<Row> {
  label: string;
  columns: Column<Row>[];
  rows: Row[];
  keyOf: (row: Row) => string;
  children: ComponentChildren;
}

export function ChartOrTable<Row>({ label, columns, rows, keyOf, children }: Props<Row>) {
  const [view, setView] = useState<"chart" | "table">("chart");
  return (
    <>
      <Choices label={`${t("view")}: ${label}`} value={view} options={[["chart", t("chart")], ["table", t("table")]]} choose={setView} />
      {view === "table" ? <DataTable label={label} columns={columns} rows={rows} keyOf={keyOf} /> : children}
    </>
  );
}
