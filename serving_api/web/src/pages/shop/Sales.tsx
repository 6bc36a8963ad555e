/** Sales of a shop: what changed most, revenue by category and day, products, the prediction. */
import type { ComponentChildren } from "preact";
import { Curve } from "../../chart/Curve.tsx";
import { Spark } from "../../chart/Spark.tsx";
import { address } from "../../data/feed.ts";
import type { RowOf } from "../../data/types.ts";
import { change, day, dayOfSeconds, figure, percent, whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { param, setParams } from "../../router.ts";
import { Choices } from "../../ui/controls.tsx";
import { column, type Column } from "../../ui/DataTable.tsx";
import { Bars, Tiles } from "../../ui/Figures.tsx";
import { TablePanel } from "../../ui/TablePanel.tsx";
import { changePct, dailyRevenue, driverOf, mostChanged, total, type Period } from "./changes.ts";
import { CategoryChoice, changeColumn, chosen, MOST_ROWS, useMoney, Workbook } from "./parts.tsx";
import { OrderFirst, TopProducts } from "./Products.tsx";
import { ModelCard, Prediction } from "./SalesModel.tsx";

type CategoryRevenue = RowOf<"/analytics/revenue">;
type RevenueDay = RowOf<"/api/v1/retail/revenue-history">;

const MOST_BARS = 8;
/** The length of a period that the reader has chosen. */
const periodDays = () => (param("hari") === "7" ? 7 : 28);

const PERIODS: Column<Period>[] = [
  column("category", "category"),
  column("revenue", "revenue", whole),
  column("revenue_before", "revenue_before", whole),
  changeColumn("revenue_change_pct", "change_revenue", (row) => row.revenue, (row) => row.revenue_before),
  column("units", "units_sold", whole),
  column("units_before", "units_before", whole),
  changeColumn("units_change_pct", "change_units", (row) => row.units, (row) => row.units_before),
  column("average_net_price", "net_price", figure),
  column("average_net_price_before", "net_price_before", figure),
  changeColumn("price_change_pct", "change_price", (row) => row.average_net_price, (row) => row.average_net_price_before),
];

/** The category that changed most, and whether units or prices moved it. */
function changeSentence(rows: Period[], money: (value: number | null) => string): string {
  const most = mostChanged(rows);
  if (!most) return t("shop_no_before", { days: 2 * rows[0].days });
  const [now, before] = [most.revenue, most.revenue_before!];
  const driver = driverOf(most);
  const values = {
    category: most.category,
    days: most.days,
    until: day(most.market_date),
    size: percent(Math.abs(changePct(now, before) ?? 0)),
    before: money(before),
    now: money(now),
    units: change(changePct(most.units, most.units_before)),
    price: change(changePct(most.average_net_price, most.average_net_price_before)),
  };
  const first = now === before ? t("shop_unchanged", values) : !before ? t("shop_began", values) : t(now > before ? "shop_rose" : "shop_fell", values);
  return driver && now !== before ? `${first} ${t(`shop_driver_${driver}`, values)}` : first;
}

function PeriodTiles({ rows, money }: { rows: Period[]; money: (value: number | null) => string }) {
  const [revenue, revenueBefore, units, unitsBefore] = (["revenue", "revenue_before", "units", "units_before"] as const).map((name) => total(rows, name));
  const price = units ? revenue! / units : null;
  const priceBefore = revenueBefore !== null && unitsBefore ? revenueBefore / unitsBefore : null;
  const against = (now: number | null, before: number | null, show: (value: number | null) => string) => (before === null ? t("tile_no_before") : t("tile_before", { before: show(before), change: change(changePct(now, before)) }));
  const tiles: [string, ComponentChildren, string][] = [
    [t("revenue"), money(revenue), against(revenue, revenueBefore, money)],
    [t("units_sold"), whole(units), against(units, unitsBefore, whole)],
    [t("net_price"), figure(price), against(price, priceBefore, figure)],
  ];
  return <Tiles tiles={tiles} />;
}

function Changes() {
  const money = useMoney();
  const days = periodDays();
  const list = address("/api/v1/retail/revenue-periods", { ...chosen(), days, limit: MOST_ROWS });
  return (
    <TablePanel title={t("shop_changes")} list={list} columns={PERIODS} keyOf={(row) => row.category} class="full wide" file="revenue-periods" empty={t("shop_one_state")} note={t("shop_changes_note")} tools={<Workbook list={list} />} sql={`select * from gold.revenue_periods where days = ${days}`}>
      {(rows) => (
        <>
          <p class="lead">{changeSentence(rows, money)}</p>
          <PeriodTiles rows={rows} money={money} />
          <Bars
            label={t("revenue")}
            isPaired
            bars={rows.slice(0, MOST_BARS).map((row) => ({
              name: row.category,
              value: row.revenue,
              text: row.revenue_before === null ? whole(row.revenue) : `${whole(row.revenue)} (${change(changePct(row.revenue, row.revenue_before))})`,
              before: row.revenue_before === null ? null : { value: row.revenue_before, text: t("bar_before", { value: whole(row.revenue_before) }) },
            }))}
          />
        </>
      )}
    </TablePanel>
  );
}

const DAYS: Column<RevenueDay>[] = [
  column("market_date", "day", day),
  column("category", "category"),
  column("units_new", "units_new", whole),
  column("revenue_new", "revenue_new", whole),
  column("revenue", "revenue_so_far", whole),
];

/** Revenue so far at the end of each day: each category counts with its newest state. */
function soFar(days: RevenueDay[]): number[] {
  const held = new Map<string, number>();
  const points = new Map<string, number>();
  for (const row of days) {
    held.set(row.category, row.revenue);
    points.set(row.market_date, [...held.values()].reduce((sum, value) => sum + value, 0));
  }
  return [...points.values()];
}

function Days() {
  const money = useMoney();
  const days = periodDays();
  const list = address("/api/v1/retail/revenue-history", { ...chosen(), limit: MOST_ROWS });
  return (
    <TablePanel title={t("revenue_by_day")} list={list} columns={DAYS} keyOf={(row) => `${row.market_date}|${row.category}`} class="half" file="revenue-days" empty={t("empty_shop")} tools={<Workbook list={list} />} sql="select * from gold.revenue">
      {(rows, { next_cursor }) => {
        const points = dailyRevenue(rows, days, next_cursor === null);
        const trend = soFar(rows.toReversed());
        return (
          <>
            {points.length > 1 && <Curve points={points} label={t("new_revenue_by_day", { days })} showX={dayOfSeconds} showY={whole} />}
            <p class="note">
              {t("revenue_trend", { revenue: money(trend.at(-1) ?? null) })} <Spark values={trend} label={t("revenue_trend_label")} />
            </p>
          </>
        );
      }}
    </TablePanel>
  );
}

const CATEGORIES: Column<CategoryRevenue>[] = [
  column("category", "category"),
  column("revenue", "revenue", whole),
  column("units_sold", "units_sold", whole),
  column("products", "products", whole),
  column("average_price", "average_price", figure),
  column("discount_cost", "discount_cost", whole),
];

function Revenue() {
  const money = useMoney();
  const list = address("/analytics/revenue", chosen());
  return (
    <TablePanel title={t("revenue_so_far")} list={list} columns={CATEGORIES} keyOf={(row) => row.category} class="half" file="revenue" empty={t("empty_shop")} note={t("revenue_note")} tools={<Workbook list={list} />} sql="select * from gold.revenue where newest">
      {(rows, body) => {
        const largest = rows.toSorted((one, other) => other.revenue - one.revenue).slice(0, MOST_BARS);
        return (
          <>
            <p>{t("revenue_sentence", { revenue: money(body.total_revenue), units: whole(rows.reduce((sum, row) => sum + row.units_sold, 0)) })}</p>
            <Bars bars={largest.map((row) => ({ name: row.category, value: row.revenue, text: whole(row.revenue) }))} />
          </>
        );
      }}
    </TablePanel>
  );
}

export function Sales() {
  return (
    <>
      <CategoryChoice>
        <Choices label={t("period")} value={periodDays() === 7 ? "7" : "28"} options={[["7", t("change_days", { days: 7 })], ["28", t("change_days", { days: 28 })]]} choose={(hari) => setParams({ hari: hari === "28" ? null : hari })} />
      </CategoryChoice>
      <div class="grid">
        <Changes />
        <Days />
        <Revenue />
        <OrderFirst />
        <TopProducts />
        <Prediction />
        <ModelCard />
      </div>
    </>
  );
}
