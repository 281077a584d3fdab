// SPDX-License-Identifier: Apache-2.0

extension ClusterSettings {
    /// The name that is looked for where neither the command line nor `TRUNKLINE_CONFIG` names a file.
    package static let standardPath = "cluster.yaml"
    /// The variable that may name the file.
    package static let pathVariable = EnvironmentOverlay.pathVariable
    /// Bytes of a configuration file.
    package static let fileBytesMax = 4 << 20

    /// Limits, timeouts and the like as they are when a file says nothing; no cluster, no shards, no nodes.
    package static let defaults = SettingsAssembler(document: RawDocument()).settings

    /// Reads and checks a file with the environment laid over it. Reads no secret; that is
    /// ``resolveSecrets(environment:for:)``.
    ///
    /// - Parameter node: the node that the command line describes.
    package static func load(
        path: String,
        environment: [String: String],
        node: NodeOptions? = nil
    ) throws(ConfigurationError) -> ClusterSettings {
        let bytes: [UInt8]
        do {
            bytes = try FileReading.read(path, bytesMax: Self.fileBytesMax)
        } catch {
            let problem = ConfigurationProblem(
                "",
                error.message,
                remedy: "name the file with --config or \(Self.pathVariable)"
            )
            throw ConfigurationError(file: path, problems: [problem])
        }
        guard let yaml = String(validating: bytes, as: UTF8.self) else {
            let problem = ConfigurationProblem("", "the file is not UTF-8", remedy: "save it as UTF-8")
            throw ConfigurationError(file: path, problems: [problem])
        }
        return try Self.parse(yaml: yaml, file: path, environment: environment, node: node)
    }

    /// The same from text. `file` is for messages and for the folder that relative paths of secrets start at.
    package static func parse(
        yaml: String,
        file: String = standardPath,
        environment: [String: String] = [:],
        node: NodeOptions? = nil
    ) throws(ConfigurationError) -> ClusterSettings {
        let reader = YAMLReader(yaml: yaml)
        // Text that could not be read at all would only add "missing" for every key.
        if reader.document.sectionLines.isEmpty, !reader.problems.isEmpty {
            throw ConfigurationError(file: file, problems: reader.problems)
        }
        let overlay = EnvironmentOverlay(document: reader.document, environment: environment)
        var document = overlay.document
        node?.apply(to: &document)
        let assembler = SettingsAssembler(document: document)
        let checks = CrossChecks(assembler.settings, unusable: assembler.unusable, places: assembler.places)
        let problems = reader.problems + overlay.problems + assembler.problems + checks.problems
        guard problems.isEmpty else {
            throw ConfigurationError(file: file, problems: problems)
        }
        var settings = assembler.settings
        settings.folder = file.lastIndex(of: "/").map { $0 == file.startIndex ? "/" : String(file[..<$0]) } ?? "."
        return settings
    }
}
