// SPDX-License-Identifier: Apache-2.0

import NIOCore

/// The first frame in each direction of a connection.
///
///     u16 smallest version | u16 largest version | u64 features | u64 link id | u8 role | u8 lane |
///     u128 incarnation | 32 bytes nonce | u8 length, cluster | u8 length, node name | later fields
///
/// Its bytes are part of what both sides prove, so a decoded frame is encoded to the very same bytes again, fields of
/// later versions included.
package struct HelloFrame: Sendable, Hashable {
    package static let nonceBytes = 32

    /// Versions of the protocol that the sender can speak.
    package var versionMin: UInt16
    package var versionMax: UInt16
    /// Features that the sender has; those that both have are used.
    package var features: UInt64
    /// Chosen by the dialling side; the same on both lanes of a link.
    package var linkID: UInt64
    package var role: UInt8
    package var lane: UInt8
    package var incarnation: UInt128
    /// ``nonceBytes`` random bytes, different in every handshake.
    package var nonce: [UInt8]
    /// At most ``FrameLimits/textBytesMax`` bytes, as ``nodeName``.
    package var cluster: String
    package var nodeName: String
    /// Fields that this version does not know.
    package var laterFields: [UInt8]

    package init(
        versionMin: UInt16,
        versionMax: UInt16,
        features: UInt64,
        linkID: UInt64,
        role: UInt8,
        lane: UInt8,
        incarnation: UInt128,
        nonce: [UInt8],
        cluster: String,
        nodeName: String,
        laterFields: [UInt8] = []
    ) {
        precondition(nonce.count == Self.nonceBytes, "a nonce has \(Self.nonceBytes) bytes")
        self.versionMin = versionMin
        self.versionMax = versionMax
        self.features = features
        self.linkID = linkID
        self.role = role
        self.lane = lane
        self.incarnation = incarnation
        self.nonce = nonce
        self.cluster = cluster
        self.nodeName = nodeName
        self.laterFields = laterFields
    }

    init?(body: ByteBuffer) {
        var body = body
        guard
            let (versionMin, versionMax, features, linkID, role, lane) = body.readMultipleIntegers(
                as: (UInt16, UInt16, UInt64, UInt64, UInt8, UInt8).self
            ),
            let incarnation = body.readInteger(as: UInt128.self),
            let nonce = body.readBytes(length: Self.nonceBytes),
            let cluster = body.readShortText(),
            let nodeName = body.readShortText(),
            versionMin <= versionMax
        else { return nil }
        self.versionMin = versionMin
        self.versionMax = versionMax
        self.features = features
        self.linkID = linkID
        self.role = role
        self.lane = lane
        self.incarnation = incarnation
        self.nonce = nonce
        self.cluster = cluster
        self.nodeName = nodeName
        self.laterFields = body.readBytes(length: body.readableBytes) ?? []
    }

    var bodyBytes: Int {
        22 + 16 + self.nonce.count + shortTextBytes(self.cluster) + shortTextBytes(self.nodeName)
            + self.laterFields.count
    }

    /// Appends the body: what a proof covers.
    package func encode(into buffer: inout ByteBuffer) {
        buffer.writeMultipleIntegers(
            self.versionMin,
            self.versionMax,
            self.features,
            self.linkID,
            self.role,
            self.lane,
            self.incarnation
        )
        buffer.writeBytes(self.nonce)
        buffer.writeShortText(self.cluster)
        buffer.writeShortText(self.nodeName)
        buffer.writeBytes(self.laterFields)
    }
}

/// Shows that the sender knows the cluster's secret: `32 bytes HMAC-SHA256 | later fields`.
package struct ProofFrame: Sendable, Hashable {
    package static let codeBytes = 32
    /// ``codeBytes`` bytes.
    package var code: [UInt8]

    package init(code: [UInt8]) {
        precondition(code.count == Self.codeBytes, "a proof has \(Self.codeBytes) bytes")
        self.code = code
    }

    init?(body: ByteBuffer) {
        var body = body
        guard let code = body.readBytes(length: Self.codeBytes) else { return nil }
        self.code = code
    }

    var bodyBytes: Int { self.code.count }

    func encode(into buffer: inout ByteBuffer) {
        buffer.writeBytes(self.code)
    }
}

