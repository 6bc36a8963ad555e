/** Forecasts: the fan, how past forecasts did, and every model against the naive one, losses included. */
import { useMemo } from "preact/hooks";
import { TimeChart } from "../chart/TimeChart.tsx";
import { lastDays } from "../chart/panel.ts";
import { address, useFeed } from "../data/feed.ts";
import type { Forecast, IssuedForecast, RowOf } from "../data/types.ts";
import { change, day, percent, rupiah, whole } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { DataTable, SaveCsv, type Column } from "../ui/DataTable.tsx";
import { quoted } from "../ui/Origin.tsx";
import { Panel } from "../ui/Panel.tsx";
import { CommodityChoice, ProvinceChoice, commodity, province } from "../ui/controls.tsx";
import { ForecastNote, issuedAddress, useIssued } from "./forecastParts.tsx";
import { Drivers } from "./models/Drivers.tsx";
import { Retrain } from "./models/Retrain.tsx";
import { seriesPanel, strokesOf } from "./seriesPanel.ts";

type Accuracy = RowOf<"/api/v1/models/accuracy">;

const HORIZON_DAYS = 7;
const SHOWN_DAYS = 60;
const NATION = "Indonesia";

const SQL = (id: string, condition: string) =>
  `select region, issued_at, target_date, model, price_idr, lower_80_idr, upper_80_idr, lower_95_idr, upper_95_idr from gold.forecasts where commodity = ${quoted(id)} and ${condition} order by issued_at desc, target_date limit 500`;

function Fan() {
  const feed = useFeed(address("/api/public/forecast", { commodity: commodity(), region: province() }));
  const series = useFeed(address("/api/v1/series/daily", { commodity: commodity() })).body;
  const chosen = province();
  const issued = useIssued(true);
  const panel = useMemo(() => series && feed.body && lastDays({ ...seriesPanel(series, chosen, [], feed.body), strokes: strokesOf(issued?.items ?? [], true) }, SHOWN_DAYS), [series, feed.body, chosen, issued]);
  const columns: Column<Forecast["forecast"][0]>[] = [
    { name: "date", title: t("day"), value: (row) => row.date, show: (row) => day(row.date), isText: true },
    { name: "price_idr", title: t("forecast"), value: (row) => row.price_idr, show: (row) => rupiah(row.price_idr) },
    { name: "lower_idr", title: t("interval_low"), value: (row) => row.lower_idr, show: (row) => rupiah(row.lower_idr) },
    { name: "upper_idr", title: t("interval_high"), value: (row) => row.upper_idr, show: (row) => rupiah(row.upper_idr) },
  ];
  return (
    <Panel title={t("forecast_title")} feed={feed} class="full" sql={SQL(commodity(), "champion")} tools={<SaveCsv file={`forecast-${commodity()}`} columns={columns} rows={feed.body?.forecast} />}>
      {(body) => {
        const last = body.forecast.at(-1)!;
        return (
          <>
            <p class="lead">
              {t("forecast_sentence", { region: body.region, day: day(last.date), price: rupiah(last.price_idr), low: rupiah(last.lower_idr), high: rupiah(last.upper_idr), confidence: percent(body.confidence * 100) })}
            </p>
            {panel && <TimeChart panel={panel} label={t("chart_label", { name: commodity() })} height={320} />}
            <DataTable label={t("forecast_title")} columns={columns} rows={body.forecast} keyOf={(row) => row.date} />
            <ForecastNote forecast={body} strokes={panel?.strokes.length ?? 0} />
          </>
        );
      }}
    </Panel>
  );
}

/** "Of 412 forecasts with an 80 % interval, 331 held the price." */
export function heldSentence(rows: IssuedForecast[]): string {
  const known = rows.filter((row) => row.inside !== null);
  const held = known.filter((row) => row.inside).length;
  return known.length ? t("held", { known: whole(known.length), held: whole(held), share: percent((100 * held) / known.length) }) : t("held_none");
}

