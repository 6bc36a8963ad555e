/** Alerts: what rings and what to do about it; operators acknowledge alerts and raise them. */
import { useState } from "preact/hooks";
import { address } from "../data/feed.ts";
import { useSteadyList } from "../data/list.ts";
import { mayAs } from "../data/session.ts";
import { whole } from "../i18n/format.ts";
import { lang, t, textOr } from "../i18n/index.ts";
import { param, setParams } from "../router.ts";
import { SaveCsv } from "../ui/DataTable.tsx";
import { Level, LEVELS } from "../ui/Level.tsx";
import { Panel } from "../ui/Panel.tsx";
import { Choices, ProvinceChoice, Select, commodityOptions, province, useSupported } from "../ui/controls.tsx";
import { AlertDetail } from "./alerts/AlertDetail.tsx";
import { RaiseForm } from "./alerts/RaiseForm.tsx";
import { ALERTS_SQL, alertColumns, useNames } from "./alerts/names.ts";

const STATES = ["open", "cleared", "self_corrected"] as const;
const SHOWN_LEVELS = ["", ...LEVELS.filter((level) => level !== "normal"), "info"];
const state = () => STATES.find((name) => name === param("keadaan")) ?? "open";
const PATH = "/api/public/alerts/live";

/** The feed of the chosen alerts; it is for readers of feeds, so the API's document does not describe it. */
function feedAddress(): string {
  const values = { level: param("tingkat"), commodity: param("tentang"), region: province(), lang: lang.value };
  const chosen = Object.entries(values).filter((entry): entry is [string, string] => Boolean(entry[1]));
  return `/api/public/alerts/feed.atom?${new URLSearchParams(chosen)}`;
}

function Filters() {
  return (
    <div class="controls noprint">
      <Choices label={t("alert_state")} options={STATES.map((name) => [name, t(`alerts_${name}`)])} value={state()} choose={(value) => setParams({ keadaan: value === "open" ? null : value, peringatan: null })} />
      <Select label={t("level")} options={SHOWN_LEVELS.map((level) => [level, level ? textOr(`level_${level}`, level) : t("all_levels")])} value={param("tingkat") ?? ""} choose={(level) => setParams({ tingkat: level || null, peringatan: null })} class="choice small" />
      <Select label={t("commodity")} options={[["", t("all_commodities")], ...commodityOptions(useSupported().body)]} value={param("tentang") ?? ""} choose={(commodity) => setParams({ tentang: commodity || null, peringatan: null })} class="choice small" />
      <ProvinceChoice all={t("all_provinces")} />
      <a class="ghost" href={feedAddress()} type="application/atom+xml" title={t("feed_title")}>
        {t("feed_link")}
      </a>
    </div>
  );
}

export function Alerts() {
  const [raises, setRaises] = useState(false);
  const names = useNames();
  const url = address(PATH, { state: state() === "open" ? null : state(), level: param("tingkat"), commodity: param("tentang"), region: province(), limit: 200 });
  const list = useSteadyList(url, (alert) => alert.alert_id);
  const alerts = list.items ?? [];
  const chosen = alerts.find((alert) => alert.alert_id === param("peringatan")) ?? alerts[0] ?? null;
  return (
    <>
      <div class="bar">
        <Filters />
        {mayAs("operator") && (
          <button class="ghost noprint" aria-expanded={raises} onClick={() => setRaises(!raises)}>
            {t("raise")}
          </button>
        )}
      </div>
      {raises && mayAs("operator") && <RaiseForm />}
      <div class="alert-grid">
        <Panel
          title={t("alerts_count", { count: `${whole(alerts.length)}${list.hasMore ? "+" : ""}` })}
          feed={list.feed}
          sql={ALERTS_SQL}
          isEmpty={() => list.items !== null && !alerts.length}
          empty={t(state() === "open" ? "alerts_none" : "alerts_none_closed")}
          tools={
            <>
              {list.arrived > 0 && (
                <button class="chip" onClick={list.showNew}>
                  {t("new_rows", { count: whole(list.arrived) })}
                </button>
              )}
              <SaveCsv file="alerts" columns={alertColumns()} rows={alerts} />
            </>
          }
        >
          {() => (
            <ul class="entries">
              {alerts.map((alert) => (
                <li key={alert.alert_id}>
                  <button aria-current={alert === chosen ? "true" : undefined} onClick={() => setParams({ peringatan: alert.alert_id }, false)}>
                    <Level level={alert.level} />
                    <b>{names.title(alert)}</b>
                    <small>
                      {names.place(alert)} · {names.day(alert, alert.opened_at)}
                      {alert.state !== "active" && ` · ${t(`alert_${alert.state}`)}`}
                    </small>
                  </button>
                </li>
              ))}
              {list.hasMore && (
                <li>
                  <button onClick={list.loadMore}>{t("more")}</button>
                </li>
              )}
            </ul>
          )}
        </Panel>
        {chosen && <AlertDetail key={chosen.alert_id} alert={chosen} meta={list.feed} />}
      </div>
    </>
  );
}
