/** The Monday sheet: how the basket moved in a week, by commodity and by province, on one page of A4. */
import { address, useFeed } from "../data/feed.ts";
import type { Address, AnswerOf, RowOf } from "../data/types.ts";
import { change, day, figure, fineChange, percent, rupiah, whole } from "../i18n/format.ts";
import { t, textOr } from "../i18n/index.ts";
import { setParams } from "../router.ts";
import { column, derivedColumn, type Column } from "../ui/DataTable.tsx";
import { Facts, SignedBar } from "../ui/Figures.tsx";
import { Panel } from "../ui/Panel.tsx";
import { TablePanel } from "../ui/TablePanel.tsx";
import { DayChoice, knownThen, marketDay, province, ProvinceChoice, useSupported } from "../ui/controls.tsx";
import { mondayOf, shifted, toneOf } from "./week.ts";

const LIST = "/api/v1/weekly-index";
/** The nation among the regions, as the API names it. */
const NATION = "Indonesia";
const MOST_REGIONS = 100;
type Week = RowOf<typeof LIST>;
type Entry = Week["items"][number];

/** The week of the chosen day, else the newest one, of all provinces; and the newest week that is known. */
function useWeek(): { list: Address<AnswerOf<typeof LIST>>; newest: Week | null } {
  const date = knownThen() ? marketDay() : null;
  const first = address(LIST, { region: NATION, limit: 1, date });
  const newest = useFeed(first).body?.items[0] ?? null;
  const week = marketDay() ? mondayOf(marketDay()!) : newest?.week;
  return { list: week ? address(LIST, { week, limit: MOST_REGIONS, date }) : first, newest };
}

function sentenceOf(row: Week): string {
  const values = { region: row.region, from: day(row.week), to: day(row.week_end), change: figure(Math.abs(row.index_pct!)) };
  const counts = t("sheet_counts", { up: whole(row.up), down: whole(row.down), stable: whole(row.stable) });
  return `${t(`sheet_${toneOf(row.index_pct!)}`, values)} ${counts}`;
}

/** The provinces that moved most, with their index; of a province its place too. */
function placesOf(row: Week, all: Week[]): string {
  const named = (name: string) => `${name} (${fineChange(all.find(({ region }) => region === name)?.index_pct)})`;
  const ends = row.highest.length ? t("sheet_ends", { highest: named(row.highest[0]), lowest: named(row.lowest[0]) }) : "";
  return row.rank === null ? ends : `${t("sheet_rank", { rank: whole(row.rank), of: whole(row.regions) })} ${ends}`;
}

function Summary({ row, all, nameOf }: { row: Week; all: Week[]; nameOf: (id: string) => string }) {
  const missing = row.items.filter((entry) => entry.change_pct === null).map((entry) => nameOf(entry.commodity));
  const [most, least] = [row.items[0], row.items.findLast((entry) => entry.contribution_pct !== null)];
  return (
    <>
      {!row.is_complete && <p class="grave">{t("sheet_runs", { day: day(row.last_day) })}</p>}
      {row.index_pct === null ? <p class="lead">{t("sheet_none", { region: row.region })}</p> : <p class="lead">{sentenceOf(row)} {placesOf(row, all)}</p>}
      {row.index_pct !== null && (
        <p>
          {most.contribution_pct! > 0 && t("sheet_raises", { name: nameOf(most.commodity), points: fineChange(most.contribution_pct) })}{" "}
          {least!.contribution_pct! < 0 && t("sheet_lowers", { name: nameOf(least!.commodity), points: fineChange(least!.contribution_pct) })}
        </p>
      )}
      <Facts
        facts={[
          [t("sheet_index"), fineChange(row.index_pct)],
          [t("sheet_bps"), row.bps_index_pct === null ? t("sheet_bps_none") : fineChange(row.bps_index_pct)],
          [t("sheet_weight"), percent(row.weight_pct)],
          [t("sheet_missing_weight"), percent(row.missing_weight_pct)],
        ]}
      />
      {missing.length > 0 && <p class="note">{t("sheet_missing", { names: missing.join(", ") })}</p>}
      <p class="note">
        {t("sheet_style")} {t("sheet_weights", { source: row.weights, regions: textOr(`region_weights_${row.region_weights}`, row.region_weights) })}
      </p>
    </>
  );
}

