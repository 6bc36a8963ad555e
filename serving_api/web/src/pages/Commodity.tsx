/** A commodity: sentence, tiles, chart with forecast, provinces in comparison, map, table, live prices, quality. */
import { useMemo } from "preact/hooks";
import { TimeChart } from "../chart/TimeChart.tsx";
import { lastDays } from "../chart/panel.ts";
import { address, useFeed } from "../data/feed.ts";
import type { Forecast, Overview, OverviewItem, Page, PriceMap, QualityRow, Series } from "../data/types.ts";
import { change, day, percent, rupiah, whole } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { ProvinceMap } from "../map/ProvinceMap.tsx";
import { classOf } from "../map/scale.ts";
import { param, setParams } from "../router.ts";
import { DataTable, saveCsv, type Column } from "../ui/DataTable.tsx";
import { Level } from "../ui/Level.tsx";
import { Panel } from "../ui/Panel.tsx";
import { Choices, CommodityChoice, DayChoice, ProvinceChoice, commodity, dayParameters, knownThen, marketDay, province } from "../ui/controls.tsx";
import { LivePrices } from "./LivePrices.tsx";
import { provinceRows, seriesPanel, type ProvinceRow } from "./seriesPanel.ts";
import { sentence } from "./sentences.ts";

const RANGES = ["90", "365", "2000"] as const;
type Range = (typeof RANGES)[number];
const MOST_COMPARED = 3;
const range = (): Range => RANGES.find((value) => value === param("rentang")) ?? "365";
const compared = (): string[] => (param("bandingkan") ?? "").split(",").filter(Boolean).slice(0, MOST_COMPARED);

