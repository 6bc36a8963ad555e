/** An order on paper: the limits as they would be after it and what is locked, then the decision and the fill. */
import { useState } from "preact/hooks";
import { address, refreshShown, useFeed, type Feed } from "../../data/feed.ts";
import { usePost } from "../../data/post.ts";
import { role } from "../../data/session.ts";
import type { SignalPrediction, TradeReceipt, TradingDashboard } from "../../data/types.ts";
import { barTime, clock, duration, figure, moment, whole } from "../../i18n/format.ts";
import { t, textOr } from "../../i18n/index.ts";
import { Bars } from "../../ui/Figures.tsx";
import { Panel, ProblemText, SignInLink } from "../../ui/Panel.tsx";
import { useNow } from "../../ui/now.ts";
import { fillOf } from "./bars.ts";
import { gaugesOf, lostToday, type Gauge } from "./gauges.ts";
import { barsOf, HISTORY, HISTORY_MS, ruleText, SignalChip } from "./parts.tsx";

const DEFAULT_PCT = 5;

const inPercent = (value: number) => `${figure(value)}\u00a0%`;
const SHOWN = { gauge_position: inPercent, gauge_loss: inPercent, gauge_confidence: figure, gauge_trades: whole };

/** Prices at which what is bought is sold again; both may be left out. */
const LEVELS = ["stop_price", "take_profit_price"] as const;
const levelsOf = (given: FormData): Record<string, number> => Object.fromEntries(LEVELS.filter((name) => given.get(name)).map((name) => [name, Number(given.get(name))]));

function Gauges({ gauges }: { gauges: Gauge[] }) {
  const bars = gauges.map(({ name, value, limit, top, kept, least }) => {
    const show = SHOWN[name];
    const text = (
      <span class={kept ? "fine" : "grave"}>
        {t(least ? "gauge_least" : "gauge_most", { value: show(value), limit: show(limit) })} {t(kept ? "gauge_kept" : "gauge_broken")}
      </span>
    );
    return { name: t(name), value: Math.min(value, top), max: top || 1, text };
  });
  return <Bars bars={bars} label={t("gauges")} />;
}

type Lock = TradingDashboard["locks"][number];
/** Whether it keeps the symbol from being bought at a moment, ms since 1970; of null symbols all are meant. */
const locksNow = (symbol: string, now: number) => (lock: Lock) => [null, symbol].includes(lock.symbol) && (!lock.until || Date.parse(lock.until) > now);

const HOUR = 3600;
/** 11:32 within an hour, else the hours or days that are left. */
function timeLeft(until: string, now: number): string {
  const seconds = (Date.parse(until) - now) / 1000;
  return seconds < HOUR ? clock(seconds) : duration(seconds);
}

/** What protects the account after losses: until when it or the symbol is not bought, and how many losses are left. */
function Protections({ dashboard, symbol }: { dashboard: TradingDashboard; symbol: string }) {
  const now = useNow(1_000);
  const days = useFeed(address("/api/v1/performance", { by: "day" })).body?.items ?? [];
  const most = dashboard.limits.max_losing_trades;
  const lost = lostToday(days, now);
  const locks = dashboard.locks.filter(locksNow(symbol, now));
  const text = (
    <span class={lost < most ? "fine" : "grave"}>
      {t("gauge_most", { value: whole(lost), limit: whole(most) })} {t(lost < most ? "gauge_kept" : "gauge_broken")}
    </span>
  );
  return (
    <>
      {most > 0 && <Bars label={t("protections")} bars={[{ name: t("gauge_losing"), value: Math.min(lost, most), max: most, text }]} />}
      {locks.map((lock) => (
        <p key={`${lock.symbol} ${lock.rule}`} class="grave lock">
          {t(lock.symbol ? "lock_symbol" : "lock_account", { symbol: lock.symbol ?? "", until: moment(lock.until), left: lock.until ? timeLeft(lock.until, now) : "–" })}
        </p>
      ))}
    </>
  );
}

