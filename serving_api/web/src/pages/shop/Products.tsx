/** Products of a shop: which to order first, and which bring the most revenue. */
import { address, useFeed } from "../../data/feed.ts";
import type { RowOf } from "../../data/types.ts";
import { figure, percent, whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { column, derivedColumn, type Column } from "../../ui/DataTable.tsx";
import { TablePanel } from "../../ui/TablePanel.tsx";
import { changeColumn, chosen, MOST_ROWS, tenths, Workbook } from "./parts.tsx";

type TopProduct = RowOf<"/api/v1/retail/top-products">;
type Supply = RowOf<"/api/v1/retail/product-supply">;
const SHOWN_ROWS = 20;

const SUPPLY: Column<Supply>[] = [
  column("product_name", "product"),
  column("category", "category"),
  derivedColumn("order_first", "supply_advice", (row) => row.order_first, (row) => (row.order_first ? <b>{t("order_now")}</b> : "–")),
  column("days_of_supply", "days_of_supply", tenths),
  column("stock_quantity", "stock", whole),
  column("units_a_day", "units_a_day", tenths),
  column("sell_through_pct", "sell_through", percent),
  column("days_sold_out", "days_sold_out", tenths),
  column("basis", "supply_basis", (basis) => t(basis === "observed" ? "basis_observed" : "basis_since_added")),
];

/** How many products last less than the alert, and which one is sold out first. */
function supplySentence(limit: string, urgent: Supply[], isMore: boolean): string {
  const [first] = urgent;
  if (!first) return t("supply_none", { limit });
  const count = isMore ? t("at_least", { count: whole(urgent.length) }) : whole(urgent.length);
  const values = { limit, count, product: first.product_name, days: tenths(first.days_of_supply) };
  return t(first.stock_quantity ? "supply_sentence" : "supply_sentence_out", values);
}

export function OrderFirst() {
  const urgent = useFeed(address("/api/v1/retail/product-supply", { ...chosen(), order_first: true, limit: MOST_ROWS })).body;
  const list = address("/api/v1/retail/product-supply", { ...chosen(), limit: SHOWN_ROWS });
  return (
    <TablePanel title={t("order_first")} list={list} columns={SUPPLY} keyOf={(row) => String(row.product_id)} class="full wide" file="product-supply" empty={t("supply_empty")} tools={<Workbook list={address("/api/v1/retail/product-supply", { ...chosen(), limit: MOST_ROWS })} />} sql="select * from gold.product_supply order by rank">
      {(rows) => {
        const limit = whole(rows[0].alert_days);
        return (
          <>
            {urgent && <p class="lead">{supplySentence(limit, urgent.items, urgent.next_cursor !== null)}</p>}
            {rows.some((row) => row.basis !== "observed") && <p class="note">{t("supply_since_added")}</p>}
            <p class="note">{t("supply_note", { limit })}</p>
          </>
        );
      }}
    </TablePanel>
  );
}

const PRODUCTS: Column<TopProduct>[] = [
  column("product_name", "product"),
  column("category", "category"),
  column("revenue_new", "revenue_28", whole),
  column("revenue_before", "revenue_before", whole),
  changeColumn("revenue_change_pct", "change_revenue", (row) => row.revenue_new, (row) => row.revenue_before),
  column("units_new", "units_28", whole),
  column("units_before", "units_before", whole),
  changeColumn("units_change_pct", "change_units", (row) => row.units_new, (row) => row.units_before),
  column("price", "price", figure),
  column("revenue", "revenue_so_far", whole),
];

export function TopProducts() {
  const list = address("/api/v1/retail/top-products", { ...chosen(), limit: SHOWN_ROWS });
  return <TablePanel title={t("top_products")} list={list} columns={PRODUCTS} keyOf={(row) => String(row.product_id)} class="full wide" file="top-products" empty={t("empty_shop")} note={t("top_products_note")} tools={<Workbook list={list} />} sql="select * from gold.top_products" />;
}
