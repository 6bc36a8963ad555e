/**
 * What the API answers. The build makes `openapi.ts` from the OpenAPI document of the code beside the page, so a
 * field that is renamed or missing there fails the type check.
 */
import type { components, paths } from "./openapi.ts";

export type Path = keyof paths;
type JsonOf<Response> = Response extends { content: { "application/json": infer Body } } ? Body : never;
type SuccessOf<Operation> = Operation extends { responses: infer All } ? JsonOf<All[keyof All & (200 | 201 | 202)]> : never;
type KeysOf<Values> = [Values] extends [never] ? never : keyof Values;
type NamesOf<Operation> = Operation extends { parameters: { query?: infer Query; path?: infer Place } } ? KeysOf<NonNullable<Query>> | KeysOf<NonNullable<Place>> : never;

/** The body of an answer to GET, and to POST. */
export type AnswerOf<P extends Path> = SuccessOf<paths[P]["get"]>;
export type ReceiptOf<P extends Path> = SuccessOf<paths[P]["post"]>;
/** A row of a list. */
export type RowOf<P extends Path> = AnswerOf<P> extends { items: (infer Row)[] } ? Row : never;
/** Values by the names of query and path; null leaves one out. */
export type ValuesOf<P extends Path> = { [Name in NamesOf<paths[P]["get"]>]?: string | number | boolean | null };

declare const ANSWER: unique symbol;
/** An address, and the type of what it answers; `address` of feed.ts makes it. */
export type Address<Body> = string & { readonly [ANSWER]?: Body };

type Meta = components["schemas"]["Meta"];
export interface Answer {
  meta: Meta;
}
export interface Page<Row> extends Answer {
  items: Row[];
  next_cursor: string | null;
}
export interface Model {
  name: string;
  version: string;
  alias: string;
  reason: string | null;
}
/** The model behind an answer, which the document leaves open. */
export const modelOf = ({ meta }: Answer) => meta.model as Model | null;
export type Problem = Pick<components["schemas"]["Problem"], "type" | "title" | "detail" | "status"> & { trace_id: string | null };

export type Overview = AnswerOf<"/api/v1/overview">;
export type OverviewItem = RowOf<"/api/v1/overview">;
export type Balance = Overview["balance"];
export type Series = AnswerOf<"/api/v1/series/daily">;
export type PriceMap = AnswerOf<"/api/v1/map/prices">;
export type MapRegion = PriceMap["regions"][number];
export type MapClass = PriceMap["legend"][number];
export type LivePrice = RowOf<"/api/public/commodity/price/live">;
export type Market = RowOf<"/api/public/market/list">;
export type Alert = RowOf<"/api/public/alerts/live">;
export type Forecast = AnswerOf<"/api/public/forecast">;
export type IssuedForecast = RowOf<"/api/v1/forecasts/issued">;
export type Anomaly = RowOf<"/api/v1/predict/anomaly/{region}">;
export type Importance = RowOf<"/api/v1/models/importance">;
export type ImpactWeek = RowOf<"/api/v1/impact/weeks">;
export type Factor = keyof ImpactWeek["factors_with_weights"];
export type Supported = AnswerOf<"/api/v1/supported">;
export type Pipeline = AnswerOf<"/api/v1/pipeline">;
export type Device = RowOf<"/api/v1/devices">;
/** Of a registration or a rotation. */
export type IssuedClaim = Pick<ReceiptOf<"/api/v1/devices/{device_id}/rotate">, "device_id" | "market_id" | "status" | "qr_svg_data_url" | "claim_code" | "claim_expires_at">;

export type SalesModelReport = AnswerOf<"/api/v1/retail/sales-model">;

export type TradingDashboard = AnswerOf<"/api/dashboard">;
export type ClosedTrades = Omit<TradingDashboard["performance"], "total_trades" | "total_pnl">;
export type SignalPrediction = AnswerOf<"/api/predictions/{symbol}">;
export type SignalItem = RowOf<"/api/v1/ai/signals">;
export type TradeReceipt = ReceiptOf<"/api/trades/execute">;
export type Violation = TradeReceipt["validation"]["violations"][number];
export type Bar = RowOf<"/api/v1/bars">;
export type SignalOutcome = RowOf<"/api/v1/signal-outcomes">;
/** With the figures of a run that has ended, which the document leaves open. */
type Figures = Record<"return_pct" | "cagr_pct" | "max_drawdown_pct" | "sharpe" | "sortino" | "calmar", number | null>;
export type Backtest = Omit<RowOf<"/api/v1/backtests">, "metrics" | "against_buy_and_hold"> & {
  metrics: (ClosedTrades & Figures & { benchmark: string } & Record<"trades" | "benchmark_return_pct" | "random_entries_beaten" | "turnover" | "fees", number | null>) | null;
  against_buy_and_hold: (Pick<Figures, "return_pct" | "max_drawdown_pct" | "sharpe"> & { equity: number[] | null }) | null;
};
export type BacktestReport = NonNullable<Backtest["report"]>;
/** A backtest that has ended, on the page or in a file. */
export type TestResult = Pick<Backtest, "symbol" | "strategy" | "trials" | "deflated_sharpe" | "pbo" | "profit_claim" | "verdict" | "metrics" | "against_buy_and_hold" | "report">;

export type QuarantineRow = RowOf<"/api/v1/quarantine">;
export type Reason = QuarantineRow["reasons"][number];
export type Decided = RowOf<"/api/v1/quarantine/{event_id}/decisions">;
/** What a rule noted; each has numbers of its own. */
export interface Evidence {
  price_idr?: number;
  statistics?: Record<string, number | string | boolean | null>;
  neighbours?: { market_id: string; market_name: string | null; region: string | null; price_idr: number; market_date: string }[];
  sources?: { name: string; price_idr: number; expected_price_idr: number }[];
  limits?: Record<string, number>;
  [name: string]: unknown;
}
export type QuarantineItem = Omit<AnswerOf<"/api/v1/quarantine/{event_id}">, "evidence"> & { evidence: Evidence | null };
