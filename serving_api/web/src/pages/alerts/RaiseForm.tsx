/** Raise an alert as an operator; the answer says through which channels it goes. */
import { useState } from "preact/hooks";
import { readAlerts } from "../../data/live.ts";
import { post, useForm } from "../../data/post.ts";
import { t, textOr } from "../../i18n/index.ts";
import { ProblemText } from "../../ui/Panel.tsx";
import { SelectField, commodity, commodityOptions, province, provinceOptions, useSupported } from "../../ui/controls.tsx";

const LEVELS = ["naik", "waspada", "siaga", "kritis"] as const;

export function RaiseForm() {
  const supported = useSupported().body;
  const [channels, setChannels] = useState<[string, string][] | null>(null);
  const [key, setKey] = useState(() => crypto.randomUUID());
  const { submit, problem } = useForm(async (fields, form) => {
    const given = Object.fromEntries([...fields].filter(([, value]) => value !== ""));
    const body = { ...given, ...(given.risk_score ? { risk_score: Number(given.risk_score) } : {}) };
    setChannels(null);
    const { body: raised, problem } = await post("/api/alerts/trigger", body, { "Idempotency-Key": key });
    if (!raised) return problem;
    readAlerts();
    setChannels(Object.entries(raised.channels));
    setKey(crypto.randomUUID());
    form.reset();
    return null;
  });
  return (
    <section class="card raise noprint" aria-labelledby="raise">
      <h2 id="raise">{t("raise")}</h2>
      <form class="fields" onSubmit={submit}>
        <SelectField name="commodity" label={t("commodity")} options={commodityOptions(supported)} chosen={commodity()} />
        <SelectField name="level" label={t("level")} options={LEVELS.map((level) => [level, t(`level_${level}`)])} />
        <SelectField name="region" label={t("province")} options={[["", t("nation")], ...provinceOptions(supported)]} chosen={province()} />
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
