# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases on the machine that has helm: what is planned, and which commands helm gets."""

from __future__ import annotations

import base64
import fcntl
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.kubestead.cluster.plugins.modules import helm_releases
from ansible_collections.kubestead.cluster.plugins.modules.helm_releases import Order, Refused, Release

from .conftest import Programs

Run = Callable[..., dict[str, Any]]
# As kubectl 1.36.3 prints it, of releases that helm 4.3.0 made.
LINE = '{namespace}\t{{"createdAt":"1795399484","kubestead.io/helm":"true","modifiedAt":"1795399499","name":"{name}",'
LINE += '"owner":"helm","status":"{status}","version":"{version}"}}\n'
GOOD = {"title": "lab/web 1.4.2", "fingerprint": "f", "revision": 1, "timeout": 60}


def lines(*states: tuple[int, str], name: str = "web", namespace: str = "shop") -> str:
    return "".join(
        LINE.format(name=name, namespace=namespace, status=status, version=number) for number, status in states
    )


def order(**given: Any) -> dict[str, Any]:
    defaults = {"name": "web", "namespace": "shop", "chart": "lab/web", "version": "1.4.2", "fingerprint": "f"}
    return {**defaults, "timeout": 60, "title": "lab/web 1.4.2", "local": False, "recorded": GOOD, **given}


def verbs(states: str, *orders: dict[str, Any]) -> list[str]:
    found = helm_releases.read_states(states)
    return [str(step) for step in helm_releases.plan([Order(**item) for item in orders], found)]


def test_states() -> None:
    foreign = 'kube-system\t{"name":"x","owner":"helm","status":"deployed","version":"3"}\n'
    assert helm_releases.read_states(lines((1, "superseded"), (10, "deployed")) + foreign) == {
        "shop/web": Release({1: "superseded", 10: "deployed"}, ours=True),
        "kube-system/x": Release({3: "deployed"}),
    }


@pytest.mark.parametrize(
    ("states", "given", "expected"),
    [
        ("", {"recorded": None}, ["install shop/web"]),
        ("", {}, ["install shop/web"]),
        (lines((1, "deployed")), {}, []),
        (lines((1, "deployed")), {"fingerprint": "g"}, ["upgrade shop/web"]),
        # Somebody else has upgraded it.
        (lines((1, "superseded"), (2, "deployed")), {}, ["upgrade shop/web"]),
        (lines((1, "failed")), {}, ["upgrade shop/web"]),
        (lines((1, "deployed")), {"recorded": {"timeout": 60}}, ["upgrade shop/web"]),
        (lines((1, "deployed")), {"chart": ""}, ["uninstall shop/web"]),
        ("", {"chart": ""}, []),
        # Uninstalled, and installed again by somebody else: not ours any more.
        (lines((1, "deployed")).replace("kubestead.io/helm", "other"), {"chart": ""}, []),
    ],
)
def test_plan(states: str, given: dict[str, Any], expected: list[str]) -> None:
    assert verbs(states, order(**given)) == expected


def test_what_goes_goes_first() -> None:
    old = order(name="old", chart="")
    assert verbs(lines((1, "deployed"), name="old"), order(), old) == ["uninstall shop/old", "install shop/web"]


def test_the_release_of_somebody_else() -> None:
    with pytest.raises(Refused, match="releases shop/web: found what somebody else has installed"):
        verbs(lines((1, "deployed")).replace("kubestead.io/helm", "other"), order())


@pytest.mark.parametrize(
    ("revisions", "expected"),
    [
        ({1: "deployed"}, []),
        ({1: "failed"}, []),
        ({1: "pending-install"}, ["uninstall"]),
        ({1: "failed", 2: "pending-install"}, ["uninstall"]),
        ({1: "superseded", 2: "deployed", 3: "failed", 4: "pending-upgrade"}, ["rollback", "2"]),
    ],
)
def test_operations_that_were_killed(revisions: dict[int, str], expected: list[str]) -> None:
    assert helm_releases.repair(Release(revisions)) == expected


def test_difference() -> None:
    found = helm_releases.read_states(lines((1, "deployed")) + lines((1, "deployed"), name="old"))
    orders = [order(fingerprint="g"), order(name="old", chart="", recorded={"revision": 1}), order(name="new")]
    steps = helm_releases.plan([Order(**item) for item in orders], found)
    assert helm_releases.difference(steps) == {
        "before": ("shop/old: unknown chart, revision 1 deployed\nshop/web: lab/web 1.4.2, revision 1 deployed\n"),
        "after": "shop/web: lab/web 1.4.2 (other values or content)\nshop/new: lab/web 1.4.2\n",
    }


