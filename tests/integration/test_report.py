"""The role report, with records of every kind: what people open, what programs read, what Prometheus takes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.mongodb_ops.backup.plugins.plugin_utils.report.metrics import check_metrics
from backup_agent.state.maintenance import Maintenance
from backup_agent.watch.look import Finding
from backup_agent.watch.output import metrics
from tests.integration.records import AWKWARD, Json, records

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "roles/report/files/alerts.yml"
VOID = {"meta", "br"}
PLAY = [{"hosts": "localhost", "gather_facts": False, "roles": ["mongodb_ops.backup.report"]}]
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")


@dataclass
class Written:
    """What the role wrote and printed."""

    directory: Path
    printed: str

    def text(self, name: str) -> str:
        return (self.directory / name).read_text()


def write(directory: Path, checks: list[Json], *arguments: str) -> Written:
    """Run the role over these records."""
    directory.mkdir(exist_ok=True)
    variables = {
        "report_checks": checks,
        "report_directory": str(directory),
        "report_textfile_directory": str(directory),
    }
    (directory / "variables.json").write_text(json.dumps(variables))
    (directory / "play.yml").write_text(yaml.safe_dump(PLAY))
    command = ["ansible-playbook", str(directory / "play.yml"), "-e", f"@{directory}/variables.json", *arguments]
    # Far from UTC: what is written must not depend on where the controller stands.
    far = {**os.environ, "TZ": "Asia/Tokyo"}
    ran = subprocess.run(command, cwd=ROOT, env=far, capture_output=True, text=True, timeout=120)
    assert 0 == ran.returncode, ran.stdout + ran.stderr
    return Written(directory, ran.stdout)


def dozen_records() -> list[Json]:
    """Return twelve records: one backup is near the end of the oplog, and one alert is open twice."""
    checks = records(12)
    checks[0]["backup"]["alerts"] *= 2
    checks[4]["backup"] |= {"slack_minutes": 60.0, "headroom_seconds": 3600.0}
    return checks


@pytest.fixture(scope="module")
def dozen(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Return the reports over twelve jobs, written in check mode."""
    return write(tmp_path_factory.mktemp("report"), dozen_records(), "--check")


class Page(HTMLParser):
    """Checks that tags nest, and collects what is in the page."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.jobs = 0
        self.texts: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.jobs += named.get("class") == "job"
        self.fetched += [value for name, value in attrs if name in ("src", "href") and value]
        assert tag not in ("script", "link", "img", "iframe")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Leave `<rect … />` alone."""

    def handle_endtag(self, tag: str) -> None:
        assert tag == self.open.pop(), self.getpos()

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def parse(text: str) -> Page:
    page = Page()
    page.feed(text)
    assert [] == page.open
    return page


def test_the_page_is_whole_and_needs_nothing_else(dozen: Written) -> None:
    """One section for each job, nothing fetched, and a name with markup in it is shown and not obeyed."""
    page = parse(dozen.text("check.html"))
    assert (12, []) == (page.jobs, page.fetched)
    assert "url(" not in dozen.text("check.html")
    shown = " ".join("".join(page.texts).split())
    assert " ".join(AWKWARD.split()) in shown
    for words in (
        "12 jobs",
        "resync_required",
        "there is no proven snapshot",
        "could not be reached",
        "the user may not ask",
    ):
        assert words in shown


SCRIPT = "</style><script>alert('1')</script>\"><b onload=x>"

#: An operation as a machine reports on it, with all that the page shows.
OPERATION: Json = {
    **dict.fromkeys(("id", "kind", "state", "owner", "reason"), "text"),
    "created_at": "2026-01-31T04:05:06Z",
    "finished_at": "2026-01-31T04:06:06Z",
    "error": {"message": "text"},
    "steps": [{"name": "text", "state": "text", "note": "text", "started_at": None}],
    "result": {
        "source": "text",
        "sources": ["text"],
        "documents_copied": "text",
        "bytes_copied": "text",
        "consistency_point": {"iso": "text", "time": "text", "increment": "text"},
        "snapshot": {"name": "text"},
        "validation": {
            "equal": False,
            "compared": "text",
            "level": "text",
            "differences": ["text"],
            "not_compared": ["text"],
            "collections": [
                {"namespace": "text", "documents": "text", "equal": False, "differences": ["text"], "ranges": ranges}
                for ranges in ([{"optime": "text"}], [{"optime": {"iso": "text", "time": "text", "increment": "text"}}])
            ],
        },
        "proof": {"equal": False, "collections": "text", "documents": "text", "differences": ["text"]},
    },
}


def scripted(value: Any) -> Any:
    """Return a value with a script in the place of each text in it that is no time of an operation."""
    if isinstance(value, dict):
        return {name: item if name in ("created_at", "finished_at") else scripted(item) for name, item in value.items()}
    if isinstance(value, list):
        return [scripted(item) for item in value]
    return SCRIPT if isinstance(value, str) else value


