/** One step with a device, and the reason for it, which the audit keeps. */
import { useEffect, useRef } from "preact/hooks";
import { useForm } from "../data/post.ts";
import { outcomeOf } from "../data/problem.ts";
import { sendJson } from "../data/session.ts";
import type { Device, IssuedClaim } from "../data/types.ts";
import { t } from "../i18n/index.ts";
import { ProblemText } from "../ui/Panel.tsx";
import { DialogButtons } from "../ui/controls.tsx";

export type Step = "approve" | "rotate" | "revoke";
const LEAST_REASON = 5;
const MOST_REASON = 200;

interface StepProps {
  device: Device;
  step: Step;
  done: (claim: IssuedClaim | null) => void;
  close: () => void;
}

export function StepDialog({ device, step, done, close }: StepProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const { submit, problem, waits } = useForm(async (fields) => {
    const call = sendJson(`/api/v1/devices/${encodeURIComponent(device.device_id)}/${step}`, { reason: fields.get("reason") });
    const { body, problem } = await outcomeOf<IssuedClaim>(call);
    if (!problem) done(step === "rotate" ? body : null);
    return problem;
  });
  return (
    <dialog ref={dialog} aria-labelledby="step-title" onClose={close}>
      <h2 id="step-title">
        {t(`step_${step}`)}: {device.device_id}
      </h2>
      <p class="note">{t(`step_${step}_text`)}</p>
      <form class="fields" onSubmit={submit}>
        <label>
          {t("reason")}
          <textarea name="reason" minLength={LEAST_REASON} maxLength={MOST_REASON} rows={2} required />
        </label>
        {problem && <ProblemText problem={problem} />}
        <DialogButtons text={t(`step_${step}`)} waits={waits} cancel={() => dialog.current?.close()} />
      </form>
    </dialog>
  );
}
