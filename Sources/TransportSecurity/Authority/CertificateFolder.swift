// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The folder that `trunkline certs` writes to: `NAME.pem` and `NAME.key` for each name. Blocking.
package struct CertificateFolder: Sendable {
    /// The name of the authority's files.
    package static let authorityName = "authority"

    package struct Problem: Error, Hashable, Sendable {
        package var message: String
        package var remedy: String
    }

    package let path: String

    package init(path: String) {
        self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }

    package func certificatePath(_ name: String) -> String { "\(self.path)/\(name).pem" }
    package func privateKeyPath(_ name: String) -> String { "\(self.path)/\(name).key" }

    /// Makes the folder, readable for its owner only, and sees that nothing would be overwritten.
    package func prepare(for names: [String], replacing: Bool) throws(Problem) {
        if mkdir(self.path, 0o700) != 0, errno != EEXIST {
            throw Problem(
                message: "\(self.path) cannot be made: \(String(cString: strerror(errno)))",
                remedy: "name a folder in one that exists and that you may write to"
            )
        }
        guard !replacing else { return }
        let existing = names.flatMap { [self.certificatePath($0), self.privateKeyPath($0)] }
            .filter { SmallFile.stamp(of: $0) != nil }
        guard existing.isEmpty else {
            throw Self.overwriting(existing.joined(separator: ", "))
        }
    }

    /// Writes both files. A node that reads them meanwhile finds two that do not belong together for a moment, and looks
    /// again.
    package func write(
        _ name: String,
        certificatePEM: String,
        privateKeyPEM: String,
        replacing: Bool
    ) throws(Problem) {
        try Self.write(privateKeyPEM, to: self.privateKeyPath(name), mode: 0o600, replacing: replacing)
        try Self.write(certificatePEM, to: self.certificatePath(name), mode: 0o644, replacing: replacing)
    }

    /// The text of both files of the authority.
    package func readAuthority() throws(Problem) -> CertificateTexts {
        do {
            return try CertificateFiles(
                certificate: self.certificatePath(Self.authorityName),
                privateKey: self.privateKeyPath(Self.authorityName)
            ).read()
        } catch {
            throw Problem(
                message: error.message,
                remedy: "make an authority first: trunkline certs authority --out \(self.path)"
            )
        }
    }

    private static func write(_ text: String, to path: String, mode: UInt32, replacing: Bool) throws(Problem) {
        do {
            try SmallFile.write(Array(text.utf8), to: path, mode: mode, replacing: replacing)
        } catch {
            if error.exists { throw Self.overwriting(path) }
            throw Problem(message: error.message, remedy: "see the folder's rights and room")
        }
    }

    private static func overwriting(_ paths: String) -> Problem {
        Problem(
            message: "\(paths) would be overwritten",
            remedy: "name another folder, or say --force; what the old files were used for is void then"
        )
    }
}
