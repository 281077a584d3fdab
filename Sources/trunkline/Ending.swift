// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import ClusterConfiguration
import Foundation
import Operations

/// How a command ends when something is wrong: what is wrong and what to do on standard error, and the exit code that
/// `trunkline --help` documents.
enum Ending {
    /// `EX_CONFIG` of sysexits.h.
    static let configurationIsWrong = ExitCode(78)

    /// Carries out the body of a command and turns its errors into an ending.
    static func report(_ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch let error as ConfigurationError {
            Self.complain("error: \(error)")
            throw Self.configurationIsWrong
        } catch let error as OperationsError {
            Self.complain("error: \(error.message)\n       \(error.remedy)")
            throw ExitCode.failure
        }
    }

    static func complain(_ text: String) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }
}

/// One line on standard output, at once, also into a pipe.
func printLine(_ text: String) {
    printText(text + "\n")
}

/// The same as it is.
func printText(_ text: String) {
    FileHandle.standardOutput.write(Data(text.utf8))
}
