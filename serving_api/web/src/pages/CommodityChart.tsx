/** The chart of a commodity: provinces, nation, ceiling, forecast, dots; or its table. */
import { useMemo } from "preact/hooks";
import { ChartLegend, hiddenKinds } from "../chart/ChartLegend.tsx";
import { TimeChart } from "../chart/TimeChart.tsx";
import { lastDays, secondsOf, withoutKinds, type Panel as Chart, type Zoom } from "../chart/panel.ts";
import { address, useFeed } from "../data/feed.ts";
import type { Series } from "../data/types.ts";
import { day, dayOfSeconds } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { param, setParams } from "../router.ts";
import { DataTable, SaveCsv } from "../ui/DataTable.tsx";
import { quoted } from "../ui/Origin.tsx";
import { Panel } from "../ui/Panel.tsx";
import { Choices, DateField, ProvinceChoice, Select, commodity, marketDay, province } from "../ui/controls.tsx";
import { anomalyAddress } from "./Attention.tsx";
import { impactAddress } from "./Causes.tsx";
import { drawnColumns } from "./drawnColumns.ts";
import { emptyText, NO_LEGEND, provinceColumns, range, RANGES, seriesAddress, type Range } from "./provinces.tsx";
import { ForecastNote, useIssued } from "./forecastParts.tsx";
import { Share } from "./Share.tsx";
import { dotsOf, provinceRows, seriesPanel, strokesOf } from "./seriesPanel.ts";

const MOST_COMPARED = 3;
const compared = (): string[] => (param("bandingkan") ?? "").split(",").filter(Boolean).slice(0, MOST_COMPARED);

/** The span of the chart in the address, as days: 2026-10-01..2026-11-15. */
function zoom(): Zoom | null {
  const [, ...days] = /^(\d{4}-\d\d-\d\d)\.\.(\d{4}-\d\d-\d\d)$/.exec(param("zoom") ?? "") ?? [];
  const [first, last] = days.map(secondsOf);
  return first < last ? [first, last] : null;
}
const DAY = 86_400;
const dayOf = (day: number): string => new Date(1000 * DAY * day).toISOString().slice(0, 10);
const setZoom = (span: Zoom | null) => setParams({ zoom: span && `${dayOf(Math.floor(span[0] / DAY))}..${dayOf(Math.ceil(span[1] / DAY))}` }, false);

