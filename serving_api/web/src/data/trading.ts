/** What the API answers about trading on paper, as far as the pages read it. */
import type { Answer, Page } from "./types.ts";

export interface Position {
  symbol: string;
  quantity: number;
  average_price: number;
  market_value: number;
  unrealized_pnl: number;
}
export interface Limits {
  max_position_size_pct: number;
  max_daily_loss_pct: number;
  min_confidence: number;
  max_daily_trades: number;
}
/** Figures of closed trades, net of fees; null without a trade of that sort. */
export interface ClosedTrades {
  total_trades: number;
  win_rate: number | null;
  /** 95 % interval. */
  win_rate_low: number | null;
  win_rate_high: number | null;
  payoff: number | null;
  expectancy: number | null;
  average_profit: number | null;
  average_loss: number | null;
  best_trade: number | null;
  worst_trade: number | null;
}
export interface TradingDashboard extends Answer {
  currency: string;
  /** Cash and positions at their newest close. */
  balance: number;
  cash: number;
  pnl: number;
  /** Null before the first purchase. */
  buy_and_hold: { pnl: number; since: string; symbols: { symbol: string; since: string; change_pct: number }[] } | null;
  positions: Position[];
  /** Accepted orders that wait for their fill. */
  waiting: { symbol: string; side: string; market_value: number }[];
  /** Equity at the begin of each trading day, oldest first. */
  equity_history: { date: string; equity: number }[];
  trades_today: number;
  daily_pnl: number;
  performance: ClosedTrades & { total_pnl: number };
  limits: Limits;
  simulated: boolean;
}
export interface MarketPrice {
  symbol: string;
  asset_class: string;
  price: number;
  currency: string;
  change_24h_pct: number | null;
  event_time: string;
}
export interface SignalPrediction extends Answer {
  symbol: string;
  signal_id: string;
  signal: SignalName;
  confidence: number;
  buy_probability: number;
  sell_probability: number;
  risk_score: number;
  position_size: number;
  verification: string;
  bar_time: string;
}
export type SignalName = "BUY" | "SELL" | "HOLD";
export interface SignalItem {
  signal_id: string;
  symbol: string;
  signal: SignalName;
  confidence: number;
  risk_score: number;
  bar_time: string;
}
/** A limit that an order breaks. */
export interface Violation {
  rule: string;
  limit: number;
  actual: number;
}
export interface Trade {
  trade_id: string;
  symbol: string;
  side: "BUY" | "SELL";
  quantity: number;
  price: number | null;
  pnl: number | null;
  /** Of a purchase whose stop or take-profit was reached. */
  exit_price: number | null;
  status: string;
  confidence: number;
  oracle: string;
  violations: Violation[];
  decided_at: string;
  executed_at: string | null;
  block_hash: string | null;
}
export interface TradeReceipt {
  trade_id: string;
  status: string;
  symbol: string;
  side: string;
  quantity: number;
  oracle: string;
  validation: { result: string; violations: Violation[] };
}
export interface Verification {
  verification_id: string;
  symbol: string;
  result: string;
  hash: string;
  checks: Record<string, boolean>;
  timestamp: string;
}
export interface Block {
  block_number: number;
  block_hash: string;
  previous_hash: string;
  trade: { trade_id: string; symbol: string; side: string; status: string };
  timestamp: string;
}
export interface Bar {
  bar_time: string;
  open: number | null;
  high: number;
  low: number;
  close: number;
  volume: number;
}
export interface Backtest {
  id: string;
  status: "queued" | "running" | "succeeded" | "failed";
  symbol: string;
  strategy: string;
  trials: number;
  deflated_sharpe: number | null;
  pbo: number | null;
  profit_claim: boolean;
  verdict: string | null;
  metrics: (ClosedTrades & Record<"trades" | "return_pct" | "max_drawdown_pct" | "random_entries_beaten" | "turnover" | "fees", number | null>) | null;
  equity: number[] | null;
  against_buy_and_hold: { return_pct: number; difference_pct: number; equity: number[] } | null;
  detail: string | null;
  created_at: string;
}
export type BacktestAnswer = Backtest & Answer;
export type Prices = Page<MarketPrice>;
