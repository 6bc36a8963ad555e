/** The claim of a device: QR code, code in groups, countdown, label, and the wait for its first message. */
import { useEffect, useRef } from "preact/hooks";
import { address, useFeed } from "../data/feed.ts";
import type { Device, IssuedClaim } from "../data/types.ts";
import { age, clock } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { useNow } from "../ui/now.ts";

const EVERY_MS = 2_000;
const GROUP = /.{1,4}/g;

/** How far the device has come: it uses the code, then it sends. */
function progress(device: Device | null, issued: IssuedClaim): string {
  if (issued.status === "pending") return t("claim_pending");
  if (!device || device.status === "approved") return t("claim_waits");
  return device.last_event_time ? t("claim_received", { age: age(device.last_event_time) }) : t("claim_used");
}

function printLabel(): void {
  document.documentElement.dataset.print = "label";
  print();
  delete document.documentElement.dataset.print;
}

export function ClaimDialog({ claim, close }: { claim: IssuedClaim; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const now = useNow(1000);
  const device = useFeed(address("/api/v1/devices/{device_id}", { device_id: claim.device_id }), EVERY_MS).body;
  useEffect(() => dialog.current?.showModal(), []);
  const left = Math.max(0, Date.parse(claim.claim_expires_at) - now);
  return (
    <dialog ref={dialog} aria-labelledby="claim-title" onClose={close}>
      <div class="label">
        <h2 id="claim-title">{claim.device_id}</h2>
        <p class="note">{claim.market_id}</p>
        <img class="qr" src={claim.qr_svg_data_url} alt={t("claim_qr")} width={210} height={210} />
        <p class="code">{claim.claim_code.match(GROUP)?.join(" ")}</p>
      </div>
      <p class="note">{t("claim_text")}</p>
      <p>
        {left > 0 ? t("claim_left", { time: clock(left / 1000) }) : t("claim_over")}
      </p>
      <p role="status">{progress(device, claim)}</p>
      <div class="buttons">
        <button class="ghost" onClick={printLabel}>
          {t("claim_print")}
        </button>
        <button class="solid" onClick={() => dialog.current?.close()}>
          {t("close")}
        </button>
      </div>
    </dialog>
  );
}
