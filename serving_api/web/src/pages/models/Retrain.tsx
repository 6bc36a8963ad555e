/** Start a training, and follow it; the address holds the job, so that a reload goes on with it. */
import { useState } from "preact/hooks";
import { address, refreshShown, useFeed } from "../../data/feed.ts";
import { post, useForm } from "../../data/post.ts";
import { mayAs } from "../../data/session.ts";
import { moment } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { param, setParams } from "../../router.ts";
import { ProblemText } from "../../ui/Panel.tsx";
import { commodity } from "../../ui/controls.tsx";

const EVERY_MS = 2_000;
const RESTS_MS = 60_000;
const UNDER_WAY: readonly string[] = ["queued", "running"];
const PARAMETER = "tugas";

function Progress({ id }: { id: string }) {
  const [rests, setRests] = useState(false);
  const feed = useFeed(address("/api/v1/models/jobs/{job_id}", { job_id: id }), rests ? RESTS_MS : EVERY_MS);
  const job = feed.body;
  const isOver = job !== null && !UNDER_WAY.includes(job.status);
  if (isOver !== rests) {
    setRests(isOver);
    if (isOver) refreshShown("/api/v1/models/");
  }
  if (!job) return feed.problem ? <ProblemText problem={feed.problem} /> : <p role="status">{t("loading")}</p>;
  return (
    <div role="status" data-job={job.status}>
      <p>
        <b>{job.status_text}</b> {job.detail} {job.finished_at && moment(job.finished_at)}
      </p>
      <progress max={100} value={job.progress_pct} aria-label={t("retrain")} />
    </div>
  );
}

/** For the role central; others do not see it. */
export function Retrain() {
  const id = param(PARAMETER);
  const { submit, problem } = useForm(async (fields, form) => {
    const order = { commodities: fields.get("all") ? [] : [commodity()], reason: fields.get("reason") };
    const { body: job, problem } = await post("/api/v1/models/retrain", order);
    if (!job) return problem;
    setParams({ [PARAMETER]: job.job_id }, false);
    form.reset();
    return null;
  });
  if (!mayAs("central")) return null;
  return (
    <section class="card half noprint" aria-labelledby="retrain">
      <h2 id="retrain">{t("retrain")}</h2>
      <p class="note">{t("retrain_note")}</p>
      <form class="fields" onSubmit={submit}>
        <label>
          {t("retrain_reason")}
          <input name="reason" minLength={3} maxLength={200} required autoComplete="off" />
        </label>
        <label class="check">
          <input type="checkbox" name="all" /> {t("retrain_all")}
        </label>
        <div>
          <button class="solid">{t("retrain_send")}</button>
        </div>
      </form>
      {problem && <ProblemText problem={problem} />}
      {id && <Progress key={id} id={id} />}
    </section>
  );
}