def test_files_of_credentials() -> None:
    repositories = json.loads(
        helm_releases.repositories_file(
            [{"name": "lab", "url": "https://x", "ca": None}], {"lab": {"username": "me", "password": "hush"}}, ""
        )
    )
    assert repositories["repositories"] == [
        {"name": "lab", "url": "https://x", "caFile": "", "username": "me", "password": "hush"}
    ]
    auths = json.loads(helm_releases.registry_file({"r:5000": {"username": "me", "password": "hush"}}))
    assert base64.b64decode(auths["auths"]["r:5000"]["auth"]) == b"me:hush"


def test_registries() -> None:
    known = [{"host": "r:5000", "plain_http": True, "ca": None}, {"host": "s", "plain_http": False, "ca": "/ca.pem"}]
    assert helm_releases.registry_options("oci://r:5000/charts/web", known, "") == ["--plain-http"]
    assert helm_releases.registry_options("oci://s/web", known, "") == ["--ca-file", "/ca.pem"]
    assert helm_releases.registry_options("oci://other/web", known, "") == []
    assert helm_releases.registry_options("oci://other/web", [], "/mirror.crt") == ["--ca-file", "/mirror.crt"]


def packed(*names: str) -> str:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    return base64.b64encode(content.getvalue()).decode()


def test_a_chart_of_the_controller(tmp_path: Path) -> None:
    assert helm_releases.unpack(packed("web/Chart.yaml"), str(tmp_path)) == str(tmp_path / "web")
    assert (tmp_path / "web/Chart.yaml").is_file()


@pytest.mark.parametrize("name", ["../x", "/etc/x"])
def test_an_archive_that_leaves_its_place(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused, match="expected files and directories inside it"):
        helm_releases.unpack(packed("web/Chart.yaml", name), str(tmp_path))


class Cluster:
    """Helm and kubectl as the module calls them."""

    def __init__(self, programs: Programs, states: str) -> None:
        self.programs = programs
        self.states = states
        self.after = states
        self.helm: list[list[str]] = []
        self.files: list[str] = []
        self.answer = (0, "", "")
        programs.answers = {"kubectl get secrets": lambda _argv: (0, self.states, ""), "helm": self.run}

    def run(self, argv: list[str]) -> tuple[int, str, str]:
        end = argv.index("--kubeconfig")
        self.helm.append(argv[1:end])
        if "--values" in argv:
            self.files.append(Path(argv[argv.index("--values") + 1]).read_text())
        self.states = self.after
        return self.answer


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(helm_releases, "RUN", str(tmp_path / "run"))
    return tmp_path / "run"


def test_an_upgrade(home: Path, programs: Programs, run_module: Run) -> None:
    cluster = Cluster(programs, lines((1, "deployed")))
    cluster.after = lines((1, "superseded"), (2, "deployed"))
    arguments = {
        "releases": [],
        "repositories": [{"name": "lab", "url": "https://x"}],
        "controller_kubeconfig": "/x",
        "orders": {"shop/web": order(fingerprint="g")},
        "secrets": json.dumps({"values": {"shop/web": {"key": "hush"}}}),
    }
    planned = run_module(helm_releases, _ansible_check_mode=True, **arguments)
    assert (planned["changed"], planned["actions"], cluster.helm) == (True, ["upgrade shop/web"], [])
    done = run_module(helm_releases, **arguments)
    assert (done["changed"], done["diff"], done["revisions"]) == (True, planned["diff"], {"shop/web": 2})
    assert cluster.helm[0] == ["repo", "update", "lab"]
    assert cluster.helm[1][:5] == ["upgrade", "--install", "web", "lab/web", "--version"]
    assert {"--rollback-on-failure", "--wait", "--reset-values", "--create-namespace"} < set(cluster.helm[1])
    assert cluster.files == ['{"key": "hush"}']
    assert "hush" not in str(programs.calls) + json.dumps(done)
    assert sorted(path.name for path in home.iterdir()) == ["helm.lock"]


