/** The gauges of an order break where the contract does: the same cases are checked against it in Python. */
import assert from "node:assert/strict";
import { eachOnce, fillOf, keyOf, lengthOf } from "../../../serving_api/web/src/pages/trading/bars.ts";
import { gaugesOf, lostToday } from "../../../serving_api/web/src/pages/trading/gauges.ts";
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

Deno.test("losing trades are those of the trading day in Jakarta, and a tie is one", () => {
  const days = [{ key: "2026-11-28", trades: 5, wins: 2 }, { key: "2026-11-27", trades: 1, wins: 1 }];
  const at = (iso: string) => lostToday(days, Date.parse(iso));
  assert.deepEqual([at("2026-11-27T17:00:00Z"), at("2026-11-27T16:59:59Z"), at("2026-11-29T00:00:00Z")], [3, 0, 0]);
});

const bar = (bar_time: string, close = 1) => ({ bar_time, open: close, high: close, low: close, close, volume: 1, no_trade: false });
const minutes = ["14:02", "14:01", "14:00"].map((time) => bar(`2026-11-27T${time}:00Z`));

Deno.test("an order fills at the open of the bar after the newest one that had closed", () => {
  const fill = (decided: string) => fillOf(minutes, `2026-11-27T${decided}Z`);
  assert.deepEqual(fill("14:03:20"), { opens: "2026-11-27T14:03:00.000Z", closes: "2026-11-27T14:04:00.000Z" });
  assert.deepEqual(fill("14:02:59"), { opens: "2026-11-27T14:02:00.000Z", closes: "2026-11-27T14:03:00.000Z" });
  assert.deepEqual([fill("14:00:30"), fillOf(minutes.slice(0, 1), "2026-11-27T15:00:00Z")], [null, null]);
});

Deno.test("a bar that was reported again counts once, and signals of bars of another length are not on it", () => {
  const bars = eachOnce([bar("2026-11-27T14:01:00Z", 5), bar("2026-11-27T14:01:00Z", 4), bar("2026-11-27T14:00:00Z")]);
  assert.deepEqual(bars.map(({ bar_time, close }) => [bar_time.slice(11, 16), close]), [["14:00", 1], ["14:01", 5]]);
  const signal = (interval: string) => keyOf({ bar_time: "x", interval }, lengthOf(bars));
  assert.deepEqual([signal("1m"), signal("5m"), signal("1d")], ["x", null, null]);
});
