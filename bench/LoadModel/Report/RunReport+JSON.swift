// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// Why a file is no report that can be used; the description says what to do.
package struct ReportFileError: Error, Equatable, CustomStringConvertible {
    package var description: String

    package init(_ description: String) {
        self.description = description
    }
}

extension RunReport {
    /// The file of `--json`: keys in the order of the alphabet, one a line.
    package func json() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(self))
    }

    private struct Format: Decodable {
        var format_version: Int?
        var run: String?
    }

    /// Reads what ``json()`` wrote.
    package init(json bytes: [UInt8]) throws(ReportFileError) {
        let data = Data(bytes)
        let format: Format
        do {
            format = try JSONDecoder().decode(Format.self, from: data)
        } catch {
            throw ReportFileError("it is no JSON object, or is damaged; write it again with trunkline-load --json")
        }
        guard let version = format.format_version else {
            throw ReportFileError(
                format.run == nil
                    ? "it is no report of trunkline-load; give a file that --json wrote"
                    : "it has no format_version, so an earlier trunkline-load wrote it; repeat the run with this one"
            )
        }
        guard version == Self.formatVersion else {
            throw ReportFileError(
                "its format_version is \(version), this trunkline-load reads \(Self.formatVersion); "
                    + (version > Self.formatVersion ? "use a newer trunkline-load" : "repeat the run with this one")
            )
        }
        do {
            self = try JSONDecoder().decode(Self.self, from: data)
        } catch let error as DecodingError {
            throw ReportFileError("it is damaged: \(Self.text(of: error)); write it again with trunkline-load --json")
        } catch {
            throw ReportFileError("it is damaged; write it again with trunkline-load --json")
        }
    }

    private static func text(of error: DecodingError) -> String {
        func path(_ context: DecodingError.Context, _ key: (any CodingKey)? = nil) -> String {
            (context.codingPath + (key.map { [$0] } ?? [])).map(\.stringValue).joined(separator: ".")
        }
        return switch error {
        case .keyNotFound(let key, let context): "\(path(context, key)) is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context): "\(path(context)) is of another type"
        case .dataCorrupted(let context): "\(path(context)) cannot be understood"
        @unknown default: "it cannot be understood"
        }
    }
}
