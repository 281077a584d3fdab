// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOCore
import NIOSSL
import SwiftASN1
import Synchronization
import X509

/// The certificates of one use that new connections begin with; they may be replaced at any time. Connections keep those
/// that they began with. May be used from any thread.
package final class LiveCertificates: Sendable {
    package enum Use: String, Sendable, CaseIterable {
        /// An edge's port: it shows its certificate and asks clients for none.
        case clients
        /// Links between nodes: both sides show one that an authority of the cluster has signed.
        case mesh
    }

    private struct State {
        var server: NIOSSLContext
        /// Of the mesh only.
        var client: NIOSSLContext?
        var set: CertificateSet
    }

    /// How long the other side may take to say goodbye before the connection is cut.
    private static let shutdownTimeout: TimeAmount = .milliseconds(500)

    package let use: Use
    private let state: Mutex<State>

    package init(_ use: Use, _ set: CertificateSet) throws(CertificateProblem) {
        self.use = use
        self.state = Mutex(try Self.state(use, set))
    }

    /// From now on connections begin with these. On an error nothing is changed.
    package func replace(with set: CertificateSet) throws(CertificateProblem) {
        let state = try Self.state(self.use, set)
        self.state.withLock { $0 = state }
    }

    package var expires: Date { self.state.withLock { $0.set.expires } }

    /// For a connection that was accepted.
    package func makeServerHandler() -> NIOSSLServerHandler {
        NIOSSLServerHandler(context: self.state.withLock { $0.server })
    }

    /// For a connection that this node makes. Whom the other side's certificate names is for the caller to check.
    package func makeClientHandler() throws -> NIOSSLClientHandler {
        let context = self.state.withLock { $0.client }
        guard let context else {
            throw CertificateProblem(
                .certificate,
                "certificates for clients dial nobody",
                remedy: "use those of the mesh"
            )
        }
        return try NIOSSLClientHandler(context: context, serverHostname: nil)
    }

    /// Why a connection failed, for people; nil when that has nothing to do with TLS.
    ///
    /// - Parameter peer: what the other side showed, if it did.
    package func explain(_ error: any Error, peer: NIOSSLCertificate?) -> String? {
        TLSFailure.text(
            of: error,
            shown: peer.flatMap { try? Certificate(derEncoded: try $0.toDERBytes()) },
            authorities: self.state.withLock { $0.set.authorities },
            now: Date()
        )
    }

    // MARK: - Contexts

    private static func state(_ use: Use, _ set: CertificateSet) throws(CertificateProblem) -> State {
        do {
            let chain = try set.chain.map { NIOSSLCertificateSource.certificate(try $0.forNIO()) }
            let pem = try set.privateKey.serializeAsPEM().pemString
            let key = NIOSSLPrivateKeySource.privateKey(try NIOSSLPrivateKey(bytes: Array(pem.utf8), format: .pem))
            var server = TLSConfiguration.makeServerConfiguration(certificateChain: chain, privateKey: key)
            server.shutdownTimeout = Self.shutdownTimeout
            switch use {
            case .clients:
                server.minimumTLSVersion = .tlsv12
                server.applicationProtocols = ["http/1.1"]
                return State(server: try NIOSSLContext(configuration: server), client: nil, set: set)
            case .mesh:
                // Which node it is that shows a certificate is checked in the mesh's own handshake.
                let roots = NIOSSLTrustRoots.certificates(try set.authorities.map { try $0.forNIO() })
                server.minimumTLSVersion = .tlsv13
                server.trustRoots = roots
                server.certificateVerification = .noHostnameVerification
                var client = TLSConfiguration.makeClientConfiguration()
                client.minimumTLSVersion = .tlsv13
                client.trustRoots = roots
                client.certificateVerification = .noHostnameVerification
                client.certificateChain = chain
                client.privateKey = key
                client.shutdownTimeout = Self.shutdownTimeout
                return State(
                    server: try NIOSSLContext(configuration: server),
                    client: try NIOSSLContext(configuration: client),
                    set: set
                )
            }
        } catch {
            throw CertificateProblem(
                .certificate,
                "TLS cannot be set up with it: \(error)",
                remedy: "use a P-256, P-384, Ed25519 or RSA key; see `trunkline certs show FILE`"
            )
        }
    }
}

extension Certificate {
    /// As TLS takes it.
    func forNIO() throws -> NIOSSLCertificate {
        var serializer = DER.Serializer()
        try serializer.serialize(self)
        return try NIOSSLCertificate(bytes: serializer.serializedBytes, format: .der)
    }
}
