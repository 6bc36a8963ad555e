/** What the pages of trading share: the notice that all of it is simulated, the choice of a symbol, amounts. */
import { address, useFeed } from "../../data/feed.ts";
import type { SignalItem, SignalOutcome, Supported, Violation } from "../../data/types.ts";
import { figure, moment } from "../../i18n/format.ts";
import { t, textOr } from "../../i18n/index.ts";
import { param, setParams } from "../../router.ts";
import { Select, useSupported } from "../../ui/controls.tsx";

/** How often figures are read while somebody looks at them. */
export const LIVE_MS = 2_000;
export const useDashboard = () => useFeed(address("/api/dashboard"), LIVE_MS);
/** Candles that are read and drawn at most, and the signals among them. */
export const BARS = 90;
export const barsOf = (symbol: string) => address("/api/v1/bars", { symbol, limit: BARS });
/** Orders of the account, and how often they are read. */
export const HISTORY = address("/api/trades/history", { limit: 200 });
export const HISTORY_MS = 5_000;
export const OUTCOMES = "/api/v1/signal-outcomes";
export const usePrices = (assetClass: "crypto" | "equity") => useFeed(address("/api/market/prices", { asset_class: assetClass }));

/** 10.012,50 USD; a dash where there is none. */
export const amount = (value: number | null | undefined, currency: string): string => (value == null ? "–" : `${figure(value)}\u00a0${currency}`);

/** Every page that shows an account says at its head that nothing of it is real. */
export function Simulated() {
  return (
    <p class="simulated" role="note">
      <b>{t("simulated")}</b> {t("simulated_note")}
    </p>
  );
}

const symbolsOf = (supported: Supported | null): string[] => (supported?.symbols ?? []).map(({ symbol }) => symbol);

/** The symbol that was traded last when the pages were opened; it stays while they are. */
let tradedLast: string | undefined;

/** The symbol of the address, else the one traded last, else the first that has bars; null: none, or not known yet. */
export function useSymbol(): string | null {
  const [first] = symbolsOf(useSupported().body);
  const { body, problem } = useFeed(HISTORY);
  if (body || problem) tradedLast ??= body?.items[0]?.symbol ?? first;
  return param("simbol") ?? tradedLast ?? null;
}

export function SymbolChoice() {
  const names = symbolsOf(useSupported().body);
  return (
    <div class="controls">
      <Select label={t("symbol")} options={names.map((name) => [name, name])} value={useSymbol() ?? ""} choose={(simbol) => setParams({ simbol })} />
    </div>
  );
}

/** BUY, SELL or HOLD in words; colour alone says nothing. */
export function SignalChip({ signal }: { signal: SignalItem["signal"] }) {
  const tone = { BUY: "fine", SELL: "grave", HOLD: "dim" }[signal];
  return <span class={tone}>{t(`signal_${signal}`)}</span>;
}

/** A broken rule in words, with its value and limit. */
export function ruleText({ rule, limit, actual, until }: Violation): string {
  const text = rule === "oracle" ? t("rule_oracle") : `${textOr(`rule_${rule}`, rule)}: ${figure(actual)} (${t("limit")} ${figure(limit)})`;
  return until ? `${text}, ${t("until", { until: moment(until) })}` : text;
}

/** Why an order was refused: the oracle, and every limit that it breaks. */
export function reasonsOf(oracle: string, violations: Violation[]): string[] {
  const limits = violations.map(ruleText);
  return oracle === "VERIFIED" ? limits : [t("rule_oracle"), ...limits];
}

/** Why a signal was not traded; null for one that was. */
export function outcomeReason({ rule, violations }: SignalOutcome): string | null {
  if (violations.length) return violations.map(ruleText).join("; ");
  return rule && textOr(`rule_${rule}`, rule);
}
/** What became of a signal, and why. */
export function outcomeText(outcome: SignalOutcome): string {
  const reason = outcomeReason(outcome);
  return reason ? `${t(`fate_${outcome.fate}`)}: ${reason}` : t(`fate_${outcome.fate}`);
}
