/** Devices: is each alive and trusted? Add one by its QR code; approve, rotate, revoke with a reason. */
import { useState } from "preact/hooks";
import { address, refreshShown, useFeed } from "../data/feed.ts";
import { post, useForm } from "../data/post.ts";
import { mayAs } from "../data/session.ts";
import type { Device, IssuedClaim, Market } from "../data/types.ts";
import { age, moment, share, whole } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { column, DataTable, SaveCsv, type Column } from "../ui/DataTable.tsx";
import { Panel, ProblemText } from "../ui/Panel.tsx";
import { SelectField, useZones } from "../ui/controls.tsx";
import { ClaimDialog } from "./ClaimDialog.tsx";
import { StepDialog, type Step } from "./StepDialog.tsx";

const DEVICES = "/api/v1/devices";
const SQL = "select device_id, hour, accepted, quarantined, last_event_time from gold.device_health order by hour desc limit 500";
const EVERY_MS = 10_000;
const REFERENCE_MS = 600_000;
const ROLES = ["operator", "central", "admin"] as const;
const STEPS: Record<Device["status"], Step[]> = {
  pending: ["approve", "revoke"],
  approved: ["rotate", "revoke"],
  active: ["rotate", "revoke"],
  revoked: ["approve"],
};
const SIGNS: Record<Device["status"], string> = { pending: "○", approved: "◐", active: "●", revoked: "✕" };

function columns(markets: Market[], zoneOf: ReturnType<typeof useZones>, begin: (device: Device, step: Step) => void): Column<Device>[] {
  const market = (row: Device) => markets.find((entry) => entry.market_id === row.market_id);
  return [
    column("device_id", "device"),
    { name: "market", title: t("market"), value: (row) => market(row)?.name ?? row.market_id },
    {
      name: "status",
      title: t("state"),
      value: (row) => row.status,
      show: (row) => (
        <span class={row.status === "revoked" ? "grave" : row.silent ? "dim" : undefined}>
          <i aria-hidden="true">{SIGNS[row.status]}</i> {t(`device_${row.status}`)}
          {row.silent && row.status === "active" && `, ${t("device_silent")}`}
          {row.status === "pending" && <small class="more">{t("device_registered", { time: moment(row.registered_at, zoneOf(market(row)?.region)), place: row.registered_from ?? "–" })}</small>}
          {row.revoked_at && <small class="more">{t("device_revoked_at", { time: moment(row.revoked_at, zoneOf(market(row)?.region)) })}</small>}
        </span>
      ),
    },
    column("last_event_time", "last_event", (time) => (time ? age(time) : t("never"))),
    column("accepted_24h", "accepted_24h", whole),
    column("quarantined_24h", "quarantined_24h", (count) => <span class={count ? "grave" : undefined}>{whole(count)}</span>),
    column("trust_score", "trust", share),
    {
      name: "steps",
      title: t("steps"),
      value: () => null,
      show: (row) => (
        <span class="buttons">
          {STEPS[row.status].map((step) => (
            <button key={step} class="ghost small" aria-label={`${t(`step_${step}`)}: ${row.device_id}`} onClick={() => begin(row, step)}>
              {t(`step_${step}`)}
            </button>
          ))}
        </span>
      ),
    },
  ];
}

interface AddProps {
  markets: Market[];
  show: (claim: IssuedClaim) => void;
}
function AddDevice({ markets, show }: AddProps) {
  const { submit, problem, waits } = useForm(async (fields, form) => {
    const { body: claim, problem } = await post("/api/auth/device/register", Object.fromEntries(fields));
    if (!claim) return problem;
    form.reset();
    refreshShown(DEVICES);
    show(claim);
    return null;
  });
  return (
    <section class="card full" aria-labelledby="add-device">
      <h2 id="add-device">{t("device_add")}</h2>
      <form class="fields row" onSubmit={submit}>
        <label>
          {t("device_id")}
          <input name="device_id" pattern="[A-Z0-9\-]{3,64}" title={t("device_id_rule")} autoComplete="off" required />
        </label>
        <SelectField name="market_id" label={t("market")} options={markets.map((market) => [market.market_id, market.name])} />
        <SelectField name="role" label={t("device_role")} options={ROLES.filter((name) => mayAs(name)).map((name) => [name, t(`device_role_${name}`)])} />
        <button class="solid" disabled={waits}>
          {t("device_add")}
        </button>
      </form>
      {problem && <ProblemText problem={problem} />}
    </section>
  );
}

export function Devices() {
  const feed = useFeed(address(DEVICES, { limit: 1000 }), EVERY_MS);
  const markets = useFeed(address("/api/public/market/list", { limit: 1000 }), REFERENCE_MS).body?.items ?? [];
  const zoneOf = useZones();
  const [step, setStep] = useState<{ device: Device; step: Step } | null>(null);
  const [claim, setClaim] = useState<IssuedClaim | null>(null);
  const done = (issued: IssuedClaim | null) => {
    setStep(null);
    refreshShown(DEVICES);
    setClaim(issued);
  };
  const shown = columns(markets, zoneOf, (device, chosen) => setStep({ device, step: chosen }));
  const silent = feed.body?.items.filter((device) => device.status === "active" && device.silent).length ?? 0;
  return (
    <>
      {feed.body && <p class="lead">{t(silent ? "devices_silent" : "devices_alive", { count: whole(feed.body.items.length), silent: whole(silent) })}</p>}
      <div class="grid">
        <Panel title={t("nav_devices")} feed={feed} class="full" needs="operator" sql={SQL} tools={<SaveCsv file="devices" columns={shown.filter(({ name }) => name !== "steps")} rows={feed.body?.items} />} isEmpty={(body) => !body.items.length} empty={t("empty_devices")}>
          {(body) => <DataTable label={t("nav_devices")} columns={shown} rows={body.items} keyOf={(row) => row.device_id} />}
        </Panel>
        {mayAs("operator") && <AddDevice markets={markets} show={setClaim} />}
      </div>
      {step && <StepDialog {...step} done={done} close={() => setStep(null)} />}
      {claim && <ClaimDialog claim={claim} close={() => setClaim(null)} />}
    </>
  );
}
