// SPDX-License-Identifier: Apache-2.0

/// Why a connection does not become part of a link.
package struct Refusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// The raw value travels in `refused` frames and is never used again for something else.
    package enum Code: UInt8, Sendable, Hashable, CaseIterable {
        /// A frame that does not belong into the handshake, or not there.
        case malformed = 1
        case wrongCluster = 2
        /// The ranges of protocol versions do not overlap.
        case unsupportedVersion = 3
        case wrongSecret = 4
        /// Two edges, or a router that should have been dialled instead of dialling.
        case wrongRole = 5
        /// Another node answers at the address than the one that was dialled.
        case wrongPeer = 6
        /// A link of a later life of the same node is up.
        case staleIncarnation = 7
        case timedOut = 8
        case shuttingDown = 9
        /// Its certificate is not accepted, or names another node than the peer says that it is.
        case wrongCertificate = 10
        /// One side speaks TLS and the other does not.
        case tlsMismatch = 11
        /// A code of a later version of the protocol.
        case other = 255
    }

    package var code: Code
    /// One sentence that names both sides of the mismatch.
    package var message: String

    package init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    package var description: String { "\(self.code): \(self.message)" }
}
