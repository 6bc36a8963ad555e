/** How units follow the price: categories with their intervals and the naive figure, products of one category. */
import { Intervals } from "../../chart/Intervals.tsx";
import { address } from "../../data/feed.ts";
import type { RowOf } from "../../data/types.ts";
import { change, figure, whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { column, derivedColumn, type Column } from "../../ui/DataTable.tsx";
import { TablePanel } from "../../ui/TablePanel.tsx";
import { category, chosen, MOST_ROWS, Workbook } from "./parts.tsx";

export type Elasticity = RowOf<"/api/v1/retail/elasticity">;
type Measured = Elasticity & Record<"elasticity" | "elasticity_low" | "elasticity_high", number>;
/** At this elasticity a change of the price leaves the revenue as it is. */
const UNIT = -1;
const SQL = "select * from gold.price_elasticity";

export const isMeasured = (row: Elasticity): row is Measured => row.elasticity !== null && row.elasticity_low !== null && row.elasticity_high !== null;

const FIGURES: Column<Elasticity>[] = [
  column("elasticity", "elasticity_value", figure),
  column("elasticity_low", "bound_low_90", figure),
  column("elasticity_high", "bound_high_90", figure),
  column("naive_elasticity", "elasticity_naive", figure),
  derivedColumn("verdict", "elasticity_verdict", (row) => row.reason ?? row.verdict, (row) => (isMeasured(row) ? t("elasticity_measured") : <span class="wrapped">{t("elasticity_refused", { reason: row.reason ?? "–" })}</span>)),
  derivedColumn("test_days", "elasticity_test", (row) => row.test_days, (row) => (isMeasured(row) || row.test_days === null ? "–" : t("elasticity_test_days", { days: whole(row.test_days) }))),
  column("price_spread", "price_spread", figure),
  column("days", "product_days", whole),
];
const CATEGORIES = [column<Elasticity, "category">("category", "category"), ...FIGURES];
const PRODUCTS = [column<Elasticity, "product_name">("product_name", "product"), ...FIGURES];

/** Of the category with the most revenue a day, and what it means for its revenue. */
function sentence(rows: Elasticity[]): string {
  const [largest] = rows.filter(isMeasured).toSorted((one, other) => other.price * other.units_a_day - one.price * one.units_a_day);
  if (!largest) return t("elasticity_none");
  const [value, low, high] = [largest.elasticity, largest.elasticity_low, largest.elasticity_high].map(change);
  const meaning = largest.elasticity_high < UNIT ? t("elasticity_cut") : largest.elasticity_low > UNIT ? t("elasticity_raise") : t("elasticity_between");
  return `${t("elasticity_sentence", { category: largest.category, value, low, high })} ${meaning}`;
}

function Picture({ rows }: { rows: Elasticity[] }) {
  const measured = rows.filter(isMeasured);
  if (!measured.length) return null;
  const drawn = measured.map((row) => ({ name: row.category, value: row.elasticity, low: row.elasticity_low, high: row.elasticity_high, other: row.naive_elasticity, text: t("interval_text", { value: figure(row.elasticity), low: figure(row.elasticity_low), high: figure(row.elasticity_high) }) }));
  return <Intervals rows={drawn} label={t("elasticity_value")} line={UNIT} names={[t("elasticity_corrected"), t("elasticity_naive"), t("elasticity_line")]} />;
}

export function Elasticities() {
  const list = address("/api/v1/retail/elasticity", { ...chosen(), product_id: 0, limit: MOST_ROWS });
  return (
    <TablePanel title={t("elasticity")} list={list} columns={CATEGORIES} keyOf={(row) => row.category} class="full wide" file="elasticity" empty={t("elasticity_untrained")} note={t("elasticity_note")} tools={<Workbook list={list} />} sql={`${SQL} where product_id = 0`}>
      {(rows) => (
        <>
          <p class="lead">{sentence(rows)}</p>
          <Picture rows={rows} />
          {!category() && <p class="note">{t("elasticity_choose")}</p>}
        </>
      )}
    </TablePanel>
  );
}

export function ProductElasticities() {
  const list = address("/api/v1/retail/elasticity", { ...chosen(), limit: MOST_ROWS });
  return (
    <TablePanel title={t("elasticity_products", { category: category()! })} list={list} rows={(body) => body.items.filter((row) => row.product_id > 0)} columns={PRODUCTS} keyOf={(row) => String(row.product_id)} class="full wide" file="elasticity-products" empty={t("elasticity_no_products")} tools={<Workbook list={list} />} sql={`${SQL} where product_id > 0`} />
  );
}
