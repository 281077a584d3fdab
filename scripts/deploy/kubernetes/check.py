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
files = set(re.findall(r"\{file: (\S+)\}", next(iter(configurations.values()))["data"]["cluster.yaml"]))
shutdown = seconds(cluster.get("timeouts", {}).get("shutdown", "20s"))


def check_workload(name, workload, needs_operator):
    pod = workload["spec"]["template"]["spec"]
    container = pod["containers"][0]
    labels = workload["spec"]["template"]["metadata"]["labels"]
    expect(pod.get("enableServiceLinks") is False, f"{name}: services would come as TRUNKLINE_… into the environment")
    expect(container["image"] != "trunkline", f"{name}: its image is not one that the kustomization names")

    # Each file that cluster.yaml names is a key of a Secret that is mounted there.
    mounted = set()
    for mount in container["volumeMounts"]:
        volume = next(volume for volume in pod["volumes"] if volume["name"] == mount["name"])
        if "secret" in volume:
            mounted |= {f"{mount['mountPath']}/{key}" for key in secrets.get(volume["secret"]["secretName"], ())}
        elif "configMap" in volume:
            expect(volume["configMap"]["name"] in configurations, f"{name}: its ConfigMap is not there")
            path = next(entry["value"] for entry in container["env"] if entry["name"] == "TRUNKLINE_CONFIG")
            expect(path == f"{mount['mountPath']}/cluster.yaml", f"{name}: TRUNKLINE_CONFIG is {path}, which is not mounted")
    wanted = files if needs_operator else {file for file in files if "/operator/" not in file}
    expect(wanted <= mounted, f"{name}: no secret for {', '.join(sorted(wanted - mounted))}")
    expect(needs_operator or not any("/operator/" in file for file in mounted), f"{name}: has the operator's secrets")
    return pod, container, labels


for name, job in of_kind("Job").items():
    check_workload(name, job, needs_operator=True)

budgets = of_kind("PodDisruptionBudget").values()
for name, workload in of_kind("StatefulSet").items():
    role = workload["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"]
    pod, container, labels = check_workload(name, workload, needs_operator=role == "router")
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
