/** A commodity: sentence, tiles, chart with forecast, provinces in comparison, map, table, live prices, quality. */
import type { ComponentChildren } from "preact";
import { address, useFeed } from "../data/feed.ts";
import type { OverviewItem, RowOf, Series } from "../data/types.ts";
import { change, day, percent, rupiah, whole } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { isShown } from "../map/filter.ts";
import { ProvinceMap } from "../map/ProvinceMap.tsx";
import { linkTo, setParams } from "../router.ts";
import { column, derivedColumn, DataTable, SaveCsv, type Column } from "../ui/DataTable.tsx";
import { Tiles as TileRow } from "../ui/Figures.tsx";
import { Verdict } from "../ui/Level.tsx";
import { Panel } from "../ui/Panel.tsx";
import { TablePanel } from "../ui/TablePanel.tsx";
import { CommodityChoice, DayChoice, commodity, dayParameters, province } from "../ui/controls.tsx";
import { Attention } from "./Attention.tsx";
import { Causes } from "./Causes.tsx";
import { ChartPanel } from "./CommodityChart.tsx";
import { LivePrices } from "./LivePrices.tsx";
import { NotFound } from "./NotFound.tsx";
import { emptyText, NO_LEGEND, provinceColumns, provincesSql, seriesAddress } from "./provinces.tsx";
import { ruleName } from "./quarantine/words.ts";
import { provinceRows } from "./seriesPanel.ts";
import { sentence } from "./sentences.ts";

type RuleCount = RowOf<"/api/v1/data-quality/summary">;

function Tiles({ item }: { item: OverviewItem }) {
  const above = item.regions_above === null ? "–" : t("of_provinces", { count: whole(item.regions_above), of: whole(item.provinces) });
  const tiles: [string, ComponentChildren, string][] = [
    [t("national_price"), rupiah(item.national_price_idr), `${t("per_unit", { unit: item.unit })}, ${day(item.market_date)}`],
    [t("change_days", { days: 7 }), change(item.change_7d_pct), t("tile_month", { change: change(item.change_30d_pct) })],
    [t("gap"), change(item.gap_pct), item.reference_price_idr === null ? t("no_reference") : `${item.reference_kind} ${rupiah(item.reference_price_idr)}`],
    [t("above"), item.regions_above ? <a href={linkTo("/dashboard/map/", { komoditas: item.commodity, metrik: "gap" })}>{above}</a> : above, t("tile_spread", { spread: percent(item.dispersion_pct) })],
  ];
  return <TileRow tiles={tiles} />;
}

/** The table as CSV, and all months with their changes as a workbook. */
function ProvinceFiles({ series }: { series: Series | null }) {
  return (
    <>
      <a class="ghost small noprint" download href={address("/api/v1/indicators/monthly", { commodity: commodity(), limit: 1000, format: "xlsx" })}>
        {t("monthly_xlsx")}
      </a>
      <SaveCsv file={`${commodity()}-provinces`} columns={provinceColumns(NO_LEGEND)} rows={series ? provinceRows(series) : []} />
    </>
  );
}

function MapAndTable() {
  const map = useFeed(address("/api/v1/map/prices", { commodity: commodity(), metric: "gap_national", ...dayParameters() }));
  const series = useFeed(seriesAddress());
  const chosen = province();
  return (
    <>
      <Panel title={t("metric_gap_national")} feed={map} class="half" method="sebaran" sql={provincesSql(commodity())} isEmpty={(body) => body.date === null} empty={emptyText()}>
        {(body) => <ProvinceMap map={body} chosen={chosen} choose={(prov) => setParams({ prov }, false)} />}
      </Panel>
      <Panel title={t("by_province")} feed={series} class="half" sql={provincesSql(commodity())} tools={<ProvinceFiles series={series.body} />} isEmpty={(body) => !body.dates.length} empty={emptyText()}>
        {(body) => <DataTable label={t("by_province")} columns={provinceColumns(map.body?.legend ?? NO_LEGEND)} rows={provinceRows(body).filter((row) => isShown(row.gap, map.body?.legend ?? NO_LEGEND))} keyOf={(row) => row.name} isChosen={(row) => row.name === chosen} provinceOf={(row) => row.name} sort={{ name: "price_idr", falls: true }} />}
      </Panel>
    </>
  );
}

const QUALITY_SQL = "select rule, sum(evaluated) as evaluated, sum(violated) as violated from gold.quality_hourly where kind = 'price' group by rule order by violated desc";
const QUALITY_MS = 60_000;
const QUALITY: Column<RuleCount>[] = [
  derivedColumn("rule", "rule", (row) => row.rule, (row) => ruleName(row.rule, "–")),
  column("sentence", "rule_sentence", (sentence) => <span class="wrapped">{sentence}</span>),
  column("severity", "rule_severity", (severity) => t(`rule_${severity}`)),
  column("violated", "violated", whole),
];

/** The rules that prices violated in 30 days: those of one commodity, else all prices. */
export function Quality({ commodity: id }: { commodity?: string }) {
  const list = address("/api/v1/data-quality/summary", { commodity: id });
  return (
    <TablePanel title={t("quality")} list={list} everyMs={QUALITY_MS} rows={(body) => body.items.filter((row) => row.violated)} columns={QUALITY} keyOf={(row) => row.rule} class="full" file="quality" sql={QUALITY_SQL} isEmpty={(body) => !body.events} empty={t("empty_quality")}>
      {(violated, { events, quarantined, items }) => (
        <>
          <p>
            {t("quality_events", { events: whole(events) })} {quarantined !== null && <a href={linkTo("/karantina")}>{t("quality_held", { count: whole(quarantined) })}</a>}
          </p>
          <p class="note">{t("quality_kept", { kept: whole(items.length - violated.length), rules: whole(items.length) })}</p>
        </>
      )}
    </TablePanel>
  );
}

const UNKNOWN = "/problems/unknown-commodity";

export function Commodity() {
  const feed = useFeed(address("/api/v1/overview", dayParameters()));
  const series = useFeed(seriesAddress());
  if (series.problem?.type === UNKNOWN) return <NotFound />;
  const id = series.body?.commodity ?? commodity(); // the address may hold an alias
  const item = feed.body?.items.find((candidate) => candidate.commodity === id);
  return (
    <>
      <div class="controls">
        <CommodityChoice />
        <DayChoice shown={feed.body?.date ?? null} previous={feed.body?.previous_date ?? null} next={feed.body?.next_date ?? null} />
      </div>
      {item && (
        <p class="lead">
          {item.level !== "normal" && <Verdict item={item} />} {sentence(item)}
        </p>
      )}
      {item && <Tiles item={item} />}
      <div class="grid">
        <ChartPanel />
        <LivePrices />
        <Causes />
        <Attention />
        <MapAndTable />
        <Quality commodity={id} />
      </div>
    </>
  );
}
