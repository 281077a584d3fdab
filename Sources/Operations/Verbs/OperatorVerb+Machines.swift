// SPDX-License-Identifier: Apache-2.0

extension OperatorVerb {
    private static let byFiles = "it reads and writes files of this machine"
    private static let byItself = "it works something out and needs no cluster"

    /// Starting a node changes the cluster without asking it: the others take in whoever shows the mesh's secret.
    package static let run = OperatorVerb(
        "run",
        "Run one node of the cluster until it is stopped.",
        .operate,
        .commandLine("it is the node"),
        arguments: ["NODE"],
        options: [.runRole, .mesh, .http, .advertise]
    )
    package static let verbs = OperatorVerb(
        "verbs",
        "List what operators can ask for: who may, whether it changes anything, and where it is answered.",
        .read,
        .routers(.get, "/admin"),
        options: [.json]
    )
    package static let ringSimulate = OperatorVerb(
        "ring simulate",
        "Work out how even the slots would be, and how many would move.",
        nil,
        .commandLine(Self.byItself)
    )
    package static let plan = OperatorVerb(
        "plan",
        "Work out how large a cluster has to be for a workload, and what it costs.",
        nil,
        .commandLine(Self.byItself)
    )
    package static let certsAuthority = OperatorVerb(
        "certs authority",
        "Make an authority: authority.pem, which is handed around, and authority.key, which is not.",
        nil,
        .commandLine(Self.byFiles)
    )
    package static let certsNode = OperatorVerb(
        "certs node",
        "Make the certificates of nodes: NAME.pem and NAME.key for each.",
        nil,
        .commandLine(Self.byFiles)
    )
    package static let certsShow = OperatorVerb(
        "certs show",
        "Show what the certificates of a PEM file say; private keys are not shown.",
        nil,
        .commandLine(Self.byFiles)
    )
    package static let configCheck = OperatorVerb(
        "config check",
        "Check the file, the environment, and that every secret and certificate can be read and fits.",
        nil,
        .commandLine(Self.byFiles)
    )
    package static let configShow = OperatorVerb(
        "config show",
        "Show the values in force, each with where it came from; secrets are masked.",
        nil,
        .commandLine(Self.byFiles)
    )
    package static let configReference = OperatorVerb(
        "config reference",
        "Show every key with its meaning, bounds, default and environment variable.",
        nil,
        .commandLine("it is part of the program")
    )
    package static let health = OperatorVerb(
        "health",
        "Ask one node on this machine whether it is ready, for health checks of containers and for scripts.",
        nil,
        .commandLine("it asks the node's own /ready, which needs no secret")
    )
    package static let version = OperatorVerb(
        "version",
        "Show the version of this program.",
        nil,
        .commandLine("it is part of the program")
    )

    static let aboutMachines: [OperatorVerb] = [
        .run, .verbs, .ringSimulate, .plan, .certsAuthority, .certsNode, .certsShow, .configCheck, .configShow,
        .configReference, .health, .version,
    ]
}
