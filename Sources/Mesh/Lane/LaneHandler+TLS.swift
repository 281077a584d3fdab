// SPDX-License-Identifier: Apache-2.0

import NIOCore
import TransportSecurity

/// When one side speaks TLS and the other does not, or a certificate is not accepted: said in words, as nothing else tells.
extension LaneHandler {
    /// Of a peer that speaks TLS where this node does not.
    func refusal(ofTLS bytes: ByteBuffer, _ context: ChannelHandlerContext) -> Refusal? {
        guard self.settings.certificates == nil, Self.beginsTLS(bytes) else { return nil }
        return Refusal(
            .tlsMismatch,
            "\(self.counterpart(context)) speaks TLS, and this node does not; \(Self.mismatchRemedy)"
        )
    }

    /// TLS did not come about, or the peer ended it.
    func securingFailed(_ context: ChannelHandlerContext, _ explanation: String, byPeer: Bool) {
        self.settings.certificates?.countFailedHandshake()
        let isPlain = explanation == TLSFailure.noTLS
        let remedy = isPlain ? "; \(Self.mismatchRemedy)" : ""
        self.reports.refused(
            Refusal(
                isPlain ? .tlsMismatch : .wrongCertificate,
                "\(self.counterpart(context)): \(explanation)\(remedy)"
            ),
            byPeer
        )
    }

    private static let mismatchRemedy = "set tls.mesh on all nodes or on none"

    /// A handshake or an alert of TLS (RFC 8446 §5.1). A block of the mesh begins with its magic number.
    private static func beginsTLS(_ bytes: ByteBuffer) -> Bool {
        let start = bytes.readableBytesView.prefix(2)
        return start.elementsEqual([0x16, 0x03]) || start.elementsEqual([0x15, 0x03])
    }

    /// Whom the connection is with, as far as is known before a handshake.
    private func counterpart(_ context: ChannelHandlerContext) -> String {
        if let dialled = self.dialled { return "\(dialled.name) at \(dialled.host):\(dialled.port)" }
        guard let host = context.remoteAddress?.ipAddress else { return "a connection" }
        return "a connection from \(host)"
    }
}
