/** Home: where it is dear, since when, and how sure that is: a sentence per commodity, then figures, map, table. */
import { useRef, useState } from "preact/hooks";
import { Spark } from "../chart/Spark.tsx";
import { address, useFeed } from "../data/feed.ts";
import { arrivals, keyOf, type Arrival } from "../data/live.ts";
import type { Overview, OverviewItem } from "../data/types.ts";
import { change, day, moment, percent, rupiah, whole } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { ProvinceMap } from "../map/ProvinceMap.tsx";
import { linkTo, param, setParams } from "../router.ts";
import { column, derivedColumn, DataTable, SaveCsv, type Column } from "../ui/DataTable.tsx";
import { LinkChip } from "../ui/Connection.tsx";
import { Facts, type Fact } from "../ui/Figures.tsx";
import { Level } from "../ui/Level.tsx";
import { Panel } from "../ui/Panel.tsx";
import { DEFAULT_COMMODITY, DayChoice, dayParameters, knownThen, marketDay, useSupported, useZones } from "../ui/controls.tsx";
import { Ringing } from "./alerts/Ringing.tsx";
import { TradingStrip } from "./trading/Strip.tsx";
import { provincesSql } from "./provinces.tsx";
import { byGravity, sentence, sparkLabel } from "./sentences.ts";

const SQL = "select market_date, commodity, region, level, median_price_idr, national_price_idr, change_7d_pct, gap_pct from gold.indicators where channel = 'retail' order by market_date desc limit 500";

function Strip({ overview }: { overview: Overview }) {
  const { balance, coverage } = overview;
  const facts: Fact[] = [
    [t("data_of"), day(overview.date)],
    [t("coverage"), t("coverage_text", { provinces: whole(coverage.provinces), of: whole(coverage.of), markets: whole(coverage.markets) })],
    [t("to_review"), whole(overview.open_quarantine)],
    [t("balance"), balance.balanced ? t("balance_even", { events: whole(balance.rows_in) }) : t("balance_odd", { difference: whole(balance.difference) }), balance.balanced ? "fine" : "grave"],
  ];
  return <Facts facts={facts} />;
}

/** The gravest first when the view is opened; what is graver since then waits until the reader asks. */
function useSteadyOrder(view: string, items: OverviewItem[]): { shown: OverviewItem[]; isOld: boolean; sortAgain: () => void } {
  const order = useRef<{ view: string; ids: string[] }>({ view, ids: [] });
  const [, setSorted] = useState(0);
  const ids = items.map((item) => item.commodity);
  if (order.current.view !== view || !order.current.ids.length) order.current = { view, ids };
  const place = (id: string) => (order.current.ids.includes(id) ? order.current.ids.indexOf(id) : ids.length);
  const shown = items.toSorted((one, other) => place(one.commodity) - place(other.commodity));
  const sortAgain = () => {
    order.current = { view, ids };
    setSorted((count) => count + 1);
  };
  return { shown, isOld: shown.some((item, nth) => item !== items[nth]), sortAgain };
}

function Sentences({ view, items }: { view: string; items: OverviewItem[] }) {
  const { shown, isOld, sortAgain } = useSteadyOrder(view, items);
  return (
    <>
      {isOld && (
        <button class="ghost small" onClick={sortAgain}>
          {t("sort_again")}
        </button>
      )}
      <ol class="sentences">
        {shown.map((item) => (
          <li key={item.commodity}>
            <Level level={item.level} />
            <p>
              <a href={linkTo("/komoditas", { komoditas: item.commodity })}>{sentence(item)}</a>
            </p>
            <Spark values={item.spark} label={sparkLabel(item)} />
          </li>
        ))}
      </ol>
    </>
  );
}

function columns(): Column<OverviewItem>[] {
  return [
    derivedColumn("commodity", "commodity", (item) => item.name, (item) => <a href={linkTo("/komoditas", { komoditas: item.commodity })}>{item.name}</a>),
    column("market_date", "day", day),
    column("national_price_idr", "price", rupiah),
    ...([1, 7, 30, 365] as const).map((days) => ({
      name: `change_${days}d_pct`,
      title: t("change_days", { days }),
      value: (item: OverviewItem) => item[`change_${days}d_pct`],
      show: (item: OverviewItem) => change(item[`change_${days}d_pct`]),
    })),
    column("gap_pct", "gap", change),
    derivedColumn("regions_above", "above", (item) => item.regions_above, (item) => (item.regions_above === null ? "–" : `${whole(item.regions_above)}/${whole(item.provinces)}`)),
    column("dispersion_pct", "spread", percent),
    column("level", "level", (level) => <Level level={level} />),
  ];
}

