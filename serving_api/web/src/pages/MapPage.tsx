/** The map: provinces and markets, metric, day slider, and the same figures as a table. */
import { Suspense, lazy } from "preact/compat";
import { useEffect, useMemo, useState } from "preact/hooks";
import { address, useFeed } from "../data/feed.ts";
import type { MapRegion, Market, PriceMap } from "../data/types.ts";
import { day, rupiah, whole } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { Legend } from "../map/Legend.tsx";
import { isShown } from "../map/filter.ts";
import { METRICS, colorClass, metricKey, provinceText, type Metric } from "../map/scale.ts";
import { param, setParams } from "../router.ts";
import { column, derivedColumn, DataTable, SaveCsv, type Column } from "../ui/DataTable.tsx";
import { Panel } from "../ui/Panel.tsx";
import type { MethodId } from "../ui/method.ts";
import { provinceColumn, provincesSql } from "./provinces.tsx";
import { Choices, CommodityChoice, DayChoice, commodity, dayParameters, knownThen, marketDay, province } from "../ui/controls.tsx";

const LeafletMap = lazy(() => import("../map/LeafletMap.tsx"));
const MOST_ROWS = 1000;
const NO_MARKETS: Market[] = [];
const SETTLE_MS = 150;
/** Before any price: the API then answers with the last 2,000 days, and the slider reaches each of them. */
const LONG_AGO = "2000-01-01";
/** The sections of /metode about the metrics. */
const METHOD_OF: Record<Metric, MethodId> = { price: "harga-nasional", change_7d: "perubahan", gap: "het-hap", gap_national: "sebaran", ifpa: "ifpa", dispersion: "sebaran" };
const metric = (): Metric => METRICS.find((name) => name === param("metrik")) ?? "gap_national";

const columns = ({ metric, legend }: PriceMap): Column<MapRegion>[] => [
  provinceColumn(),
  derivedColumn(metric, metricKey(metric), (row) => row.value, (row) => (
    <span class="wrap">
      <i class={`swatch ${colorClass(row.value, metric, legend)}`} /> {provinceText(row.code, row.value, metric, row.price_idr)}
    </span>
  )),
  column("price_idr", "price", rupiah),
  column("markets", "markets", whole),
  column("age_days", "age_days", whole),
];

/** A slider over the days of the series; the address follows when the hand rests. */
function DaySlider({ days, shown }: { days: string[]; shown: string | null }) {
  const newest = shown ? days.findLastIndex((each) => each <= shown) : days.length - 1; // a day after the last is the last
  const position = Math.max(0, newest);
  const [dragged, setDragged] = useState<number | null>(null);
  useEffect(() => {
    if (dragged === null) return;
    const timer = setTimeout(() => {
      setParams({ per: days[dragged] }, false);
      setDragged(null);
    }, SETTLE_MS);
    return () => clearTimeout(timer);
  }, [dragged, days]);
  const current = dragged ?? position;
  return (
    <label class="slider noprint">
      <span>{t("day_slider")}</span>
      <input type="range" min={0} max={days.length - 1} value={current} aria-valuetext={day(days[current])} onInput={(event) => setDragged(Number(event.currentTarget.value))} />
      <output>{day(days[current])}</output>
    </label>
  );
}

export function MapPage() {
  const feed = useFeed(address("/api/v1/map/prices", { commodity: commodity(), metric: metric(), ...dayParameters() }));
  const series = useFeed(address("/api/v1/series/daily", { commodity: commodity(), from: LONG_AGO })).body;
  const markets = useFeed(address("/api/public/market/list", { limit: 1000 }), 600_000).body?.items ?? NO_MARKETS;
  const live = useFeed(address("/api/public/commodity/price/live", { commodity: commodity(), sort: "name", limit: MOST_ROWS, date: marketDay() })).body;
  const prices = useMemo(() => new Map(live?.items.map((row) => [row.market_id, row])), [live]);
  const national = series?.national[series.dates.indexOf(feed.body?.date ?? "")] ?? null;
  const choose = (prov: string | null) => setParams({ prov }, false);
  const empty = knownThen() ? t("empty_then", { day: day(marketDay()) }) : t("empty_map");
  const csv = feed.body && <SaveCsv file={`map-${feed.body.commodity}`} columns={columns(feed.body)} rows={feed.body.regions.filter((row) => isShown(row.value, feed.body!.legend))} />;
  return (
    <>
      <div class="controls">
        <CommodityChoice />
        <DayChoice shown={feed.body?.date ?? null} previous={null} next={null} />
      </div>
      <Choices label={t("metric")} value={metric()} options={METRICS.map((name) => [name, t(metricKey(name))])} choose={(name) => setParams({ metrik: name, kelas: null }, false)} />
      {series && series.dates.length > 1 && <DaySlider days={series.dates} shown={marketDay() ?? feed.body?.date ?? null} />}
      <div class="grid">
        <Panel title={`${t(metricKey(metric()))}, ${day(feed.body?.date)}`} feed={feed} class="full" method={METHOD_OF[metric()]} sql={provincesSql(commodity())} isEmpty={(map) => map.date === null} empty={empty}>
          {(map) => (
            <figure class="map">
              {map.reason && <p role="status">{t("metric_none", { reason: map.reason })}</p>}
              <Suspense fallback={<div class="skeleton leaflet-box">{t("loading")}</div>}>
                <LeafletMap map={map} markets={markets} prices={prices} national={national} chosen={province()} choose={choose} />
              </Suspense>
              <Legend map={map} />
            </figure>
          )}
        </Panel>
        <Panel title={t("by_province")} feed={feed} class="full" method={METHOD_OF[metric()]} sql={provincesSql(commodity())} tools={csv} isEmpty={(map) => map.date === null} empty={empty}>
          {(map) => <DataTable label={t("by_province")} columns={columns(map)} rows={map.regions.filter((row) => isShown(row.value, map.legend))} keyOf={(row) => row.code} isChosen={(row) => row.name === province()} provinceOf={(row) => row.name} />}
        </Panel>
      </div>
    </>
  );
}
