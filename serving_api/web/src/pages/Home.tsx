/** Home: what rings, all prices in one table, the five commodities that need attention in words, then the map. */
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
import { LevelSign, Verdict } from "../ui/Level.tsx";
import { Panel } from "../ui/Panel.tsx";
import { DEFAULT_COMMODITY, DayChoice, dayParameters, knownThen, marketDay, useSupported, useZones } from "../ui/controls.tsx";
import { Ringing } from "./alerts/Ringing.tsx";
import { TradingStrip } from "./trading/Strip.tsx";
import { provincesSql } from "./provinces.tsx";
import { byGravity, FLAT_PCT, sentence, sparkLabel } from "./sentences.ts";

const SQL = "select market_date, commodity, region, level, median_price_idr, national_price_idr, change_7d_pct, gap_pct from gold.indicators where channel = 'retail' order by market_date desc limit 500";

function Strip({ overview }: { overview: Overview }) {
  const { balance, coverage } = overview;
  const link = (page: string, text: string) => <a href={linkTo(page)}>{text}</a>;
  const facts: Fact[] = [
    [t("data_of"), day(overview.date)],
    [t("coverage"), link("/dashboard/map/", t("coverage_text", { provinces: whole(coverage.provinces), of: whole(coverage.of), markets: whole(coverage.markets) }))],
    [t("to_review"), link("/karantina", whole(overview.open_quarantine))],
    [t("balance"), link("/pipa-data", balance.balanced ? t("balance_even", { events: whole(balance.rows_in) }) : t("balance_odd", { difference: whole(balance.difference) })), balance.balanced ? "fine" : "grave"],
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

const SENTENCES = 5;

/** The five that need attention most, each in a sentence. */
function Sentences({ items }: { items: OverviewItem[] }) {
  return (
    <ol class="sentences">
      {items.slice(0, SENTENCES).map((item) => (
        <li key={item.commodity}>
          <p>
            <Verdict item={item} />
          </p>
          <p>
            <a href={linkTo("/komoditas", { komoditas: item.commodity })}>{sentence(item)}</a>
          </p>
        </li>
      ))}
    </ol>
  );
}

/** A change with its sign, dearer and cheaper in colours of their own. */
function Change({ pct }: { pct: number | null }) {
  const tone = pct === null || Math.abs(pct) < FLAT_PCT ? undefined : pct > 0 ? "dearer" : "cheaper";
  return <span class={tone}>{change(pct)}</span>;
}

const changeColumn = (days: 1 | 7 | 30 | 365): Column<OverviewItem> => ({
  name: `change_${days}d_pct`,
  title: t("change_days", { days }),
  value: (item) => item[`change_${days}d_pct`],
  show: (item) => <Change pct={item[`change_${days}d_pct`]} />,
});

function columns(): Column<OverviewItem>[] {
  const aboveText = (item: OverviewItem) => (item.regions_above === null ? "–" : `${whole(item.regions_above)}/${whole(item.provinces)}`);
  return [
    derivedColumn("commodity", "commodity", (item) => item.name, (item) => (
      <>
        <LevelSign level={item.level} /> <a href={linkTo("/komoditas", { komoditas: item.commodity })}>{item.name}</a>
      </>
    )),
    derivedColumn("national_price_idr", "price", (item) => item.national_price_idr, (item) => (
      <>
        {rupiah(item.national_price_idr)}
        {item.age_days > 0 && <small class="old"> {t("days_old", { days: whole(item.age_days) })}</small>}
      </>
    )),
    ...([1, 7, 30, 365] as const).map(changeColumn),
    derivedColumn("level", "level", (item) => item.level, (item) => <Verdict item={item} />),
    derivedColumn("spark", "days_30", () => null, (item) => <Spark values={item.spark} label={sparkLabel(item)} />),
    column("gap_pct", "gap", change),
    derivedColumn("regions_above", "above", (item) => item.regions_above, (item) => (item.regions_above ? <a href={linkTo("/dashboard/map/", { komoditas: item.commodity, metrik: "gap" })}>{aboveText(item)}</a> : aboveText(item))),
    column("dispersion_pct", "spread", percent),
    column("market_date", "day", day),
  ];
}

function Prices({ view, items }: { view: string; items: OverviewItem[] }) {
  const { shown, isOld, sortAgain } = useSteadyOrder(view, items);
  return (
    <div class="dense">
      {isOld && (
        <button class="ghost small" onClick={sortAgain}>
          {t("sort_again")}
        </button>
      )}
      <DataTable label={t("today")} columns={columns()} rows={shown} keyOf={(item) => item.commodity} />
    </div>
  );
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
        <Ringing isShort />
        <Panel title={t("today")} feed={feed} class="full" sql={SQL} isEmpty={(body) => !body.items.length} empty={empty} tools={<SaveCsv file="overview" columns={columns()} rows={items} />}>
          {() => <Prices view={feed.url} items={items} />}
        </Panel>
        <Panel title={t("attention")} feed={feed} class="full" sql={SQL} isEmpty={(body) => !body.items.length} empty={empty}>
          {() => <Sentences items={items} />}
        </Panel>
        <SmallMap items={items} failed={feed.problem !== null || feed.body?.items.length === 0} />
        <Arrivals />
        <TradingStrip />
        <Start />
      </div>
    </>
  );
}
