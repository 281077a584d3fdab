// SPDX-License-Identifier: Apache-2.0

/// What is spoken over a WebSocket: the same commands, answers and events in one of two encodings. The raw value is the
/// name of the subprotocol in the opening handshake (RFC 6455 §1.9).
package enum ClientSubprotocol: String, Sendable, CaseIterable {
    /// One JSON object to a text message. Also what is spoken with a client that offers none of these.
    case json = "trunkline.v1.json"
    /// Tagged fields in binary messages, as `/binary.proto` describes them.
    case binary = "trunkline.v1.binary"

    /// The first one that a client offers and this version knows (RFC 6455 §4.2.2); nil when there is none.
    ///
    /// - Parameter headers: the values of `Sec-WebSocket-Protocol`, in their order.
    package init?(offered headers: [String]) {
        for header in headers {
            for offer in header.split(separator: ",") {
                let name = String(offer.drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" })
                guard let known = Self(rawValue: name) else { continue }
                self = known
                return
            }
        }
        return nil
    }
}
