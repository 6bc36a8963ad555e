/** What moved together with the price of a week, and whether weather or posts go before it. Never a cause. */
import { useEffect, useState } from "preact/hooks";
import { address, useFeed } from "../data/feed.ts";
import { post } from "../data/post.ts";
import type { Outcome } from "../data/problem.ts";
import type { ImpactWeek, ReceiptOf } from "../data/types.ts";
import { change, day, figure, percent, share, whole } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { Bars } from "../ui/Figures.tsx";
import { Panel } from "../ui/Panel.tsx";
import { commodity, province } from "../ui/controls.tsx";
import { direction, isMostlyUnexplained, shares } from "./impact.ts";

const MOST_ROWS = 1000;
const VARIABLES = ["rainfall_mm", "temperature_c", "humidity_pct"] as const;
const NO_DATA = 422;
const SQL = (id: string) => `select * from gold.impact_factors where commodity = '${id}' order by market_date desc limit 100`;

export const impactAddress = (id: string, region: string | null) => address("/api/v1/impact/weeks", { commodity: id, region, limit: MOST_ROWS });

function Week({ week }: { week: ImpactWeek }) {
  const unexplained = (
    <p class="note">
      {t("impact_unexplained", { share: percent(week.unexplained_pct) })}
      {week.unavailable.length > 0 && ` ${t("impact_unavailable", { factors: week.unavailable.map((factor) => t(`factor_${factor}`)).join(", ") })}`}
    </p>
  );
  const comesFirst = isMostlyUnexplained(week);
  return (
    <>
      <p>
        {t("impact_week", { region: week.region, day: day(week.market_date), change: change(100 * week.price_change), score: whole(week.impact_score) })}
      </p>
      {comesFirst && unexplained}
      <p>{t("impact_shares")}</p>
      <Bars bars={shares(week).map(([factor, weight]) => ({ name: t(`factor_${factor}`), value: weight, max: 100, text: `${percent(weight)} ${t(direction(week, factor))}` }))} />
      {!comesFirst && unexplained}
    </>
  );
}

type Correlation = Outcome<ReceiptOf<"/api/v1/analytics/correlation">>;

/** The correlation with each variable of the weather; none while they are read. */
function useWeather(id: string, region: string | null): Correlation[] {
  const [outcomes, setOutcomes] = useState<Correlation[]>([]);
  useEffect(() => {
    setOutcomes([]);
    if (!region) return;
    let stopped = false;
    const read = (variable: string) => post("/api/v1/analytics/correlation", { commodity: id, region, variable });
    void Promise.all(VARIABLES.map(read)).then((outcomes) => !stopped && setOutcomes(outcomes));
    return () => {
      stopped = true;
    };
  }, [id, region]);
  return outcomes;
}

function outcomeText({ body, problem }: Correlation): string {
  if (problem) return problem.status === NO_DATA ? t("correlation_too_few") : problem.status ? problem.detail : t("error_network");
  if (!body) return "–";
  const figures = { r: figure(body.correlation), low: figure(body.ci_low), high: figure(body.ci_high), lag: whole(body.lag_days), days: whole(body.n), p: chance(body.p_value_adjusted) };
  if (!body.significant) return t("correlation_none", figures);
  return t(body.correlation > 0 ? "correlation_with" : "correlation_against", figures);
}

const LEAST_SHOWN = 0.001;
/** How often chance alone makes such a correlation. */
const chance = (p: number): string => (p < LEAST_SHOWN ? t("less_than", { value: share(LEAST_SHOWN) }) : share(p));
/** Whether every variable was tested, and none goes with the price. */
const isNothing = (outcomes: Correlation[]): boolean => outcomes.length > 0 && outcomes.every(({ body }) => body && !body.significant);

export function Causes() {
  const region = province();
  const feed = useFeed(impactAddress(commodity(), region));
  const weather = useWeather(commodity(), region);
  return (
    <Panel title={t("causes")} feed={feed} class="half" sql={SQL(commodity())}>
      {(body) => (
        <>
          {body.items.length ? <Week week={strongest(body.items)} /> : <p class="empty">{t("empty_causes")}</p>}
          <h3>{t("weather")}</h3>
          {!region && <p class="note">{t("choose_province")}</p>}
          {isNothing(weather) && (
            <p>
              <b>{t("correlation_nothing")}</b>
            </p>
          )}
          <dl class="facts">
            {weather.map((outcome, nth) => [
              <dt key={VARIABLES[nth]}>{t(`variable_${VARIABLES[nth]}`)}</dt>,
              <dd key={`${VARIABLES[nth]}-text`}>{outcomeText(outcome)}</dd>,
            ])}
          </dl>
          <p class="note">{t("not_a_cause")}</p>
        </>
      )}
    </Panel>
  );
}

/** Of the newest day the move with the highest score. */
function strongest(weeks: ImpactWeek[]): ImpactWeek {
  const newest = weeks.filter((week) => week.market_date === weeks[0].market_date);
  return newest.reduce((best, week) => (week.impact_score > best.impact_score ? week : best));
}
