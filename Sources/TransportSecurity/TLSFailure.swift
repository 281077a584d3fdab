// SPDX-License-Identifier: Apache-2.0

import Foundation
import NIOSSL
import X509

/// What stands behind an error of TLS, in words that say whose certificate is meant.
package enum TLSFailure {
    /// Nil when the error is none of TLS.
    ///
    /// - Parameters:
    ///   - shown: the other side's certificate.
    ///   - authorities: those that were believed.
    package static func text(
        of error: any Error,
        shown: Certificate? = nil,
        authorities: [Certificate] = [],
        now: Date
    ) -> String? {
        switch error {
        case NIOSSLError.handshakeFailed(let error): self.text(of: error, shown, authorities, now)
        case let error as BoringSSLError: self.text(of: error, shown, authorities, now)
        case is NIOSSLExtraError: "the other side's certificate is not for the name that was asked for: \(error)"
        case NIOSSLError.uncleanShutdown: "the connection ended in the middle"
        case is NIOSSLError: "TLS failed: \(error)"
        default: nil
        }
    }

    /// Whether it was the other side that ended the connection, with an alert.
    package static func isOfPeer(_ error: any Error) -> Bool {
        "\(error)".contains("_ALERT_")
    }

    /// What BoringSSL names in its errors, and what it means here.
    private static let meanings: [(name: String, text: String)] = [
        ("WRONG_VERSION_NUMBER", Self.noTLS),
        ("HTTP_REQUEST", Self.noTLS),
        ("PEER_DID_NOT_RETURN_A_CERTIFICATE", "the other side shows no certificate"),
        ("ALERT_UNKNOWN_CA", "the other side does not trust the authority that signed this node's certificate"),
        ("ALERT_CERTIFICATE_EXPIRED", "the other side says that this node's certificate has expired"),
        ("ALERT_CERTIFICATE_REQUIRED", "the other side asks for a certificate, and this node showed none"),
        ("ALERT_CERTIFICATE_REVOKED", "the other side says that this node's certificate was revoked"),
        ("ALERT_BAD_CERTIFICATE", "the other side does not accept this node's certificate"),
        ("ALERT_UNSUPPORTED_CERTIFICATE", "the other side does not accept this node's certificate"),
        ("ALERT_CERTIFICATE_UNKNOWN", "the other side does not accept this node's certificate"),
        ("ALERT_PROTOCOL_VERSION", "the two sides have no version of TLS in common"),
        ("UNSUPPORTED_PROTOCOL", "the two sides have no version of TLS in common"),
        ("EOF during handshake", "the other side closed the connection during the TLS handshake"),
    ]

    /// Nothing more is known of it.
    package static let notAccepted = "the other side's certificate is not accepted"
    package static let noTLS = "the other side does not speak TLS"

    private static func text(
        of error: BoringSSLError,
        _ shown: Certificate?,
        _ authorities: [Certificate],
        _ now: Date
    ) -> String {
        let text = "\(error)"
        if text.contains("CERTIFICATE_VERIFY_FAILED") {
            return Self.doubt(about: shown, authorities, now)
        }
        return Self.meanings.first { text.contains($0.name) }?.text ?? "TLS failed: \(text)"
    }

    private static func doubt(about shown: Certificate?, _ authorities: [Certificate], _ now: Date) -> String {
        guard let shown else { return Self.notAccepted }
        if let doubt = shown.doubtAboutTime(now: now) { return doubt }
        if let authority = authorities.first(where: { shown.isSigned(by: $0) }) {
            return authority.doubtAboutTime(now: now)
                ?? "the certificate of \(shown.shortName) may not be used for this"
        }
        return "the certificate of \(shown.shortName) is signed by \(shown.issuer), which is no authority of this mesh"
    }
}
