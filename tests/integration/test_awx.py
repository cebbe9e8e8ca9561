"""What playbooks/awx.yml makes: the real modules of awx.awx call a server that keeps it. It is not AWX (docs/awx.md)."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.controller import TOKEN, Controller, serving
from tests.integration.site import ROOT, flat, recap

SECRETS = {
    "BACKUP_SOURCE_PASSWORD": "correct-horse",
    "BACKUP_REPOSITORY_PASSWORD": "battery-staple",
    "OPS_MANAGER_PUBLIC_KEY": "public-key",
    "OPS_MANAGER_PRIVATE_KEY": "private-key",
    "ALERTS_TOKEN": "token-of-alerts",
}
Json = dict[str, Any]


@dataclass
class Site:
    """The server, and how the playbook reaches it."""

    controller: Controller
    url: str

    def run(self, *arguments: str, rc: int = 0, token: str = TOKEN) -> str:
        """Run the playbook with the sample file, as verbose as it gets, and require its return code."""
        done = subprocess.run(
            ["ansible-playbook", "-vvv", "mongodb_ops.backup.awx", "-e", "@inventories/awx.yml", *arguments],
            cwd=ROOT,
            env={**os.environ, **SECRETS, "CONTROLLER_HOST": self.url, "CONTROLLER_OAUTH_TOKEN": token},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        assert rc == done.returncode, done.stdout[-6000:]
        assert [] == [secret for secret in (*SECRETS.values(), TOKEN) if secret in done.stdout]
        return done.stdout


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Give a server with what is there before, on which the playbook was run once."""
    controller = Controller()
    machine = controller.add("credential_types", name="Machine", inputs={"fields": []})
    controller.add("credentials", name="Database machines", credential_type=machine["id"])
    with serving(controller) as url:
        found = Site(controller, url)
        assert recap(found.run(), "localhost")["changed"] == 11
        yield found


def test_a_second_run_changes_nothing(site: Site) -> None:
    """What is there already is not sent again, nor is a secret that AWX does not show."""
    before = len(site.controller.written())
    assert recap(site.run(), "localhost")["changed"] == 0
    assert {"/api/v2/workflow_approval_templates/"} >= {
        path.rsplit("/", 2)[0] + "/" for _method, path, _body in site.controller.written()[before:]
    }


def test_secrets_are_where_they_belong(site: Site) -> None:
    """Each secret was sent once, in the input of its credential that AWX encrypts."""
    sent = [body for _method, _path, body in site.controller.written()]
    found = {secret: sum(secret in str(body) for body in sent) for secret in SECRETS.values()}
    assert dict.fromkeys(SECRETS.values(), 1) == found
    user = site.controller.named("credentials", "Backup database user")
    assert {"username": "backup", "password": SECRETS["BACKUP_SOURCE_PASSWORD"]} == user["inputs"]


def test_credentials_become_variables_that_playbooks_take(site: Site) -> None:
    """AWX fills in the templates, so they reach it as they are; and every variable is one that a role or template reads."""
    read = "\n".join(
        path.read_text() for path in ROOT.glob("roles/*/*/*") if path.is_file() and "/awx/" not in str(path)
    )
    injected = [
        site.controller.named("credential_types", f"Backup {name}")
        for name in ("MongoDB user", "Ops Manager key", "restic repository")
    ]
    variables = {name: value for kind in injected for name, value in kind["injectors"]["extra_vars"].items()}
    assert "{{ password }}" == variables["backup_source_password"]
    assert "{{ private_key }}" == variables["backup_ops_manager_private_key"]
    assert [] == [name for name in variables if name not in read]


def prompts(playbook: Path) -> set[str]:
    """Return what a playbook asks for when it is not given: a job of AWX would wait for an answer until it is canceled."""
    plays = yaml.safe_load(playbook.read_text())
    own = {prompt["name"] for play in plays for prompt in play.get("vars_prompt", [])}
    imported = [play["ansible.builtin.import_playbook"] for play in plays if "ansible.builtin.import_playbook" in play]
    return own.union(*(prompts(playbook.parent / name) for name in imported))