/// The sender accepts the peer: `u16 version | u64 features | u32 credit items | u32 credit bytes | later fields`.
package struct WelcomeFrame: Sendable, Hashable {
    /// The version that both will speak.
    package var version: UInt16
    /// The features that both have.
    package var features: UInt64
    /// What the receiver may have under way to the sender.
    package var creditItems: UInt32
    package var creditBytes: UInt32

    package init(version: UInt16, features: UInt64, creditItems: UInt32, creditBytes: UInt32) {
        self.version = version
        self.features = features
        self.creditItems = creditItems
        self.creditBytes = creditBytes
    }

    init?(body: ByteBuffer) {
        var body = body
        guard
            let (version, features, items, bytes) = body.readMultipleIntegers(
                as: (UInt16, UInt64, UInt32, UInt32).self
            )
        else { return nil }
        self.init(version: version, features: features, creditItems: items, creditBytes: bytes)
    }

    var bodyBytes: Int { 18 }

    func encode(into buffer: inout ByteBuffer) {
        buffer.writeMultipleIntegers(self.version, self.features, self.creditItems, self.creditBytes)
    }
}

/// The sender does not accept the peer, and closes: `u8 code | u8 length, message | later fields`.
package struct RefusedFrame: Sendable, Hashable {
    package var code: UInt8
    /// At most ``FrameLimits/textBytesMax`` bytes are sent.
    package var message: String

    package init(code: UInt8, message: String) {
        self.code = code
        self.message = message
    }

    init?(body: ByteBuffer) {
        var body = body
        guard let code = body.readInteger(as: UInt8.self), let message = body.readShortText() else { return nil }
        self.init(code: code, message: message)
    }

    var bodyBytes: Int { 1 + shortTextBytes(self.message) }

    func encode(into buffer: inout ByteBuffer) {
        buffer.writeInteger(self.code)
        buffer.writeShortText(self.message)
    }
}

/// How many bytes a text of the handshake takes: a length and at most ``FrameLimits/textBytesMax`` bytes of UTF-8.
private func shortTextBytes(_ text: String) -> Int {
    1 + text.shortened.utf8.count
}

extension String {
    /// The longest beginning of whole characters that a frame can hold.
    fileprivate var shortened: Substring {
        guard self.utf8.count > FrameLimits.textBytesMax else { return self[...] }
        var end = self.startIndex
        var bytes = 0
        while end < self.endIndex {
            bytes += self[end].utf8.count
            guard bytes <= FrameLimits.textBytesMax else { break }
            end = self.index(after: end)
        }
        return self[..<end]
    }
}

extension ByteBuffer {
    fileprivate mutating func writeShortText(_ text: String) {
        let text = text.shortened
        self.writeInteger(UInt8(text.utf8.count))
        self.writeSubstring(text)
    }

    /// Nil when the text is not complete or not UTF-8.
    fileprivate mutating func readShortText() -> String? {
        guard let count = self.readInteger(as: UInt8.self), let bytes = self.readBytes(length: Int(count)) else {
            return nil
        }
        return String(validating: bytes, as: UTF8.self)
    }
}

/// The sender leaves in peace: `u8 length, reason | later fields`.
package struct GoodbyeFrame: Sendable, Hashable {
    /// At most ``FrameLimits/textBytesMax`` bytes are sent.
    package var reason: String

    package init(reason: String) {
        self.reason = reason
    }

    init?(body: ByteBuffer) {
        var body = body
        guard let reason = body.readShortText() else { return nil }
        self.reason = reason
    }

    var bodyBytes: Int { shortTextBytes(self.reason) }

    func encode(into buffer: inout ByteBuffer) {
        buffer.writeShortText(self.reason)
    }
}