function nextDay(iso: string): string {
  return new Date(Date.parse(`${iso}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
}

function seriesAddress(): string {
  const last = marketDay();
  const days = Number(range());
  const to = last && !knownThen() ? nextDay(last) : null;
  const newest = last ?? new Date().toISOString().slice(0, 10);
  const from = days > 365 ? new Date(Date.parse(`${newest}T00:00:00Z`) - 1999 * 86_400_000).toISOString().slice(0, 10) : null;
  return address("/api/v1/series/daily", { commodity: commodity(), from, to, date: knownThen() ? last : null });
}

function Tiles({ item }: { item: OverviewItem }) {
  const tiles: [string, string, string][] = [
    [t("national_price"), rupiah(item.national_price_idr), `${t("per_unit", { unit: item.unit })}, ${day(item.market_date)}`],
    [t("change_days", { days: 7 }), change(item.change_7d_pct), t("tile_month", { change: change(item.change_30d_pct) })],
    [t("gap"), change(item.gap_pct), item.reference_price_idr === null ? t("no_reference") : `${item.reference_kind} ${rupiah(item.reference_price_idr)}`],
    [t("above"), item.regions_above === null ? "–" : t("of_provinces", { count: whole(item.regions_above), of: whole(item.provinces) }), t("tile_spread", { spread: percent(item.dispersion_pct) })],
  ];
  return (
    <dl class="tiles">
      {tiles.map(([name, value, more]) => (
        <div key={name} class="tile">
          <dt>{name}</dt>
          <dd>{value}</dd>
          <dd class="more">{more}</dd>
        </div>
      ))}
    </dl>
  );
}

const COLUMNS = (legend: PriceMap["legend"]): Column<ProvinceRow>[] => [
  {
    name: "province",
    title: t("province"),
    value: (row) => row.name,
    isText: true,
    show: (row) => (
      <button class="link" aria-pressed={row.name === province()} onClick={() => setParams({ prov: row.name === province() ? null : row.name }, false)}>
        {row.name}
      </button>
    ),
  },
  { name: "price_idr", title: t("price"), value: (row) => row.price, show: (row) => rupiah(row.price) },
  { name: "market_date", title: t("day"), value: (row) => row.date, show: (row) => day(row.date), isText: true },
  { name: "change_7d_pct", title: t("change_days", { days: 7 }), value: (row) => row.change, show: (row) => change(row.change) },
  {
    name: "gap_national_pct",
    title: t("gap_national"),
    value: (row) => row.gap,
    show: (row) => (
      <>
        <i class={`swatch ${row.gap === null ? "none" : `b${classOf(row.gap, legend)}`}`} /> {change(row.gap)}
      </>
    ),
  },
];
const NO_LEGEND: PriceMap["legend"] = [];

function ChartPanel() {
  const feed = useFeed<Series>(seriesAddress());
  const forecast = useFeed<Forecast>(marketDay() ? null : address("/api/public/forecast", { commodity: commodity(), region: province() })).body;
  const [chosen, others, days] = [province(), compared().join(","), Number(range())];
  const panel = useMemo(() => feed.body && lastDays(seriesPanel(feed.body, chosen, others.split(","), forecast), days), [feed.body, chosen, others, forecast, days]);
  const asTable = param("tabel") === "1";
  const rows = feed.body ? provinceRows(feed.body) : [];
  const sql = `select market_date, region, median_price_idr, national_price_idr, reference_price_idr from gold.indicators where commodity = '${feed.body?.commodity ?? commodity()}' and channel = 'retail' order by market_date desc limit 1000`;
  const text = (value: Range) => t(`range_${value}`);
  const tools = (
    <>
      <Choices label={t("range")} value={range()} options={RANGES.map((value) => [value, text(value)])} choose={(value) => setParams({ rentang: value }, false)} />
      <Choices label={t("view")} value={asTable ? "table" : "chart"} options={[["chart", t("chart")], ["table", t("table")]]} choose={(value) => setParams({ tabel: value === "table" ? "1" : null }, false)} />
      <button class="ghost small noprint" disabled={!feed.body} onClick={() => feed.body && saveSeries(feed.body)}>
        {t("csv")}
      </button>
    </>
  );
  return (
    <Panel title={feed.body?.name ?? commodity()} feed={feed} class="full" sql={sql} tools={tools} isEmpty={(body) => !body.dates.length} empty={emptyText()}>
      {(series) => (
        <>
          {asTable ? (
            <DataTable label={t("by_province")} columns={COLUMNS(NO_LEGEND)} rows={rows} keyOf={(row) => row.name} isChosen={(row) => row.name === chosen} />
          ) : (
            panel && <TimeChart panel={panel} label={t("chart_label", { name: series.name })} />
          )}
          <Comparison series={series} />
          <p class="note">{forecast ? t("forecast_note", { model: forecast.meta.model?.name ?? "–", alias: forecast.meta.model?.alias ?? "–", day: day(forecast.origin_date) }) : t("forecast_none")}</p>
        </>
      )}
    </Panel>
  );
}

function emptyText(): string {
  return knownThen() ? t("empty_then", { day: day(marketDay()) }) : t("empty_series");
}

function saveSeries(series: Series): void {
  interface Cell {
    date: string;
    values: (number | null)[];
  }
  const rows: Cell[] = series.dates.map((date, index) => ({ date, values: [series.national[index], series.reference_idr[index], ...series.price_idr.map((values) => values[index])] }));
  const names = ["national_price_idr", "reference_price_idr", ...series.regions.map((region) => region.name)];
  const columns: Column<Cell>[] = [
    { name: "market_date", title: "", value: (row) => row.date },
    ...names.map((name, index) => ({ name, title: "", value: (row: Cell) => row.values[index] })),
  ];
  saveCsv(`lumbung-${series.commodity}.csv`, columns, rows);
}

function Comparison({ series }: { series: Series }) {
  const names = compared();
  const choose = (next: string[]) => setParams({ bandingkan: next.join(",") || null }, false);
  return (
    <div class="comparison noprint" role="group" aria-label={t("compare")}>
      <ProvinceChoice all={t("all_provinces")} />
      {names.map((name) => (
        <button key={name} class="chip" aria-label={t("compare_remove", { name })} onClick={() => choose(names.filter((other) => other !== name))}>
          {name} ×
        </button>
      ))}
      {names.length < MOST_COMPARED && (
        <label class="choice small">
          <span class="hidden">{t("compare")}</span>
          <select value="" onChange={(event) => choose([...names, event.currentTarget.value])}>
            <option value="">{t("compare")}</option>
            {series.regions.filter((region) => !names.includes(region.name) && region.name !== province()).map((region) => (
              <option key={region.code}>{region.name}</option>
            ))}
          </select>
        </label>
      )}
    </div>
  );
}

function MapAndTable() {
  const map = useFeed<PriceMap>(address("/api/v1/map/prices", { commodity: commodity(), metric: "gap_national", ...dayParameters() }));
  const series = useFeed<Series>(seriesAddress());
  const chosen = province();
  return (
    <>
      <Panel title={t("metric_gap_national")} feed={map} class="half" isEmpty={(body) => body.date === null} empty={emptyText()}>
        {(body) => <ProvinceMap map={body} chosen={chosen} choose={(prov) => setParams({ prov }, false)} />}
      </Panel>
      <Panel title={t("by_province")} feed={series} class="half" isEmpty={(body) => !body.dates.length} empty={emptyText()}>
        {(body) => <DataTable label={t("by_province")} columns={COLUMNS(map.body?.legend ?? NO_LEGEND)} rows={provinceRows(body)} keyOf={(row) => row.name} isChosen={(row) => row.name === chosen} sort={{ name: "price_idr", falls: true }} />}
      </Panel>
    </>
  );
}

const QUALITY: () => Column<QualityRow>[] = () => [
  { name: "rule", title: t("rule"), value: (row) => row.rule, isText: true },
  { name: "evaluated", title: t("evaluated"), value: (row) => row.evaluated, show: (row) => whole(row.evaluated) },
  { name: "violated", title: t("violated"), value: (row) => row.violated, show: (row) => whole(row.violated) },
];

/** Counts of the newest windows, one row a rule, those that were violated first. */
export function byRule(rows: QualityRow[]): QualityRow[] {
  const sums = new Map<string, QualityRow>();
  for (const row of rows) {
    const sum = sums.get(row.rule);
    sums.set(row.rule, sum ? { ...sum, evaluated: sum.evaluated + row.evaluated, violated: sum.violated + row.violated } : row);
  }
  return [...sums.values()].sort((one, other) => other.violated - one.violated || one.rule.localeCompare(other.rule));
}

export function Quality() {
  const feed = useFeed<Page<QualityRow>>(address("/api/v1/data-quality", { kind: "price", limit: 1000 }));
  return (
    <Panel title={t("quality")} feed={feed} class="half" isEmpty={(body) => !body.items.length} empty={t("empty_quality")}>
      {(body) => <DataTable label={t("quality")} columns={QUALITY()} rows={byRule(body.items)} keyOf={(row) => row.rule} />}
    </Panel>
  );
}

export function Commodity() {
  const feed = useFeed<Overview>(address("/api/v1/overview", dayParameters()));
  const item = feed.body?.items.find((candidate) => candidate.commodity === commodity());
  return (
    <>
      <div class="controls">
        <CommodityChoice />
        <DayChoice shown={feed.body?.date ?? null} previous={feed.body?.previous_date ?? null} next={feed.body?.next_date ?? null} />
      </div>
      {item && (
        <p class="lead">
          {item.level !== "normal" && <Level level={item.level} />} {sentence(item)}
        </p>
      )}
      {item && <Tiles item={item} />}
      <div class="grid">
        <ChartPanel />
        <MapAndTable />
        <LivePrices />
        <Quality />
      </div>
    </>
  );
}
