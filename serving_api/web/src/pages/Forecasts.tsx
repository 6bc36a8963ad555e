/** Forecasts: the fan, how past forecasts did, and every model against the naive one, losses included. */
import { useMemo } from "preact/hooks";
import { TimeChart } from "../chart/TimeChart.tsx";
import { lastDays } from "../chart/panel.ts";
import { address, useFeed } from "../data/feed.ts";
import type { Forecast, IssuedForecast, RowOf } from "../data/types.ts";
import { change, day, percent, rupiah, share, whole } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { column, derivedColumn, DataTable, SaveCsv, type Column } from "../ui/DataTable.tsx";
import { quoted } from "../ui/Origin.tsx";
import { Panel } from "../ui/Panel.tsx";
import { TablePanel } from "../ui/TablePanel.tsx";
import { CommodityChoice, ProvinceChoice, commodity, province } from "../ui/controls.tsx";
import { aliasText, ForecastNote, issuedAddress, modelName, NAIVE, useIssued } from "./forecastParts.tsx";
import { Drivers } from "./models/Drivers.tsx";
import { Retrain } from "./models/Retrain.tsx";
import { seriesPanel, strokesOf } from "./seriesPanel.ts";

type Accuracy = RowOf<"/api/v1/models/accuracy">;

const HORIZON_DAYS = 7;
const SHOWN_DAYS = 60;
const NATION = "Indonesia";
const EXPLAINED = ["leaderboard_skill", "leaderboard_interval", "leaderboard_error", "leaderboard_coverage"] as const;

const SQL = (id: string, condition: string) =>
  `select region, issued_at, target_date, model, price_idr, lower_80_idr, upper_80_idr, lower_95_idr, upper_95_idr from gold.forecasts where commodity = ${quoted(id)} and ${condition} order by issued_at desc, target_date limit 500`;

function Fan() {
  const feed = useFeed(address("/api/public/forecast", { commodity: commodity(), region: province() }));
  const series = useFeed(address("/api/v1/series/daily", { commodity: commodity() })).body;
  const chosen = province();
  const issued = useIssued(true);
  const panel = useMemo(() => series && feed.body && lastDays({ ...seriesPanel(series, chosen, [], feed.body), strokes: strokesOf(issued?.items ?? [], true) }, SHOWN_DAYS), [series, feed.body, chosen, issued]);
  const columns: Column<Forecast["forecast"][0]>[] = [
    column("date", "day", day),
    column("price_idr", "forecast", rupiah),
    column("lower_idr", "interval_low", rupiah),
    column("upper_idr", "interval_high", rupiah),
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

const insideText = (row: IssuedForecast): string => t(row.inside === null ? "not_known_yet" : !row.in_time ? "issued_late" : row.inside ? "inside" : "outside");

/** "Of 412 forecasts whose price is known, 331 held it": only of those issued before it was. */
function heldSentence(rows: IssuedForecast[]): string {
  const known = rows.filter((row) => row.inside !== null && row.in_time);
  const held = known.filter((row) => row.inside).length;
  return known.length ? t("held", { known: whole(known.length), held: whole(held), share: percent((100 * held) / known.length) }) : t("held_none");
}

function Past() {
  const columns: Column<IssuedForecast>[] = [
    column("target_date", "day", day),
    column("horizon_days", "horizon", whole),
    column("issued_on", "issued_on", day),
    column("model", "model", modelName),
    column("price_idr", "forecast", rupiah),
    column("actual_idr", "actual", rupiah),
    { name: "inside", title: t("interval", { level: percent(80) }), value: (row) => row.inside, show: insideText },
  ];
  return (
    <TablePanel title={t("past_forecasts")} list={issuedAddress()} columns={columns} keyOf={(row) => `${row.target_date}|${row.horizon_days}`} class="half" file={`past-forecasts-${commodity()}`} sql={SQL(commodity(), "true")} empty={t("empty_past")}>
      {(rows) => <p>{heldSentence(rows)}</p>}
    </TablePanel>
  );
}

function Leaderboard() {
  const region = province() ?? NATION;
  const list = address("/api/v1/models/accuracy", { commodity: commodity(), region, horizon_days: HORIZON_DAYS, limit: 1000 });
  const columns: Column<Accuracy>[] = [
    derivedColumn("model", "model", (row) => row.model, (row) => `${modelName(row.model)}${row.alias ? `, ${aliasText(row.model, row.alias)}` : ""}`),
    derivedColumn("skill", "skill", (row) => row.skill_vs_naive, ({ skill_vs_naive: skill }) => (
      <span class={skill < 0 ? "grave" : undefined}>
        {change(100 * skill)} {skill < 0 && t("loses")}
      </span>
    )),
    derivedColumn("skill_interval", "skill_interval", (row) => row.skill_low, ({ skill_low: low, skill_high: high }) => (low === null || high === null ? "–" : `${change(100 * low)} … ${change(100 * high)}`)),
    column("wape_pct", "wape_forecast", percent),
    column("coverage", "coverage_forecast", share),
    column("origins", "origins", whole),
  ];
  const sql = `select model, alias, skill_vs_naive, skill_low, skill_high, wape_pct, coverage_80, origins from gold.model_accuracy where commodity = ${quoted(commodity())} and region = ${quoted(region)} and horizon_days = ${HORIZON_DAYS} order by skill_vs_naive desc`;
  return (
    <TablePanel title={t("leaderboard", { region })} list={list} columns={columns} keyOf={(row) => `${row.commodity}|${row.model}`} isChosen={(row) => row.model === NAIVE} sort={{ name: "skill", falls: true }} class="full" file={`models-${commodity()}`} sql={sql} empty={t("empty_leaderboard")}>
      {() => (
        <>
          <p>{t("leaderboard_note")}</p>
          <ul class="note">
            {EXPLAINED.map((key) => (
              <li key={key}>{t(key)}</li>
            ))}
          </ul>
        </>
      )}
    </TablePanel>
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
        <Past />
        <Drivers />
        <Leaderboard />
        <Retrain />
      </div>
    </>
  );
}
