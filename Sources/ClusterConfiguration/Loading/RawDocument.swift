// SPDX-License-Identifier: Apache-2.0

/// Where a value came from.
package enum Origin: Sendable, Hashable {
    case standard
    /// Line of the file, from 1.
    case file(line: Int?)
    /// The name of the variable.
    case environment(String)
    /// The option of the command line, as in `--http`.
    case option(String)
}

/// What one key was given, before it is checked against its kind.
struct RawValue: Sendable {
    enum Content: Sendable {
        case scalar(String)
        case source(SecretSource)
    }

    var content: Content
    var origin: Origin

    var place: ConfigurationProblem.Place? {
        switch self.origin {
        case .standard: nil
        case .file(let line): line.map { .line($0) }
        case .environment(let name): .variable(name)
        case .option(let name): .option(name)
        }
    }
}

/// The keys of one mapping.
struct RawMapping: Sendable {
    var values: [String: RawValue] = [:]
    /// Keys that were there and already reported; they are not reported as missing too.
    var refused: Set<String> = []
    var line: Int?
}

/// `cluster.yaml` sorted by the table, with the environment laid over it: known keys only.
struct RawDocument: Sendable {
    /// Sections of the form scalar and mapping, by name.
    var mappings: [String: RawMapping] = [:]
    var lists: [String: [RawMapping]] = [:]
    var sectionLines: [String: Int] = [:]
    /// Sections that were there and already reported.
    var refused: Set<String> = []
}
