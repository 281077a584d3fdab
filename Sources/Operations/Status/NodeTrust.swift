// SPDX-License-Identifier: Apache-2.0

import ClusterConfiguration
import NIOSSL
import TransportSecurity

/// How an operator's command asks edges that speak TLS.
///
/// It believes what the system's authorities, that of the mesh and those in the edge's own file have signed, as far as these
/// files are there. The name in the certificate is not compared: edges are asked by the addresses of `cluster.yaml` and of
/// their leases, and clients' certificates are for the names that clients dial. Nothing that is secret is sent to an edge;
/// orders and their secret go to routers, which serve HTTP without TLS.
struct NodeTrust: Sendable {
    private let settings: ClusterSettings

    init(_ settings: ClusterSettings) {
        self.settings = settings
    }

    /// What a connection to an edge begins with; nil when edges do not speak TLS. Blocking: reads files.
    func context(for edge: String) throws(OperationsError) -> NIOSSLContext? {
        guard let clients = self.settings.clientCertificates(of: edge) else { return nil }
        let files = [clients.certificate, self.settings.meshCertificates(of: edge)?.authority].compactMap(\.self)
        do {
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.certificateVerification = .noHostnameVerification
            let certificates = files.flatMap { (try? NIOSSLCertificate.fromPEMFile($0)) ?? [] }
            configuration.additionalTrustRoots = [.certificates(certificates)]
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw OperationsError("TLS cannot be set up: \(error)", remedy: "see `trunkline config check`")
        }
    }

    /// The same without blocking; nil for routers, which serve HTTP without TLS.
    func context(for node: String, isEdge: Bool) async throws(OperationsError) -> NIOSSLContext? {
        guard isEdge else { return nil }
        let result = await onOwnThread(named: "certificates") { () -> Result<NIOSSLContext?, OperationsError> in
            Result { () throws(OperationsError) in try self.context(for: node) }
        }
        guard let result else { throw .noThread }
        return try result.get()
    }
}
