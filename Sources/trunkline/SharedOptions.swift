// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import Foundation

/// What every command that reads the configuration takes.
struct SharedOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The file that describes the cluster (default: $TRUNKLINE_CONFIG, or ./cluster.yaml).",
            valueName: "path"
        )
    )
    var config: String?

    /// The environment without what belongs to `scripts/up` and its kin.
    static var environment: [String: String] {
        ProcessInfo.processInfo.environment.filter { $0.key != "TRUNKLINE_STATE" }
    }

    var path: String {
        self.config ?? Self.environment[ClusterSettings.pathVariable] ?? ClusterSettings.standardPath
    }

    /// - Parameter node: the node that the command line describes.
    func loadSettings(node: NodeOptions? = nil) throws(ConfigurationError) -> ClusterSettings {
        try ClusterSettings.load(path: self.path, environment: Self.environment, node: node)
    }

    /// - Parameter needs: What the command uses; a secret that it does not is not asked for.
    func resolveSecrets(
        of settings: ClusterSettings,
        for needs: SecretNeeds
    ) throws(ConfigurationError) -> ResolvedSecrets {
        try settings.resolveSecrets(environment: Self.environment, for: needs)
    }
}