def test_no_text_of_a_machine_becomes_a_part_of_the_page(tmp_path: Path) -> None:
    """A script in every text of every record, the verdict too, is shown as it is, and none of it is obeyed."""
    text = write(tmp_path / "some", scripted(records(12))).text("check.html")
    assert 12 == parse(text).jobs
    assert "onload" in text
    assert not re.search(r"<script|<b |</style>.*</style>|'1'", text, re.S)
    assert not re.search(r'class="[^"]*[^a-z" ]', text.partition("<body>")[2])


def test_no_text_of_a_machine_becomes_a_part_of_the_page_of_a_resync(tmp_path: Path) -> None:
    """Nor there."""
    task = {"ansible.builtin.include_role": {"name": "mongodb_ops.backup.report", "tasks_from": "resync"}}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": [task]}]))
    page = tmp_path / "page.html"
    given = {"report_operation": scripted(OPERATION), "report_job": SCRIPT, "report_file": str(page)}
    (tmp_path / "variables.json").write_text(json.dumps(given))
    command = ["ansible-playbook", str(tmp_path / "play.yml"), "-e", f"@{tmp_path}/variables.json"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert 0 == ran.returncode, ran.stdout + ran.stderr
    parse(page.read_text())
    assert 20 < page.read_text().count("onload")
    assert not re.search(r"<script|<b |</style>.*</style>|'1'", page.read_text(), re.S)


def test_the_reports_are_not_for_everybody(dozen: Written) -> None:
    """Reasons and names of hosts are in them; the metrics are for the collector of node_exporter."""
    modes = {name: (dozen.directory / name).stat().st_mode & 0o777 for name in ("check.html", "check.json", ".")}
    assert {"check.html": 0o640, "check.json": 0o640, ".": 0o750} == modes
    assert 0o644 == (dozen.directory / "mongodb_backup.prom").stat().st_mode & 0o777


def test_unknown_is_never_shown_as_good(dozen: Written) -> None:
    """What is not known is a dash, and its verdict is said in a word."""
    rows = re.findall(r"<summary>(.*?)</summary>", dozen.text("check.html"), re.S)
    unknown = [row for row in rows if "unknown" in row]
    assert 1 == len(unknown)
    assert 4 == unknown[0].count("–</span>")
    assert 'class="verdict unknown">? unknown' in unknown[0]


def test_a_line_for_each_job(dozen: Written) -> None:
    """Worst first, on a line each, and not wider than a terminal."""
    lines = [line.strip() for line in dozen.printed.splitlines()]
    start = next(number for number, line in enumerate(lines) if line.startswith("VERDICT"))
    table = lines[start + 1 : start + 13]
    assert ["critical", "unknown", "warning", "warning", *["ok"] * 8] == [line.split()[0] for line in table]
    assert max(len(line) for line in table) <= 120
    assert "12 jobs: 1 critical, 1 unknown, 2 warning, 8 ok" == lines[start + 13]


def test_the_results_for_programs(dozen: Written) -> None:
    """They are the records, with the worst verdict on top."""
    found = json.loads(dozen.text("check.json"))
    assert ("critical", dozen_records()) == (found["verdict"], found["jobs"])


def test_three_hundred_jobs(tmp_path: Path) -> None:
    """The page stays small enough to be mailed, and each job is closed until it is asked for."""
    text = write(tmp_path / "many", records(300)).text("check.html")
    assert 300 == parse(text).jobs
    assert len(text) < 2_000_000
    assert '<details class="job" open' not in text


def test_what_nobody_knows_does_not_hide_the_others(tmp_path: Path) -> None:
    """No member could be read, only the peak is known, a text has control characters: there is a report over all of them."""
    blind, peak, torn = (deepcopy(records(12)[4]) for _ in range(3))
    nothing = dict.fromkeys(("window_hours", "forecast_p95_hours", "forecast_peak_hours", "write_rate"))
    blind |= {"job": "blind", "verdict": "unknown", "oplog": blind["oplog"] | nothing}
    peak |= {"job": "peak", "oplog": peak["oplog"] | {"forecast_p95_hours": None}}
    peak["backup"]["last_validation"] |= {"age_days": None, "equal": None}
    peak["backup"]["last_resync"]["age_days"] = peak["backup"]["last_snapshot"]["age_hours"] = None
    torn |= {"job": "torn\x1b[2J", "reasons": ["one\ntwo\tthree"]}
    written = write(tmp_path / "some", [blind, peak, torn])
    page = parse(written.text("check.html"))
    assert 3 == page.jobs
    shown = " ".join("".join(page.texts).split())
    assert "no member's oplog could be read" in shown
    assert "result not known, age not known" in shown
    assert "different" not in shown
    assert not re.search(r'oplog_window_seconds\{backup="blind"', written.text("mongodb_backup.prom"))
    assert re.search(r"^ *ok +torn \[2J .* one two three$", written.printed, re.M)


def test_a_directory_that_is_missing_does_not_hide_the_lines(tmp_path: Path) -> None:
    """What was found is printed before anything is written."""
    with pytest.raises(AssertionError, match="2 jobs: "):
        write(tmp_path / "some", records(2), "-e", f"report_textfile_directory={tmp_path}/missing")


@needs_promtool
def test_metrics_and_alerts_are_what_prometheus_takes(dozen: Written) -> None:
    """promtool has nothing to complain about, and what is not known is left out."""
    written = dozen.text("mongodb_backup.prom")
    for command, text in ((["check", "metrics"], written), (["check", "rules", str(ALERTS)], "")):
        done = subprocess.run(["promtool", *command], input=text, capture_output=True, text=True, timeout=60)
        assert (0, "") == (done.returncode, done.stderr), done.stdout
    assert re.search(
        r'mongodb_backup_verdict\{backup="job001",cluster="",machine="backup1",verdict="unknown"\} 1', written
    )
    assert not re.search(r"mongodb_backup_(lag|oplog).*job001", written)
    names = [name for name, _value in samples(written)]
    assert len(set(names)) == len(names)


def test_the_time_of_the_check_does_not_depend_on_the_time_zone(dozen: Written) -> None:
    """The metric and the time for programs are the same, up to the seconds between writing the two files."""
    said = datetime.fromisoformat(json.loads(dozen.text("check.json"))["checked_at"].replace("Z", "+00:00")).timestamp()
    measured = float(dict(samples(dozen.text("mongodb_backup.prom")))["mongodb_backup_checked_timestamp_seconds"])
    assert said <= measured < said + 120


def test_two_jobs_of_one_name(tmp_path: Path) -> None:
    """On two machines both have metrics; on one, the worse one has. The collector takes no series twice."""
    worse, better, elsewhere = (deepcopy(records(12)[4]) for _ in range(3))
    worse |= {"verdict": "critical"}
    elsewhere |= {"machine": "backup2"}
    written = write(tmp_path / "some", [worse, better, elsewhere])
    found = samples(written.text("mongodb_backup.prom"))
    assert len(dict(found)) == len(found)
    verdicts = [name for name, value in found if name.startswith("mongodb_backup_verdict") and value == "1"]
    assert [["backup1", "critical"], ["backup2", "ok"]] == [
        re.findall(r'(?:machine|verdict)="(\w+)"', name) for name in verdicts
    ]


def test_a_lag_that_is_longer_than_the_window_is_said(dozen: Written) -> None:
    """The chart shows both, and words say what that means."""
    text = dozen.text("check.html")
    assert 1 == text.count("longer than the window, so what the backup needs next is gone.")
    bars = re.findall(r'<rect .*?width="([\d.]+)" height="\d+" fill="var\(--(\w+)\)"', text)[:3]
    assert ["room", "bar", "lag"] == [fill for _width, fill in bars]
    assert 0 < float(bars[1][0]) < float(bars[2][0]) < 600


def samples(text: str) -> list[tuple[str, str]]:
    """Return the name with the labels, and the value, of every sample."""
    return re.findall(r"^(\w+(?:\{.*\})?) (\S+)$", text, re.M)


def series(text: str) -> list[Json]:
    """Return the metrics as promtool takes them for a test: the same value for two hours."""
    return [{"series": name, "values": f"{value}x120"} for name, value in samples(text)]


@needs_promtool
def test_alerts_fire_on_what_the_role_writes(dozen: Written) -> None:
    """Each alert fires for the jobs that it is about, and for no other: its rules are fed with the metrics of the role."""
    jobs = {check["job"]: check for check in dozen_records()}
    expected = {
        "MongoDBBackupResyncRequired": {AWKWARD},
        "MongoDBBackupSlackShort": {"job004"},
        "MongoDBBackupHeadroomShort": {"job004"},
        "MongoDBBackupCritical": {AWKWARD},
        "MongoDBBackupUnknown": {"job001"},
        "MongoDBBackupLagging": {AWKWARD},
        "MongoDBOplogWindowShort": {AWKWARD},
        "MongoDBOplogForecastShort": {name for name, check in jobs.items() if short(check)},
        "MongoDBBackupNotProven": {AWKWARD},
    }
    rules = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    assert {rule["alert"] for rule in rules} == {*expected, "MongoDBBackupCheckStale", "MongoDBBackupCheckMissing"}
    assert_rules(dozen, expected, [STALE, MISSING])


RECORD = Maintenance("me", "kernel", "1970-01-01T00:00:00Z", "1970-01-01T03:00:00Z")

#: What `watch` may find: one agent that runs, and four that are down.
FINDINGS = [
    Finding("runs", "ok", "", True, RECORD),
    Finding("failed", "critical", "", False),
    Finding("in time", "ok", "", False, RECORD, "1970-01-01T03:00:00Z"),
    Finding("late", "critical", "", False, RECORD, "1970-01-01T02:10:00Z"),
    Finding("open end", "warning", "", False, RECORD),
]


@needs_promtool
def test_alerts_fire_on_what_watch_writes(tmp_path: Path) -> None:
    """An agent that is down without maintenance, for too long, or for nobody knows how long; and a watch that has ended."""
    expected = {
        "MongoDBBackupAgentDown": {"failed"},
        "MongoDBBackupRestartDue": {"late"},
        "MongoDBBackupRestartUnknown": {"open end"},
    }
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    assert {rule["alert"] for rule in groups[1]["rules"]} == {*expected, "MongoDBBackupWatchStale"}
    text = metrics(FINDINGS).decode()
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert (0, "") == (done.returncode, done.stderr), done.stdout
    # As scraped: the label `job` of the file gives way to that of the collector.
    scraped = re.sub(r'job="([^"]*)"', r'exported_job="\1",instance="agents1",job="node"', text)
    stale = {**STALE, "input_series": [{"series": "mongodb_backup_watch_timestamp_seconds", "values": "0x200"}]}
    stale["promql_expr_test"] = [
        {
            "expr": 'count(ALERTS{alertname="MongoDBBackupWatchStale",alertstate="firing"}) or vector(0)',
            "eval_time": f"{minutes}m",
            "exp_samples": [{"labels": "{}", "value": firing}],
        }
        for minutes, firing in ((9, 0), (11, 1))
    ]
    (tmp_path / "mongodb_backup.prom").write_text(scraped)
    assert_rules(Written(tmp_path, ""), expected, [stale])


def assert_rules(written_by: Written, expected: dict[str, set[str]], others: list[Json]) -> None:
    """Require that after 110 minutes of these metrics exactly these alerts fire for these jobs, and pass other tests."""
    checks = [
        {"expr": f'count by (backup) (ALERTS{{alertname="{alert}",alertstate="firing"}})', "eval_time": "110m"}
        | {"exp_samples": [{"labels": f"{{backup={json.dumps(name)}}}", "value": 1} for name in sorted(names)]}
        for alert, names in expected.items()
    ]
    # The first sample is of the time 0, and the last check is of today: it is not stale, it is from the future.
    test = {
        "interval": "1m",
        "input_series": series(written_by.text("mongodb_backup.prom")),
        "promql_expr_test": checks,
    }
    written = written_by.directory / "alerts.test.yml"
    written.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "tests": [test, *others]}))
    done = subprocess.run(["promtool", "test", "rules", str(written)], capture_output=True, text=True, timeout=60)
    assert 0 == done.returncode, done.stdout + done.stderr


