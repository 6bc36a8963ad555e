/** The trading strip of the home page: newest prices of coins and stocks, said to be simulated. */
import { change, figure } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { linkTo } from "../../router.ts";
import { usePrices } from "./parts.tsx";

const SHOWN = 6;

export function TradingStrip() {
  const items = [...(usePrices("crypto").body?.items ?? []), ...(usePrices("equity").body?.items ?? [])].slice(0, SHOWN);
  if (!items.length) return null;
  return (
    <section class="card full" aria-labelledby="trading">
      <header class="bar">
        <h2 id="trading">
          <a href={linkTo("/trades")}>{t("nav_trades")}</a>
        </h2>
        <b class="chip">{t("simulated")}</b>
      </header>
      <dl class="strip">
        {items.map((item) => (
          <div key={item.symbol}>
            <dt>
              <a href={linkTo("/trades", { simbol: item.symbol })}>{item.symbol}</a>
            </dt>
            <dd>
              {figure(item.price)} {item.currency} <small>{change(item.change_24h_pct)}</small>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
