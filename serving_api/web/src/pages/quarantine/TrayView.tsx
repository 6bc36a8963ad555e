/** The tray: what waits and can be taken back, what was sent and its outcome. */
import { whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { useNow } from "../../ui/now.ts";
import { dismiss, send, tray, undo, type Entry } from "./tray.ts";

const MOST_SHOWN = 4;

function Line({ entry, now, back }: { entry: Entry; now: number; back: (ids: string[]) => void }) {
  const left = Math.max(0, Math.ceil((entry.sendsAt - now) / 1000));
  return (
    <li class={entry.state === "failed" || entry.state === "quarantine" ? "odd" : undefined}>
      <p>
        <b>{t(`verdict_${entry.verdict}`)}</b> {entry.title}: {entry.state === "waiting" ? <span aria-hidden="true">{t("tray_waiting", { seconds: whole(left) })}</span> : t(`tray_${entry.state}`)}
        {entry.note && <small> {entry.note}</small>}
      </p>
      {entry.state === "waiting" && (
        <button onClick={() => back(undo(entry.key))}>
          {t("undo")} <kbd>Z</kbd>
        </button>
      )}
      {entry.repeats && <button onClick={() => void send(entry.key)}>{t("retry")}</button>}
      {(entry.state === "failed" || entry.state === "quarantine") && <button onClick={() => dismiss(entry.key)}>{t("close")}</button>}
    </li>
  );
}

export function TrayView({ back }: { back: (ids: string[]) => void }) {
  const entries = tray.value;
  const now = useNow(500, entries.some(({ state }) => state === "waiting"));
  const more = entries.length - MOST_SHOWN;
  return (
    <section class="tray noprint" aria-label={t("tray")} aria-live="polite">
      {entries.length > 0 && (
        <ul>
          {more > 0 && <li>{t("tray_more", { count: whole(more) })}</li>}
          {entries.slice(-MOST_SHOWN).map((entry) => (
            <Line key={entry.key} entry={entry} now={now} back={back} />
          ))}
        </ul>
      )}
    </section>
  );
}
