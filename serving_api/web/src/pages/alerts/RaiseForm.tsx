/** Raise an alert as an operator; the answer says through which channels it goes. */
import { useState } from "preact/hooks";
import { readAlerts } from "../../data/live.ts";
import { post } from "../../data/post.ts";
import type { Problem } from "../../data/types.ts";
import { t, textOr } from "../../i18n/index.ts";
import { ProblemText } from "../../ui/Panel.tsx";
import { commodity, province, useSupported } from "../../ui/controls.tsx";

const LEVELS = ["naik", "waspada", "siaga", "kritis"] as const;

export function RaiseForm() {
  const supported = useSupported().body;
  const [problem, setProblem] = useState<Problem | null>(null);
  const [channels, setChannels] = useState<[string, string][] | null>(null);
  const [key, setKey] = useState(() => crypto.randomUUID());
  const send = async (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const given = Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ""));
    const body = { ...given, ...(given.risk_score ? { risk_score: Number(given.risk_score) } : {}) };
    setChannels(null);
    const { body: raised, problem } = await post("/api/alerts/trigger", body, { "Idempotency-Key": key });
    setProblem(problem);
    if (!raised) return;
    readAlerts();
    setChannels(Object.entries(raised.channels));
    setKey(crypto.randomUUID());
    form.reset();
  };
  return (
    <section class="card raise noprint" aria-labelledby="raise">
      <h2 id="raise">{t("raise")}</h2>
      <form class="fields" onSubmit={send}>
        <label>
          {t("commodity")}
          <select name="commodity" required>
            {(supported?.commodities ?? []).map((entry) => (
              <option key={entry.commodity} value={entry.commodity} selected={entry.commodity === commodity()}>
                {entry.name}
              </option>
            ))}
          </select>
        </label>
        <label>
          {t("level")}
          <select name="level" required>
            {LEVELS.map((level) => (
              <option key={level} value={level}>
                {t(`level_${level}`)}
              </option>
            ))}
          </select>
        </label>
        <label>
          {t("province")}
          <select name="region">
            <option value="">{t("nation")}</option>
            {(supported?.regions ?? []).map((region) => (
              <option key={region.code} value={region.name} selected={region.name === province()}>
                {region.name}
              </option>
            ))}
          </select>
        </label>
        <label>
          {t("raise_risk")}
          <input name="risk_score" type="number" min={0} max={100} step="any" />
        </label>
        <label class="wide">
          {t("raise_message")}
          <textarea name="message" rows={2} minLength={3} maxLength={500} required />
        </label>
        <div class="wide choices">
          <button class="solid">{t("raise_send")}</button>
          {channels && (
            <span role="status">
              {t("raise_sent")} {channels.map(([name, state]) => `${name}: ${textOr(`channel_${state}`, state)}`).join(", ")}
            </span>
          )}
        </div>
        {problem && <ProblemText problem={problem} />}
      </form>
    </section>
  );
}