/** Prices and their spread are those of a province: the nation has none. */
function basketColumns(row: Week | null, nameOf: (id: string) => string): Column<Entry>[] {
  const most = Math.max(...(row?.items ?? []).map((entry) => Math.abs(entry.contribution_pct ?? 0)));
  const ofProvince: Column<Entry>[] = [
    column("price_idr", "sheet_price", rupiah),
    column("before_idr", "sheet_before", rupiah),
    column("cv_pct", "sheet_cv", percent),
  ];
  return [
    column("commodity", "commodity", nameOf),
    column("contribution_pct", "sheet_contribution", (value) => <SignedBar value={value} most={most} text={fineChange(value)} />),
    column("change_pct", "sheet_change", change),
    column("weight", "sheet_share", percent),
    ...(province() ? ofProvince : []),
  ];
}

function provinceColumns(rows: Week[]): Column<Week>[] {
  const most = Math.max(...rows.map((row) => Math.abs(row.index_pct ?? 0)));
  const ofBps: Column<Week>[] = [column("bps_index_pct", "sheet_bps", fineChange)];
  return [
    derivedColumn("region", "province", (row) => row.region, ({ region }) => (
      <button class="link" aria-pressed={region === province()} onClick={() => setParams({ prov: region === province() ? null : region }, false)}>
        {region}
      </button>
    )),
    column("index_pct", "sheet_index", (value) => <SignedBar value={value} most={most} text={fineChange(value)} />),
    column("rank", "sheet_place", whole),
    column("up", "sheet_up", whole),
    column("down", "sheet_down", whole),
    column("stable", "sheet_stable", whole),
    ...(rows.some((row) => row.bps_index_pct !== null) ? ofBps : []),
  ];
}

export function WeeklySheet() {
  const { list, newest } = useWeek();
  const feed = useFeed(list);
  const supported = useSupported().body;
  const names = new Map(supported?.commodities.map(({ commodity, name }) => [commodity, name]));
  const nameOf = (id: string) => names.get(id) ?? id;
  const region = province() ?? NATION;
  const all = feed.body?.items ?? [];
  const row = all.find((candidate) => candidate.region === region) ?? null;
  const provinces = all.filter((each) => each.region !== NATION);
  const week = row?.week ?? all[0]?.week ?? (marketDay() && mondayOf(marketDay()!));
  const sql = week ? `select * from gold.weekly_index where week = date '${week}' order by rank` : "select * from gold.weekly_index order by week desc, rank limit 100";
  const empty = marketDay() ? t("sheet_empty_week", { day: day(marketDay()) }) : t("sheet_empty");
  const next = week && newest && week < newest.week ? shifted(week, 7) : null;
  const xlsx = week && address(LIST, { week, limit: MOST_REGIONS, format: "xlsx", date: knownThen() ? marketDay() : null });
  const shared = { list, class: "half", sql, empty };
  return (
    <div class="sheet">
      <div class="controls noprint">
        <DayChoice names={{ field: t("sheet_day"), previous: t("sheet_previous"), next: t("sheet_next") }} shown={row?.last_day ?? null} previous={week ? shifted(week, -1) : null} next={next === newest?.week ? (newest?.last_day ?? null) : next && shifted(next, 6)} />
        <ProvinceChoice all={t("nation")} />
        {xlsx && (
          <a class="ghost" href={xlsx} download>
            {t("sheet_xlsx")}
          </a>
        )}
        <button class="ghost" onClick={() => print()}>
          {t("sheet_print")}
        </button>
      </div>
      <div class="grid">
        <Panel title={week ? t("sheet_title", { region, from: day(week), to: day(shifted(week, 6)) }) : t("nav_sheet")} feed={feed} class="full" sql={sql} isEmpty={() => !row} empty={empty}>
          {() => <Summary row={row!} all={all} nameOf={nameOf} />}
        </Panel>
        <TablePanel {...shared} title={t("sheet_commodities")} rows={() => row?.items ?? []} columns={basketColumns(row, nameOf)} keyOf={(entry) => entry.commodity} file={`weekly-${week}-commodities`} note={province() ? undefined : t("sheet_choose")} />
        <TablePanel {...shared} title={t("sheet_provinces")} rows={() => provinces} columns={provinceColumns(provinces)} keyOf={(entry) => entry.region} isChosen={(entry) => entry.region === province()} sort={{ name: "rank", falls: false }} file={`weekly-${week}-provinces`} />
      </div>
    </div>
  );
}
