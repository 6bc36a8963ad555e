"""The page of forecasts: what the model uses, and a training that is started and followed."""

import re

from playwright.sync_api import Page, expect

from lakehouse.identity.roles import Role
from lakehouse.io import training_jobs
from tests.browser.conftest import signed_in
from tests.support.api import ApiProcess, Environment
from tests.support.identity.people import add_person


def test_what_the_price_model_uses_is_listed_by_kind(page: Page) -> None:
    page.goto("/prakiraan?komoditas=cabai-merah-keriting&prov=Jawa+Barat")
    panel = page.locator("section", has=page.get_by_role("heading", name="Yang dipakai model harga"))
    expect(panel.locator("tbody tr").first).to_contain_text("own_r_7")
    expect(panel.locator(".bars")).to_contain_text("Kalender")
    expect(page.get_by_role("heading", name="Latih ulang")).to_have_count(0)


def test_training_is_started_and_followed_to_its_end(page: Page, running: ApiProcess) -> None:
    add_person(running.stack, "central@example.id", Role.CENTRAL)
    signed_in(page, running, "central@example.id").goto("/prakiraan?komoditas=bawang-merah")
    form = page.locator("section", has=page.get_by_role("heading", name="Latih ulang"))
    form.get_by_label("Alasan").fill("harga dua minggu diperbaiki")
    form.get_by_role("button", name="Mulai melatih").click()
    expect(form.locator('[data-job="queued"]')).to_be_visible()
    expect(page).to_have_url(re.compile("tugas=train-"))
    with Environment(running.stack).entered():
        job = training_jobs.take()
        assert job is not None and job.commodities == ("bawang-merah",)
        expect(form.locator('[data-job="running"]')).to_be_visible()
        training_jobs.finish(job.job_id, "rejected", promoted=False, run_id=None, detail=None)
    expect(form.locator('[data-job="rejected"]')).to_be_visible()
    page.reload()
    expect(form.locator('[data-job="rejected"]')).to_be_visible()
