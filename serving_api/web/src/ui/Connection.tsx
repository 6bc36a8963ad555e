/** How fresh the page is: live, polled, or cut off with the running age of its figures; and whether events are missing. */
import { address, useFeed } from "../data/feed.ts";
import { link, POLL_MS, type Link } from "../data/live.ts";
import { duration, whole } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { useNow } from "./now.ts";

function text({ state }: Link): string {
  if (state === "live") return t("link_live");
  return state === "polled" ? t("link_polled", { seconds: POLL_MS / 1000 }) : t(state === "lost" ? "link_lost" : "link_connecting");
}

export function LinkChip() {
  const { state } = link.value;
  return (
    <span class={`chip ${state === "lost" ? "grave" : "fine"}`} data-link={state} role="status">
      <i aria-hidden="true">{state === "live" ? "●" : state === "polled" ? "◐" : "○"}</i> {text(link.value)}
    </span>
  );
}

/** Shown while nothing arrives; the age runs, but is read out once. */
export function LinkBanner() {
  const { state, confirmed } = link.value;
  const isLost = state === "lost";
  const now = useNow(1000, isLost);
  if (!isLost) return null;
  return (
    <div class="banner" role="alert">
      {t("banner_lost")} {confirmed !== null && <span aria-live="off">{t("banner_age", { age: duration(Math.max(0, now - confirmed) / 1000) })}</span>}
    </div>
  );
}

const BALANCE_MS = 60_000;

/** Shown on every page while the balance of events is odd. */
export function BalanceBanner() {
  const balance = useFeed(address("/api/v1/reconcile"), BALANCE_MS).body;
  if (!balance || balance.balanced) return null;
  return (
    <div class="banner" role="alert">
      {t("balance_odd", { difference: whole(balance.difference) })}
    </div>
  );
}
