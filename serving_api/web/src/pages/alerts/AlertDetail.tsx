/** One alert: what happened, by which rule, the prices behind it, what to do, and what was before. */
import { useMemo, useState } from "preact/hooks";
import { TimeChart } from "../../chart/TimeChart.tsx";
import { lastDays } from "../../chart/panel.ts";
import { address, useFeed, type Feed } from "../../data/feed.ts";
import { readAlerts } from "../../data/live.ts";
import { useForm } from "../../data/post.ts";
import { outcomeOf } from "../../data/problem.ts";
import { mayAs, sendJson } from "../../data/session.ts";
import type { Alert, Answer } from "../../data/types.ts";
import { change, day, rupiah, whole } from "../../i18n/format.ts";
import { t, textOr } from "../../i18n/index.ts";
import { linkTo } from "../../router.ts";
import { ChartOrTable } from "../../ui/ChartOrTable.tsx";
import { SaveCsv } from "../../ui/DataTable.tsx";
import { Level } from "../../ui/Level.tsx";
import { quoted } from "../../ui/Origin.tsx";
import { Panel, ProblemText } from "../../ui/Panel.tsx";
import { drawnColumns } from "../drawnColumns.ts";
import { seriesPanel } from "../seriesPanel.ts";
import { useNames } from "./names.ts";

const SHOWN_DAYS = 120;
const COUNTED_DAYS = 90;
const DAY_MS = 86_400_000;
const SQL = "select alert_id, rule, level, state, value, price_idr, opened_at, active_at, closed_at from gold.alerts order by opened_at desc limit 50";
const PATH = "/api/public/alerts/live";

function EvidenceChart({ alert }: { alert: Alert }) {
  const feed = useFeed(alert.commodity && address("/api/v1/series/daily", { commodity: alert.commodity }));
  const panel = useMemo(() => {
    if (!feed.body?.dates.length) return null;
    const region = feed.body.regions.findIndex(({ name }) => name === alert.region);
    const own = region < 0 ? { ...feed.body, regions: [], price_idr: [] } : { ...feed.body, regions: [feed.body.regions[region]], price_idr: [feed.body.price_idr[region]] };
    return lastDays(seriesPanel(own, alert.region, [], null), SHOWN_DAYS);
  }, [feed.body, alert.region]);
  if (!alert.commodity) return null;
  const title = t("alert_prices", { name: feed.body?.name ?? alert.commodity, place: alert.region ?? t("nation") });
  const sql = `select market_date, region, median_price_idr, national_price_idr, reference_price_idr from gold.indicators where commodity = ${quoted(alert.commodity)} and channel = 'retail' order by market_date desc limit 1000`;
  const days = panel?.seconds.map((_, nth) => nth);
  return (
    <Panel title={title} feed={feed} class="inner" sql={sql} tools={panel && <SaveCsv file={`alert-${alert.commodity}`} columns={drawnColumns(panel)} rows={days} />} isEmpty={() => panel === null} empty={t("empty_series")}>
      {() =>
        panel && (
          <ChartOrTable label={title} columns={drawnColumns(panel)} rows={days!} keyOf={String}>
            <TimeChart panel={panel} label={title} height={260} />
          </ChartOrTable>
        )
      }
    </Panel>
  );
}

/** Its life so far, step by step. */
function History({ alert }: { alert: Alert }) {
  const names = useNames();
  const at = (iso: string | null) => iso && (alert.rule === "manual" ? names.moment(alert, iso) : names.day(alert, iso));
  const steps: [string, string | null][] = [
    [t("alert_market_day"), alert.market_date && day(alert.market_date)],
    [t("alert_opened"), names.moment(alert, alert.opened_at)],
    [t("alert_active"), at(alert.active_at)],
    [t("alert_acknowledged"), alert.acknowledged_at && names.moment(alert, alert.acknowledged_at)],
    [t("alert_closed"), at(alert.closed_at)],
  ];
  return (
    <dl class="facts">
      {steps.map(([name, text]) => text && [<dt key={name}>{name}</dt>, <dd key={`${name}-at`}>{text}</dd>])}
      {alert.price_idr !== null && [<dt key="price">{t("price")}</dt>, <dd key="price-of">{rupiah(alert.price_idr)}</dd>]}
      {alert.outcome_pct !== null && [<dt key="outcome">{t("alert_outcome")}</dt>, <dd key="outcome-of">{change(alert.outcome_pct)}</dd>]}
      <dt>{t("alert_tier")}</dt>
      <dd>{whole(alert.tier)}</dd>
      {alert.risk_score !== null && [<dt key="risk">{t("alert_risk")}</dt>, <dd key="risk-of">{whole(alert.risk_score)}</dd>]}
    </dl>
  );
}