def short(check: Json) -> bool:
    """Say whether the oplog would be too short in busy times."""
    hours = (check["oplog"] or {}).get("forecast_p95_hours")
    return hours is not None and hours < 24


#: A check that ran once, two hours ago.
STALE = {
    "interval": "1m",
    "input_series": [{"series": "mongodb_backup_checked_timestamp_seconds", "values": "0x200"}],
    "promql_expr_test": [
        {
            "expr": 'count(ALERTS{alertname="MongoDBBackupCheckStale",alertstate="firing"}) or vector(0)',
            "eval_time": f"{minutes}m",
            "exp_samples": [{"labels": "{}", "value": firing}],
        }
        for minutes, firing in ((100, 0), (130, 1))
    ],
}


#: No check at all, beside something else that Prometheus does get.
MISSING = {
    "interval": "1m",
    "input_series": [{"series": "up", "values": "1x60"}],
    "promql_expr_test": [
        {
            "expr": 'count(ALERTS{alertname="MongoDBBackupCheckMissing",alertstate="firing"}) or vector(0)',
            "eval_time": f"{minutes}m",
            "exp_samples": [{"labels": "{}", "value": firing}],
        }
        for minutes, firing in ((20, 0), (40, 1))
    ],
}


def test_documentation_names_every_metric_and_alert() -> None:
    """docs/checks.md has a row for each, and none that is not there."""
    documented = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/checks.md").read_text(), re.M))
    names = {
        *(metric["name"] for metric in check_metrics([], "2026-01-31T04:05:06Z")),
        *re.findall(r"^# HELP (mongodb_\w+)", metrics([]).decode(), re.M),
    }
    alerts = set(re.findall(r"alert: (\w+)", ALERTS.read_text()))
    assert names | alerts == {name for name in documented if name.startswith(("mongodb_backup_", "MongoDB"))}
