/** The gravest of the alerts that ring: what happened, what to do, and what was done about it. */
import { address, useFeed } from "../../data/feed.ts";
import type { Alert } from "../../data/types.ts";
import { whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { linkTo } from "../../router.ts";
import { SaveCsv } from "../../ui/DataTable.tsx";
import { Level, LEVELS } from "../../ui/Level.tsx";
import { Panel } from "../../ui/Panel.tsx";
import { alertColumns, ALERTS_SQL, useNames } from "./names.ts";

const SHOWN = 3;
const MOST_ROWS = 200;
const gravity = (alert: Alert): number => (LEVELS.includes(alert.level) ? LEVELS.indexOf(alert.level) : LEVELS.length);

/** The gravest; of equal ones first those of rules that are not shown yet: one cause does not fill all places. */
function gravest(alerts: Alert[]): Alert[] {
  const waits = ({ state }: Alert) => Number(state === "pending");
  const isAgain = (alert: Alert) => Number(alerts.find(({ rule, level }) => rule === alert.rule && level === alert.level) !== alert);
  return alerts.toSorted((one, other) => waits(one) - waits(other) || gravity(one) - gravity(other) || isAgain(one) - isAgain(other)).slice(0, SHOWN);
}

/** `commodity`: only its alerts; `isShort`: without much room. */
export function Ringing({ commodity, isShort }: { commodity?: string; isShort?: boolean }) {
  const names = useNames();
  const feed = useFeed(address("/api/public/alerts/live", { commodity, limit: MOST_ROWS }));
  return (
    <Panel title={t("ringing")} feed={feed} class="full" sql={ALERTS_SQL} tools={<SaveCsv file="alerts" columns={alertColumns()} rows={feed.body?.items} />} isEmpty={(body) => !body.items.length} empty={t(commodity ? "alerts_none_of" : "alerts_none")}>
      {(body) => (
        <>
          <ol class={isShort ? "ringing short" : "ringing"}>
            {gravest(body.items).map((alert) => (
              <li key={alert.alert_id}>
                <Level level={alert.level} />
                <div>
                  <a href={linkTo("/peringatan", { peringatan: alert.alert_id })}>{`${names.title(alert)} · ${names.place(alert)}`}</a>
                  <p>{alert.message}</p>
                  {alert.action && (
                    <p class="note action">
                      <b>{t("alert_action")}</b> {alert.action}
                    </p>
                  )}
                  <p class="note">{alert.acknowledged_at ? t("alert_done", { time: names.moment(alert, alert.acknowledged_at) }) : t(alert.state === "pending" ? "alert_waits" : "alert_undone")}</p>
                </div>
              </li>
            ))}
          </ol>
          <p class={isShort ? "all" : undefined}>
            <a href={linkTo("/peringatan", commodity ? { tentang: commodity } : {})}>{t("alerts_all", { count: `${whole(body.items.length)}${body.next_cursor ? "+" : ""}` })}</a>
          </p>
        </>
      )}
    </Panel>
  );
}