/** Earlier alerts of the same rule and place, and how often they rang in 90 days. */
function Before({ alert }: { alert: Alert }) {
  const names = useNames();
  const feed = useFeed(address(PATH, { state: "cleared", commodity: alert.commodity, region: alert.region, limit: 200 }), 120_000);
  const same = (feed.body?.items ?? []).filter((other) => other.rule === alert.rule && other.alert_id !== alert.alert_id && other.market_id === alert.market_id && other.region === alert.region);
  const since = Date.parse(alert.updated_at) - COUNTED_DAYS * DAY_MS;
  const count = [alert, ...same].filter((other) => other.active_at !== null && Date.parse(other.active_at) >= since).length;
  return (
    <>
      {feed.body && <p>{t("alert_rang", { count: whole(count), days: COUNTED_DAYS })}</p>}
      <ul class="plain">
        {same.slice(0, 5).map((other) => (
          <li key={other.alert_id}>
            <Level level={other.level} /> <small class="dim">{`${names.day(other, other.opened_at)} – ${names.day(other, other.closed_at)}`}</small>
          </li>
        ))}
      </ul>
    </>
  );
}

function Acknowledge({ alert }: { alert: Alert }) {
  const [isSent, setSent] = useState(false);
  const [key] = useState(() => crypto.randomUUID());
  const { submit, problem, waits } = useForm(async (fields) => {
    const note = String(fields.get("note")).trim();
    const { problem } = await outcomeOf(sendJson(`/api/v1/alerts/${encodeURIComponent(alert.alert_id)}/acknowledge`, note ? { note } : {}, { "Idempotency-Key": key }));
    setSent(!problem);
    readAlerts();
    return problem;
  });
  if (alert.state !== "active") return null;
  if (!mayAs("operator")) return <p class="note">{t("acknowledge_role")}</p>;
  if (isSent) return <p role="status">{t("acknowledge_sent")}</p>;
  return (
    <form class="acknowledge noprint" onSubmit={submit}>
      <label>
        {t("acknowledge_note")}
        <input name="note" maxLength={500} />
      </label>
      <button class="solid" disabled={waits}>
        {t("acknowledge")}
      </button>
      {problem && <ProblemText problem={problem} />}
    </form>
  );
}

export function AlertDetail({ alert, meta }: { alert: Alert; meta: Feed<Answer> }) {
  const names = useNames();
  return (
    <Panel title={`${names.title(alert)} · ${names.place(alert)}`} feed={meta} class="detail" sql={SQL}>
      {() => (
        <>
          <p class="strip">
            <Level level={alert.level} />
            <span>{t(`alert_${alert.state}`)}</span>
            {alert.stale && <span class="grave">{t("alert_stale")}</span>}
          </p>
          <p class="lead">{alert.message}</p>
          {alert.action && (
            <p class="action">
              <b>{t("alert_action")}</b> {alert.action}
            </p>
          )}
          <p class="note">
            <b>{textOr(`alert_rule_${alert.rule}`, alert.rule)}.</b> {textOr(`alert_about_${alert.rule}`, "")}
          </p>
          <Acknowledge alert={alert} />
          <EvidenceChart alert={alert} />
          <div class="halves">
            <div>
              <h3>{t("alert_life")}</h3>
              <History alert={alert} />
            </div>
            <div>
              <h3>{t("alert_before")}</h3>
              <Before alert={alert} />
              {alert.commodity && (
                <p>
                  <a href={linkTo("/komoditas", { komoditas: alert.commodity, ...(alert.region ? { prov: alert.region } : {}) })}>{t("alert_open_commodity")}</a>
                </p>
              )}
            </div>
          </div>
        </>
      )}
    </Panel>
  );
}
