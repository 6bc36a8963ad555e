/** The four limits as they would stand after an order, by the rules of the contract. */
import type { SignalPrediction, TradingDashboard } from "../../data/types.ts";

/** A limit and where the account would stand; `least`: the value must reach the limit instead of staying below. */
export interface Gauge {
  name: "gauge_position" | "gauge_loss" | "gauge_confidence" | "gauge_trades";
  value: number;
  limit: number;
  top: number;
  kept: boolean;
  least?: boolean;
}
export interface OrderSize {
  symbol: string;
  side: "BUY" | "SELL";
  /** Percent of the account. */
  pct: number;
}
export type Account = Pick<TradingDashboard, "balance" | "daily_pnl" | "trades_today" | "positions" | "waiting" | "limits">;
export type Probabilities = Pick<SignalPrediction, "buy_probability" | "sell_probability">;
type Valued = { symbol: string; side?: string; market_value: number };

/** Of sums of percents that are not exact. */
const ROUNDING = 1e-9;

const valueOf = (rows: Valued[], symbol: string): number => rows.filter((row) => row.symbol === symbol).reduce((sum, row) => sum + row.market_value, 0);

/** Waiting purchases count as held, waiting sales do not: they may not fill. After a great loss only sales pass. */
export function gaugesOf(account: Account, signal: Probabilities | null, { symbol, side, pct }: OrderSize): Gauge[] {
  const { limits, balance } = account;
  const buys = side === "BUY";
  const held = valueOf(account.positions, symbol) + valueOf(account.waiting.filter((row) => row.side === "BUY"), symbol);
  const heldPct = balance > 0 ? (100 * held) / balance : 0;
  const after = Math.max(0, buys ? heldPct + pct : heldPct - pct);
  const opened = balance - account.daily_pnl;
  const lost = opened > 0 ? Math.max(0, (-100 * account.daily_pnl) / opened) : 100;
  const confidence = (buys ? signal?.buy_probability : signal?.sell_probability) ?? 0;
  const trades = account.trades_today + 1;
  const { max_position_size_pct: most, max_daily_loss_pct: loss, min_confidence: least, max_daily_trades: orders } = limits;
  return [
    { name: "gauge_position", value: after, limit: most, top: 100, kept: after <= most + ROUNDING },
    { name: "gauge_loss", value: lost, limit: loss, top: 2 * loss, kept: !buys || lost < loss },
    { name: "gauge_confidence", value: confidence, limit: least, top: 1, kept: confidence >= least, least: true },
    { name: "gauge_trades", value: trades, limit: orders, top: orders, kept: trades <= orders },
  ];
}

const JAKARTA_MS = 7 * 3_600_000;
/** Trades that lost on the trading day of a moment (ms since 1970), of results by day; a tie is a loss. */
export function lostToday(days: readonly { key: string; trades: number; wins: number }[], now: number): number {
  const today = new Date(now + JAKARTA_MS).toISOString().slice(0, 10);
  const row = days.find(({ key }) => key === today);
  return row ? row.trades - row.wins : 0;
}
