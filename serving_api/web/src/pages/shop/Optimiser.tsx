/** The price of a product or category that brings the most revenue, or profit where the unit cost is given. */
import { useState } from "preact/hooks";
import { Curve } from "../../chart/Curve.tsx";
import { address, useFeed } from "../../data/feed.ts";
import { usePost } from "../../data/post.ts";
import type { ReceiptOf } from "../../data/types.ts";
import { figure, percent, whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { SelectField } from "../../ui/controls.tsx";
import { Panel } from "../../ui/Panel.tsx";
import { category, MOST_ROWS, ProductForm, shop, Verdict, useCategories, useMoney, useSalesModel, type FormField } from "./parts.tsx";

type PriceCurve = ReceiptOf<"/api/v1/retail/price-curve">;

const FIELDS: FormField[] = [
  { name: "discount_percentage", label: "discount_pct", value: 0, min: 0, max: 100, step: "any" },
  { name: "rating", label: "rating", value: 4, min: 1, max: 5, step: "any" },
  { name: "num_reviews", label: "reviews", value: 100, min: 0, step: 1 },
  { name: "unit_cost", label: "unit_cost", value: null, min: 0, step: "any" },
];
const BEYOND = 0.1; // of the observed prices: what the curve covers

/** The limits of the price, as far as the curve reaches where the observed prices are known. */
function priceFields(low: number | undefined, high: number | undefined): FormField[] {
  const [from, to] = [low === undefined ? 20 : Math.floor(low * (1 - BEYOND)), high === undefined ? 300 : Math.ceil(Number((high * (1 + BEYOND)).toFixed(6)))];
  return [
    { name: "price_min", label: "price_from", value: from, min: 0, step: "any" },
    { name: "price_max", label: "price_to", value: to, min: 0, step: "any" },
  ];
}

/** What the curve follows from, the best price, and what it does not know. */
function Result({ curve }: { curve: PriceCurve }) {
  const money = useMoney();
  const isProfit = curve.aim === "profit";
  const best = curve.points.reduce((one, other) => (Math.abs(other.price - curve.best_price) < Math.abs(one.price - curve.best_price) ? other : one));
  const values = { price: figure(curve.best_price), low: figure(curve.best_price_low), high: figure(curve.best_price_high), amount: [money(isProfit ? best.profit : best.revenue), curve.target === "units_a_day" && t("a_day")].filter(Boolean).join(" ") };
  return (
    <output>
      <p class="lead">{curve.signal ? t(isProfit ? "best_price_profit" : "best_price_revenue", values) : <span class="grave">{t("curve_no_signal")}</span>}</p>
      {curve.at_edge && curve.signal && <p>{t("curve_at_edge")}</p>}
      {curve.test_days !== null && <p>{t("curve_test", { days: whole(curve.test_days) })}</p>}
      <p class="note">
        {curve.basis === "elasticity" ? t("curve_by_elasticity", { value: figure(curve.elasticity) }) : t("curve_by_demand")} {t("observed_prices", { low: figure(curve.observed_low), high: figure(curve.observed_high) })}
      </p>
    </output>
  );
}

function pointsOf({ points, aim }: PriceCurve) {
  return points.map((point) => (aim === "profit" ? { x: point.price, y: point.profit!, low: point.profit_low!, high: point.profit_high! } : { x: point.price, y: point.revenue, low: point.revenue_low, high: point.revenue_high }));
}

export function Optimiser() {
  const feed = useSalesModel();
  const [sent, send] = usePost("/api/v1/retail/price-curve");
  const names = useCategories();
  const [picked, setPicked] = useState({ category: "", product_id: "" });
  const name = names.includes(picked.category) ? picked.category : (category() ?? names[0]);
  const laws = useFeed(name ? address("/api/v1/retail/elasticity", { category: name, shop: shop(), limit: MOST_ROWS }) : null).body?.items ?? [];
  const law = laws.find((row) => String(row.product_id) === (picked.product_id || "0"));
  const products = laws.filter((row) => row.product_id > 0).map((row): [string, string] => [String(row.product_id), row.product_name]);
  const { body } = sent;
  return (
    <Panel title={t("optimiser")} feed={feed} class="half">
      {(report) => (
        <>
          <Verdict report={report} />
          <ProductForm fields={[...FIELDS, ...priceFields(law?.price_low, law?.price_high)]} action="price_curve" sent={sent} send={send} changed={(given) => setPicked({ category: String(given.get("category")), product_id: String(given.get("product_id") ?? "") })} choice={products.length > 0 && <SelectField key={name} name="product_id" label={t("product")} options={[["", t("typical_product")], ...products]} />}>
            {body && <Result curve={body} />}
            {body && <Curve points={pointsOf(body)} label={t(body.aim === "profit" ? "profit_by_price" : "revenue_by_price", { level: percent(90) })} showX={figure} showY={whole} mark={body.signal ? body.best_price : null} />}
          </ProductForm>
        </>
      )}
    </Panel>
  );
}
