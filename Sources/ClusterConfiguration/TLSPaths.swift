// SPDX-License-Identifier: Apache-2.0

extension ClusterSettings {
    /// Files of certificates, as written: each may hold ``nodePlaceholder``. What is all nil is off.
    package struct TLS: Sendable, Hashable {
        package struct Clients: Sendable, Hashable {
            package var certificate: String?
            package var privateKey: String?
        }

        package struct Mesh: Sendable, Hashable {
            package var certificate: String?
            package var privateKey: String?
            package var authority: String?
        }

        package var clients = Clients()
        package var mesh = Mesh()

        /// Stands in a path for the name of the node that reads it.
        package static let nodePlaceholder = "{node}"
    }

    /// What one node reads for one use; relative paths start at the folder of `cluster.yaml`.
    package struct CertificatePaths: Sendable, Hashable {
        package var certificate: String
        package var privateKey: String
        /// Nil where the other side shows no certificate.
        package var authority: String?
    }

    /// Nil when clients are served without TLS.
    package func clientCertificates(of node: String) -> CertificatePaths? {
        guard let certificate = self.tls.clients.certificate, let privateKey = self.tls.clients.privateKey else {
            return nil
        }
        return CertificatePaths(
            certificate: self.path(certificate, of: node),
            privateKey: self.path(privateKey, of: node)
        )
    }

    /// Nil when the mesh is without TLS.
    package func meshCertificates(of node: String) -> CertificatePaths? {
        guard let certificate = self.tls.mesh.certificate, let privateKey = self.tls.mesh.privateKey,
            let authority = self.tls.mesh.authority
        else { return nil }
        return CertificatePaths(
            certificate: self.path(certificate, of: node),
            privateKey: self.path(privateKey, of: node),
            authority: self.path(authority, of: node)
        )
    }

    private func path(_ text: String, of node: String) -> String {
        let path = text.split(separator: TLS.nodePlaceholder, omittingEmptySubsequences: false).joined(separator: node)
        return path.hasPrefix("/") ? path : "\(self.folder)/\(path)"
    }
}
