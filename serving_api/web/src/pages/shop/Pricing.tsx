/** Prices of a shop: what discounts add, how units follow prices, promotions, the best price, price and rating. */
import { Curve } from "../../chart/Curve.tsx";
import { Intervals } from "../../chart/Intervals.tsx";
import { address } from "../../data/feed.ts";
import type { RowOf } from "../../data/types.ts";
import { change, day, figure, percent, whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { column, derivedColumn, type Column } from "../../ui/DataTable.tsx";
import { TablePanel } from "../../ui/TablePanel.tsx";
import { Elasticities, ProductElasticities } from "./Elasticity.tsx";
import { Optimiser } from "./Optimiser.tsx";
import { category, CategoryChoice, chosen, tenths, useMoney, Workbook } from "./parts.tsx";

type Band = RowOf<"/analytics/discount">;
type Causal = Band & Record<"causal_lift_units" | "causal_lift_low" | "causal_lift_high", number>;
type Promotion = RowOf<"/api/v1/retail/promotions">;

const lift = (share: number | null) => (share === null ? "–" : change(100 * share));
const isCausal = (band: Band): band is Causal => band.causal_lift_units !== null && band.causal_lift_low !== null && band.causal_lift_high !== null;

/** Whether the units that a discount adds make up for it: not clear while the interval holds the break-even. */
function pays(band: Band): boolean | null {
  if (!isCausal(band) || band.break_even_lift === null) return null;
  if (band.causal_lift_low > band.break_even_lift) return true;
  return band.causal_lift_high < band.break_even_lift ? false : null;
}
const paysText = (band: Band) => (isCausal(band) ? t(pays(band) === null ? "unclear" : pays(band) ? "yes" : "no") : "–");

const DISCOUNTS: Column<Band>[] = [
  column("category", "category"),
  column("discount_band", "discount_band", (band) => `${band} %`),
  column("products", "products", whole),
  column("causal_lift_units", "causal_lift", lift),
  column("causal_lift_low", "bound_low_90", lift),
  column("causal_lift_high", "bound_high_90", lift),
  column("break_even_lift", "break_even", lift),
  derivedColumn("pays", "causal_pays", pays, paysText),
  column("lift_units", "lift_units", lift),
  column("lift_revenue", "lift_revenue", lift),
  column("lift_revenue_low", "bound_low_90", lift),
  column("lift_revenue_high", "bound_high_90", lift),
  column("effective", "effective", (effective) => (effective === null ? "–" : t(effective ? "yes" : "not_shown"))),
];

function Discounts() {
  const list = address("/analytics/discount", chosen());
  return (
    <TablePanel title={t("discounts")} list={list} columns={DISCOUNTS} keyOf={(row) => `${row.category}|${row.discount_band}`} class="full wide" file="discounts" empty={t("empty_shop")} note={t("discount_note")} tools={<Workbook list={list} />} sql="select * from gold.discount_effect">
      {(rows) => {
        const causal = rows.filter(isCausal);
        const drawn = causal.map((row) => ({ name: `${row.category}, ${row.discount_band} %`, value: row.causal_lift_units, low: row.causal_lift_low, high: row.causal_lift_high, other: row.lift_units, text: t("interval_text", { value: lift(row.causal_lift_units), low: lift(row.causal_lift_low), high: lift(row.causal_lift_high) }) }));
        return (
          <>
            <p>{t(causal.length ? "discount_causal" : "discount_association")}</p>
            {causal.length > 0 && <Intervals rows={drawn} label={t("causal_lift")} line={0} names={[t("causal_lift"), t("lift_units"), t("no_lift")]} />}
          </>
        );
      }}
    </TablePanel>
  );
}

const PROMOTIONS: Column<Promotion>[] = [
  column("product_name", "product"),
  column("category", "category"),
  column("began_on", "promo_began", day),
  column("ended_on", "promo_ended", (ended) => (ended === null ? t("promo_lasts") : day(ended))),
  column("discount_pct", "promo_discount", percent),
  column("units_before", "promo_before", tenths),
  column("units_during", "promo_during", tenths),
  column("units_after", "promo_after", tenths),
  column("lift_units", "promo_lift", lift),
  column("break_even_lift", "break_even", lift),
  column("extra_revenue", "promo_extra", whole),
  column("paid_off", "promo_paid", (paid) => (paid === null ? "–" : t(paid ? "yes" : "no"))),
];

function Promotions() {
  const money = useMoney();
  const list = address("/api/v1/retail/promotions", { ...chosen(), limit: 50 });
  return (
    <TablePanel title={t("promotions")} list={list} columns={PROMOTIONS} keyOf={(row) => `${row.product_id}|${row.began_on}`} class="full wide" file="promotions" empty={t("promotions_none")} note={t("promotions_note")} tools={<Workbook list={list} />} sql="select * from gold.promotions">
      {(rows) => {
        const known = rows.filter((row) => row.paid_off !== null);
        const extra = known.reduce((sum, row) => sum + (row.extra_revenue ?? 0), 0);
        return known.length > 0 && <p class="lead">{t("promotions_sentence", { paid: known.filter((row) => row.paid_off).length, all: known.length, extra: money(extra) })}</p>;
      }}
    </TablePanel>
  );
}

const RATINGS: Column<RowOf<"/analytics/price-rating">>[] = [
  column("category", "category"),
  column("correlation", "correlation", figure),
  column("ci_low", "bound_low_95", figure),
  column("ci_high", "bound_high_95", figure),
  column("n", "products", whole),
  column("average_price", "average_price", figure),
  column("average_rating", "average_rating", figure),
];

function Ratings() {
  const list = address("/analytics/price-rating", chosen());
  return (
    <TablePanel title={t("price_rating")} list={list} columns={RATINGS} keyOf={(row) => row.category} class="half" file="price-rating" empty={t("empty_shop")} tools={<Workbook list={list} />} sql="select * from gold.price_rating">
      {(rows) => {
        const drawn = rows.find((row) => row.bands.length > 1);
        if (!drawn) return null;
        const title = t("rating_by_price", { category: drawn.category });
        const points = drawn.bands.map((band) => ({ x: (band.price_low + band.price_high) / 2, y: band.rating, low: band.rating_low, high: band.rating_high }));
        return (
          <>
            <h3>{title}</h3>
            <Curve points={points} label={title} showX={figure} showY={figure} />
          </>
        );
      }}
    </TablePanel>
  );
}

export function Pricing() {
  return (
    <>
      <CategoryChoice />
      <div class="grid">
        <Discounts />
        <Elasticities />
        {category() && <ProductElasticities />}
        <Promotions />
        <Optimiser />
        <Ratings />
      </div>
    </>
  );
}
