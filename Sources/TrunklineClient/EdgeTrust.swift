// SPDX-License-Identifier: Apache-2.0

internal import NIOCore
internal import NIOSSL
import Synchronization

/// Which certificates of edges are believed, where `https` is spoken. May be used from any thread.
package final class EdgeTrust: Sendable {
    /// The authorities that the system knows.
    package static let system = EdgeTrust(roots: .default)

    let configuration: TLSConfiguration
    /// Made when it is first needed: reading the system's authorities takes a while.
    private let context = Mutex<NIOSSLContext?>(nil)

    private init(roots: NIOSSLTrustRoots) {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.trustRoots = roots
        configuration.applicationProtocols = ["http/1.1"]
        self.configuration = configuration
    }

    /// Believes only what these authorities have signed, as `trunkline certs authority` makes one.
    ///
    /// - Parameter path: Of a PEM file with at least one certificate. It is read at once, which blocks.
    package convenience init(authorityFile path: String) throws(TrunklineError) {
        let certificates = (try? NIOSSLCertificate.fromPEMFile(path)) ?? []
        guard !certificates.isEmpty else {
            throw TrunklineError(.notConnected, "\(path) is no PEM file of certificates that can be read.")
        }
        self.init(roots: .certificates(certificates))
    }

    /// Has a connection to an edge speak TLS, where that edge does. To be called on the event loop, before other handlers are
    /// added.
    func secure(_ channel: any Channel, to edge: EdgeAddress) throws {
        guard edge.isSecure else { return }
        let context = try self.context.withLock { context in
            if let context { return context }
            let new = try NIOSSLContext(configuration: self.configuration)
            context = new
            return new
        }
        // An address is compared with the addresses in the certificate, a name with the names.
        let isAddress = (try? SocketAddress(ipAddress: edge.host, port: edge.port)) != nil
        let handler = try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : edge.host)
        try channel.pipeline.syncOperations.addHandler(handler)
    }
}

extension EdgeAddress {
    /// Where a handler stands that sees first what the edge sent, as it was before TLS.
    func positionOfPlainBytes(in channel: any Channel) throws -> ChannelPipeline.SynchronousOperations.Position {
        guard self.isSecure else { return .first }
        return .after(try channel.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self))
    }
}

extension TrunklineError {
    /// Why no TLS came about; nil when that was not it.
    init?(handshakeFailure error: any Error) {
        switch error {
        case NIOSSLError.handshakeFailed(let reason):
            let text = "\(reason)"
            if text.contains("CERTIFICATE_VERIFY_FAILED") {
                self.init(
                    .notConnected,
                    "The edge's certificate is not trusted: it has expired, or another authority has signed it."
                )
            } else if text.contains("WRONG_VERSION_NUMBER") || text.contains("HTTP_REQUEST") {
                self.init(.notConnected, "The edge does not speak TLS there: try http:// instead of https://.")
            } else {
                self.init(.notConnected, "TLS failed: \(reason)")
            }
        case is NIOSSLExtraError:
            self.init(.notConnected, "The edge's certificate is for another name: \(error)")
        default:
            return nil
        }
    }
}
