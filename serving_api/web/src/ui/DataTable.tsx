/** A table that sorts by a click on its heading and scrolls inside itself. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { t, type Key } from "../i18n/index.ts";
import { pointed } from "../map/filter.ts";

type Cell = string | number | boolean | null;
export interface Column<Row> {
  name: string;
  title: string;
  /** What is sorted and written to a file; a column without numbers is one of text. */
  value: (row: Row) => Cell;
  show?: (row: Row) => ComponentChildren;
}

/** A column with its title in the reader's language. */
export function derivedColumn<Row>(name: string, title: Key, value: (row: Row) => Cell, show?: (row: Row) => ComponentChildren): Column<Row> {
  return {
    name,
    get title() {
      return t(title);
    },
    value,
    show,
  };
}

/** The column of a field, and how its value is shown. */
export function column<Row, Name extends keyof Row & string>(name: Name, title: Key, show?: (value: Row[Name]) => ComponentChildren): Column<Row> {
  const value = (row: Row) => (Array.isArray(row[name]) ? row[name].join(", ") : (row[name] as Cell));
  return derivedColumn(name, title, value, show && ((row: Row) => show(row[name])));
}

export interface TableProps<Row> {
  label: string;
  columns: Column<Row>[];
  rows: Row[];
  keyOf: (row: Row) => string;
  isChosen?: (row: Row) => boolean;
  /** The province that a row is of: pointing at it points at the province in the maps, and the other way. */
  provinceOf?: (row: Row) => string;
  sort?: { name: string; falls: boolean };
}

function compare(one: Cell, other: Cell): number {
  if (one === null || other === null) return (one === null ? 1 : 0) - (other === null ? 1 : 0);
  return typeof one === "string" ? one.localeCompare(String(other)) : Number(one) - Number(other);
}

/** What makes an element point at a province. */
function pointing(name: string) {
  const point = (to: string | null) => () => {
    pointed.value = to;
  };
  return { onPointerEnter: point(name), onPointerLeave: point(null), onFocusIn: point(name), onFocusOut: point(null) };
}

export function DataTable<Row>({ label, columns, rows, keyOf, isChosen, provinceOf, sort }: TableProps<Row>) {
  const [order, setOrder] = useState(sort ?? null);
  const ordered = columns.find(({ name }) => name === order?.name);
  const sorted = ordered
    ? [...rows].sort((one, other) => {
        const [first, second] = [ordered.value(one), ordered.value(other)];
        const direction = order!.falls && first !== null && second !== null ? -1 : 1;
        return direction * compare(first, second);
      })
    : rows;
  const classOf = (row: Row) => (isChosen?.(row) ? "on" : provinceOf && provinceOf(row) === pointed.value ? "near" : undefined);
  const classes = columns.map(({ value }) => (rows.some((row) => typeof value(row) === "number") ? "num" : undefined));
  const state = (name: string) => (order?.name !== name ? "none" : order.falls ? "descending" : "ascending");
  const turn = (name: string) => setOrder({ name, falls: order?.name === name ? !order.falls : true });
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={label}>
      <table>
        <thead>
          <tr>
            {columns.map(({ name, title }, position) => (
              <th key={name} scope="col" class={classes[position]} aria-sort={state(name)}>
                <button onClick={() => turn(name)}>
                  {title}
                  <span aria-hidden="true">{order?.name === name ? (order.falls ? " ↓" : " ↑") : ""}</span>
                </button>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.map((row) => (
            <tr key={keyOf(row)} class={classOf(row)} {...(provinceOf && pointing(provinceOf(row)))}>
              {columns.map(({ name, value, show }, position) => {
                const content = show ? show(row) : (value(row) ?? "–");
                return position ? (
                  <td key={name} class={classes[position]}>
                    {content}
                  </td>
                ) : (
                  <th key={name} scope="row">
                    {content}
                  </th>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Saves the rows of a table; without rows it waits. */
export function SaveCsv<Row>({ file, columns, rows }: { file: string; columns: Column<Row>[]; rows: Row[] | undefined }) {
  return (
    <button class="ghost small noprint" disabled={!rows?.length} onClick={() => rows && saveCsv(`lumbung-${file}.csv`, columns, rows)}>
      {t("csv")}
    </button>
  );
}

/** Save rows as a CSV file (RFC 4180); texts that a spreadsheet would run as a formula get a quote in front. */
export function saveCsv<Row>(file: string, columns: Column<Row>[], rows: Row[]): void {
  const cell = (given: Cell) => {
    if (given === null) return "";
    const value = typeof given === "boolean" ? Number(given) : given;
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const lines = [columns.map(({ name }) => cell(name)), ...rows.map((row) => columns.map(({ value }) => cell(value(row))))];
  saveFile(file, new Blob([lines.map((line) => line.join(",")).join("\r\n") + "\r\n"], { type: "text/csv" }));
}

/** Save a file under a name. */
export function saveFile(file: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  Object.assign(document.createElement("a"), { href: url, download: file }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