/** The map of the chosen commodity, else of the gravest; `failed`: that one is not known. */
function SmallMap({ items, failed }: { items: OverviewItem[]; failed: boolean }) {
  const chosen = param("komoditas") ?? items[0]?.commodity ?? (failed ? DEFAULT_COMMODITY : null);
  const feed = useFeed(chosen && address("/api/v1/map/prices", { commodity: chosen, metric: "gap_national", ...dayParameters() }));
  const name = items.find((item) => item.commodity === chosen)?.name ?? chosen ?? "";
  return (
    <Panel title={t("map_of", { name })} feed={feed} class="half" sql={provincesSql(chosen ?? DEFAULT_COMMODITY)} isEmpty={(map) => map.date === null} empty={t("empty_map")}>
      {(map) => <ProvinceMap map={map} chosen={param("prov")} choose={(prov) => setParams({ prov }, false)} />}
    </Panel>
  );
}

const NEWEST = 8;
const REFERENCE_MS = 600_000;

/** Prices in the order of their arrival, the newest first. */
function Arrivals() {
  const markets = useFeed(address("/api/public/market/list", { limit: 1000 }), REFERENCE_MS).body?.items ?? [];
  const names = new Map(useSupported().body?.commodities.map((entry) => [entry.commodity, entry.name]));
  const zoneOf = useZones();
  const marketOf = (row: Arrival) => markets.find((market) => market.market_id === row.market_id);
  const newest = [...arrivals.value.values()].sort((one, other) => other.arrived - one.arrived).slice(0, NEWEST);
  return (
    <section class="card half" aria-labelledby="arrivals">
      <header class="bar">
        <h2 id="arrivals">{t("arrivals")}</h2>
        <LinkChip />
      </header>
      {!newest.length && <p class="empty">{t("empty_arrivals")}</p>}
      <ul class="arrivals">
        {newest.map((row) => (
          <li key={keyOf(row)}>
            <a href={linkTo("/komoditas", { komoditas: row.commodity })}>{names.get(row.commodity) ?? row.commodity}</a>
            <b>{rupiah(row.price_idr)}</b>
            <small>
              {marketOf(row)?.name ?? row.market_id}, {moment(row.event_time, zoneOf(marketOf(row)?.region))}
            </small>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Start() {
  const steps = ["start_1", "start_2", "start_3", "start_4"] as const;
  return (
    <section class="card full" aria-labelledby="start">
      <h2 id="start">{t("start")}</h2>
      <ol class="steps">
        {steps.map((key) => (
          <li key={key}>{t(key)}</li>
        ))}
      </ol>
    </section>
  );
}

export function Home() {
  const feed = useFeed(address("/api/v1/overview", dayParameters()));
  const overview = feed.body;
  const items = overview ? byGravity(overview.items) : [];
  const empty = marketDay() && knownThen() ? t("empty_then", { day: day(marketDay()) }) : t("empty_overview");
  return (
    <>
      <DayChoice shown={overview?.date ?? null} previous={overview?.previous_date ?? null} next={overview?.next_date ?? null} />
      {overview && <Strip overview={overview} />}
      <div class="grid">
        <Panel title={t("today")} feed={feed} class="full" sql={SQL} isEmpty={(body) => !body.items.length} empty={empty}>
          {() => <Sentences view={feed.url} items={items} />}
        </Panel>
        <Ringing />
        <SmallMap items={items} failed={feed.problem !== null || feed.body?.items.length === 0} />
        <Arrivals />
        <TradingStrip />
        <Panel
          title={t("all_commodities")}
          feed={feed}
          class="full"
          sql={SQL}
          isEmpty={(body) => !body.items.length}
          empty={empty}
          tools={<SaveCsv file="overview" columns={columns()} rows={items} />}
        >
          {() => <DataTable label={t("all_commodities")} columns={columns()} rows={items} keyOf={(item) => item.commodity} />}
        </Panel>
        <Start />
      </div>
    </>
  );
}
