// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration

/// `cluster.yaml`, with variables of the environment over it.
///
/// Input: with the first bit of the first byte set a line `NAME=VALUE` for the environment; then the file.
enum ConfigurationEntry {
    static func run(_ bytes: [UInt8]) throws {
        var input = FuzzInput(bytes)
        var environment: [String: String] = [:]
        if input.byte() & 1 != 0 {
            let parts = String(decoding: input.chunk(), as: UTF8.self).split(separator: "=", maxSplits: 1)
            if parts.count == 2 { environment["TRUNKLINE_" + parts[0]] = String(parts[1]) }
        }
        guard let yaml = String(validating: input.remainder(), as: UTF8.self) else { return }
        let settings: ClusterSettings
        do throws(ConfigurationError) {
            settings = try ClusterSettings.parse(yaml: yaml, environment: environment)
        } catch {
            return try Self.check(error, inputBytes: bytes.count)
        }
        try Self.checkRendering(of: settings)
    }

    /// At least one problem, each with what is wrong and what would be right, and no more text than the file warrants.
    private static func check(_ error: ConfigurationError, inputBytes: Int) throws(PropertyViolation) {
        try require(!error.problems.isEmpty, "refused without a problem")
        for problem in error.problems {
            try require(!problem.message.isEmpty && !problem.remedy.isEmpty, "a problem that says nothing: \(problem)")
            if case .line(let line) = problem.place {
                try require((1...inputBytes + 1).contains(line), "\(problem) is not in a file of \(inputBytes) bytes")
            }
        }
        let bytes = error.description.utf8.count
        try require(bytes <= 200 * inputBytes + 50_000, "\(inputBytes) bytes are answered with \(bytes)")
    }

    /// The settings in force, written out, are a file that means the same.
    private static func checkRendering(of settings: ClusterSettings) throws {
        let rendered = settings.render(maskSecrets: false)
        let again: ClusterSettings
        do throws(ConfigurationError) {
            again = try ClusterSettings.parse(yaml: rendered)
        } catch {
            throw PropertyViolation("what is rendered is refused: \(error)\n\(rendered)")
        }
        let values = { (settings: ClusterSettings) in
            settings.effectiveValues.map { "\($0.path): \($0.text(maskSecrets: false))" }
        }
        try require(values(again) == values(settings), "what is rendered means something else:\n\(rendered)")
        _ = settings.render(maskSecrets: true)
    }
}