function Past() {
  const feed = useFeed(issuedAddress());
  const columns: Column<IssuedForecast>[] = [
    { name: "target_date", title: t("day"), value: (row) => row.target_date, show: (row) => day(row.target_date), isText: true },
    { name: "issued_on", title: t("issued_on"), value: (row) => row.issued_on, show: (row) => day(row.issued_on), isText: true },
    { name: "model", title: t("model"), value: (row) => row.model, isText: true },
    { name: "price_idr", title: t("forecast"), value: (row) => row.price_idr, show: (row) => rupiah(row.price_idr) },
    { name: "actual_idr", title: t("actual"), value: (row) => row.actual_idr, show: (row) => rupiah(row.actual_idr) },
    { name: "inside", title: t("interval", { level: percent(80) }), value: (row) => (row.inside === null ? null : Number(row.inside)), show: (row) => (row.inside === null ? t("not_known_yet") : row.inside ? t("inside") : t("outside")), isText: true },
  ];
  return (
    <Panel title={t("past_forecasts")} feed={feed} class="half" sql={SQL(commodity(), "true")} tools={<SaveCsv file={`past-forecasts-${commodity()}`} columns={columns} rows={feed.body?.items} />} isEmpty={(body) => !body.items.length} empty={t("empty_past")}>
      {(body) => (
        <>
          <p>{heldSentence(body.items)}</p>
          <DataTable label={t("past_forecasts")} columns={columns} rows={body.items} keyOf={(row) => `${row.issued_on}|${row.target_date}|${row.model}|${row.horizon_days}`} />
        </>
      )}
    </Panel>
  );
}

function Leaderboard() {
  const region = province() ?? NATION;
  const feed = useFeed(address("/api/v1/models/accuracy", { commodity: commodity(), region, horizon_days: HORIZON_DAYS, limit: 1000 }));
  const columns: Column<Accuracy>[] = [
    { name: "model", title: t("model"), value: (row) => row.model, isText: true, show: (row) => `${row.model}${row.alias ? ` (${row.alias})` : ""}` },
    {
      name: "skill",
      title: t("skill"),
      value: (row) => row.skill_vs_naive,
      show: (row) => (
        <span class={row.skill_vs_naive < 0 ? "grave" : undefined}>
          {change(100 * row.skill_vs_naive)} {row.skill_vs_naive < 0 && t("loses")}
        </span>
      ),
    },
    { name: "wape_pct", title: t("wape"), value: (row) => row.wape_pct, show: (row) => percent(row.wape_pct) },
    { name: "coverage", title: t("coverage_80"), value: (row) => row.coverage, show: (row) => (row.coverage === null ? "–" : percent(100 * row.coverage)) },
    { name: "origins", title: t("origins"), value: (row) => row.origins, show: (row) => whole(row.origins) },
  ];
  const sql = `select model, alias, skill_vs_naive, wape_pct, coverage_80, origins from gold.model_accuracy where commodity = ${quoted(commodity())} and region = ${quoted(region)} and horizon_days = ${HORIZON_DAYS} order by skill_vs_naive desc`;
  return (
    <Panel title={t("leaderboard", { region })} feed={feed} class="half" sql={sql} tools={<SaveCsv file={`models-${commodity()}`} columns={columns} rows={feed.body?.items} />} isEmpty={(body) => !body.items.length} empty={t("empty_leaderboard")}>
      {(body) => (
        <>
          <p>{t("leaderboard_note")}</p>
          <DataTable label={t("leaderboard", { region })} columns={columns} rows={body.items} keyOf={(row) => `${row.commodity}|${row.model}`} sort={{ name: "skill", falls: true }} />
        </>
      )}
    </Panel>
  );
}

export function Forecasts() {
  return (
    <>
      <div class="controls">
        <CommodityChoice />
        <ProvinceChoice all={t("nation")} />
      </div>
      <div class="grid">
        <Fan />
        <Leaderboard />
        <Past />
        <Drivers />
        <Retrain />
      </div>
    </>
  );
}
