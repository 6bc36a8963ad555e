/** An order on paper: the limits as they would be after it and what is locked, then the decision and the fill. */
import { useState } from "preact/hooks";
import { address, refreshShown, useFeed, type Feed } from "../../data/feed.ts";
import { usePost } from "../../data/post.ts";
import { role } from "../../data/session.ts";
import type { SignalPrediction, TradeReceipt, TradingDashboard } from "../../data/types.ts";
import { barTime, figure, whole } from "../../i18n/format.ts";
import { t, textOr } from "../../i18n/index.ts";
import { Bars } from "../../ui/Figures.tsx";
import { Panel, ProblemText, SignInLink } from "../../ui/Panel.tsx";
import { fillOf } from "./bars.ts";
import { gaugesOf, type Gauge } from "./gauges.ts";
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
