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

    /// Bytes that a connection keeps for what it sends next; without a bound it would keep the most that it ever sent.
    private static let keptOutboundBytesMax = 4096

    private static var handlerConfiguration: NIOSSLHandler.Configuration {
        var configuration = NIOSSLHandler.Configuration()
        configuration.maximumPreservedOutboundBufferCapacity = Self.keptOutboundBytesMax
        return configuration
    }

    package let use: Use
    private let state: Mutex<State>
    private let failedHandshakes = Atomic(0)

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

    package var handshakesFailed: Int { self.failedHandshakes.load(ordering: .relaxed) }

    package func countFailedHandshake() {
        self.failedHandshakes.add(1, ordering: .relaxed)
    }

    /// Has a connection that was accepted speak TLS. To be called on its event loop, before other handlers are added.
    package func secureAccepted(_ channel: any Channel) throws {
        let context = self.state.withLock { $0.server }
        try channel.pipeline.syncOperations.addHandlers([
            NIOSSLServerHandler(context: context, configuration: Self.handlerConfiguration), EarlyFlush(),
        ])
    }

    /// The same for a connection that this node makes. Whom the other side's certificate names is for the caller to check.
    package func secureDialled(_ channel: any Channel) throws {
        let context = self.state.withLock { $0.client }
        guard let context else {
            throw CertificateProblem(
                .certificate,
                "certificates for clients dial nobody",
                remedy: "use those of the mesh"
            )
        }
        try channel.pipeline.syncOperations.addHandlers([
            NIOSSLClientHandler(context: context, serverHostname: nil), EarlyFlush(),
        ])
    }

    /// The nodes that the other side's certificate names; none before its handshake is done. To be called on the event loop.
    package static func peers(of channel: any Channel) -> [CertifiedNode] {
        guard let certificate = try? channel.pipeline.syncOperations.nioSSL_peerCertificate(),
            let bytes = try? certificate.toDERBytes()
        else { return [] }
        return CertifiedNode.named(inDER: bytes)
    }

    /// Why a connection failed, for people; nil when that has nothing to do with TLS. To be called on its event loop.
    package func explain(_ error: any Error, on channel: any Channel) -> String? {
        let shown = try? channel.pipeline.syncOperations.nioSSL_peerCertificate()
        return TLSFailure.text(
            of: error,
            shown: shown.flatMap { try? Certificate(derEncoded: try $0.toDERBytes()) },
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
