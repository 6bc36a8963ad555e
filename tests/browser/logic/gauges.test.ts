/** The gauges of an order break where the contract does: the same cases are checked against it in Python. */
import assert from "node:assert/strict";
import { gaugesOf } from "../../../serving_api/web/src/pages/trading/gauges.ts";
import cases from "./gauge_cases.json" with { type: "json" };

const RULES = { gauge_position: "max_position_size_pct", gauge_loss: "max_daily_loss_pct", gauge_confidence: "min_confidence", gauge_trades: "max_daily_trades" };
const limits = { max_position_size_pct: 20, max_daily_loss_pct: 5, min_confidence: 0.65, max_daily_trades: 50 };
const valued = (market_value: number, side = "BUY") => ({ symbol: "COIN", side, quantity: market_value, average_price: 1, unrealized_pnl: 0, market_value });

for (const given of cases) {
  Deno.test(`gauges: ${given.name}`, () => {
    const balance = given.cash + given.held;
    const account = {
      limits,
      balance,
      daily_pnl: balance - given.day_open,
      trades_today: given.accepted_today,
      positions: [valued(given.held), { ...valued(5_000), symbol: "OTHER" }],
      waiting: [valued(given.waiting_buy), valued(given.waiting_sell, "SELL"), { ...valued(5_000), symbol: "OTHER" }],
    };
    const signal = { buy_probability: given.buy, sell_probability: given.sell };
    const gauges = gaugesOf(account, signal, { symbol: "COIN", side: given.side as "BUY" | "SELL", pct: given.pct });
    assert.deepEqual(
      gauges.filter((gauge) => !gauge.kept).map((gauge) => RULES[gauge.name]),
      given.broken,
    );
  });
}

Deno.test("gauges: without a signal nothing is certain", () => {
  const account = { limits, balance: 10_000, daily_pnl: 0, trades_today: 0, positions: [], waiting: [] };
  const [, , confidence] = gaugesOf(account, null, { symbol: "COIN", side: "BUY", pct: 5 });
  assert.equal(confidence.kept, false);
});