def test_what_a_killed_run_left_goes(home: Path, programs: Programs, run_module: Run) -> None:
    cluster = Cluster(programs, "")
    cluster.after = lines((1, "deployed"))
    (home / "helm-killed").mkdir(parents=True)
    (home / "helm-killed/values.json").write_text("hush")
    (home / "other").write_text("of others")
    orders = {"shop/web": order(chart="oci://r/web", recorded=None)}
    secrets = json.dumps({"values": {"shop/web": {}}})
    given = {"releases": [], "controller_kubeconfig": "/x", "orders": orders, "secrets": secrets}
    with (home / "helm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another run" in run_module(helm_releases, **given)["msg"]
    # It may be that run's.
    assert (home / "helm-killed").exists()
    assert run_module(helm_releases, **given)["changed"]
    assert sorted(path.name for path in home.iterdir()) == ["helm.lock", "other"]


def test_a_chart_of_the_controller_is_asked_for(home: Path, programs: Programs, run_module: Run) -> None:
    cluster = Cluster(programs, lines((1, "deployed")))
    given = {
        "releases": [],
        "controller_kubeconfig": "/x",
        "orders": {"shop/web": order(chart="./web", fingerprint="g", local=True)},
    }
    secrets = {"values": {"shop/web": {}}, "charts": {}}
    planned = run_module(helm_releases, _ansible_check_mode=True, secrets=json.dumps(secrets), **given)
    assert planned["actions"] == ["upgrade shop/web"]
    asked = run_module(helm_releases, secrets=json.dumps(secrets), **given)
    assert (asked["changed"], asked["lacking"], cluster.helm) == (False, ["shop/web"], [])
    sent = json.dumps({**secrets, "charts": {"shop/web": packed("web/Chart.yaml")}})
    cluster.after = lines((2, "deployed"))
    assert run_module(helm_releases, secrets=sent, **given)["revisions"] == {"shop/web": 2}
    assert cluster.helm[0][3].startswith(str(home / "helm-"))


def test_charts_of_the_mirror(home: Path, programs: Programs, run_module: Run) -> None:
    cluster = Cluster(programs, "")
    cluster.after = lines((1, "deployed"))
    seen = []

    def run(argv: list[str]) -> tuple[int, str, str]:
        configuration = json.loads(Path(argv[argv.index("--repository-config") + 1]).read_text())
        seen.append((configuration["repositories"][0]["caFile"], argv[argv.index("--ca-file") + 1]))
        return cluster.run(argv)

    programs.answers["helm"] = run
    done = run_module(
        helm_releases,
        releases=[],
        repositories=[{"name": "lab", "url": "https://m/files/charts/lab"}],
        mirror_host="m",
        mirror_ca="-----BEGIN",
        controller_kubeconfig="/x",
        orders={"shop/web": order(chart="oci://m/r_5000/web", recorded=None)},
        secrets=json.dumps({"values": {"shop/web": {}}}),
    )
    assert done["changed"]
    assert len({*seen[0]}) == 1
    assert seen[0][0].startswith(str(home / "helm-"))
    assert seen[0][0].endswith("/mirror.crt")


def test_a_failing_upgrade(home: Path, programs: Programs, run_module: Run) -> None:
    cluster = Cluster(programs, lines((1, "deployed")) + lines((1, "deployed"), name="old"))
    cluster.after = lines((1, "superseded"), (2, "failed"), (3, "deployed"))
    cluster.answer = (1, "", "level=WARN msg=x\nError: UPGRADE FAILED: pods are not ready\ncontext deadline exceeded\n")
    failed = run_module(
        helm_releases,
        releases=[],
        controller_kubeconfig="/x",
        orders={"shop/web": order(chart="oci://r/web", fingerprint="g")},
        secrets=json.dumps({"values": {"shop/web": {}}}),
    )
    assert failed["msg"] == (
        "upgrade shop/web (lab/web 1.4.2): UPGRADE FAILED: pods are not ready context deadline exceeded; "
        "look at `kubectl -n shop get events` and at the pods"
    )
    assert (failed["revisions"], failed["rolled_back"]) == ({}, {"shop/web": 3})
    assert sorted(path.name for path in home.iterdir()) == ["helm.lock"]


def test_what_was_killed_is_ended_first(home: Path, programs: Programs, run_module: Run) -> None:
    cluster = Cluster(programs, lines((1, "deployed"), (2, "pending-upgrade")))
    cluster.after = lines((4, "deployed"))
    orders = {"shop/web": order(chart="oci://r/web")}
    secrets = json.dumps({"values": {"shop/web": {}}})
    run_module(helm_releases, releases=[], controller_kubeconfig="/x", orders=orders, secrets=secrets)
    assert cluster.helm[0][:3] == ["rollback", "web", "1"]
    assert cluster.helm[1][0] == "upgrade"
    assert home.exists()


def test_an_uninstallation(home: Path, programs: Programs, run_module: Run) -> None:
    cluster = Cluster(programs, lines((1, "deployed")))
    cluster.after = ""
    orders = {"shop/web": order(chart=""), "shop/never": order(name="never", chart="")}
    done = run_module(helm_releases, releases=[], controller_kubeconfig="/x", orders=orders, secrets="{}")
    assert cluster.helm == [["uninstall", "web", "--namespace", "shop", "--timeout", "60s", "--wait"]]
    assert done["revisions"] == {"shop/web": 0, "shop/never": 0}
    assert home.exists()


def test_a_machine_without_helm(home: Path, programs: Programs, run_module: Run) -> None:
    Cluster(programs, lines((1, "deployed")))
    programs.missing.add("helm")
    given = {"releases": [], "controller_kubeconfig": "/x", "orders": {"shop/web": order(chart="")}, "secrets": "{}"}
    assert "give the machine helm again with helm_enabled: true" in run_module(helm_releases, **given)["msg"]
    assert home.exists()
