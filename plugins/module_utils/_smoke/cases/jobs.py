# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Job and CronJob: pods that come to an end."""

from __future__ import annotations

from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.namespace import Object, expect
from ansible_collections.kubestead.cluster.plugins.module_utils._smoke.suite import Case, Scene


def ended(scene: Scene, name: str, wanted: str) -> Object:
    """Wait until a Job has ended like this (Complete or Failed); return the condition that says so."""

    def attempt() -> Object:
        status = scene.space.get("Job", name)["status"]
        conditions = {item["type"]: item for item in status.get("conditions", []) if item["status"] == "True"}
        counts = ", ".join(f"{word} {status.get(word, 0)}" for word in ("active", "succeeded", "failed"))
        expect(wanted in conditions, f"{counts}; {', '.join(conditions) or 'no end'}", f"Job {name} {wanted}")
        return {**conditions[wanted], "succeeded": status.get("succeeded", 0), "failed": status.get("failed", 0)}

    found: Object = scene.wait(attempt)
    return found


def job(scene: Scene) -> str:
    """See one Job do its work three times, and another one give up."""
    work = scene.template(scene.script('echo "done by $HOSTNAME"'), restartPolicy="Never")
    scene.space.make("Job", scene.named(), {"spec": {"completions": 3, "parallelism": 2, "template": work}})
    failing = scene.template(scene.script("exit 3"), "failing", restartPolicy="Never")
    scene.space.make("Job", scene.named("failing"), {"spec": {"backoffLimit": 1, "template": failing}})
    done = ended(scene, scene.named(), "Complete")
    told = {line for pod in scene.pods() for line in scene.space.log(pod["metadata"]["name"])}
    wanted = {f"done by {pod['metadata']['name']}" for pod in scene.pods()}
    expect(
        told == wanted and len(told) == 3, f"in the logs: {', '.join(sorted(told)) or 'nothing'}", "3 pods' work done"
    )
    expect(done["succeeded"] == 3, f"{done['succeeded']} successes", "3")
    given_up = ended(scene, scene.named("failing"), "Failed")
    why = given_up.get("reason")
    expect(why == "BackoffLimitExceeded", f"Failed by {why}", "BackoffLimitExceeded")
    expect(given_up["failed"] == 2, f"{given_up['failed']} failures", "2: the first try and one more")
    return "3 of 3 done, 2 at a time; the failing one given up after 2 tries"


def cron_job(scene: Scene) -> str:
    """Wait for the next full minute, when a Job has to be made, and see it done."""
    work = scene.template(scene.script("echo on time"), restartPolicy="Never")
    made = {"template": {"metadata": {"labels": scene.labels()}, "spec": work["spec"]}}
    content = {"schedule": "* * * * *", "jobTemplate": {"spec": made}}
    scene.space.make("CronJob", scene.named(), {"spec": content})

    def come() -> Object:
        jobs = [
            item
            for item in scene.space.all("Job")
            if any(owner["name"] == scene.named() for owner in item["metadata"].get("ownerReferences", []))
        ]
        expect(bool(jobs), "no Job", "one at the next full minute")
        return jobs[0]

    name = scene.wait(come)["metadata"]["name"]
    scene.space.patch("CronJob", scene.named(), {"spec": {"suspend": True}})
    ended(scene, name, "Complete")
    pod = scene.space.all("Pod", **{"job-name": name})[0]["metadata"]["name"]
    told = scene.space.log(pod)
    expect(told == ["on time"], f"in the log: {told}", "on time")
    return f"made {name} at the full minute, and that was done"


CASES = (Case("cron-job", cron_job), Case("job", job))