def test_every_template_runs_a_playbook_with_answers_that_it_reads(site: Site) -> None:
    """Playbooks exist, in the project; variables of surveys are options of roles; limit, image and all credentials are given."""
    controller = site.controller
    options = {
        name
        for path in ROOT.glob("roles/*/meta/argument_specs.yml")
        for entry in yaml.safe_load(path.read_text())["argument_specs"].values()
        for name in entry.get("options", {})
    } | {"backup_confirm"}
    assert 8 == len(controller.things["job_templates"])
    assert {"backup_confirm"} == prompts(ROOT / "playbooks/resync.yml")
    for template in controller.things["job_templates"].values():
        assert (ROOT / template["playbook"]).is_file()
        assert set() == set(controller.survey(template)) - options
        assert template["survey_enabled"] is bool(controller.survey(template))
        assert template["ask_limit_on_launch"]
        asked = {**json.loads(template["extra_vars"]), **controller.survey(template)}
        assert set() == prompts(ROOT / template["playbook"]) - set(asked)
        assert controller.named("execution_environments", "Backup")["id"] == template["execution_environment"]
        assert 4 == len(controller.linked(template, "credentials"))
        assert (
            "Backup on call" in controller.linked(template, "notification_templates_error")
            or template["name"] == "Backup plan"
        )


def test_nothing_is_resynced_without_a_yes(site: Site) -> None:
    """The default of the question is no, and its reason has to be given."""
    questions = site.controller.survey(site.controller.named("job_templates", "Backup resync"))
    assert ("no", ["no", "yes"]) == (questions["backup_confirm"]["default"], questions["backup_confirm"]["choices"])
    assert questions["backup_reason"]["required"]
    assert "" == questions["backup_reason"]["default"]


def test_the_workflow_asks_between_plan_and_resync(site: Site) -> None:
    """check, and when it fails: plan → approve → resync → report; only an approval leads to the resync."""
    controller = site.controller
    kinds = ("success_nodes", "failure_nodes", "always_nodes")
    edges = {
        (node["identifier"], kind, other)
        for node in controller.things["workflow_job_template_nodes"].values()
        for kind in kinds
        for other in controller.linked(node, kind)
    }
    assert {
        ("check", "failure_nodes", "plan"),
        ("plan", "always_nodes", "approve"),
        ("approve", "success_nodes", "resync"),
        ("resync", "always_nodes", "report"),
    } == edges
    resync = controller.named("workflow_job_template_nodes", "resync")
    assert ("yes", "required") == (resync["extra_data"]["backup_confirm"], resync["extra_data"]["backup_policy"])
    (approval,) = controller.things["workflow_approval_templates"].values()
    assert 72000 == approval["timeout"]
    workflow = controller.named("workflow_job_templates", "Backup check and repair")
    assert ["Backup on call"] == controller.linked(workflow, "notification_templates_approvals")


def test_schedules_are_what_was_asked_for(site: Site) -> None:
    """Two schedules with their rules, and the annual run is confirmed where that was said."""
    controller = site.controller
    assert "TZID=Europe/Berlin" in controller.named("schedules", "Backup nightly check")["rrule"]
    assert {"backup_confirm": "yes"} == controller.named("schedules", "Backup annual resync")["extra_data"]


def test_what_is_asked_for_later_is_done(site: Site) -> None:
    """Secrets are sent again when that is asked for; an empty rule takes a schedule away; the annual run is confirmed no more."""
    controller = site.controller
    changes = ("-e", "awx_update_secrets=true", "-e", "awx_nightly_rule=", "-e", "{awx_annual_confirm: false}")
    assert recap(site.run(*changes), "localhost")["changed"] == 2
    assert ["Backup annual resync"] == [thing["name"] for thing in controller.things["schedules"].values()]
    assert {"backup_confirm": "no"} == controller.named("schedules", "Backup annual resync")["extra_data"]
    sent = sum(SECRETS["BACKUP_SOURCE_PASSWORD"] in str(body) for _method, _path, body in controller.written())
    assert 2 == sent


def test_a_wrong_token_is_said(site: Site) -> None:
    """The first call fails, and nothing is shown of the token."""
    assert "Invalid authentication credentials" in flat(site.run(rc=2, token="another"))


def test_a_mistake_is_found_before_anything_is_sent(site: Site, tmp_path: Path) -> None:
    """A misspelt type of a notification's time is refused by the argument specification."""
    before = len(site.controller.calls)
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(
        yaml.safe_dump(
            {"awx_more_job_templates": [{"name": "n", "description": "d", "playbook": "p", "told": ["never"]}]}
        )
    )
    assert "value of told must be one or more of" in flat(site.run("-e", f"@{wrong}", rc=2))
    assert before == len(site.controller.calls)
