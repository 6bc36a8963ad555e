/** What the closed trades of an account or a backtest amount to, as named figures. */
import type { ClosedTrades } from "../../data/types.ts";
import { figure, share, whole } from "../../i18n/format.ts";
import { t, textOr } from "../../i18n/index.ts";
import type { Fact } from "../../ui/Figures.tsx";

/** The strategies of a test in words: `ma_cross,momentum` are two. */
export const strategyText = (strategy: string): string => strategy.split(",").map((name) => textOr(`strategy_${name}`, name)).join(", ");

/** How many trades won, never without how sure that is and what a trade brought. */
export const wonFacts = (closed: ClosedTrades, trades: number | null, money: (value: number | null) => string): Fact[] => [
  [t("trades_closed"), whole(trades)],
  [t("win_rate"), closed.win_rate === null ? "–" : t("won_of", { share: share(closed.win_rate), low: share(closed.win_rate_low), high: share(closed.win_rate_high), trades: whole(trades) })],
  [t("payoff"), figure(closed.payoff)],
  [t("expectancy"), money(closed.expectancy)],
];

/** The trades that won and lost, and the best and worst of them. */
export const tradeFacts = (closed: ClosedTrades, trades: number | null, money: (value: number | null) => string): Fact[] => [
  ...wonFacts(closed, trades, money),
  [t("average_profit"), money(closed.average_profit)],
  [t("average_loss"), money(closed.average_loss)],
  [t("best_trade"), money(closed.best_trade)],
  [t("worst_trade"), money(closed.worst_trade)],
];
