# SPDX-License-Identifier: Apache-2.0
"""What schemas cannot see in the manifests: whether their parts fit each other, and the cluster.yaml inside of them."""

import re
import sys

import yaml

resources = [resource for path in sys.argv[1:] for resource in yaml.safe_load_all(open(path)) if resource]
problems = []


def of_kind(kind):
    return {resource["metadata"]["name"]: resource for resource in resources if resource["kind"] == kind}


def seconds(text):
    number, unit = re.fullmatch(r"(\d+)(ms|s|m)", text).groups()
    return int(number) * {"ms": 0.001, "s": 1, "m": 60}[unit]


def expect(condition, problem):
    if not condition:
        problems.append(problem)


configurations = of_kind("ConfigMap")
secrets = {name: set(secret["stringData"]) for name, secret in of_kind("Secret").items()}
expect(len(configurations) == 1, f"nodes and job use different ConfigMaps: {', '.join(configurations)}")
cluster = yaml.safe_load(next(iter(configurations.values()))["data"]["cluster.yaml"])
shutdown = seconds(cluster.get("timeouts", {}).get("shutdown", "20s"))


# Which files each kind of process reads, by the keys of cluster.yaml; the same as `trunkline config check --node` asks for.
def needed_by(what):
    secret, redis = cluster["secrets"], [cluster["redis"].get("password")]
    shards = [shard.get("password") for shard in cluster["shards"]]
    sources = {
        "edge": [secret["mesh_secret"], secret["token_secret"]] + redis,
        "router": [secret["mesh_secret"], secret.get("admin_read"), secret.get("admin_operate")] + redis + shards,
        "migrate": shards,
    }[what]
    return {source["file"] for source in sources if source and "file" in source}


def check_workload(name, workload, what):
    pod = workload["spec"]["template"]["spec"]
    container = pod["containers"][0]
    labels = workload["spec"]["template"]["metadata"]["labels"]
    expect(pod.get("enableServiceLinks") is False, f"{name}: services would come as TRUNKLINE_… into the environment")
    expect(container["image"] != "trunkline", f"{name}: its image is not one that the kustomization names")

    # Each file that cluster.yaml names and this process reads is a key of a Secret that is mounted there, and no other is.
    mounted = set()
    group = pod["securityContext"].get("fsGroup")
    for mount in container["volumeMounts"]:
        volume = next(volume for volume in pod["volumes"] if volume["name"] == mount["name"])
        if "secret" in volume:
            volume = volume["secret"]
            keys = {key: key for key in secrets.get(volume["secretName"], ())}
            items = {item["key"]: item["path"] for item in volume.get("items", [])}
            expect(items.keys() <= keys.keys(), f"{name}: {volume['secretName']} has no key {', '.join(items.keys() - keys.keys())}")
            mounted |= {f"{mount['mountPath']}/{path}" for path in (items or keys).values()}
            # Without a mode Kubernetes lets everybody in the container read them. The group is what the process reads them by.
            mode = volume.get("defaultMode", 0o644)
            expect(mode == 0o440, f"{name}: the files of {volume['secretName']} have the mode {mode:04o}, not 0440")
            expect(not any("mode" in item for item in volume.get("items", [])), f"{name}: a file has a mode of its own")
            expect(group == pod["securityContext"].get("runAsGroup"), f"{name}: its group cannot read the secrets: fsGroup")
        elif "configMap" in volume:
            expect(volume["configMap"]["name"] in configurations, f"{name}: its ConfigMap is not there")
            path = next(entry["value"] for entry in container["env"] if entry["name"] == "TRUNKLINE_CONFIG")
            expect(path == f"{mount['mountPath']}/cluster.yaml", f"{name}: TRUNKLINE_CONFIG is {path}, which is not mounted")
    wanted = needed_by(what)
    expect(wanted <= mounted, f"{name}: no secret for {', '.join(sorted(wanted - mounted))}")
    expect(mounted <= wanted, f"{name}: has no use for {', '.join(sorted(mounted - wanted))}")
    return pod, container, labels


for name, job in of_kind("Job").items():
    check_workload(name, job, "migrate")

budgets = of_kind("PodDisruptionBudget").values()
for name, workload in of_kind("StatefulSet").items():
    role = workload["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]
    pod, container, labels = check_workload(name, workload, role)
    arguments = container["args"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    expect(arguments[:4] == ["run", "$(POD_NAME)", "--role", role], f"{name}: does not run a {role}")
    for option, port in ports.items():
        expect(f"--{option}" in arguments, f"{name}: port {option} is not listened on")
        expect(arguments[arguments.index(f"--{option}") + 1].endswith(f":{port}"), f"{name}: --{option} is another port")
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    expect(
        pod["terminationGracePeriodSeconds"] >= pause + shutdown + 10,
        f"{name}: killed before it has stopped: preStop {pause} s, timeouts.shutdown {shutdown} s and 10 s for the rest",
    )
    expect(container["readinessProbe"]["httpGet"]["path"] == "/ready", f"{name}: readiness is not /ready")
    expect(container["livenessProbe"]["httpGet"]["path"] == "/health", f"{name}: liveness is not /health")
    service = of_kind("Service").get(workload["spec"]["serviceName"])
    expect(service is not None, f"{name}: there is no service {workload['spec']['serviceName']}")
    if service:
        expect(service["spec"]["selector"].items() <= labels.items(), f"{name}: its service selects other pods")
        expect({p["targetPort"] for p in service["spec"]["ports"]} <= set(ports), f"{name}: its service has other ports")
    expect(
        any(budget["spec"]["selector"]["matchLabels"].items() <= labels.items() for budget in budgets),
        f"{name}: no disruption budget is about it",
    )

print("\n".join(problems))
sys.exit(bool(problems))
