/** What the three pages of a shop share: choices, its currency, files, form of a product, the model's verdict. */
import type { ComponentChildren } from "preact";
import { address, useFeed } from "../../data/feed.ts";
import type { Sent } from "../../data/post.ts";
import type { SalesModelReport } from "../../data/types.ts";
import { change, figure, whole, written } from "../../i18n/format.ts";
import { t, type Key } from "../../i18n/index.ts";
import { param, setParams } from "../../router.ts";
import { Select, SelectField } from "../../ui/controls.tsx";
import { derivedColumn, type Column } from "../../ui/DataTable.tsx";
import { ProblemText } from "../../ui/Panel.tsx";
import { changePct } from "./changes.ts";

/** The most rows of a page of a list. */
export const MOST_ROWS = 1000;
export const category = (): string | null => param("kategori");
export const shop = (): string | null => param("toko");
export const chosen = () => ({ category: category(), shop: shop() });

const useRevenue = () => useFeed(address("/analytics/revenue", { shop: shop() })).body;

export function useCategories(): string[] {
  return (useRevenue()?.items ?? []).map((item) => item.category).sort();
}

/** How amounts of the shop are written: whole, with its currency where that is known. */
export function useMoney(): (value: number | null) => string {
  const currency = useRevenue()?.currency;
  return (value) => [whole(value), value === null ? null : currency].filter(Boolean).join("\u00a0");
}

/** 5,1: days and units a day, to a tenth. */
export const tenths = (value: number | null): string => figure(value === null ? null : Math.round(10 * value) / 10);

/** A change with its direction as a sign: it needs no colour. */
export const changeColumn = <Row,>(name: string, title: "change_revenue" | "change_units" | "change_price", now: (row: Row) => number | null, before: (row: Row) => number | null): Column<Row> =>
  derivedColumn(name, title, (row: Row) => changePct(now(row), before(row)), (row: Row) => change(changePct(now(row), before(row))));

/** The rows of a list as a workbook. */
export function Workbook({ list }: { list: string }) {
  return (
    <a class="ghost small noprint" download href={`${list}${list.includes("?") ? "&" : "?"}format=xlsx`}>
      {t("sheet_xlsx")}
    </a>
  );
}

/** Which shop, where there are several: each has its own currency, so their figures are never added. */
function ShopChoice() {
  const shops = useFeed(address("/api/v1/retail/shops")).body?.items ?? [];
  const shown = shop() ?? shops.find((entry) => entry.shop === "main")?.shop ?? shops[0]?.shop;
  if (shops.length < 2) return null;
  const options = shops.map((entry): [string, string] => [entry.shop, entry.currency ? `${entry.shop} (${entry.currency})` : entry.shop]);
  return <Select label={t("shop")} options={options} value={shown} choose={(toko) => setParams({ toko, kategori: null })} />;
}

/** Shop and category; `children`: further choices of a page. */
export function CategoryChoice({ children }: { children?: ComponentChildren }) {
  const names = useCategories();
  return (
    <div class="controls">
      <ShopChoice />
      <Select label={t("category")} options={[["", t("all_categories")], ...names.map((name): [string, string] => [name, name])]} value={category() ?? ""} choose={(kategori) => setParams({ kategori: kategori || null })} />
      {children}
    </div>
  );
}

/** A field of a form: its label and the attributes of its input. */
export interface FormField {
  name: string;
  label: Key;
  /** Null: left empty, and then not sent. */
  value: number | null;
  min: number;
  max?: number;
  step: number | "any";
}

interface ProductFormProps {
  fields: FormField[];
  action: Key;
  sent: Sent<unknown>;
  send: (request: object) => Promise<void>;
  /** Called with what is chosen after every change. */
  changed?: (given: FormData) => void;
  /** A choice after that of the category, whose value is a number too. */
  choice?: ComponentChildren;
  children?: ComponentChildren;
}

export function ProductForm({ fields, action, sent, send, changed, choice, children }: ProductFormProps) {
  const names = useCategories();
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const given = [...new FormData(event.currentTarget as HTMLFormElement)].filter(([, value]) => value !== "");
    const values = given.map(([name, value]) => [name, name === "category" ? value : Number(value)]);
    void send({ shop: shop(), ...Object.fromEntries(values) });
  };
  return (
    <form class="product" onSubmit={submit} onChange={(event) => changed?.(new FormData(event.currentTarget))}>
      <SelectField key={names.join()} name="category" label={t("category")} options={names.map((name) => [name, name])} chosen={category()} />
      {choice}
      {fields.map(({ name, label, value, min, max, step }) => (
        <label key={`${name}${value}`}>
          {t(label)}
          <input type="number" name={name} required={value !== null} defaultValue={value === null ? "" : String(value)} min={min} max={max} step={step} />
        </label>
      ))}
      <button class="solid" disabled={sent.loading || !names.length}>
        {t(action)}
      </button>
      {sent.problem && <ProblemText problem={sent.problem} />}
      {children}
    </form>
  );
}

export const useSalesModel = () => useFeed(address("/api/v1/retail/sales-model", { shop: shop() }));

/** Whether the model knows anything, before any of its figures. */
export function Verdict({ report }: { report: SalesModelReport }) {
  if (report.champion === null) return <p class="lead">{t("model_untrained")}</p>;
  return (
    <>
      <p class="lead">{report.signal ? t("signal_yes", { model: report.champion }) : <span class="grave">{t("signal_no")}</span>}</p>
      <p class="note">{report.verdict && written(report.verdict)}</p>
    </>
  );
}
