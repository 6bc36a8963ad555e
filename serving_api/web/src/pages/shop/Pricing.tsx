/** Prices of a shop: what goes along with discounts, price and rating, and the price that earns most. */
import { Curve } from "../../chart/Curve.tsx";
import { address } from "../../data/feed.ts";
import { usePost } from "../../data/post.ts";
import type { RowOf } from "../../data/types.ts";
import { change, figure, percent, whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { column, type Column } from "../../ui/DataTable.tsx";
import { Panel } from "../../ui/Panel.tsx";
import { TablePanel } from "../../ui/TablePanel.tsx";
import { CategoryChoice, chosen, ProductForm, Verdict, useSalesModel, type FormField } from "./parts.tsx";


const lift = (share: number | null) => (share === null ? "–" : change(100 * share));

const DISCOUNTS: Column<RowOf<"/analytics/discount">>[] = [
  column("category", "category"),
  column("discount_band", "discount_band", (band) => `${band} %`),
  column("products", "products", whole),
  column("lift_units", "lift_units", lift),
  column("break_even_lift", "break_even", lift),
  column("lift_revenue", "lift_revenue", lift),
  column("lift_revenue_low", "interval_low", lift),
  column("lift_revenue_high", "interval_high", lift),
  column("effective", "effective", (effective) => (effective === null ? "–" : t(effective ? "yes" : "not_shown"))),
];

function Discounts() {
  return (
    <TablePanel title={t("discounts")} list={address("/analytics/discount", chosen())} columns={DISCOUNTS} keyOf={(row) => `${row.category}|${row.discount_band}`} class="full" file="discounts" empty={t("empty_shop")} sql="select * from gold.discount_effect">
      {() => <p>{t("discount_note")}</p>}
    </TablePanel>
  );
}

const RATINGS: Column<RowOf<"/analytics/price-rating">>[] = [
  column("category", "category"),
  column("correlation", "correlation", figure),
  column("ci_low", "interval_low", figure),
  column("ci_high", "interval_high", figure),
  column("n", "products", whole),
  column("average_price", "average_price", figure),
  column("average_rating", "average_rating", figure),
];

function Ratings() {
  return (
    <TablePanel title={t("price_rating")} list={address("/analytics/price-rating", chosen())} columns={RATINGS} keyOf={(row) => row.category} class="half" file="price-rating" empty={t("empty_shop")} sql="select * from gold.price_rating">
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

const FIELDS: FormField[] = [
  { name: "discount_percentage", label: "discount_pct", value: 0, min: 0, max: 100, step: "any" },
  { name: "rating", label: "rating", value: 4, min: 1, max: 5, step: "any" },
  { name: "num_reviews", label: "reviews", value: 100, min: 0, step: 1 },
  { name: "price_min", label: "price_from", value: 20, min: 0, step: "any" },
  { name: "price_max", label: "price_to", value: 300, min: 0, step: "any" },
];

function Optimiser() {
  const feed = useSalesModel();
  const [sent, send] = usePost("/api/v1/retail/price-curve");
  const { body } = sent;
  return (
    <Panel title={t("optimiser")} feed={feed} class="half">
      {(report) => (
        <>
          <Verdict report={report} />
          <ProductForm fields={FIELDS} action="price_curve" sent={sent} send={send}>
            {body && (
              <output>
                {body.signal ? t("best_price", { price: figure(body.best_price), low: figure(body.best_price_low), high: figure(body.best_price_high) }) : <span class="grave">{t("curve_no_signal")}</span>}{" "}
                {t("observed_prices", { low: figure(body.observed_low), high: figure(body.observed_high) })}
              </output>
            )}
            {body && <Curve points={body.points.map((point) => ({ x: point.price, y: point.revenue, low: point.revenue_low, high: point.revenue_high }))} label={t("revenue_by_price", { level: percent(90) })} showX={figure} showY={whole} mark={body.signal ? body.best_price : null} />}
          </ProductForm>
        </>
      )}
    </Panel>
  );
}

export function Pricing() {
  return (
    <>
      <CategoryChoice />
      <div class="grid">
        <Discounts />
        <Optimiser />
        <Ratings />
      </div>
    </>
  );
}
