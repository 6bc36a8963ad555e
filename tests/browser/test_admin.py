"""The page of administrators: refused below the role, rights of an account, the last one, and the audit."""

import re

from playwright.sync_api import Page, expect

from lakehouse.identity.roles import Role
from tests.browser.accessibility import faults_of
from tests.browser.answers import english_words
from tests.browser.conftest import signed_in
from tests.support.api import ApiProcess
from tests.support.identity.people import add_person


def test_operator_is_refused_with_the_role_that_is_needed(operator: Page) -> None:
    operator.goto("/admin")
    expect(operator.get_by_role("main").get_by_role("alert").first).to_contain_text("admin")
    operator.goto("/")
    expect(operator.get_by_role("link", name="Lembar Senin")).to_be_visible()
    expect(operator.get_by_role("link", name="Administrasi")).to_have_count(0)


def test_administrator_changes_rights_which_the_audit_shows(
    page: Page, running: ApiProcess, axe: str
) -> None:
    add_person(running.stack, "chief@example.id", Role.ADMIN)
    add_person(running.stack, "clerk@example.id", Role.OPERATOR)
    admin = signed_in(page, running, "chief@example.id")
    admin.goto("/")
    admin.get_by_role("link", name="Administrasi").click()
    accounts = admin.get_by_role("region", name="Akun pengguna")
    accounts.get_by_label("Cari alamat surel").fill("clerk@example.id")
    accounts.get_by_role("button", name="Cari").click()
    rows = accounts.locator("tbody tr")
    expect(rows).to_have_count(1)
    assert english_words(admin) == []
    rows.get_by_role("button", name="Akun clerk@example.id").click()
    dialog = admin.locator("dialog[open]")
    dialog.get_by_text("Provinsi operator: semua").click()
    dialog.get_by_role("checkbox", name="Jawa Barat").check()
    dialog.get_by_role("checkbox", name="Nonaktifkan akun").check()
    assert faults_of(admin, axe) == []
    dialog.get_by_role("button", name="Simpan").click()
    expect(rows).to_contain_text("Jawa Barat")
    expect(rows).to_contain_text("nonaktif")
    audit = admin.get_by_role("region", name="Catatan audit")
    audit.get_by_label("Tindakan").fill("user.change")
    audit.get_by_role("button", name="Cari").click()
    expect(admin).to_have_url(re.compile("aksi=user.change"))
    expect(audit.locator("tbody tr").first).to_contain_text(re.compile(r"chief@.*clerk@"))
    audit.get_by_label("Hari terakhir").fill("2020-01-01")
    audit.get_by_role("button", name="Cari").click()
    expect(audit).to_contain_text("Tidak ada catatan yang cocok.")


def test_last_administrator_cannot_give_up_the_role(page: Page, running: ApiProcess) -> None:
    add_person(running.stack, "only@example.id", Role.ADMIN)
    admin = signed_in(page, running, "only@example.id")
    admin.goto("/admin?peran=admin&lang=en")
    users = running.get("/api/v1/admin/users?role=admin", "admin").json()["items"]
    for user in users:
        if user["email"] != "only@example.id":
            path = f"/api/v1/admin/users/{user['user_id']}"
            assert running.request("PATCH", path, "admin", json={"role": "user"}).status_code == 200
    admin.get_by_role("button", name="Account only@example.id").click()
    dialog = admin.locator("dialog[open]")
    dialog.get_by_label("Role").select_option("user")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    expect(dialog.get_by_role("alert")).not_to_contain_text("undefined")
