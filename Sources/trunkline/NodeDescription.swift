// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import Operations

/// What the command line says of a node: one that no file lists, or a listed one with other values.
struct NodeDescription: ParsableArguments {
    @Option(help: ArgumentHelp(.runRole))
    var role: String?

    @Option(help: ArgumentHelp(.mesh))
    var mesh: String?

    @Option(help: ArgumentHelp(.http))
    var http: String?

    @Option(help: ArgumentHelp(.advertise))
    var advertise: String?

    var isEmpty: Bool { [self.role, self.mesh, self.http, self.advertise].allSatisfy { $0 == nil } }

    /// The cluster as this node sees it, and the node.
    func load(_ name: String, from shared: SharedOptions) throws -> (ClusterSettings, ClusterSettings.Node) {
        guard ClusterSettings.isName(name) else {
            throw ValidationError(
                "\"\(name)\" cannot be the name of a node; `trunkline config reference` says what can."
            )
        }
        let options = NodeOptions(
            name: name,
            role: self.role,
            mesh: self.mesh,
            http: self.http,
            advertise: self.advertise
        )
        let settings = try shared.loadSettings(node: options)
        guard let node = settings.node(named: name) else {
            let names = settings.nodes.map(\.name).joined(separator: ", ")
            throw ValidationError(
                "\(shared.path) lists no node \"\(name)\" (\(names.isEmpty ? "it lists none" : "it lists \(names)")); "
                    + "of one that is not listed, say --role and --http, and for a router --mesh"
            )
        }
        return (settings, node)
    }
}