export function ChartPanel() {
  const feed = useFeed(seriesAddress());
  const forecast = useFeed(marketDay() ? null : address("/api/public/forecast", { commodity: commodity(), region: province() })).body;
  const [chosen, others, days] = [province(), compared().join(","), Number(range())];
  const weeks = useFeed(chosen && !marketDay() ? impactAddress(commodity(), chosen) : null).body;
  const anomalies = useFeed(chosen && !marketDay() ? anomalyAddress(commodity(), chosen) : null).body;
  const issued = useIssued(!marketDay());
  const hidden = [...hiddenKinds()].join();
  const whole = useMemo(() => {
    if (!feed.body) return null;
    const series = seriesPanel(feed.body, chosen, others.split(","), forecast);
    const strokes = strokesOf(issued?.items ?? [], forecast !== null);
    const dots = chosen ? dotsOf(feed.body, chosen, weeks?.items ?? [], anomalies?.items ?? []) : [];
    return lastDays({ ...series, dots, strokes }, days);
  }, [feed.body, chosen, others, forecast, days, weeks, anomalies, issued]);
  const panel = useMemo(() => whole && withoutKinds(whole, new Set(hidden.split(","))), [whole, hidden]);
  const isOneDay = feed.body?.dates.length === 1;
  const asTable = isOneDay || param("tabel") === "1";
  const rows = feed.body ? provinceRows(feed.body) : [];
  const sql = `select market_date, region, median_price_idr, national_price_idr, reference_price_idr from gold.indicators where commodity = ${quoted(feed.body?.commodity ?? commodity())} and channel = 'retail' order by market_date desc limit 1000`;
  const text = (value: Range) => t(`range_${value}`);
  const tools = (
    <>
      <Choices label={t("range")} value={range()} options={RANGES.map((value) => [value, text(value)])} choose={(value) => setParams({ rentang: value, zoom: null }, false)} />
      <Choices label={t("view")} value={asTable ? "table" : "chart"} options={[["chart", t("chart")], ["table", t("table")]]} choose={(value) => setParams({ tabel: value === "table" ? "1" : null }, false)} />
      {asTable || !panel ? (
        <SaveCsv file={`${commodity()}-provinces`} columns={provinceColumns(NO_LEGEND)} rows={rows} />
      ) : (
        <SaveCsv file={commodity()} columns={drawnColumns(panel)} rows={panel.seconds.map((_, nth) => nth)} />
      )}
      <Share title={feed.body?.name ?? commodity()} />
    </>
  );
  return (
    <Panel title={feed.body?.name ?? commodity()} feed={feed} class="full" sql={sql} tools={tools} isEmpty={(body) => !body.dates.length} empty={emptyText()}>
      {(series) => (
        <>
          {isOneDay && <p>{t("chart_one_day", { day: day(series.dates[0]) })}</p>}
          {asTable ? (
            <DataTable label={t("by_province")} columns={provinceColumns(NO_LEGEND)} rows={rows} keyOf={(row) => row.name} isChosen={(row) => row.name === chosen} />
          ) : (
            panel && <TimeChart panel={panel} label={t("chart_label", { name: series.name })} zoom={zoom()} onZoom={setZoom} />
          )}
          {!asTable && whole && <ChartLegend panel={whole} />}
          {!asTable && whole && <DayRange panel={whole} />}
          <Comparison series={series} />
          {(!chosen || (panel?.dots.length ?? 0) > 0) && <p class="note">{t(chosen ? "dots_note" : "dots_choose")}</p>}
          {panel?.seams.map((seam) => <p key={seam.seconds} class="note">{`┊ ${dayOfSeconds(seam.seconds)}: ${seam.text}.`}</p>)}
          {forecast ? <ForecastNote forecast={forecast} strokes={panel?.strokes.length ?? 0} /> : <p class="note">{t("forecast_none")}</p>}
        </>
      )}
    </Panel>
  );
}

/** From which day to which: the span of the address; earlier days than those that are drawn choose a longer range. */
function DayRange({ panel }: { panel: Chart }) {
  const drawn: Zoom = [panel.seconds[0], panel.seconds.at(-1)!];
  const [from, to] = (zoom() ?? drawn).map((seconds) => dayOf(Math.round(seconds / DAY)));
  const choose = (first: string, last: string) => {
    if (!first || !last || first >= last) return;
    const days = (drawn[1] - secondsOf(first)) / DAY;
    const needed = RANGES.find((each) => Number(each) >= Math.max(days, Number(range()))) ?? RANGES.at(-1)!;
    setParams({ zoom: `${first}..${last}`, rentang: needed }, false);
  };
  return (
    <div class="day comparison noprint" role="group" aria-label={t("range_days")}>
      {t("range_from")} <DateField label={t("range_from")} value={from} choose={(first) => choose(first ?? "", to)} />
      {t("range_to")} <DateField label={t("range_to")} value={to} choose={(last) => choose(from, last ?? "")} />
      {zoom() && (
        <button class="ghost small" onClick={() => setZoom(null)}>
          {t("range_whole")}
        </button>
      )}
    </div>
  );
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
        <Select
          label={t("compare")}
          options={[["", t("compare")], ...series.regions.filter((region) => !names.includes(region.name) && region.name !== province()).map((region): [string, string] => [region.name, region.name])]}
          value=""
          choose={(name) => choose([...names, name])}
          class="choice small"
        />
      )}
    </div>
  );
}
