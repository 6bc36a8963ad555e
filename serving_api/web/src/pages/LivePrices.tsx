/** The newest price of each market, changed in place as prices arrive, and a chart of how they came. */
import { useEffect } from "preact/hooks";
import { LiveChart } from "../chart/LiveChart.tsx";
import { address, refresh, useFeed } from "../data/feed.ts";
import { arrivals, keyOf, withArrivals, type Arrival } from "../data/live.ts";
import type { LivePrice } from "../data/types.ts";
import { change, day, moment, rupiah, whole } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { param, setParams } from "../router.ts";
import { column, derivedColumn, DataTable, SaveCsv, type Column } from "../ui/DataTable.tsx";
import { LinkChip } from "../ui/Connection.tsx";
import { quoted } from "../ui/Origin.tsx";
import { Panel } from "../ui/Panel.tsx";
import { commodity, marketDay, province, useZones } from "../ui/controls.tsx";

const MOST_ROWS = 1000;
const HIDES_OLD = "tanpa-lama";
const HIGHLIGHT_MS = 5_000;
const NOTHING_CAME: ReadonlyMap<string, Arrival> = new Map();
/** How long after an arrival the list is read again: for its change, and for markets that are new. */
const READ_AGAIN_MS = 2_000;
const SQL = (id: string) => `select market_name, region, price_idr, unit, event_time, change_pct from gold.live_prices where commodity = ${quoted(id)} and channel = 'retail' order by market_name`;

const columns = (zoneOf: (region: string) => string | null): Column<LivePrice>[] => [
  derivedColumn("market", "market", (row) => row.market_name),
  column("price_idr", "price", rupiah),
  column("change_pct", "change_day", change),
  derivedColumn("event_time", "reported", (row) => row.event_time, (row) => (
    <>
      {moment(row.event_time, zoneOf(row.region))}
      <span class={row.is_current ? "more dim" : "more outdated"}>
        {row.age_days ? t("days_old", { days: whole(row.age_days) }) : t("newest_day")}
        {!row.is_current && <b>, {t("old_price")}</b>}
      </span>
    </>
  )),
];

/** Of the file: what the table shows with the time of the report. */
const AGE: Column<LivePrice>[] = (["age_days", "is_current"] as const).map((name) => ({ name, title: name, value: (row) => row[name] }));

/** Rows with their age, of which those that came just now have none; old ones last. */
function byAge(rows: readonly LivePrice[], came: ReadonlyMap<string, Arrival>): LivePrice[] {
  const aged = rows.map((row) => (came.get(keyOf(row))?.event_time === row.event_time ? { ...row, age_days: 0, is_current: true } : row));
  return aged.toSorted((one, other) => Number(other.is_current) - Number(one.is_current));
}

export function LivePrices() {
  const zoneOf = useZones();
  const past = marketDay();
  const url = address("/api/public/commodity/price/live", { commodity: commodity(), sort: "name", limit: MOST_ROWS, date: past });
  const feed = useFeed(url);
  const came = past ? NOTHING_CAME : arrivals.value;
  const shown = new Set([commodity(), ...(feed.body?.items ?? []).map((row) => row.commodity)]);
  const newest = Math.max(0, ...[...came.values()].filter((row) => shown.has(row.commodity)).map((row) => row.arrived));
  useEffect(() => {
    if (newest <= (feed.requested ?? 0)) return;
    const timer = setTimeout(() => void refresh(url), READ_AGAIN_MS);
    return () => clearTimeout(timer);
  }, [url, newest > (feed.requested ?? 0)]);
  const isNew = (row: LivePrice) => Date.now() - (came.get(keyOf(row))?.arrived ?? 0) < HIGHLIGHT_MS;
  const title = past ? t("live_then", { day: day(past) }) : t("live");
  const hidesOld = param(HIDES_OLD) === "1";
  const rows = byAge(withArrivals(feed.body?.items ?? [], feed.requested, came), came);
  const shownRows = rows.filter((row) => row.is_current || !hidesOld);
  const old = rows.filter((row) => !row.is_current).length;
  const tools = (
    <>
      {!past && <LinkChip />}
      <SaveCsv file={`live-${commodity()}`} columns={[...columns(zoneOf), ...AGE]} rows={shownRows} />
    </>
  );
  return (
    <Panel title={title} feed={feed} class="half" sql={past ? undefined : SQL(commodity())} tools={tools} isEmpty={(body) => !body.items.length} empty={past ? t("empty_live_then", { day: day(past) }) : t("empty_live")}>
      {(body) => (
        <>
          {!past && <LiveChart rows={body.items} chosen={province()} />}
          <DataTable label={title} columns={columns(zoneOf)} rows={shownRows} keyOf={keyOf} isChosen={isNew} />
          {old > 0 && (
            <label class="check noprint">
              <input type="checkbox" checked={hidesOld} onChange={(event) => setParams({ [HIDES_OLD]: event.currentTarget.checked ? "1" : null }, false)} />
              {t("hide_old", { count: whole(old) })}
            </label>
          )}
          <p class="note">
            {t("live_count", { count: whole(body.items.length) })} {old > 0 && t("live_old_note")}
          </p>
        </>
      )}
    </Panel>
  );
}