/** The decision, and then what became of the order: read again until it is filled. */
function Decision({ receipt }: { receipt: TradeReceipt }) {
  const row = useFeed(HISTORY, HISTORY_MS).body?.items.find(({ trade_id }) => trade_id === receipt.trade_id);
  const bars = useFeed(barsOf(receipt.symbol)).body?.items ?? [];
  const status = row?.status ?? receipt.status;
  const fill = fillOf(bars, receipt.decided_at);
  const broken = row?.violations ?? receipt.validation.violations;
  const isMissing = receipt.oracle !== "VERIFIED";
  const time = barTime(bars.map((bar) => bar.bar_time));
  return (
    <div role="status">
      <p class={status === "REJECTED" ? "grave" : "fine"}>{status === "EXECUTED" && row ? t("order_filled", { quantity: figure(row.quantity), price: figure(row.price) }) : textOr(`trade_${status}`, status)}</p>
      {status === "ACCEPTED" && fill && <p>{t("order_fills", { opens: time(fill.opens), closes: time(fill.closes) })}</p>}
      {(isMissing || broken.length > 0) && (
        <ul>
          {[...(isMissing ? [{ rule: "oracle", text: t("rule_oracle") }] : []), ...broken.map((each) => ({ rule: each.rule, text: ruleText(each) }))].map(({ rule, text }) => (
            <li key={rule}>
              {text}. {textOr(`remedy_${rule}`, "")}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

interface FormProps {
  dashboard: TradingDashboard;
  prediction: SignalPrediction | null;
  symbol: string;
}

function Form({ dashboard, prediction, symbol }: FormProps) {
  const [side, setSide] = useState<"BUY" | "SELL">("BUY");
  const [pct, setPct] = useState(DEFAULT_PCT);
  const [sent, order] = usePost("/api/trades/execute");
  const send = async (event: SubmitEvent) => {
    event.preventDefault();
    await order({ symbol, side, position_size_pct: pct, client_order_id: crypto.randomUUID(), ...levelsOf(new FormData(event.currentTarget as HTMLFormElement)) });
    refreshShown("/api/trades/history");
    refreshShown("/api/dashboard");
  };
  return (
    <form class="fields" onSubmit={send}>
      <div class="fields row">
        <label>
          {t("side")}
          <select value={side} onChange={(event) => setSide(event.currentTarget.value === "SELL" ? "SELL" : "BUY")}>
            <option value="BUY">{t("signal_BUY")}</option>
            <option value="SELL">{t("signal_SELL")}</option>
          </select>
        </label>
        <label>
          {t("size_pct")}
          <input type="number" min={0.01} max={100} step="any" required value={pct} onInput={(event) => setPct(event.currentTarget.valueAsNumber || 0)} />
        </label>
        {side === "BUY" &&
          LEVELS.map((name) => (
            <label key={name}>
              {t(name)}
              <input type="number" name={name} min={0} step="any" />
            </label>
          ))}
      </div>
      <Gauges gauges={gaugesOf(dashboard, prediction, { symbol, side, pct })} />
      <Protections dashboard={dashboard} symbol={symbol} />
      <div class="buttons">
        {role.value ? (
          <button class="solid" disabled={sent.loading || pct <= 0}>
            {t("order_send")}
          </button>
        ) : (
          <SignInLink class="solid" />
        )}
      </div>
      {sent.body && <Decision receipt={sent.body} />}
      {sent.problem && <ProblemText problem={sent.problem} />}
    </form>
  );
}

export function OrderPanel({ feed, symbol }: { feed: Feed<TradingDashboard>; symbol: string }) {
  const prediction = useFeed(address("/api/predictions/{symbol}", { symbol })).body;
  return (
    <Panel title={t("order", { symbol })} feed={feed} class="half">
      {(dashboard) => (
        <>
          {prediction ? (
            <p class="lead">
              <SignalChip signal={prediction.signal} /> {t("signal_sentence", { confidence: figure(prediction.confidence), risk: whole(prediction.risk_score), oracle: prediction.verification })}
            </p>
          ) : (
            <p class="lead">{t("signal_none")}</p>
          )}
          <Form key={symbol} dashboard={dashboard} prediction={prediction} symbol={symbol} />
        </>
      )}
    </Panel>
  );
}
